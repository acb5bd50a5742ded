//! `linearizable`: there is one order of all operations, each between its invocation and its answer,
//! in which every answer is right (Herlihy and Wing 1990).
//!
//! Gets, puts and swaps are about one key each, so each key is decided by itself: linearizability is
//! local. With deletes, ranges and transactions the whole store is one object: decided by the revisions
//! that its answers carry ([`revision`]), or, without them, by the generic search. What this cannot see:
//! anything about keys that nobody read, nor what
//! hangs on leases and lines ([`crate::foreign`]).

mod explain;
mod foresight;
mod frontier;
#[cfg(test)]
mod oracle;
mod register;
mod revision;
mod store;

pub use frontier::{Call, Decision, Model, decide};
pub use register::{Ask, Register};
pub use store::{State as StoreState, Store};

use crate::{Checker, Verdict, Witness, foreign::Foreign};
use squall_history::{Answer, CompletedOp, Op, OpEnd, Output, View};
use std::collections::BTreeMap;

pub(crate) const CHECKER: Checker = Checker {
    name: "linearizable",
    client_side: true,
    about: "there is one order of all operations, each between its invocation and its answer, in which every answer is right",
    // Where there is nothing but what hangs on leases and lines, there is nothing to judge.
    applies: |view| {
        let ops = view.ops();
        Foreign::of(ops).leaves_any(ops)
    },
    check,
};

/// The sequential specifications that there are.
pub const MODELS: &[(&str, &str)] = &[
    ("register", "one key: get, put, compare-and-swap; decided key by key"),
    ("store", "a key-value store with revisions: also deletes, transactions, ranges and reads of the past"),
];

/// How many configurations one key's search may visit before it says `unknown`.
const VISITS_MAX: u64 = 20_000_000;

fn check(view: &View<'_>) -> Verdict {
    let all = view.ops();
    let foreign = Foreign::of(all);
    let ops = foreign.without(all);
    let spans_keys = |op: &CompletedOp| matches!(op.ask, Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. });
    match ops.iter().any(spans_keys) {
        false => check_keys(ops.into_owned()),
        true if ops.iter().all(|op| op.output().is_none() || op.revision.is_some()) => revision::judge(&ops, &foreign),
        true => check_store(&ops),
    }
}

/// Operations on several keys at once, without revisions: the whole store is one object.
fn check_store(ops: &[CompletedOp]) -> Verdict {
    let calls = calls(ops, |op| (op.ask.clone(), op.output().map(|output| Answer { output: output.clone(), revision: op.revision })));
    match decide(&Store, &calls, VISITS_MAX) {
        Decision::Linearizable => Verdict::Valid,
        Decision::OutOfBudget => Verdict::Unknown(format!("more than {VISITS_MAX} configurations")),
        Decision::Stuck(stuck) => {
            let culprit = ops.iter().find(|op| op.id == stuck.call).expect("a call is an operation");
            let answer = culprit.output().map_or(String::new(), Output::to_string);
            let at = if let OpEnd::Ok(at, _) = culprit.end { at } else { culprit.invoked };
            let mut witness = Witness {
                kind: "no-order",
                summary: format!("{} by {} answered `{answer}`, and no order of the operations allows that", culprit.ask, culprit.client),
                details: vec![],
                at,
                ops: vec![culprit.id],
            };
            witness.details.extend(stuck.open.iter().take(10).map(|id| format!("still open then: {id}")));
            Verdict::Invalid(Box::new(witness))
        }
    }
}

/// Every operation is about one key: each key is decided by itself.
fn check_keys(ops: Vec<CompletedOp>) -> Verdict {
    let mut keys: BTreeMap<String, Vec<CompletedOp>> = BTreeMap::new();
    for op in ops {
        let key = op.ask.key().expect("each of these is about one key").to_string();
        keys.entry(key).or_default().push(op);
    }
    let mut unknown = None;
    for (key, ops) in &keys {
        let calls = calls(ops, |op| (Ask::of(&op.ask), op.output().cloned()));
        match decide(&Register, &calls, VISITS_MAX) {
            Decision::Linearizable => {}
            Decision::OutOfBudget => unknown = Some(format!("key {key}: more than {VISITS_MAX} configurations")),
            Decision::Stuck(stuck) => return Verdict::Invalid(Box::new(witness(key, ops, &calls, &stuck))),
        }
    }
    unknown.map_or(Verdict::Valid, Verdict::Unknown)
}

/// What the engine needs to know of each operation that may have happened.
fn calls<I, O>(ops: &[CompletedOp], asked: impl Fn(&CompletedOp) -> (I, Option<O>)) -> Vec<Call<I, O>> {
    let may_matter = |op: &&CompletedOp| match op.end {
        OpEnd::Ok(..) => true,
        OpEnd::Fail(_) => false,
        // A read that nobody got the answer of says nothing.
        OpEnd::Open => op.ask.may_write(),
    };
    let call = |op: &CompletedOp| {
        let (input, output) = asked(op);
        Call { id: op.id, input, output, invoked: op.invoked_at, returned: op.ended_at }
    };
    ops.iter().filter(may_matter).map(call).collect()
}

fn witness(key: &str, ops: &[CompletedOp], calls: &[Call<Ask, Output>], stuck: &frontier::Stuck<Option<String>>) -> Witness {
    let by_id: BTreeMap<_, _> = ops.iter().map(|op| (op.id, op)).collect();
    let smallest = explain::minimal(calls, VISITS_MAX / 20);
    let culprit = by_id[&stuck.call];
    let mut details = Vec::new();
    let states: Vec<String> = stuck.states.iter().take(10).map(|s| s.as_deref().unwrap_or("(absent)").to_string()).collect();
    details.push(format!("before that answer {key} could hold: {}", states.join(", ")));
    for id in &stuck.open {
        details.push(format!("still open then: {id} {}", by_id[id].ask));
    }
    let answer = if let OpEnd::Ok(_, output) = &culprit.end { output.to_string() } else { String::new() };
    let at = if let OpEnd::Ok(at, _) = culprit.end { at } else { culprit.invoked };
    Witness {
        kind: "no-order",
        summary: format!("{} by {} answered `{answer}`, and no order of the operations on {key} allows that", culprit.ask, culprit.client),
        details,
        at,
        ops: smallest,
    }
}
