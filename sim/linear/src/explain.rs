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

use crate::{
    call::{Call, CallId, NEVER},
    decision::{Decision, Progress, Stuck, Watchdog, unlimited},
    frontier::{decide, decide_from, places, where_stuck_from},
    model::{CallOf, Model, Nature, Outright},
    raw::Value,
};
use std::collections::{BTreeSet, VecDeque};

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
const STATES_MAX: usize = 10;

/// No more open calls are told of, for each state.
const OPEN_MAX: usize = 12;

/// How many configurations the search for a small counterexample may try in all.
const VISITS_MAX: u64 = 400_000;

/// No more parts of the state are tried one by one.
const PARTS_MAX: usize = 256;

/// No more calls are pulled in for the sake of the violating one.
const NEEDED_MAX: usize = 64;

/// So many calls are told rather than a state in the middle.
const FEW: usize = 16;

/// Of more calls than these a small part is looked for from the middle only.
const MANY: usize = 1000;

/// So many of the last places are tried.
const PLACES_MAX: usize = 12;

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
    let Small { calls: minimal, one_minimal, relaxed, about, from } = small;
    Counterexample { minimal, one_minimal, relaxed, about, from, ..told }
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

/// The calls of a minimal part, in order of invocation; how many others may have happened or not; and whether the part is about the
/// whole state, from its beginning.
pub fn minimal<M: Model>(model: &M, calls: &[CallOf<M>]) -> (Vec<CallId>, usize, bool) {
    let Decision::Stuck(stuck) = decide(model, calls, false, &mut unlimited) else { return (vec![], 0, true) };
    let small = part(model, &[model.init()], calls, &stuck, Effort::Bounded, &mut unlimited);
    (small.calls, small.relaxed, small.about.is_empty() && small.from.is_empty())
}

/// A part of a history that has no order either.
struct Small {
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
) -> Small {
    let find = |id: CallId| calls.iter().find(|c| c.id == id);
    let ends = [Some(stuck.call), stuck.ahead].into_iter().flatten().filter_map(find);
    let Some(last) = ends.max_by_key(|c| c.returned) else {
        return Small { calls: vec![], one_minimal: false, relaxed: 0, about: vec![], from: vec![] };
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
    Small {
        calls: part.kept.iter().map(|i| search.calls[*i].id).collect(),
        one_minimal: search.visits_left > 0,
        relaxed: part.relaxed.len(),
        about,
        from: from.iter().map(|state| model.show_state(state)).collect(),
    }
}

/// What is left of a history from a place on: what was open there may have happened or not.
pub(crate) fn rest<M: Model>(calls: &[CallOf<M>], place: usize) -> Vec<CallOf<M>> {
    let open = |call: &CallOf<M>| Call { output: None, returned: NEVER, ..call.clone() };
    let rest = calls.iter().filter(|call| call.returned > place);
    rest.map(|call| if call.invoked < place { open(call) } else { call.clone() }).collect()
}

/// Calls that count as they were, and calls that may have happened or not. Both in order of invocation.
#[derive(Clone)]
struct Part {
    kept: Vec<usize>,
    relaxed: Vec<usize>,
}

impl Part {
    fn of<I, O>(calls: &[Call<I, O>], all: Vec<usize>) -> Part {
        let (kept, relaxed) = all.into_iter().partition(|i| calls[*i].returned != NEVER);
        Part { kept, relaxed }
    }
}

struct Search<'m, 'w, M: Model> {
    model: &'m M,
    /// The states that are possible at the beginning.
    states: Vec<M::State>,
    /// In order of invocation.
    calls: Vec<CallOf<M>>,
    /// Each call's group, where calls go by groups.
    groups: Option<Vec<usize>>,
    /// How many visits one try may take, and how many are left for all; 0 when the watchdog has said no.
    visits: u64,
    visits_left: u64,
    watchdog: Watchdog<'w>,
}

impl<M: Model> Search<'_, '_, M> {
    fn has_no_order(&mut self, part: &Part) -> bool {
        let kept = part.kept.iter().map(|i| self.calls[*i].clone());
        let relaxed = part.relaxed.iter().map(|i| Call { output: None, returned: NEVER, ..self.calls[*i].clone() });
        let mut some: Vec<CallOf<M>> = kept.chain(relaxed).collect();
        some.sort_by_key(|c| c.invoked);
        self.is_stuck(&some)
    }

    fn is_stuck(&mut self, calls: &[CallOf<M>]) -> bool {
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

    fn observes(&self, i: usize) -> bool {
        self.model.nature(&self.calls[i].input, self.seen(i)) == Nature::Observes
    }

    /// What was seen of a call.
    fn seen(&self, i: usize) -> Option<&M::Output> {
        if self.calls[i].returned == NEVER { None } else { self.calls[i].output.as_ref() }
    }

    /// Looks at as few parts of the state as will do: those that the violating call is about one by one, then fewer and fewer of all.
    fn restricted(&mut self, last: CallId) -> Vec<Value> {
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

    fn by_parts(&self, kept: &BTreeSet<Value>) -> Vec<CallOf<M>> {
        let left = |i: usize| {
            let call = &self.calls[i];
            let (input, output) = self.model.restrict(&call.input, self.seen(i), kept)?;
            // What returned without telling what it did may have done it to other parts.
            let returned = if call.output.is_none() { NEVER } else { call.returned };
            Some(Call { id: call.id, input, output, invoked: call.invoked, returned })
        };
        (0..self.calls.len()).filter_map(left).collect()
    }

    fn stuck_by(&mut self, kept: &BTreeSet<Value>) -> bool {
        let calls = self.by_parts(kept);
        !calls.is_empty() && self.is_stuck(&calls)
    }

    fn try_parts(&mut self, kept: &BTreeSet<Value>) -> bool {
        let calls = self.by_parts(kept);
        let stuck = !calls.is_empty() && self.is_stuck(&calls);
        if stuck {
            self.calls = calls;
        }
        stuck
    }

    /// Begins at a return before the violating call, as late as it can: with the states that were possible there, if they are few. What
    /// was open there, or of unknown outcome, may have happened or not.
    fn begun_later(&mut self, last: CallId) -> Vec<M::State> {
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
    fn small(&mut self, last: CallId) -> Part {
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
    fn backwards(&mut self, last: CallId) -> Part {
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
    fn window(&self, from: usize, last: CallId) -> Option<Vec<usize>> {
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
    fn dropped(&self, part: &Part, gone: &[usize]) -> Part {
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
