//! A history is made less, in ways only that leave an order where there was one.

use super::counterexample::STATES_MAX;
use crate::{
    call::{Call, CallId, NEVER},
    decision::{Decision, Progress, Watchdog},
    frontier::{decide_from, places},
    model::{CallOf, Model, Nature},
    raw::Value,
};
use std::collections::{BTreeSet, VecDeque};

/// No more parts of the state are tried one by one.
const PARTS_MAX: usize = 256;

/// No more calls are pulled in for the sake of the violating one.
const NEEDED_MAX: usize = 64;

/// How many of the last places are tried.
const PLACES_MAX: usize = 12;

/// Calls that count as they were, and calls that may have happened or not. Both in order of invocation.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) kept: Vec<usize>,
    pub(super) relaxed: Vec<usize>,
}

impl Part {
    pub(super) fn of<I, O>(calls: &[Call<I, O>], all: Vec<usize>) -> Part {
        let (kept, relaxed) = all.into_iter().partition(|i| calls[*i].returned != NEVER);
        Part { kept, relaxed }
    }
}

pub(super) struct Search<'m, 'w, M: Model> {
    pub(super) model: &'m M,
    /// The states that are possible at the beginning.
    pub(super) states: Vec<M::State>,
    /// In order of invocation.
    pub(super) calls: Vec<CallOf<M>>,
    /// Each call's group, where calls go by groups.
    pub(super) groups: Option<Vec<usize>>,
    /// How many visits one try may take, and how many are left for all; 0 when the watchdog has said no.
    pub(super) visits: u64,
    pub(super) visits_left: u64,
    pub(super) watchdog: Watchdog<'w>,
}

impl<M: Model> Search<'_, '_, M> {
    pub(super) fn has_no_order(&mut self, part: &Part) -> bool {
        let kept = part.kept.iter().map(|i| self.calls[*i].clone());
        let relaxed = part.relaxed.iter().map(|i| Call { output: None, returned: NEVER, ..self.calls[*i].clone() });
        let mut some: Vec<CallOf<M>> = kept.chain(relaxed).collect();
        some.sort_by_key(|c| c.invoked);
        self.is_stuck(&some)
    }

    pub(super) fn is_stuck(&mut self, calls: &[CallOf<M>]) -> bool {
        let allowed = self.visits_left.min(self.visits / 20);
        let (mut spent, mut over) = (0, false);
        let mut watchdog = |progress: Progress| {
            spent = progress.visits;
            over |= !(self.watchdog)(progress);
            !over && progress.visits <= allowed
        };
        if self.visits_left == 0 || !watchdog(Progress { visits: 0, bytes: 0, events: 0 }) {
            self.visits_left = 0;
            return false;
        }
        let decision = decide_from(self.model, &self.states, calls, &mut watchdog);
        self.visits_left = if over { 0 } else { self.visits_left.saturating_sub(spent.max(1)) };
        matches!(decision, Decision::Stuck(_))
    }

    pub(super) fn observes(&self, i: usize) -> bool {
        self.model.nature(&self.calls[i].input, self.seen(i)) == Nature::Observes
    }

    /// What was seen of a call.
    pub(super) fn seen(&self, i: usize) -> Option<&M::Output> {
        if self.calls[i].returned == NEVER { None } else { self.calls[i].output.as_ref() }
    }

