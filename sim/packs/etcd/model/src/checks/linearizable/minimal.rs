//! A small part of a history with revisions that has no order either.
//!
//! A call goes in one of two ways, both of which leave an order where there was one: what changed nothing is *dropped*; what
//! changed something, or may have, is *relaxed*: it may have happened at any time after its invocation, or not at all, so
//! that it may fill any revision that nobody claims. What is left is 1-minimal: without any one of its calls there is an order
//! (or none is known not to exist, within the bounds of the search).

use super::{
    log::Log,
    quick::{ReplayFailure, witness},
    revision::{ASKED_EVERY, Refused, foreign_floor, search},
};
use crate::checks::out_of_model::OutOfModel;
use crate::ops::{Changes as _, CompletedOp, Op, OpEnd, OpId, Output};
use squall_linear::{Progress, frontier::Watchdog};
use std::collections::BTreeSet;

/// How much may be done for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// How many operations are looked at, over all the parts that are tried.
    operations: usize,
    /// How many revisions the search replays, over all the parts that are tried.
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
pub(super) struct MinimalCore {
    /// Its calls, in order of invocation. Empty when none was found within bounds.
    pub(super) calls: Vec<OpId>,
    /// How many others may have happened or not.
    pub(super) relaxed: usize,
    /// Whether each call was tried in vain to be spared.
    pub(super) one_minimal: bool,
}

/// Looks for a small part, within bounds and as long as it may. `clash`: those that are known to clash.
pub(super) fn minimal(ops: &[CompletedOp], out_of_model: &OutOfModel, clash: &[OpId], effort: Effort, go_on: Watchdog<'_>) -> MinimalCore {
    if ops.len() > PROJECTED_FROM
        && let Some(projected) = Projected::of(ops, out_of_model, clash)
    {
        let mut small = minimal(&projected.ops, &projected.out_of_model, clash, effort, go_on);
        small.relaxed += projected.left_out;
        // It may take the other keys, too, that there is none.
        if !small.calls.is_empty() || !effort.thorough {
            return small;
        }
    }
    let mut parts = Parts { ops, out_of_model, left: effort, go_on };
    let clash: BTreeSet<OpId> = clash.iter().copied().collect();
    let answered = |i: &usize| matches!(ops[*i].end, OpEnd::Ok(..));
    let all: Vec<usize> = (0..ops.len()).filter(answered).collect();
    let mut kept: Vec<usize> = all.iter().copied().filter(|i| clash.contains(&ops[*i].id)).collect();
    if !parts.has_no_order(&kept) {
        if !effort.thorough || !parts.has_no_order(&all) {
            return MinimalCore::default();
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
    MinimalCore {
        calls: kept.iter().map(|i| ops[*i].id).collect(),
        relaxed,
        one_minimal: parts.left.operations > 0 && parts.left.visits > 0,
    }
}

/// Of a history of more operations than this only those that are about the keys in question are looked at.
const PROJECTED_FROM: usize = 20_000;

/// What a history tells of some keys. Whatever changed others may have taken any revision that none of these claims, at any
/// time: that leaves an order where there was one.
struct Projected {
    ops: Vec<CompletedOp>,
    out_of_model: OutOfModel,
    /// How many operations that may have changed something are not in it.
    left_out: usize,
}

impl Projected {
    /// `None` where these operations are about too much of it.
    fn of(ops: &[CompletedOp], out_of_model: &OutOfModel, about: &[OpId]) -> Option<Projected> {
        let about: BTreeSet<OpId> = about.iter().copied().collect();
        let mut keys: BTreeSet<&str> = BTreeSet::new();
        for op in ops.iter().filter(|op| about.contains(&op.id)) {
            match &op.ask {
                Op::Range { prefix, .. } => {
                    let changed = ops.iter().flat_map(CompletedOp::changes).map(|c| c.key);
                    keys.extend(changed.filter(|key| key.starts_with(prefix.as_str())));
                    if let Some(Output::Ranged { kvs }) = op.output() {
                        keys.extend(kvs.iter().map(|kv| kv.key.as_str()));
                    }
                }
                ask => keys.extend(ask.keys()),
            }
        }
        // A transaction is about all of its keys, or none.
        loop {
            let before = keys.len();
            for op in ops.iter().filter(|op| matches!(op.ask, Op::Txn { .. })) {
                let own = op.ask.keys();
                if own.iter().any(|key| keys.contains(key)) {
                    keys.extend(own);
                }
            }
            if keys.len() == before {
                break;
            }
        }
        let mut projected = Projected { ops: vec![], out_of_model: out_of_model.clone(), left_out: 0 };
        for op in ops.iter().filter(|op| !matches!(op.end, OpEnd::Fail(_))) {
            let mut op = match &op.ask {
                Op::Range { prefix, .. } if keys.iter().any(|key| key.starts_with(prefix.as_str())) => op.clone(),
                Op::Range { .. } => continue,
                ask if ask.keys().iter().any(|key| keys.contains(key)) => op.clone(),
                ask if ask.may_write() => {
                    projected.left_out += 1;
                    projected.out_of_model.unclaimed += 1;
                    projected.out_of_model.from = projected.out_of_model.from.min(op.invoked_at);
                    continue;
                }
                _ => continue,
            };
            if let OpEnd::Ok(_, Output::Ranged { kvs }) = &mut op.end {
                kvs.retain(|kv| keys.contains(kv.key.as_str()));
            }
            projected.ops.push(op);
        }
        (projected.ops.len() < ops.len()).then_some(projected)
    }
}

struct Parts<'o, 'w> {
    ops: &'o [CompletedOp],
    out_of_model: &'o OutOfModel,
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
                Some(CompletedOp { end: OpEnd::Open, ended_at: usize::MAX, position: None, ..op.clone() })
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
        match log
            .map_or(Err(ReplayFailure::Unsure), |log| witness(&log, self.out_of_model, foreign_floor(&ops, self.out_of_model), self.go_on))
        {
            Ok(_) => false,
            Err(ReplayFailure::Impossible(_)) => true,
            Err(ReplayFailure::Stopped(_)) => {
                self.left.operations = 0;
                false
            }
            Err(ReplayFailure::Unsure) => {
                let (allowed, mut spent) = (self.left.visits.min(VISITS_A_PART), 0);
                let mut bounded = |progress: Progress| {
                    spent += ASKED_EVERY;
                    spent < allowed && (self.go_on)(progress)
                };
                let found = search(&ops, self.out_of_model, !self.left.thorough, &mut bounded);
                self.left.visits = self.left.visits.saturating_sub(spent);
                matches!(found, Err(Refused::Invalid(_)))
            }
        }
    }
}
