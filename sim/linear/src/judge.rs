//! A whole history under one model: key by key, with a proof either way.

use crate::{
    explain::{Counterexample, explain},
    frontier::{Decision, Progress, decide},
    model::{Call, CallId, CallOf, Model, NEVER},
    models::{Parsed, Reads},
    raw::{RawCall, RawHistory, Value},
};
use std::collections::BTreeMap;

/// How to judge.
pub struct Options<'w> {
    /// What a read of nil says.
    pub reads: Reads,
    /// Whether an order is wanted where there is one.
    pub order: bool,
    /// Whether a small counterexample is wanted where there is none.
    pub explain: bool,
    /// Asked now and then whether the search may go on.
    pub watchdog: &'w mut dyn FnMut(Progress) -> bool,
    /// Told of a violation as soon as it is known: before it is made small, which may take longer than finding it.
    pub found: &'w mut dyn FnMut(&Found),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How many calls may have happened.
    pub calls: usize,
    /// How many keys were decided by themselves; 1 where there are none.
    pub keys: usize,
    /// The verdict.
    pub verdict: Found,
}

/// The verdict on a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is an order; for each key, the calls in that order, if it was asked for.
    Linearizable(Vec<(Option<Value>, Vec<CallId>)>),
    /// There is none, for this key.
    Not(Box<Counterexample>),
    /// It was stopped. What was decided by then, in words.
    Unknown(String),
}

/// How a model reads a call.
pub type Parse<M> = fn(&RawCall, Reads) -> Parsed<<M as Model>::Input, <M as Model>::Output>;

/// Judges a history. With `keyed`, calls that name a key are decided key by key: linearizability is local (Herlihy and Wing
/// 1990, theorem 1). A history is invalid as soon as one key is; else unknown as soon as one key is.
///
/// # Errors
/// When the model cannot read a call.
pub fn judge<M: Model>(
    model: &M,
    parse: Parse<M>,
    keyed: bool,
    history: &RawHistory,
    options: &mut Options<'_>,
) -> Result<Judged, crate::Unreadable> {
    let mut keys: BTreeMap<Option<Value>, Vec<CallOf<M>>> = BTreeMap::new();
    let mut calls = 0;
    for raw in &history.calls {
        let Some((input, output)) = parse(raw, options.reads)? else { continue };
        let returned = raw.returned;
        let output = if returned == NEVER { None } else { output };
        let call = Call { id: raw.id, input, output, invoked: raw.invoked, returned };
        calls += 1;
        keys.entry(if keyed { raw.key.clone() } else { None }).or_default().push(call);
    }
    let number = keys.len().max(1);
    let judged = |verdict| Judged { calls, keys: number, verdict };
    let (mut orders, mut unknown, mut decided) = (Vec::new(), None, 0);
    for (key, calls) in keys {
        match decide(model, &calls, options.order, options.watchdog) {
            Decision::Linearizable(order) => {
                decided += 1;
                orders.push((key, order));
            }
            Decision::Stuck(stuck) => {
                (options.found)(&Found::Not(Box::new(Counterexample::of(model, key.clone(), &calls, &stuck))));
                let counterexample = explain(model, key, &calls, &stuck, options.explain, options.watchdog);
                return Ok(judged(Found::Not(Box::new(counterexample))));
            }
            Decision::Unknown { at, events } => {
                let of = key.map_or(String::new(), |key| format!(" of key {key}"));
                let so_far = format!("everything{of} before the return of call {at} has an order ({events} of {} events)", 2 * calls.len());
                unknown.get_or_insert(so_far);
                // Out of time is out of time for the rest, too; what is small may still be found invalid.
                if !(options.watchdog)(Progress { visits: 0, bytes: 0, events: 0 }) {
                    break;
                }
            }
        }
    }
    Ok(judged(match unknown {
        None => Found::Linearizable(orders),
        Some(so_far) => Found::Unknown(format!("{decided} of {number} keys are decided; {so_far}")),
    }))
}
