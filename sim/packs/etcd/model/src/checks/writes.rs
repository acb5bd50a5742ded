//! What an operation wrote, key by key, as far as its answer tells: for the checkers that go by revision.

use crate::ops::{Act, CompletedOp, LeaseOp, LeaseOutput, LineOp, LineOutput, Op, OpEnd, Output, work_key};

/// A key, and what it holds since; `None`: it was removed.
pub(crate) type Write = (String, Option<String>);

/// What an answered operation certainly wrote, at the revision that its answer carries. A deletion of
/// nothing writes nothing.
pub(crate) fn certain(op: &CompletedOp) -> Vec<Write> {
    let Some(output) = op.output() else { return vec![] };
    match (&op.ask, output) {
        (Op::Txn { then, otherwise, .. }, Output::Txn { succeeded, results }) => {
            let acts = if *succeeded { then } else { otherwise };
            let wrote = |(act, result): (&Act, &Output)| match result {
                Output::Deleted { count: 0 } => None,
                _ => Some((act.key().to_string(), act.leaves()?.map(str::to_string))),
            };
            acts.iter().zip(results).filter_map(wrote).collect()
        }
        (Op::Lease(LeaseOp::Attach { key, value, .. }), Output::Lease(LeaseOutput::Attached)) => vec![(key.clone(), Some(value.clone()))],
        (Op::Line(LineOp::Work { name, value, .. }), Output::Line(LineOutput::Worked { yes: true })) => {
            vec![(work_key(name), Some(value.clone()))]
        }
        (Op::Line(LineOp::Proclaim { place, value, .. }), Output::Line(LineOutput::Proclaimed)) => {
            vec![(place.key.clone(), Some(value.clone()))]
        }
        (ask, output) => ask.changes(Some(output)).iter().map(|c| (c.key.to_string(), c.value.map(str::to_string))).collect(),
    }
}

/// The values that an operation may have written: those of one that certainly failed it has not.
pub(crate) fn possible(op: &CompletedOp) -> Vec<(String, String)> {
    if matches!(op.end, OpEnd::Fail(_)) {
        return vec![];
    }
    match &op.ask {
        Op::Lease(LeaseOp::Attach { key, value, .. }) => vec![(key.clone(), value.clone())],
        Op::Line(LineOp::Work { name, value, .. }) => vec![(work_key(name), value.clone())],
        Op::Line(LineOp::Acquire { name, lease, value, .. }) => vec![(format!("{name}/{lease}"), value.clone())],
        Op::Line(LineOp::Proclaim { place, value, .. }) => vec![(place.key.clone(), value.clone())],
        ask => ask.changes(op.output()).iter().filter_map(|c| Some((c.key.to_string(), c.value?.to_string()))).collect(),
    }
}
