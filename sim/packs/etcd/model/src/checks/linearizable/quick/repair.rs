//! What filled earlier gaps, changed afterwards: a write that should have come goes where another one went, which goes elsewhere.

use super::{
    super::log::{Kind, NONE, Row},
    replay::{Fill, Known, Replay, Undo},
};

/// No more gaps are looked at for a repair.
const LOOK_BACK: usize = 512;

/// No more gaps are looked at for a write that is to come back.
const LOOK_FAR_BACK: usize = 1 << 15;

impl Replay<'_> {
    /// Nothing is left for a gap: one that fills an earlier one comes here, another one there, and so on.
    pub(super) fn exchange(&mut self, revision: u64) -> Option<()> {
        let fill = self.augment(revision, None)?;
        self.fills.push(fill);
        self.repaired = true;
        Some(())
    }

    /// What may fill a gap, if others move: each into a later gap that it may fill as well, and one whose value nobody saw into
    /// the last that is left (an augmenting path of a matching, the shortest).
    pub(super) fn augment(&mut self, gap: u64, without: Option<usize>) -> Option<Fill> {
        let from = self.fills.len().saturating_sub(LOOK_BACK);
        let mut met = vec![false; self.fills.len() - from];
        // A gap that needs one; what fills it now; and for whom that would go.
        let mut nodes: Vec<(u64, Option<usize>, usize)> = vec![(gap, without, 0)];
        if let Some(at) = without.filter(|at| *at >= from) {
            met[at - from] = true;
        }
        let mut turn = 0;
        while let Some(&(gap, ..)) = nodes.get(turn) {
            if let Some(op) = self.unseen_for(gap, NONE) {
                self.use_it(op, true);
                return Some(self.shift(&nodes, turn, op));
            }
            for at in (from..self.fills.len()).rev() {
                let Fill { revision, op, by } = self.fills[at];
                if met[at - from] || revision >= gap || op == NONE || by == u64::MAX {
                    continue;
                }
                if by >= gap || (by == 0 && self.may_hold(self.log.rows[op as usize].key, self.log.rows[op as usize].value, gap)) {
                    met[at - from] = true;
                    nodes.push((revision, Some(at), turn));
                }
            }
            turn += 1;
        }
        None
    }

    /// Moves along a path: what fills its first gap in the end.
    pub(super) fn shift(&mut self, nodes: &[(u64, Option<usize>, usize)], last: usize, op: u32) -> Fill {
        let (mut comes, mut at) = ((op, 0), last);
        loop {
            let (gap, filled, parent) = nodes[at];
            let fill = Fill { revision: gap, op: comes.0, by: comes.1 };
            let row = self.log.rows[fill.op as usize];
            if self.cells[row.key as usize].written <= gap {
                self.set(row.key, row.value, gap);
            }
            if at == 0 {
                return fill;
            }
            let filled = filled.expect("every gap but the first is filled");
            let goes = std::mem::replace(&mut self.fills[filled], fill);
            self.journal.push(Undo::Filled(filled, goes));
            comes = (goes.op, goes.by);
            at = parent;
        }
    }

    /// A lost put whose value nobody saw, of another key, that may fill an earlier gap.
    pub(super) fn unseen_for(&mut self, gap: u64, not: u32) -> Option<u32> {
        for at in 0..self.unseen.len() {
            let (key, waiting, head) = &self.unseen[at];
            let fits = |i: &&u32| !self.used[**i as usize] && self.log.rows[**i as usize].floor < gap;
            let (key, Some(&i)) = (*key, waiting[*head..].iter().take(4).find(fits)) else { continue };
            if key != not && self.may_hold(key, self.log.rows[i as usize].value, gap) {
                return Some(i);
            }
        }
        let fits = |i: &&u32| {
            let row = &self.log.rows[**i as usize];
            !self.used[**i as usize] && row.floor < gap && row.key != not && self.may_hold(row.key, row.value, gap)
        };
        self.returned.iter().find(fits).copied()
    }

    pub(super) fn use_it(&mut self, i: u32, used: bool) {
        let before = std::mem::replace(&mut self.used[i as usize], used);
        self.journal.push(Undo::Used(i, before));
    }

    /// Another write fills an earlier gap.
    pub(super) fn replace(&mut self, at: usize, instead: u32, by: u64) {
        let fill = self.fills[at];
        self.journal.push(Undo::Filled(at, fill));
        self.use_it(fill.op, false);
        if fill.by == 0 {
            self.returned.push(fill.op);
        }
        self.use_it(instead, true);
        self.fills[at] = Fill { op: instead, by, ..fill };
        self.repaired = true;
        let row = self.log.rows[instead as usize];
        if self.cells[row.key as usize].written <= fill.revision {
            self.set(row.key, row.value, fill.revision);
        }
    }

    /// An answer does not fit, because a lost put should have come: it fills a gap that another one fills that nobody saw.
    pub(super) fn repair(&mut self, row: &Row, revision: u64) -> bool {
        if self.given.is_some() || self.used.is_empty() {
            return false;
        }
        let keys: Vec<u32> = match row.kind {
            Kind::Range => self.changeable.clone(),
            Kind::Txn => self.log.txns[row.extra as usize].compare.iter().map(|(key, _)| *key).collect(),
            _ => vec![row.key],
        };
        keys.into_iter().any(|key| {
            // Only what is told of this very revision.
            let Some((known, _)) = self.needed(key, revision) else { return false };
            let cell = self.cells[key as usize];
            let writers: Vec<u32> = match known {
                Known::Holds(value, 0) => self.writers.get(&(key, value)).cloned().unwrap_or_default(),
                Known::There | Known::HoldsNot(_) => self.of_key.get(&key).cloned().unwrap_or_default(),
                _ => vec![],
            };
            let removes = matches!(known, Known::HoldsNot(not) if not != NONE);
            let fits = |i: &u32| {
                let kind = self.log.rows[*i as usize].kind;
                !self.used[*i as usize] && (kind == Kind::Put || (removes && kind == Kind::Delete))
            };
            let writers: Vec<u32> = writers.into_iter().filter(fits).collect();
            let since = self.since(key, revision);
            let first = writers.iter().map(|i| self.log.rows[*i as usize].floor).min();
            let Some(first) = first else { return !matches!(known, Known::Holds(..)) && self.bring_back(key, revision, since, removes) };
            for at in (self.fills.len().saturating_sub(LOOK_BACK)..self.fills.len()).rev() {
                let fill = self.fills[at];
                if fill.revision <= first.max(since) || fill.revision < cell.written {
                    return false;
                }
                if fill.by != 0 || fill.revision > revision {
                    continue;
                }
                // What wrote the key last may be what is to go.
                if fill.revision == cell.written && self.log.rows[fill.op as usize].key != key {
                    continue;
                }
                let instead = writers.iter().copied().find(|i| self.log.rows[*i as usize].floor < fill.revision);
                let Some(instead) = instead else { continue };
                self.replace(at, instead, u64::MAX);
                return true;
            }
            false
        })
    }

    /// A lost put of this key that fills an earlier gap comes behind what the key holds: another one goes there.
    pub(super) fn bring_back(&mut self, key: u32, revision: u64, since: u64, removes: bool) -> bool {
        let from = self.fills.len().saturating_sub(LOOK_FAR_BACK);
        let since = since.max(self.cells[key as usize].written);
        let unseen = |fill: &Fill| fill.by == 0 && fill.op != NONE;
        let goes = |fill: &Fill| unseen(fill) && fill.revision > since && fill.revision <= revision;
        let Some(goes) = (from..self.fills.len()).rev().find(|at| goes(&self.fills[*at])) else { return false };
        for at in (from..goes).rev() {
            let fill = self.fills[at];
            if !unseen(&fill) || fill.revision > since {
                continue;
            }
            let row = &self.log.rows[fill.op as usize];
            if row.key != key || !(row.kind == Kind::Put || (removes && row.kind == Kind::Delete)) {
                continue;
            }
            let Some(instead) = self.augment(fill.revision, Some(at)) else { continue };
            self.journal.push(Undo::Filled(at, fill));
            self.fills[at] = instead;
            self.replace(goes, fill.op, u64::MAX);
            return true;
        }
        false
    }
}
