//! Why there is no order: where it ends, what was possible there, and a small part of the history that has none either.
//!
//! Taking a call out of a history that has an order can leave one that has none (the read of a value whose write is gone), and
//! that would prove nothing. So a call goes in one of two ways only, both of which leave an order where there was one:
//!
//! * *dropped*, together with every call that its going may make illegal ([`Model::goes_with`]), and so on;
//! * *relaxed*: it may happen at any time after its invocation, with any answer, or not at all.
//!
//! What is left is 1-minimal: with any one of its calls dropped or relaxed, an order exists (or is not known not to, within
//! the bound on the search). Delta debugging: Zeller and Hildebrandt 2002.

use crate::{
    frontier::{Decision, Progress, Stuck, Watchdog, decide, unlimited, where_stuck},
    model::{Call, CallId, CallOf, Model, NEVER, Nature},
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
}

/// No more states are told of.
const STATES_MAX: usize = 10;

/// No more open calls are told of, for each state.
const OPEN_MAX: usize = 12;

/// How many configurations the search for a small counterexample may try in all.
const VISITS_MAX: u64 = 400_000;

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
        }
    }
}

/// Explains where a search got stuck; with `small`, by a small part of the history, too. It takes a bounded effort, and no longer
/// than the watchdog lets it: what it has by then is right, and not yet small.
pub fn explain<M: Model>(
    model: &M,
    key: Option<Value>,
    calls: &[CallOf<M>],
    stuck: &Stuck<M::State>,
    small: bool,
    watchdog: Watchdog<'_>,
) -> Counterexample {
    let plain = where_stuck(model, calls, &mut |progress| progress.visits < VISITS_MAX && watchdog(progress));
    let stuck = plain.as_ref().unwrap_or(stuck);
    let end = plain.as_ref().and_then(|stuck| calls.iter().find(|c| c.id == stuck.call)).map_or(NEVER, |c| c.returned);
    let told = Counterexample::of(model, key, calls, stuck);
    if !small {
        return told;
    }
    let Small { calls: minimal, one_minimal, relaxed } = part(model, calls, end, watchdog);
    Counterexample { minimal, one_minimal, relaxed, ..told }
}

/// From each state that was possible, what each open call would have done.
pub fn why<M: Model>(model: &M, calls: &[CallOf<M>], stuck: &Stuck<M::State>) -> Vec<String> {
    let find = |id: &CallId| calls.iter().find(|c| c.id == *id).expect("a call of this history");
    let show = |call: &CallOf<M>| model.show_call(&call.input, call.output.as_ref());
    let last = find(&stuck.call);
    let mut why = Vec::new();
    for state in stuck.states.iter().take(STATES_MAX) {
        let mut others: Vec<String> = Vec::new();
        for call in stuck.open.iter().filter(|id| **id != stuck.call).map(find) {
            let output = if call.returned == NEVER { None } else { call.output.as_ref() };
            let (after, doubt) = (model.step(state, &call.input, output), if call.returned == NEVER { "?" } else { "" });
            let text = match after {
                None => format!("`{}`{doubt} cannot happen", show(call)),
                Some(after) if after == *state => format!("`{}`{doubt} changes nothing", show(call)),
                Some(after) => {
                    let next =
                        if model.step(&after, &last.input, last.output.as_ref()).is_none() { "it cannot either" } else { "it could" };
                    format!("after `{}`{doubt}, at {}, {next}", show(call), model.show_state(&after))
                }
            };
            if !others.contains(&text) {
                others.push(text);
            }
        }
        let more = others.len().saturating_sub(OPEN_MAX);
        others.truncate(OPEN_MAX);
        let others = if others.is_empty() { "nothing else is open".to_string() } else { others.join("; ") };
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let direct = if model.step(state, &last.input, last.output.as_ref()).is_some() { "may happen, in vain" } else { "cannot happen" };
        why.push(format!("at {}: `{}` {direct}; {others}{more}", model.show_state(state), show(last)));
    }
    why
}

/// The calls of a minimal part, in order of invocation; and how many others may have happened or not.
pub fn minimal<M: Model>(model: &M, calls: &[CallOf<M>]) -> (Vec<CallId>, usize) {
    let plain = where_stuck(model, calls, &mut |progress| progress.visits < VISITS_MAX);
    let end = plain.and_then(|stuck| calls.iter().find(|c| c.id == stuck.call)).map_or(NEVER, |c| c.returned);
    let small = part(model, calls, end, &mut unlimited);
    (small.calls, small.relaxed)
}

/// A part of a history that has no order either.
struct Small {
    calls: Vec<CallId>,
    one_minimal: bool,
    relaxed: usize,
}

