//! A small part of a history with revisions that has no order either.
//!
//! A call goes in one of two ways, both of which leave an order where there was one: what changed nothing is *dropped*; what
//! changed something, or may have, is *relaxed*: it may have happened at any time after its invocation, or not at all, so
//! that it may fill any revision that nobody claims. What is left is 1-minimal: without any one of its calls there is an order
//! (or none is known not to exist, within the bounds of the search).

use super::{
    log::Log,
    quick::{Missed, witness},
    revision::{ASKED_EVERY, foreign_floor, search},
};
use crate::{Verdict, foreign::Foreign};
use squall_history::{CompletedOp, OpEnd, OpId};
use squall_linear::{Progress, frontier::Watchdog};
use std::collections::BTreeSet;

/// How much may be done for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// So many operations are looked at, over all the parts that are tried.
    operations: usize,
    /// So many revisions are replayed by the search, over all the parts that are tried.
    visits: u64,
    /// Whether all operations may be begun with, and each search may take several ways.
    thorough: bool,
}

impl Effort {
    /// Milliseconds: for each of many histories.
    pub(super) const LITTLE: Effort = Effort { operations: 200_000, visits: 10_000, thorough: false };
    /// About a second: for one history that somebody asks about.
    pub(super) const MUCH: Effort = Effort { operations: 2_000_000, visits: 400_000, thorough: true };
}

/// In one part no more revisions are replayed.
const VISITS_A_PART: u64 = 20_000;

/// A part of a history that has no order either.
#[derive(Default)]
pub(super) struct Small {
    /// Its calls, in order of invocation. Empty when none was found within bounds.
    pub(super) calls: Vec<OpId>,
    /// How many others may have happened or not.
    pub(super) relaxed: usize,
    /// Whether each call was tried in vain to be spared.
    pub(super) one_minimal: bool,
}

/// Looks for a small part, within bounds and as long as it may. `clash`: those that are known to clash.
pub(super) fn minimal(ops: &[CompletedOp], foreign: &Foreign, clash: &[OpId], effort: Effort, go_on: Watchdog<'_>) -> Small {
    let mut parts = Parts { ops, foreign, left: effort, go_on };
    let clash: BTreeSet<OpId> = clash.iter().copied().collect();
    let answered = |i: &usize| matches!(ops[*i].end, OpEnd::Ok(..));
    let all: Vec<usize> = (0..ops.len()).filter(answered).collect();
    let mut kept: Vec<usize> = all.iter().copied().filter(|i| clash.contains(&ops[*i].id)).collect();
    if !parts.has_no_order(&kept) {
        if !effort.thorough || !parts.has_no_order(&all) {
            return Small::default();
        }
        kept = all;
    }
    // Half of them, a quarter, ... and one by one until nothing more goes.
    let mut chunk = kept.len().div_ceil(2);
    loop {
        let (before, mut at) = (kept.len(), 0);
        while at < kept.len() && kept.len() > 1 {
            let rest: Vec<usize> = kept[..at].iter().chain(&kept[(at + chunk).min(kept.len())..]).copied().collect();
            match parts.has_no_order(&rest) {
                true => kept = rest,
                false => at += chunk,
            }
        }
        match chunk {
            0 | 1 if kept.len() == before => break,
            0 | 1 => {}
            _ => chunk /= 2,
        }
    }
    let relaxed = parts.relaxed(&kept).len() - kept.len();
    Small { calls: kept.iter().map(|i| ops[*i].id).collect(), relaxed, one_minimal: parts.left.operations > 0 && parts.left.visits > 0 }
}

struct Parts<'o, 'w> {
    ops: &'o [CompletedOp],
    foreign: &'o Foreign,
    /// Nothing, once something would have gone beyond it.
    left: Effort,
    go_on: Watchdog<'w>,
}

impl Parts<'_, '_> {
    /// These operations, and what may have happened beside them. What was invoked after all of them had returned makes no
    /// difference.
    fn relaxed(&self, kept: &[usize]) -> Vec<CompletedOp> {
        let end = kept.iter().map(|i| self.ops[*i].ended_at).max().unwrap_or(0);
        let kept: BTreeSet<usize> = kept.iter().copied().collect();
        let relaxed = |(i, op): (usize, &CompletedOp)| match op.end {
            OpEnd::Ok(..) if kept.contains(&i) => Some(op.clone()),
            OpEnd::Ok(..) | OpEnd::Open if op.ask.may_write() && op.invoked_at < end => {
                Some(CompletedOp { end: OpEnd::Open, ended_at: usize::MAX, revision: None, ..op.clone() })
            }
            _ => None,
        };
        self.ops.iter().enumerate().filter_map(relaxed).collect()
    }

    fn has_no_order(&mut self, kept: &[usize]) -> bool {
        if kept.is_empty() {
            return false;
        }
        let may = self.left.visits > 0 && (self.go_on)(Progress { visits: 0, bytes: 0, events: 0 });
        self.left.operations = self.left.operations.saturating_sub(self.ops.len()) * usize::from(may);
        if self.left.operations == 0 {
            return false;
        }
        let ops = self.relaxed(kept);
        let log = Log::of(&ops);
        match log.map_or(Err(Missed::Unsure), |log| witness(&log, self.foreign, foreign_floor(&ops, self.foreign), self.go_on)) {
            Ok(_) => false,
            Err(Missed::Impossible { .. }) => true,
            Err(Missed::Stopped(_)) => false,
            Err(Missed::Unsure) => {
                let (allowed, mut spent) = (self.left.visits.min(VISITS_A_PART), 0);
                let mut bounded = |progress: Progress| {
                    spent += ASKED_EVERY;
                    spent < allowed && (self.go_on)(progress)
                };
                let found = search(&ops, self.foreign, !self.left.thorough, &mut bounded);
                self.left.visits = self.left.visits.saturating_sub(spent);
                matches!(found, Err(verdict) if matches!(*verdict, Verdict::Invalid(_)))
            }
        }
    }
}