    /// Looks at as few parts of the state as will do: those that the violating call is about one by one, then fewer and fewer of all.
    pub(super) fn restricted(&mut self, last: CallId) -> Vec<Value> {
        let of = |i: usize| self.model.parts(&self.calls[i].input, self.seen(i));
        let Some(parts) = (0..self.calls.len()).map(of).collect::<Option<Vec<_>>>() else { return vec![] };
        let at = self.calls.iter().position(|c| c.id == last);
        let mut all: Vec<Value> = at.map_or(vec![], |at| parts[at].clone());
        let mut known: BTreeSet<Value> = all.iter().cloned().collect();
        // What the others are about, from the end.
        all.extend(parts.into_iter().rev().flatten().filter(|part| known.insert(part.clone())));
        if all.len() < 2 {
            return vec![];
        }
        for part in all.iter().take(PARTS_MAX) {
            let kept = BTreeSet::from([part.clone()]);
            if self.try_parts(&kept) {
                return kept.into_iter().collect();
            }
        }
        let (mut kept, mut chunk) = (all.clone(), all.len().div_ceil(2));
        loop {
            let (before, mut at) = (kept.len(), 0);
            while at < kept.len() && kept.len() > 1 && self.visits_left > 0 {
                let fewer: BTreeSet<Value> =
                    kept.iter().enumerate().filter(|(i, _)| !(at..at + chunk).contains(i)).map(|(_, part)| part.clone()).collect();
                if !fewer.is_empty() && self.stuck_by(&fewer) {
                    kept.drain(at..(at + chunk).min(kept.len()));
                } else {
                    at += chunk;
                }
            }
            match chunk {
                1 if kept.len() == before || self.visits_left == 0 => break,
                1 => {}
                _ => chunk = chunk.div_ceil(2),
            }
        }
        if kept.len() == all.len() || !self.try_parts(&kept.iter().cloned().collect()) { vec![] } else { kept }
    }

    pub(super) fn by_parts(&self, kept: &BTreeSet<Value>) -> Vec<CallOf<M>> {
        let left = |i: usize| {
            let call = &self.calls[i];
            let (input, output) = self.model.restrict(&call.input, self.seen(i), kept)?;
            // What returned without telling what it did may have done it to other parts.
            let returned = if call.output.is_none() { NEVER } else { call.returned };
            Some(Call { id: call.id, input, output, invoked: call.invoked, returned })
        };
        (0..self.calls.len()).filter_map(left).collect()
    }

    pub(super) fn stuck_by(&mut self, kept: &BTreeSet<Value>) -> bool {
        let calls = self.by_parts(kept);
        !calls.is_empty() && self.is_stuck(&calls)
    }

    pub(super) fn try_parts(&mut self, kept: &BTreeSet<Value>) -> bool {
        let calls = self.by_parts(kept);
        let stuck = !calls.is_empty() && self.is_stuck(&calls);
        if stuck {
            self.calls = calls;
        }
        stuck
    }

    /// Begins at a return before the violating call, as late as it can: with the states that were possible there, if they are few. What
    /// was open there, or of unknown outcome, may have happened or not.
    pub(super) fn begun_later(&mut self, last: CallId) -> Vec<M::State> {
        let Some(before) = self.calls.iter().find(|call| call.id == last).map(|call| call.invoked) else { return vec![] };
        let mut latest: VecDeque<(usize, Vec<M::State>)> = VecDeque::new();
        let (visits, watchdog) = (self.visits_left.min(self.visits / 2), &mut self.watchdog);
        let mut told = |place: usize, states: Vec<M::State>| {
            if states.len() <= STATES_MAX && place < before {
                latest.push_back((place, states));
                if latest.len() > PLACES_MAX {
                    latest.pop_front();
                }
            }
        };
        places(self.model, &self.states, &self.calls, &mut told, &mut |progress| progress.visits <= visits && watchdog(progress));
        while let Some((place, states)) = latest.pop_back() {
            let rest = rest::<M>(&self.calls, place);
            let whole = std::mem::replace(&mut self.states, states);
            if self.is_stuck(&rest) {
                self.calls = rest;
                return self.states.clone();
            }
            self.states = whole;
        }
        vec![]
    }

