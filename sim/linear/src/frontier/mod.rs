//! The just-in-time frontier: walk the events in order, keep every configuration that is possible.
//!
//! ```text
//!   a configuration: the state, what became of each open call, how many of each class of calls
//!   of unknown outcome happened
//!
//!   invoke a   invoke b   return a ── in every configuration a must have happened by now: let
//!                                     open calls happen, in every order, until a is among them
//! ```
//!
//! Calls happen only when a return forces it, so memory is bounded by concurrency, not by the history's length. (Wing
//! and Gong 1993; Lowe 2017 call it just-in-time linearization.) What keeps the frontier small:
//!
//! * A call that only *observes* happens as soon as it is legal: it changes nothing, and being done with it never hurts.
//! * When a call *overwrites*, every open call that would overwrite too may have happened just before, unseen. Such a call
//!   is *free*: done already where that is asked for, and still to come where that is better.
//! * Of two open calls that overwrite alike, the one that returns first happens first, and one of unknown outcome happens last: in any
//!   other order the two can change places.
//! * Calls of unknown outcome that ask the same are one class with a count. A configuration that used fewer dominates one
//!   that used more and is otherwise no better.
//! * A state from which an answer that is to come can never be had is dropped.
//!
//! Most histories fit machine words, and are decided by [`compact`], which does the same with less.
//!
//! Nothing is limited silently: sets and counters grow. Where many calls are of unknown outcome that is exponential, and two searches
//! of which each can tell one of the two verdicts are tried beside it ([`Reach`]): a *narrow* one, which keeps a few configurations,
//! those that used the fewest such calls, and finds orders; and an *endless* one, in which such a call may happen any number of times,
//! so that nobody counts them: what has no order even so has none.

mod config;
mod engine;
mod foresight;
mod happen;
mod returns;

pub use crate::decision::{Progress, Watchdog, unlimited};
use crate::{
    call::{CallId, NEVER},
    compact,
    decision::{Decision, Stuck},
    model::{CallOf, Context, Model},
};
use engine::is_harmless;
pub(crate) use engine::{Engine, Halt, Reach};
use foresight::Foresight;

/// Decides whether an order exists; with `order`, which one.
///
/// Where a state is without hope ([`Model::hopeless`]), the search ends before the call that cannot be answered: [`where_stuck`]
/// tells which one that is.
pub fn decide<M: Model>(model: &M, calls: &[CallOf<M>], order: bool, watchdog: Watchdog<'_>) -> Decision<M::State> {
    decide_within(model, calls, order, Reach::Exact, watchdog)
}

/// The same, by a search of such a reach: [`Decision::Unknown`], too, when what it finds proves nothing.
pub(crate) fn decide_within<M: Model>(
    model: &M,
    calls: &[CallOf<M>],
    order: bool,
    reach: Reach,
    watchdog: Watchdog<'_>,
) -> Decision<M::State> {
    search(model, &[model.init()], calls, (order, true, reach), None, watchdog)
}

/// The same, from whichever of these states: an order exists if one does from any of them.
pub fn decide_from<M: Model>(model: &M, states: &[M::State], calls: &[CallOf<M>], watchdog: Watchdog<'_>) -> Decision<M::State> {
    let exact = search(model, states, calls, (false, true, Reach::Exact), None, watchdog);
    if !matches!(exact, Decision::Unknown { .. }) || calls.iter().all(|call| call.returned != NEVER) {
        return exact;
    }
    match search(model, states, calls, (false, true, Reach::Endless), None, watchdog) {
        Decision::Stuck(stuck) => Decision::Stuck(stuck),
        Decision::Linearizable(_) | Decision::Unknown { .. } => exact,
    }
}

/// Of a history that has no order, the return that leaves none. `None` when the watchdog ends the search, which does not look
/// ahead.
pub fn where_stuck<M: Model>(model: &M, calls: &[CallOf<M>], watchdog: Watchdog<'_>) -> Option<Stuck<M::State>> {
    where_stuck_from(model, &[model.init()], calls, watchdog)
}

