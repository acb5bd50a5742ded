//! What is told of a history without an order.

use crate::{
    call::{Call, CallId, NEVER},
    decision::Stuck,
    model::{CallOf, Model, Outright},
    raw::Value,
};
use std::collections::BTreeSet;

/// Why a history has no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The key, where the history was decided key by key.
    pub key: Option<Value>,
    /// The call whose return left no order.
    pub call: CallId,
    /// The states that were possible just before, at the most ten; and how many there were.
    pub states: Vec<String>,
    /// How many there were.
    pub states_in_all: usize,
    /// The calls that were open then.
    pub open: Vec<CallId>,
    /// From each of these states, why none of the open calls leads on.
    pub why: Vec<String>,
    /// A part of the history that has no order either.
    pub minimal: Vec<CallId>,
    /// Whether each call of that part was tried in vain to be spared. Else the effort, or the watchdog, ended that.
    pub one_minimal: bool,
    /// Calls that may have happened or not, with any answer: it makes no difference.
    pub relaxed: usize,
    /// What that part is about, where only some of the parts of the state are looked at.
    pub about: Vec<Value>,
    /// The parts of the state that were looked at, where its violation was found by some of them: `states` and `why` are of these.
    pub looked_at: Vec<Value>,
    /// The states that were possible where that part begins, if it does not begin with the history.
    pub from: Vec<String>,
}

/// How much is done to make a counterexample small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Nothing: where the search got stuck is all that is told.
    Nothing,
    /// As much as helps in most cases; the same for the same history.
    Bounded,
    /// Whatever it takes, as long as the watchdog lets it.
    Full,
}

/// No more states are told of.
pub(super) const STATES_MAX: usize = 10;

/// No more open calls are told of, for each state.
pub(super) const OPEN_MAX: usize = 12;

impl Counterexample {
    /// Where a search got stuck, without a small part of the history.
    pub fn of<M: Model>(model: &M, key: Option<Value>, calls: &[CallOf<M>], stuck: &Stuck<M::State>) -> Counterexample {
        Counterexample {
            key,
            call: stuck.call,
            states: stuck.states.iter().take(STATES_MAX).map(|s| model.show_state(s)).collect(),
            states_in_all: stuck.states.len(),
            open: stuck.open.clone(),
            why: why(model, calls, stuck),
            minimal: vec![],
            one_minimal: false,
            relaxed: 0,
            about: vec![],
            looked_at: vec![],
            from: vec![],
        }
    }
}

impl Counterexample {
    /// What was found without a search.
    pub(crate) fn outright<I, O>(key: Option<Value>, calls: &[Call<I, O>], found: &Outright) -> Counterexample {
        let place = calls.iter().find(|call| call.id == found.call).map_or(NEVER, |call| call.returned);
        let was_open = |call: &&Call<I, O>| call.invoked < place && call.returned > place && call.id != found.call;
        let others = calls.iter().filter(|call| call.invoked < place && !found.calls.contains(&call.id)).count();
        Counterexample {
            key,
            call: found.call,
            states: vec![found.possible.clone()],
            states_in_all: 1,
            open: calls.iter().filter(was_open).map(|call| call.id).collect(),
            why: vec![found.why.clone()],
            minimal: found.calls.clone(),
            one_minimal: true,
            relaxed: others,
            about: vec![],
            looked_at: vec![],
            from: vec![],
        }
    }
}

/// From each state that was possible, what each open call would have done.
pub fn why<M: Model>(model: &M, calls: &[CallOf<M>], stuck: &Stuck<M::State>) -> Vec<String> {
    let wanted: BTreeSet<CallId> = stuck.open.iter().chain([&stuck.call]).copied().collect();
    let found: std::collections::BTreeMap<CallId, &CallOf<M>> =
        calls.iter().filter(|c| wanted.contains(&c.id)).map(|c| (c.id, c)).collect();
    let show = |call: &CallOf<M>| model.show_call(&call.input, call.output.as_ref());
    let last = found[&stuck.call];
    let mut why = Vec::new();
    for state in stuck.states.iter().take(STATES_MAX) {
        let (mut others, mut more): (Vec<String>, usize) = (Vec::new(), 0);
        for call in stuck.open.iter().filter(|id| **id != stuck.call).map(|id| found[id]) {
            if others.len() == OPEN_MAX {
                more += 1;
                continue;
            }
            let output = if call.returned == NEVER { None } else { call.output.as_ref() };
            let (after, doubt) = (model.step(state, &call.input, output), if call.returned == NEVER { "?" } else { "" });
            // One that asks the very same is told of already.
            let same = call.input == last.input && after.is_none();
            let text = match after {
                None => format!("`{}`{doubt} cannot happen", show(call)),
                Some(after) if after == *state => format!("`{}`{doubt} changes nothing", show(call)),
                Some(after) => {
                    let next =
                        if model.step(&after, &last.input, last.output.as_ref()).is_none() { "it cannot either" } else { "it could" };
                    format!("after `{}`{doubt}, at {}, {next}", show(call), model.show_state(&after))
                }
            };
            if !others.contains(&text) && !same {
                others.push(text);
            }
        }
        let others = if others.is_empty() { "nothing else is open".to_string() } else { others.join("; ") };
        let more = if more > 0 { format!("; and up to {more} more") } else { String::new() };
        let direct = if model.step(state, &last.input, last.output.as_ref()).is_some() { "may happen, in vain" } else { "cannot happen" };
        why.push(format!("at {}: `{}` {direct}; {others}{more}", model.show_state(state), show(last)));
    }
    why
}