    /// A part that is 1-minimal, as far as the effort goes.
    pub(super) fn small(&mut self, last: CallId) -> Part {
        self.groups = self.model.groups(&self.calls);
        let mut part = self.backwards(last);
        // Half of them, a quarter, ... and one by one until nothing more goes.
        let mut chunk = part.kept.len().div_ceil(2);
        loop {
            let before = part.kept.len() + part.relaxed.len();
            self.thin(&mut part, chunk.max(1));
            match chunk {
                0 | 1 if part.kept.len() + part.relaxed.len() == before || self.visits_left == 0 => return part,
                0 | 1 => {}
                _ => chunk /= 2,
            }
        }
    }

    /// The last few calls before the violation that have no order, twice as many each time; or all.
    pub(super) fn backwards(&mut self, last: CallId) -> Part {
        let all = self.calls.len();
        let mut width = 8;
        while width < all && self.visits_left > 0 {
            if let Some(kept) = self.window(all - width, last) {
                let part = Part::of(&self.calls, kept);
                if !part.kept.is_empty() && self.has_no_order(&part) {
                    return part;
                }
            }
            width *= 2;
        }
        Part::of(&self.calls, (0..all).collect())
    }

    /// The calls from there on that can do without those before, and what the violating one needs of those.
    pub(super) fn window(&self, from: usize, last: CallId) -> Option<Vec<usize>> {
        if let Some(groups) = &self.groups {
            let wanted: BTreeSet<usize> = groups[from..].iter().copied().collect();
            return Some((0..self.calls.len()).filter(|i| wanted.contains(&groups[*i])).collect());
        }
        let last = self.calls.iter().position(|c| c.id == last);
        let mut needed: BTreeSet<usize> = last.into_iter().collect();
        let mut kept: Vec<usize> = (from..self.calls.len()).chain(last.filter(|last| *last < from)).collect();
        let mut gone: VecDeque<usize> = (0..from).rev().filter(|i| !self.observes(*i) && Some(*i) != last).collect();
        while let Some(i) = gone.pop_front() {
            let call = (&self.calls[i].input, self.seen(i));
            let hits = |j: usize| j != i && self.model.goes_with(call, (&self.calls[j].input, self.seen(j)));
            if needed.iter().any(|j| hits(*j)) {
                if needed.len() == NEEDED_MAX {
                    return None;
                }
                needed.insert(i);
                kept.push(i);
                continue;
            }
            let (out, rest): (Vec<usize>, Vec<usize>) = kept.into_iter().partition(|j| !needed.contains(j) && hits(*j));
            kept = rest;
            gone.extend(out.into_iter().filter(|j| !self.observes(*j)));
        }
        kept.sort_unstable();
        Some(kept)
    }

    /// `part` without these, and without all that must go with them.
    pub(super) fn dropped(&self, part: &Part, gone: &[usize]) -> Part {
        if let Some(groups) = &self.groups {
            let out: BTreeSet<usize> = gone.iter().map(|i| groups[*i]).collect();
            let rest = |all: &[usize]| all.iter().copied().filter(|i| !out.contains(&groups[*i])).collect();
            return Part { kept: rest(&part.kept), relaxed: rest(&part.relaxed) };
        }
        let mut gone: Vec<usize> = gone.to_vec();
        let mut out: BTreeSet<usize> = gone.iter().copied().collect();
        let relaxed: BTreeSet<usize> = part.relaxed.iter().copied().collect();
        let seen = |i: usize| (&self.calls[i].input, if relaxed.contains(&i) { None } else { self.seen(i) });
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
    pub(super) fn thin(&mut self, part: &mut Part, chunk: usize) {
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

/// What is left of a history from a place on: what was open there may have happened or not.
pub(crate) fn rest<M: Model>(calls: &[CallOf<M>], place: usize) -> Vec<CallOf<M>> {
    let open = |call: &CallOf<M>| Call { output: None, returned: NEVER, ..call.clone() };
    let rest = calls.iter().filter(|call| call.returned > place);
    rest.map(|call| if call.invoked < place { open(call) } else { call.clone() }).collect()
}
