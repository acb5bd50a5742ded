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
use squall_linear::{Progress, unlimited};
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

/// The calls of a small part, in order of invocation; and how many others may have happened or not. Empty when none was found
/// within bounds. `clash`: those that are known to clash.
pub(super) fn minimal(ops: &[CompletedOp], foreign: &Foreign, clash: &[OpId], effort: Effort) -> (Vec<OpId>, usize) {
    let mut parts = Parts { ops, foreign, left: effort };
    let clash: BTreeSet<OpId> = clash.iter().copied().collect();
    let answered = |i: &usize| matches!(ops[*i].end, OpEnd::Ok(..));
    let all: Vec<usize> = (0..ops.len()).filter(answered).collect();
    let mut kept: Vec<usize> = all.iter().copied().filter(|i| clash.contains(&ops[*i].id)).collect();
    if !parts.has_no_order(&kept) {
        if !effort.thorough || !parts.has_no_order(&all) {
            return (vec![], 0);
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
    (kept.iter().map(|i| ops[*i].id).collect(), relaxed)
}

struct Parts<'o> {
    ops: &'o [CompletedOp],
    foreign: &'o Foreign,
    left: Effort,
}

impl Parts<'_> {
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
        let left = self.left.operations.checked_sub(self.ops.len()).filter(|_| !kept.is_empty() && self.left.visits > 0);
        let Some(left) = left else { return false };
        self.left.operations = left;
        let ops = self.relaxed(kept);
        let log = Log::of(&ops);
        match log.map_or(Err(Missed::Unsure), |log| witness(&log, self.foreign, foreign_floor(&ops, self.foreign), &mut unlimited)) {
            Ok(_) => false,
            Err(Missed::Impossible { .. }) => true,
            Err(Missed::Unsure | Missed::Stopped(_)) => {
                let (allowed, mut spent) = (self.left.visits.min(VISITS_A_PART), 0);
                let mut bounded = |_: Progress| {
                    spent += ASKED_EVERY;
                    spent < allowed
                };
                let found = search(&ops, self.foreign, !self.left.thorough, &mut bounded);
                self.left.visits = self.left.visits.saturating_sub(spent);
                matches!(found, Err(verdict) if matches!(*verdict, Verdict::Invalid(_)))
            }
        }
    }
}
