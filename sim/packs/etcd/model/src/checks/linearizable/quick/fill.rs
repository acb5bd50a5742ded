//! Who fills a revision that nobody claims.

use super::{
    super::log::{Kind, NONE},
    replay::{Cell, Fill, Known, Mark, Replay, Undo},
};
use std::cmp::Reverse;

/// No more delicate writes are tried for one revision.
const TRIES: usize = 256;

impl Replay<'_> {
    /// A lost write is done at a revision, if it may be: it was invoked in time, is not used, changes something, and nothing of
    /// that against what is known.
    pub(super) fn take(&mut self, i: u32, revision: u64) -> bool {
        let row = self.log.rows[i as usize];
        if self.used[i as usize] || row.floor >= revision {
            return false;
        }
        // Simple ones are looked at before they are done.
        let permitted = match row.kind {
            Kind::Put | Kind::Swap => self.permits(row.key, row.value, revision),
            Kind::Delete => self.permits(row.key, NONE, revision),
            _ => true,
        };
        if !permitted {
            return false;
        }
        let before: Vec<(u32, Cell)> = match row.kind {
            Kind::Txn => {
                let mut keys = Vec::new();
                self.may_leave(&row, |key, _| keys.push(key));
                keys.into_iter().map(|key| (key, self.cells[key as usize])).collect()
            }
            _ => vec![],
        };
        if !self.apply(&row, revision, false) {
            return false;
        }
        if row.kind == Kind::Txn {
            let after: Vec<(u32, Cell)> = before.iter().map(|(key, _)| (*key, self.cells[*key as usize])).collect();
            before.iter().rev().for_each(|(key, cell)| self.set(*key, cell.value, cell.written));
            self.changes.clear();
            let changed: Vec<(u32, Cell)> = after.into_iter().filter(|(_, cell)| cell.written == revision).collect();
            if !changed.iter().all(|(key, cell)| self.permits(*key, cell.value, revision)) {
                return false;
            }
            changed.iter().for_each(|(key, cell)| self.set(*key, cell.value, revision));
        }
        self.used[i as usize] = true;
        self.journal.push(Undo::Used(i, false));
        true
    }

    /// A write that leaves this in the key is done; if it cannot be yet, one that makes it possible.
    pub(super) fn take_for(&mut self, key: u32, value: u32, revision: u64, depth: usize) -> Option<u32> {
        let writers = self.writers.get(&(key, value))?;
        // Those that are used are mostly at the beginning.
        let some: Vec<u32> = writers.iter().copied().filter(|i| !self.used[*i as usize]).take(8).collect();
        for &i in &some {
            if self.take(i, revision) {
                return Some(i);
            }
        }
        some.into_iter().find_map(|i| {
            let row = self.log.rows[i as usize];
            let expects: Vec<(u32, u32)> = match row.kind {
                _ if depth == 0 => vec![],
                Kind::Swap => vec![(key, row.extra)],
                Kind::Txn => self.log.txns[row.extra as usize].compare.clone(),
                _ => vec![],
            };
            self.chained = true;
            let done = expects.into_iter().find_map(|(key, holds)| {
                if self.cells[key as usize].value == holds { None } else { self.take_for(key, holds, revision, depth - 1) }
            });
            self.chained = false;
            done
        })
    }

    /// What must be in a key, and is not, so that the one lost swap that leaves a value there can do it.
    pub(super) fn expected(&self, key: u32, value: u32) -> Option<u32> {
        let writers = self.writers.get(&(key, value))?;
        let mut left = writers.iter().filter(|i| !self.used[**i as usize]).map(|i| &self.log.rows[*i as usize]);
        let only = left.next().filter(|row| row.kind == Kind::Swap && row.extra != self.cells[key as usize].value)?;
        left.next().is_none().then_some(only.extra)
    }

    /// Any lost write of a key.
    pub(super) fn take_any_of(&mut self, key: u32, revision: u64) -> Option<u32> {
        let writers = self.of_key.get(&key)?;
        let some: Vec<u32> = writers.iter().copied().filter(|i| !self.used[*i as usize]).take(TRIES).collect();
        some.into_iter().find(|i| self.take(*i, revision))
    }

    /// Nobody claims this revision: one of the lost writes is done.
    pub(super) fn fill(&mut self, revision: u64, foreign_floor: u64, unseen_first: bool) -> Option<()> {
        if let Some(given) = &self.given {
            let at = given.binary_search_by_key(&revision, |fill| fill.revision).ok()?;
            let op = given[at].op;
            if op == NONE {
                self.foreign_left = self.foreign_left.checked_sub(1).filter(|_| foreign_floor < revision)?;
                return Some(());
            }
            let row = self.log.rows[op as usize];
            let may = !std::mem::replace(&mut self.used[op as usize], true) && row.floor < revision;
            return (may && self.apply(&row, revision, false)).then_some(());
        }
        let fill = |op, by| Fill { revision, op, by };
        if let Some(&(key, value)) = self.pinned.get(&revision) {
            let op = self.take_for(key, value, revision, 0)?;
            self.fills.push(fill(op, u64::MAX));
            return Some(());
        }
        let urgent = self.required.peek().is_some_and(|Reverse((by, _))| *by <= revision.saturating_add(self.slack));
        // Where what is out of the model may have taken every gap that is left, nothing of the others need have happened but what is required.
        let gaps_left = self.gaps.len() - self.gaps.partition_point(|gap| *gap < revision);
        let out_of_model = foreign_floor < revision && self.foreign_left >= gaps_left;
        if (unseen_first || !urgent)
            && let Some(op) = if out_of_model { self.take_foreign() } else { self.take_unseen(revision) }
        {
            self.fills.push(fill(op, if out_of_model { u64::MAX } else { 0 }));
            return Some(());
        }
        let journal = self.journal.len();
        // What is required, the earliest deadline first.
        let mut later = Vec::new();
        let mut taken = None;
        while let Some(Reverse((by, key))) = self.required.pop() {
            let done = match self.needed(key, revision) {
                Some((_, still)) if still != by => continue,
                // Told when it was written, it is that revision's.
                Some((Known::Holds(value, written), _)) if written > revision => match self.expected(key, value) {
                    // But what it expects must be there by then.
                    Some(holds) => {
                        self.chained = true;
                        let done = self.take_for(key, holds, revision, 3);
                        self.chained = false;
                        done
                    }
                    None => None,
                },
                Some((Known::Holds(value, _), _)) => self.take_for(key, value, revision, 4),
                Some(_) => self.take_any_of(key, revision),
                // It is not required any more.
                None => continue,
            };
            if let Some(op) = done {
                taken = Some(op);
                if by > revision && !unseen_first {
                    self.marks.push(Mark { revision, by, journal });
                }
                // One that another one needs stays where it is.
                let simple = matches!(self.log.rows[op as usize].kind, Kind::Put | Kind::Delete);
                let movable = simple && self.needed(key, revision).is_none();
                self.fills.push(fill(op, if movable { by } else { u64::MAX }));
                break;
            }
            later.push(Reverse((by, key)));
            if later.len() > TRIES {
                break;
            }
        }
        self.required.extend(later);
        if taken.is_some() {
            return Some(());
        }
        if out_of_model && let Some(op) = self.take_foreign() {
            self.fills.push(fill(op, u64::MAX));
            return Some(());
        }
        if let Some(op) = self.take_unseen(revision) {
            self.fills.push(fill(op, 0));
            return Some(());
        }
        let some: Vec<u32> = self.delicate.iter().copied().filter(|i| !self.used[*i as usize]).take(TRIES).collect();
        if let Some(op) = some.into_iter().find(|i| self.take(*i, revision)) {
            let row = &self.log.rows[op as usize];
            let unseen = row.kind == Kind::Delete && self.may_hold(row.key, NONE, revision);
            self.fills.push(fill(op, if unseen { 0 } else { u64::MAX }));
            return Some(());
        }
        if foreign_floor < revision
            && let Some(op) = self.take_foreign()
        {
            self.fills.push(fill(op, u64::MAX));
            return Some(());
        }
        self.exchange(revision)
    }

    /// Something that is out of the model.
    fn take_foreign(&mut self) -> Option<u32> {
        self.foreign_left = self.foreign_left.checked_sub(1)?;
        self.journal.push(Undo::OutOfModel);
        Some(NONE)
    }

    /// One whose value nobody saw, of a key that may be written.
    pub(super) fn take_unseen(&mut self, revision: u64) -> Option<u32> {
        let keys = self.unseen.len();
        for turn in 0..keys {
            let at = (self.unseen_at + turn) % keys;
            let (key, waiting, head) = &self.unseen[at];
            let (key, head, Some(&i)) = (*key, *head, waiting.get(*head)) else { continue };
            let row = self.log.rows[i as usize];
            // With a floor too high, those behind it are no better.
            if row.floor < revision && self.permits(key, row.value, revision) {
                self.journal.push(Undo::Head(at as u32, head));
                self.unseen[at].2 = head + 1;
                if !self.used[i as usize] && self.take(i, revision) {
                    self.unseen_at = at + 1;
                    return Some(i);
                }
            }
        }
        let some: Vec<u32> = self.returned.iter().rev().copied().filter(|i| !self.used[*i as usize]).take(TRIES).collect();
        some.into_iter().find(|i| self.take(*i, revision))
    }
}
