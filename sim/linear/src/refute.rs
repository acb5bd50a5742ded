//! Looks at few parts of the state at a time: one member of a set, two values of a queue. What has no order by what it says of
//! these has none at all, and that is found without the whole.

use crate::{
    call::NEVER,
    decision::{Decision, Progress, Stuck, Watchdog},
    frontier::{Reach, decide_within},
    model::{CallOf, Model},
    raw::Value,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Smaller histories are decided whole.
const FEW_CALLS: usize = 64;

/// How many configurations may be tried for one part.
const VISITS_MAX: u64 = 1 << 15;

/// And how many more for each of its calls.
const VISITS_PER_CALL: u64 = 16;

/// How many calls are looked at in all; a call counts once for each part that it is about.
const CALLS_MAX: usize = 8 << 20;

/// A model names no more suspects.
pub(crate) const SUSPECTS_MAX: usize = 16;

/// What has no order: the parts, what the calls say of these, and where that ends.
pub(crate) struct Refuted<M: Model> {
    pub(crate) kept: Vec<Value>,
    /// The model of these parts, where they have one of their own.
    pub(crate) model: Option<M>,
    pub(crate) calls: Vec<CallOf<M>>,
    pub(crate) stuck: Stuck<M::State>,
}

/// A few parts by which there is no order; `None` says nothing.
pub(crate) fn refuted<M: Model>(model: &M, calls: &[CallOf<M>], watchdog: Watchdog<'_>) -> Option<Refuted<M>> {
    if calls.len() < FEW_CALLS { None } else { by_parts(model, calls, watchdog) }
}

/// The same, of however few calls.
pub(crate) fn by_parts<M: Model>(model: &M, calls: &[CallOf<M>], watchdog: Watchdog<'_>) -> Option<Refuted<M>> {
    let seen = |at: usize| if calls[at].returned == NEVER { None } else { calls[at].output.as_ref() };
    let nothing = BTreeSet::new();
    // Those that say something of every part; and of each part those that name it.
    let mut always: Vec<usize> = vec![];
    let mut about: FxHashMap<Value, Vec<usize>> = FxHashMap::default();
    let mut parts: Vec<Value> = vec![];
    for (at, call) in calls.iter().enumerate() {
        let named = model.parts(&call.input, seen(at))?;
        if model.restrict(&call.input, seen(at), &nothing).is_some() {
            always.push(at);
            continue;
        }
        for part in named {
            let of = about.entry(part.clone()).or_default();
            if of.is_empty() {
                parts.push(part);
            }
            of.push(at);
        }
    }
    // A member that is read and that nobody put there.
    let mut unheard: BTreeSet<Value> = BTreeSet::new();
    for at in &always {
        unheard.extend(model.parts(&calls[*at].input, seen(*at))?.into_iter().filter(|part| !about.contains_key(part)));
    }
    let suspects = model.suspects(calls);
    let singles = unheard.into_iter().chain(parts).map(|part| vec![part]);
    let (mut looked_at, mut stopped) = (0, false);
    for kept in suspects.into_iter().chain(singles) {
        let mut some: Vec<usize> = kept.iter().filter_map(|part| about.get(part)).flatten().chain(&always).copied().collect();
        some.sort_unstable();
        some.dedup();
        looked_at += some.len();
        if looked_at > CALLS_MAX || stopped {
            return None;
        }
        let set: BTreeSet<Value> = kept.iter().cloned().collect();
        let left = some.into_iter().filter_map(|at| {
            let call = &calls[at];
            let (input, output) = model.restrict(&call.input, seen(at), &set)?;
            // Whoever returned and told nothing may have done it to another part.
            let returned = if output.is_none() { NEVER } else { call.returned };
            Some(CallOf::<M> { id: call.id, input, output, invoked: call.invoked, returned })
        });
        let left: Vec<CallOf<M>> = left.collect();
        let mut may_go_on = |progress: Progress| {
            stopped |= !watchdog(progress);
            !stopped && progress.visits < VISITS_MAX.max(VISITS_PER_CALL * left.len() as u64)
        };
        let open = left.iter().any(|call| call.returned == NEVER);
        let of_parts = model.of_parts(&set);
        let specific = of_parts.as_ref().unwrap_or(model);
        for reach in &[Reach::Exact, Reach::Endless][..if open { 2 } else { 1 }] {
            match decide_within(specific, &left, false, *reach, &mut may_go_on) {
                Decision::Stuck(stuck) => return Some(Refuted { kept, model: of_parts, calls: left, stuck }),
                Decision::Linearizable(_) => break,
                Decision::Unknown { .. } => {}
            }
        }
    }
    None
}

/// A call by which something comes into a line, and the one by which it goes: when each was invoked, and returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay<'v> {
    pub(crate) value: &'v Value,
    pub(crate) comes: (usize, usize),
    pub(crate) goes: (usize, usize),
}

/// The stays of values that come once, and go at the most once. `comes` and `goes` tell what a call brings, or takes. Where calls of
/// unknown outcome may have taken something, a value that was not seen to go says nothing: it is left out.
pub(crate) fn stays<'c, M: Model>(
    calls: &'c [CallOf<M>],
    comes: impl Fn(&'c CallOf<M>) -> Option<&'c Value>,
    goes: impl Fn(&'c CallOf<M>) -> Option<&'c Value>,
) -> Vec<Stay<'c>> {
    let mut all: FxHashMap<&Value, (Option<Stay<'_>>, u8)> = FxHashMap::default();
    for call in calls {
        if let Some(value) = comes(call) {
            let (stay, times) = all.entry(value).or_default();
            *times = times.saturating_add(1);
            *stay = Some(Stay { value, comes: (call.invoked, call.returned), goes: stay.map_or((NEVER, NEVER), |stay| stay.goes) });
        }
        if let Some(value) = goes(call) {
            let (stay, times) = all.entry(value).or_default();
            *times = times.saturating_add(16);
            let comes = stay.map_or((NEVER, NEVER), |stay| stay.comes);
            *stay = Some(Stay { value, comes, goes: (call.invoked, call.returned) });
        }
    }
    let taken_unseen = calls.iter().any(|call| (call.returned == NEVER || call.output.is_none()) && comes(call).is_none());
    let once = |(stay, times): (Option<Stay<'c>>, u8)| stay.filter(|_| times == 17 || (times == 1 && !taken_unseen));
    let mut stays: Vec<Stay<'c>> = all.into_values().filter_map(once).collect();
    stays.sort_unstable_by_key(|stay| stay.comes);
    stays
}