pub(crate) fn where_stuck_from<M: Model>(
    model: &M,
    states: &[M::State],
    calls: &[CallOf<M>],
    watchdog: Watchdog<'_>,
) -> Option<Stuck<M::State>> {
    let decision = search(model, states, calls, (false, false, Reach::Exact), None, watchdog);
    if let Decision::Stuck(stuck) = decision { Some(stuck) } else { None }
}

/// The returns of a history without an order, as places: what is told, where each is, and the states that were possible there, before
/// any call happened that could wait. From there on, what came before is nothing but these states, and the calls that were open, or of
/// unknown outcome, each of which may have happened or not.
pub(crate) fn places<M: Model>(
    model: &M,
    states: &[M::State],
    calls: &[CallOf<M>],
    told: &mut dyn FnMut(usize, Vec<M::State>),
    watchdog: Watchdog<'_>,
) {
    search(model, states, calls, (false, false, Reach::Exact), Some(told), watchdog);
}

/// Places with more configurations are not told.
const PLACE_MAX: usize = 1 << 10;

/// `order`, `foresight`: whether an order is wanted, and whether states without hope are dropped.
fn search<M: Model>(
    model: &M,
    states: &[M::State],
    calls: &[CallOf<M>],
    (order, foresight, reach): (bool, bool, Reach),
    mut told: Option<&mut dyn FnMut(usize, Vec<M::State>)>,
    watchdog: Watchdog<'_>,
) -> Decision<M::State> {
    let mut events: Vec<(usize, bool, u32)> = Vec::with_capacity(calls.len() * 2);
    for (i, call) in calls.iter().enumerate() {
        events.push((call.invoked, false, i as u32));
        if call.returned != NEVER {
            events.push((call.returned, true, i as u32));
        }
    }
    if !events.is_sorted() {
        events.sort_unstable();
    }
    let context = Context { model, calls };
    let foresight = foresight && M::MAY_LOSE_HOPE;
    // From here on nothing new is asked that could go wrong: whatever is, is legal in every state.
    let harmless = |i: u32| {
        let call = &calls[i as usize];
        call.returned == NEVER || is_harmless(model.nature(&call.input, call.output.as_ref()))
    };
    let all_asked = events.iter().rposition(|&(_, returns, i)| !returns && !harmless(i)).map_or(0, |last| last + 1);
    if reach == Reach::Exact
        && !foresight
        && told.is_none()
        && let Some(found) = compact::decide(context, states, (&events, all_asked), order, &mut *watchdog)
    {
        return found;
    }
    let mut engine = Engine::new(states, order);
    engine.make_room(calls.len());
    engine.reach = reach;
    engine.foresight = foresight.then(|| Foresight::new(context, &events));
    for (at, &(_, returns, call)) in events.iter().enumerate() {
        engine.all_asked = at >= all_asked;
        let halt = match returns {
            true if engine.sure => {
                engine.returns_anyhow(context, call);
                Ok(())
            }
            false => engine.invoke(context, call, watchdog),
            true => engine.returns(context, call, watchdog),
        };
        match halt {
            Ok(()) if returns => {
                if let Some(told) = &mut told
                    && engine.frontier.len() <= PLACE_MAX
                    && !engine.sure
                {
                    let mut states: Vec<u32> = engine.frontier.iter().map(|config| config.state).collect();
                    states.sort_unstable();
                    states.dedup();
                    told(events[at].0, states.into_iter().map(|state| engine.states[state as usize].clone()).collect());
                }
            }
            Ok(()) => {}
            Err(Halt::Stopped) => return Decision::Unknown { at: calls[call as usize].id, events: at },
            // What was left out may have led on.
            Err(Halt::Stuck(_)) if engine.narrowed => return Decision::Unknown { at: calls[call as usize].id, events: at },
            Err(Halt::Stuck(stuck)) => return Decision::Stuck(stuck),
        }
    }
    if reach == Reach::Endless {
        let last = calls.last().map_or(CallId(0), |call| call.id);
        return Decision::Unknown { at: last, events: events.len() };
    }
    Decision::Linearizable(engine.order(context))
}
