//! Why there is no order: where it ends, what was possible there, and a small part of the history that has none either.
//!
//! Taking a call out of a history that has an order can leave one that has none (the read of a value whose write is gone), and
//! that would prove nothing. So a history is made less in ways only that leave an order where there was one:
//!
//! * *cut*: what was invoked after the violation goes, and what was open then may as well never have returned;
//! * *begun later*: at any return, what came before is nothing but the states that it may have left, and calls that were open there
//!   and may have happened or not;
//! * *restricted* to some of the parts that the state is made of, members of a set or values in a queue ([`Model::restrict`]);
//! * a call is *dropped*, together with every call that its going may make illegal ([`Model::goes_with`], [`Model::groups`]);
//! * or *relaxed*: it may happen at any time after its invocation, with any answer, or not at all.
//!
//! It works from the violation backwards: the last few calls first, then twice as many. What is left is 1-minimal: with any one of
//! its calls dropped or relaxed, an order exists (or is not known not to, within the effort). Delta debugging: Zeller and
//! Hildebrandt 2002.

mod counterexample;
mod less;

use crate::{
    call::{Call, CallId, NEVER},
    decision::{Decision, Progress, Stuck, Watchdog, unlimited},
    frontier::{decide, where_stuck_from},
    model::{CallOf, Model},
    raw::Value,
};
pub use counterexample::{Counterexample, Effort, why};
use less::Search;
pub(crate) use less::rest;

/// How many configurations the search for a small counterexample may try in all.
const VISITS_MAX: u64 = 400_000;

/// Up to this number, calls are told rather than a state in the middle.
const FEW: usize = 16;

/// Of more calls than these a small part is looked for from the middle only.
const MANY: usize = 1000;

/// Explains where a search got stuck, by a small part of the history, too. It takes no longer
/// than the watchdog lets it: what it has by then is right, and not yet small.
pub fn explain<M: Model>(
    model: &M,
    key: Option<Value>,
    calls: &[CallOf<M>],
    stuck: &Stuck<M::State>,
    effort: Effort,
    watchdog: Watchdog<'_>,
) -> Counterexample {
    explain_from(model, &[model.init()], key, calls, stuck, effort, watchdog)
}

/// The same, where it began with any of these states.
pub(crate) fn explain_from<M: Model>(
    model: &M,
    beginnings: &[M::State],
    key: Option<Value>,
    calls: &[CallOf<M>],
    stuck: &Stuck<M::State>,
    effort: Effort,
    watchdog: Watchdog<'_>,
) -> Counterexample {
    let told = Counterexample::of(model, key.clone(), calls, stuck);
    if effort == Effort::Nothing {
        return told;
    }
    let small = part(model, beginnings, calls, stuck, effort, watchdog);
    // Without looking ahead the search ends where the answer is that cannot be: that is easier to understand.
    let plain = if stuck.ahead.is_none() {
        None
    } else {
        let mut may_go_on = |progress: Progress| (effort == Effort::Full || progress.visits < VISITS_MAX) && watchdog(progress);
        where_stuck_from(model, beginnings, calls, &mut may_go_on)
    };
    let told = plain.map_or(told, |plain| Counterexample::of(model, key, calls, &plain));
    let MinimalCore { calls: minimal, one_minimal, relaxed, about, from } = small;
    Counterexample { minimal, one_minimal, relaxed, about, from, ..told }
}

/// The calls of a minimal part, in order of invocation; how many others may have happened or not; and whether the part is about the
/// whole state, from its beginning.
pub fn minimal<M: Model>(model: &M, calls: &[CallOf<M>]) -> (Vec<CallId>, usize, bool) {
    let Decision::Stuck(stuck) = decide(model, calls, false, &mut unlimited) else { return (vec![], 0, true) };
    let small = part(model, &[model.init()], calls, &stuck, Effort::Bounded, &mut unlimited);
    (small.calls, small.relaxed, small.about.is_empty() && small.from.is_empty())
}

/// A part of a history that has no order either.
struct MinimalCore {
    calls: Vec<CallId>,
    one_minimal: bool,
    relaxed: usize,
    about: Vec<Value>,
    from: Vec<String>,
}

fn part<M: Model>(
    model: &M,
    beginnings: &[M::State],
    calls: &[CallOf<M>],
    stuck: &Stuck<M::State>,
    effort: Effort,
    watchdog: Watchdog<'_>,
) -> MinimalCore {
    let find = |id: CallId| calls.iter().find(|c| c.id == id);
    let ends = [Some(stuck.call), stuck.ahead].into_iter().flatten().filter_map(find);
    let Some(last) = ends.max_by_key(|c| c.returned) else {
        return MinimalCore { calls: vec![], one_minimal: false, relaxed: 0, about: vec![], from: vec![] };
    };
    let (end, last) = (last.returned, last.id);
    let visits = if effort == Effort::Full { u64::MAX } else { VISITS_MAX };
    let mut search = Search { model, states: beginnings.to_vec(), calls: vec![], groups: None, visits, visits_left: visits, watchdog };
    // What came later does not matter; what was open then may as well never have returned.
    let cut = |call: &CallOf<M>| {
        let output = if call.returned > end { None } else { call.output.clone() };
        Call { returned: if call.returned > end { NEVER } else { call.returned }, output, ..call.clone() }
    };
    search.calls = calls.iter().filter(|c| c.invoked < end).map(cut).collect();
    search.calls.sort_by_key(|c| c.invoked);
    let about = search.restricted(last);
    // A few calls tell more than a state that they leave: that is where many would have to be told, and at once where there are so many
    // that looking for few would take all the effort.
    let (mut from, mut part) = (vec![], None);
    if search.calls.len() <= MANY {
        search.visits_left = visits / 2;
        let plain = search.small(last);
        if plain.kept.len() <= FEW {
            part = Some(plain);
        } else {
            let whole = search.calls.clone();
            search.visits_left += visits - visits / 2;
            from = search.begun_later(last);
            if from.is_empty() {
                (search.calls, part) = (whole, Some(plain));
            }
        }
    } else {
        from = search.begun_later(last);
    }
    let part = part.unwrap_or_else(|| search.small(last));
    MinimalCore {
        calls: part.kept.iter().map(|i| search.calls[*i].id).collect(),
        one_minimal: search.visits_left > 0,
        relaxed: part.relaxed.len(),
        about,
        from: from.iter().map(|state| model.show_state(state)).collect(),
    }
}

/// Whether a part of a history has no order, without any bound: for tests of counterexamples.
pub fn has_no_order<M: Model>(model: &M, calls: &[CallOf<M>]) -> bool {
    matches!(decide(model, calls, false, &mut unlimited), Decision::Stuck(_))
}