fn part<M: Model>(model: &M, calls: &[CallOf<M>], end: usize, watchdog: Watchdog<'_>) -> Small {
    // What came later does not matter; what was open then may as well never have returned.
    let cut = |call: &CallOf<M>| {
        let output = if call.returned > end { None } else { call.output.clone() };
        Call { returned: if call.returned > end { NEVER } else { call.returned }, output, ..call.clone() }
    };
    let calls = calls.iter().filter(|c| c.invoked < end).map(cut).collect();
    let mut search = Search { model, calls, visits_left: VISITS_MAX, watchdog };
    let all: Vec<usize> = (0..search.calls.len()).collect();
    let (kept, relaxed): (Vec<usize>, Vec<usize>) = all.into_iter().partition(|i| search.calls[*i].returned != NEVER);
    let mut part = Part { kept, relaxed };
    // Half of them, a quarter, ... and one by one until nothing more goes.
    let mut chunk = part.kept.len().div_ceil(2);
    loop {
        let before = part.kept.len() + part.relaxed.len();
        search.thin(&mut part, chunk.max(1));
        match chunk {
            0 | 1 if part.kept.len() + part.relaxed.len() == before => break,
            0 | 1 => {}
            _ => chunk /= 2,
        }
    }
    Small {
        calls: part.kept.iter().map(|i| search.calls[*i].id).collect(),
        one_minimal: search.visits_left > 0,
        relaxed: part.relaxed.len(),
    }
}

/// Calls that count as they were, and calls that may have happened or not.
#[derive(Clone)]
struct Part {
    kept: Vec<usize>,
    relaxed: Vec<usize>,
}

struct Search<'m, 'w, M: Model> {
    model: &'m M,
    calls: Vec<CallOf<M>>,
    /// 0 when the watchdog has said no.
    visits_left: u64,
    watchdog: Watchdog<'w>,
}

impl<M: Model> Search<'_, '_, M> {
    fn has_no_order(&mut self, part: &Part) -> bool {
        let kept = part.kept.iter().map(|i| self.calls[*i].clone());
        let relaxed = part.relaxed.iter().map(|i| Call { output: None, returned: NEVER, ..self.calls[*i].clone() });
        let mut some: Vec<CallOf<M>> = kept.chain(relaxed).collect();
        some.sort_by_key(|c| c.invoked);
        let allowed = self.visits_left.min(VISITS_MAX / 20);
        let (mut spent, mut over) = (0, false);
        let mut watchdog = |progress: Progress| {
            spent = progress.visits;
            over |= !(self.watchdog)(progress);
            !over && progress.visits <= allowed
        };
        if !watchdog(Progress { visits: 0, bytes: 0, events: 0 }) {
            self.visits_left = 0;
            return false;
        }
        let decision = decide(self.model, &some, false, &mut watchdog);
        self.visits_left = if over { 0 } else { self.visits_left.saturating_sub(spent.max(1)) };
        matches!(decision, Decision::Stuck(_))
    }

    fn observes(&self, i: usize) -> bool {
        self.model.nature(&self.calls[i].input, self.calls[i].output.as_ref()) == Nature::Observes
    }

    /// `part` without these, and without all that must go with them.
    fn dropped(&self, part: &Part, gone: &[usize]) -> Part {
        let mut gone: Vec<usize> = gone.to_vec();
        let mut out: BTreeSet<usize> = gone.iter().copied().collect();
        let seen = |i: usize| {
            let call = &self.calls[i];
            (&call.input, if part.relaxed.contains(&i) { None } else { call.output.as_ref() })
        };
        while let Some(i) = gone.pop() {
            if self.observes(i) {
                continue;
            }
            for &j in part.kept.iter().chain(&part.relaxed) {
                if !out.contains(&j) && self.model.goes_with(seen(i), seen(j)) {
                    out.insert(j);
                    gone.push(j);
                }
            }
        }
        let rest = |all: &[usize]| all.iter().copied().filter(|i| !out.contains(i)).collect();
        Part { kept: rest(&part.kept), relaxed: rest(&part.relaxed) }
    }

    /// Tries to do without each chunk: dropped, or else relaxed.
    fn thin(&mut self, part: &mut Part, chunk: usize) {
        let mut at = 0;
        while at < part.kept.len() && self.visits_left > 0 {
            let some: Vec<usize> = part.kept[at..(at + chunk).min(part.kept.len())].to_vec();
            let dropped = self.dropped(part, &some);
            // Nothing at all has an order.
            if !dropped.kept.is_empty() && self.has_no_order(&dropped) {
                *part = dropped;
                continue;
            }
            let observers: Vec<usize> = some.iter().copied().filter(|i| self.observes(*i)).collect();
            let mut relaxed = part.clone();
            relaxed.kept.retain(|i| !some.contains(i));
            relaxed.relaxed.extend(some.iter().filter(|i| !observers.contains(i)));
            if !relaxed.kept.is_empty() && self.has_no_order(&relaxed) {
                *part = relaxed;
                continue;
            }
            at += chunk;
        }
        // What may have happened or not is better gone for good.
        let mut at = 0;
        while at < part.relaxed.len() && self.visits_left > 0 && chunk == 1 {
            let dropped = self.dropped(part, &part.relaxed[at..=at]);
            if !dropped.kept.is_empty() && self.has_no_order(&dropped) {
                *part = dropped;
            } else {
                at += 1;
            }
        }
    }
}

/// Whether a part of a history has no order, without any bound: for tests of counterexamples.
pub fn has_no_order<M: Model>(model: &M, calls: &[CallOf<M>]) -> bool {
    matches!(decide(model, calls, false, &mut unlimited), Decision::Stuck(_))
}
