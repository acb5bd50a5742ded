//! What else happens in a store: leases end, places in line come and go, whoever holds one works.
//!
//! The sequential specification knows keys and values only. Whatever belongs to a lease or a line takes
//! revisions all the same: those that its answers claim are steps at which the keys and values stay as they
//! are. A lease that ends takes one that nobody claims, and so does what nobody was told the outcome of; so where
//! there are leases a revision that nobody claims may be such a step too: as often as they may have taken one, and
//! not before the first was asked for. That makes this checker see less there, never too much.

use crate::ops::{CompletedOp, KeyValue, LeaseId, LeaseOp, LeaseOutput, LineOp, LineOutput, Op, OpEnd, Output, work_key};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// What belongs to leases and lines.
#[derive(Clone, Default)]
pub(crate) struct OutOfModel {
    keys: BTreeSet<String>,
    prefixes: BTreeSet<String>,
    /// The revisions that an answer claims, and the place of its operation.
    pub(crate) claims: BTreeMap<u64, usize>,
    /// How many revisions that nobody claims may belong to them at the most, and where in the history the first
    /// operation was asked for that may have taken one.
    pub(crate) unclaimed: usize,
    pub(crate) from: usize,
}

impl OutOfModel {
    pub(crate) fn of(ops: &[CompletedOp]) -> OutOfModel {
        let mut out_of_model = OutOfModel { from: usize::MAX, ..OutOfModel::default() };
        let mut used: BTreeSet<LeaseId> = BTreeSet::new();
        for (at, op) in ops.iter().enumerate() {
            match &op.ask {
                Op::Lease(LeaseOp::Attach { key, .. }) => _ = out_of_model.keys.insert(key.clone()),
                Op::Line(ask) => {
                    out_of_model.keys.insert(work_key(ask.name()));
                    out_of_model.prefixes.insert(format!("{}/", ask.name()));
                }
                _ => {}
            }
            let failed = matches!(op.end, OpEnd::Fail(_));
            let open = op.end == OpEnd::Open;
            let unclaimed = match &op.ask {
                // It takes what hangs on the lease with it, whenever that ends.
                Op::Lease(LeaseOp::Attach { lease, .. }) if !failed => usize::from(used.insert(*lease)) + usize::from(open),
                // Taken, said anew, given up again by the server: whatever became of it.
                Op::Line(LineOp::Acquire { lease, .. }) => usize::from(used.insert(*lease)) + if op.output().is_some() { 1 } else { 3 },
                Op::Line(LineOp::Work { .. } | LineOp::Proclaim { .. }) if open => 1,
                Op::Line(LineOp::Release { .. }) if !failed => 1,
                _ => 0,
            };
            if unclaimed > 0 {
                out_of_model.unclaimed += unclaimed;
                out_of_model.from = out_of_model.from.min(op.invoked_at);
            }
            let claim = match op.output() {
                Some(Output::Lease(LeaseOutput::Attached)) => op.position,
                Some(Output::Line(LineOutput::Held { place })) => Some(place.token),
                Some(Output::Line(LineOutput::Worked { yes: true } | LineOutput::Proclaimed)) => op.position,
                _ => None,
            };
            // A place that is asked for again is the same place.
            out_of_model.claims.extend(claim.map(|revision| (revision, at)));
        }
        out_of_model
    }

    /// Whether a key belongs to a lease or a line.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.contains(key) || self.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    fn is_own(&self, op: &CompletedOp) -> bool {
        let nothing = self.keys.is_empty() && self.prefixes.is_empty();
        op.ask.is_kv() && (nothing || !op.ask.keys().iter().any(|key| self.has(key)))
    }

    /// Whether anything is left without what is out of the model.
    pub(crate) fn leaves_any(&self, ops: &[CompletedOp]) -> bool {
        ops.iter().any(|op| self.is_own(op))
    }

    /// The operations on keys and values, without what of their answers is out of the model.
    pub(crate) fn without<'o>(&self, ops: &'o [CompletedOp]) -> Cow<'o, [CompletedOp]> {
        if self.keys.is_empty() && self.prefixes.is_empty() && ops.iter().all(|op| op.ask.is_kv()) {
            return Cow::Borrowed(ops);
        }
        let clean = |op: &CompletedOp| {
            let mut op = op.clone();
            if let OpEnd::Ok(_, Output::Ranged { kvs }) = &mut op.end {
                kvs.retain(|KeyValue { key, .. }| !self.has(key));
            }
            op
        };
        ops.iter().filter(|op| self.is_own(op)).map(clean).collect()
    }
}
