//! A step of the replay: one revision, and back to an earlier one.

use super::{
    super::log::{Kind, NONE},
    replay::{InOrder, Replay, ReplayFailure, Undo},
};

/// No more repairs are tried for one revision.
const REPAIRS: usize = 12;

impl Replay<'_> {
    /// One revision: who wrote it, and who saw it.
    pub(super) fn revision(&mut self, order: &InOrder<'_>, revision: u64, unseen_first: bool) -> Result<(), ReplayFailure> {
        let (log, at) = (self.log, revision as usize);
        self.changes.clear();
        if revision > 1 {
            match order.claims[at] {
                NONE if order.out_of_model.claims.contains_key(&revision) => {}
                NONE => self.fill(revision, order.foreign_floor, unseen_first).ok_or(ReplayFailure::Unsure)?,
                claim => {
                    let row = &log.rows[claim as usize];
                    let mut tries = REPAIRS;
                    while !self.apply(row, revision, true) {
                        tries -= 1;
                        if tries == 0 || !self.repair(row, revision - 1) {
                            return Err(self.missed(claim, revision - 1, &order.claims, order.out_of_model));
                        }
                    }
                }
            }
        }
        let readers = &order.readers[order.first[at] as usize..order.first[at + 1] as usize];
        let mut tries = REPAIRS;
        while let Some(&wrong) = readers.iter().find(|i| !self.agrees(&log.rows[**i as usize], revision)) {
            tries -= 1;
            if tries == 0 || !self.repair(&log.rows[wrong as usize], revision) {
                return Err(self.missed(wrong, revision, &order.claims, order.out_of_model));
            }
        }
        if !order.has_lost {
            return Ok(());
        }
        for change in 0..self.changes.len() {
            self.require(self.changes[change].0, revision + 1);
        }
        let mut everything = revision == 1;
        for &i in readers {
            let row = &log.rows[i as usize];
            match row.kind {
                Kind::Range => everything = true,
                Kind::Txn => log.txns[row.extra as usize].compare.iter().for_each(|(key, _)| self.require(*key, revision + 1)),
                _ => self.require(row.key, revision + 1),
            }
        }
        if everything {
            for at in 0..self.changeable.len() {
                self.require(self.changeable[at], revision + 1);
            }
        }
        Ok(())
    }

    /// Back to the last gap before a revision that was filled by a write which could have come as late as that. `None`: there
    /// is none.
    pub(super) fn turn_back(&mut self, revision: u64) -> Option<u64> {
        let mark = loop {
            let mark = self.marks.pop()?;
            if mark.by >= revision {
                break mark;
            }
        };
        for undo in self.journal.split_off(mark.journal).into_iter().rev() {
            match undo {
                Undo::Cell(key, cell) => self.put_cell(key, cell),
                Undo::Used(i, used) => self.used[i as usize] = used,
                Undo::Filled(at, fill) => self.fills[at] = fill,
                Undo::Head(at, head) => self.unseen[at as usize].2 = head,
                Undo::OutOfModel => self.foreign_left += 1,
            }
        }
        for (all, past) in self.known.values_mut() {
            *past = all.partition_point(|(at, _)| *at < mark.revision);
        }
        let filled = self.fills.partition_point(|fill| fill.revision < mark.revision);
        self.fills.truncate(filled);
        self.required.clear();
        for at in 0..self.changeable.len() {
            self.require(self.changeable[at], mark.revision);
        }
        Some(mark.revision)
    }
}
