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
//! * Calls of unknown outcome that ask the same are one class with a count. A configuration that used fewer dominates one
//!   that used more and is otherwise no better.
//! * A state from which an answer that is to come can never be had is dropped.
//!
//! Nothing is limited silently: sets and counters grow.

use crate::{
    bits::{Bits, Counts},
    model::{CallId, CallOf, Model, NEVER, Nature},
};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

type FxMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// How far a search has come: enough to decide whether to go on.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Configurations that were tried.
    pub visits: u64,
    /// About how many bytes the search holds.
    pub bytes: usize,
    /// Events that are decided: invocations and returns.
    pub events: usize,
}

/// Asked now and then: may the search go on? It is asked each 256 visits, and each 4,096 events.
pub type Watchdog<'w> = &'w mut dyn FnMut(Progress) -> bool;

/// A search that may take as long as it takes.
pub fn unlimited(_: Progress) -> bool {
    true
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<S> {
    /// An order exists: this one, if it was asked for. Calls that never happened are not in it.
    Linearizable(Vec<CallId>),
    /// None does.
    Stuck(Stuck<S>),
    /// The watchdog stopped it. Everything before the return of `at` has an order.
    Unknown {
        /// The call whose return was not decided.
        at: CallId,
        /// How far it came.
        events: usize,
    },
}

impl<S> Decision<S> {
    /// Whether an order exists.
    pub fn is_linearizable(&self) -> bool {
        matches!(self, Decision::Linearizable(_))
    }
}

/// Where no order was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck<S> {
    /// The call whose return no configuration survived.
    pub call: CallId,
    /// The states that were possible just before.
    pub states: Vec<S>,
    /// The other calls that had been invoked and had not returned.
    pub open: Vec<CallId>,
}

/// No order is recorded.
const NO_TRACE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Config {
    state: u32,
    /// Open calls that happened.
    done: Bits,
    /// Open calls that may count as done or as to come.
    free: Bits,
    /// How many of each class of unknown outcome happened.
    used: Counts,
    /// The last step of the order that led here.
    trace: u32,
}

/// A step of an order: what was before, which call, at which event.
struct Step {
    before: u32,
    call: u32,
    event: u32,
}

/// Configurations without the dominated ones, by state.
#[derive(Default)]
struct Best {
    all: Vec<Config>,
    /// The places in `all` of those with a state. A dominated one is removed from here only.
    by_state: FxMap<u32, Vec<u32>>,
}

impl Best {
    fn clear(&mut self) {
        self.all.clear();
        self.by_state.clear();
    }

    /// Its place, unless one that is as good is there already.
    fn insert(&mut self, config: Config, observers: &Bits) -> Option<u32> {
        let bucket = self.by_state.entry(config.state).or_default();
        if bucket.iter().any(|i| as_good(&self.all[*i as usize], &config, observers)) {
            return None;
        }
        bucket.retain(|i| !as_good(&config, &self.all[*i as usize], observers));
        let place = self.all.len() as u32;
        bucket.push(place);
        self.all.push(config);
        Some(place)
    }

    fn is_best(&self, place: u32) -> bool {
        self.by_state[&self.all[place as usize].state].contains(&place)
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that nothing dominates, in order of their arrival.
    fn drain_best(&mut self) -> Vec<Config> {
        let mut keep = vec![false; self.all.len()];
        self.by_state.values().flatten().for_each(|i| keep[*i as usize] = true);
        let best = self.all.drain(..).zip(keep).filter_map(|(config, keep)| keep.then_some(config)).collect();
        self.by_state.clear();
        best
    }
}

/// Whether `a` can do all that `b` can, both in the same state.
fn as_good(a: &Config, b: &Config, observers: &Bits) -> bool {
    let words = a.done.words().max(b.done.words()).max(b.free.words());
    let calls = (0..words).all(|w| {
        let differ = (a.done.word(w) ^ b.done.word(w)) | (a.free.word(w) ^ b.free.word(w));
        differ & !a.free.word(w) & !(observers.word(w) & a.done.word(w)) == 0
    });
    calls && a.used.within(&b.used)
}

/// The state of a search, apart from the calls themselves.
pub(crate) struct Engine<M: Model> {
    natures: Vec<Nature>,
    states: Vec<M::State>,
    state_ids: FxMap<M::State, u32>,
    /// What a call makes of a state; [`ILLEGAL`] if it cannot.
    steps: FxMap<(u32, u32), u32>,
    /// The open calls that will return: their slots.
    open: Vec<(u32, u32)>,
    slot_of: Vec<u32>,
    free_slots: Vec<u32>,
    slots: u32,
    /// Slots of open calls that only observe, and that only overwrite.
    observers: Bits,
    overwriters: Bits,
    /// Calls of unknown outcome that were invoked by now, those together that ask the same.
    classes: Vec<Vec<u32>>,
    class_of_input: FxMap<M::Input, usize>,
    class_of: FxMap<u32, usize>,
    /// Whether states without hope are dropped.
    foresight: bool,
    trace: Option<Vec<Step>>,
    /// For each call, the events at which it was invoked and returned.
    span: Vec<(u32, u32)>,
    event: usize,
    visits: u64,
    frontier: Vec<Config>,
    after: Best,
    seen: Best,
}

const ILLEGAL: u32 = u32::MAX;

/// The calls, and what they are calls of.
pub(crate) struct Context<'c, M: Model> {
    pub(crate) model: &'c M,
    pub(crate) calls: &'c [CallOf<M>],
}

impl<M: Model> Clone for Context<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Model> Copy for Context<'_, M> {}

/// What ended a search before its end.
pub(crate) enum Halt<S> {
    Stuck(Stuck<S>),
    Stopped,
}

/// Decides whether an order exists; with `order`, which one.
///
/// Where a state is without hope ([`Model::hopeless`]), the search ends before the call that cannot be answered: [`where_stuck`]
/// tells which one that is.
pub fn decide<M: Model>(model: &M, calls: &[CallOf<M>], order: bool, watchdog: Watchdog<'_>) -> Decision<M::State> {
    search(model, calls, order, true, watchdog)
}

/// Of a history that has no order, the return that leaves none. `None` when the watchdog ends the search, which does not look
/// ahead.
pub fn where_stuck<M: Model>(model: &M, calls: &[CallOf<M>], watchdog: Watchdog<'_>) -> Option<Stuck<M::State>> {
    if let Decision::Stuck(stuck) = search(model, calls, false, false, watchdog) { Some(stuck) } else { None }
}

fn search<M: Model>(model: &M, calls: &[CallOf<M>], order: bool, foresight: bool, watchdog: Watchdog<'_>) -> Decision<M::State> {
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
    // For each event, the next call to be invoked that only observes: what must still be possible.
    let mut ahead: Vec<Option<u32>> = vec![None; events.len()];
    let mut next = None;
    for (at, (_, returns, i)) in events.iter().enumerate().rev().filter(|_| foresight) {
        ahead[at] = next;
        let call = &calls[*i as usize];
        if !returns
            && call.returned != NEVER
            && call.output.is_some()
            && model.nature(&call.input, call.output.as_ref()) == Nature::Observes
        {
            next = Some(*i);
        }
    }
    let mut engine = Engine::new(model, order);
    engine.foresight = foresight;
    for (at, &(_, returns, call)) in events.iter().enumerate() {
        let halt = match returns {
            false => engine.invoke(context, call, watchdog),
            true => engine.returns(context, call, ahead[at], watchdog),
        };
        match halt {
            Ok(()) => {}
            Err(Halt::Stopped) => return Decision::Unknown { at: calls[call as usize].id, events: at },
            Err(Halt::Stuck(stuck)) => return Decision::Stuck(stuck),
        }
    }
    Decision::Linearizable(engine.order(context))
}

impl<M: Model> Engine<M> {
    pub(crate) fn new(model: &M, order: bool) -> Self {
        let mut engine = Engine {
            natures: vec![],
            states: vec![],
            state_ids: FxMap::default(),
            steps: FxMap::default(),
            open: vec![],
            slot_of: vec![],
            free_slots: vec![],
            slots: 0,
            observers: Bits::default(),
            overwriters: Bits::default(),
            classes: vec![],
            class_of_input: FxMap::default(),
            class_of: FxMap::default(),
            foresight: true,
            trace: order.then(Vec::new),
            span: vec![],
            event: 0,
            visits: 0,
            frontier: vec![],
            after: Best::default(),
            seen: Best::default(),
        };
        let state = engine.intern(model.init());
        let nothing = (Bits::default(), Bits::default(), Counts::default());
        engine.frontier = vec![Config { state, done: nothing.0, free: nothing.1, used: nothing.2, trace: NO_TRACE }];
        engine
    }

    fn intern(&mut self, state: M::State) -> u32 {
        let next = self.states.len() as u32;
        let id = *self.state_ids.entry(state).or_insert_with_key(|state| {
            self.states.push(state.clone());
            next
        });
        id
    }

    fn step(&mut self, context: Context<'_, M>, state: u32, call: u32) -> Option<u32> {
        if let Some(&next) = self.steps.get(&(state, call)) {
            return (next != ILLEGAL).then_some(next);
        }
        let asked = &context.calls[call as usize];
        // Of what never returned nobody saw an answer.
        let output = if asked.returned == NEVER { None } else { asked.output.as_ref() };
        let next = context.model.step(&self.states[state as usize], &asked.input, output).map_or(ILLEGAL, |next| self.intern(next));
        self.steps.insert((state, call), next);
        (next != ILLEGAL).then_some(next)
    }

    fn record(&mut self, before: u32, call: u32) -> u32 {
        let Some(trace) = &mut self.trace else { return NO_TRACE };
        trace.push(Step { before, call, event: self.event as u32 });
        (trace.len() - 1) as u32
    }

    /// A call happens in a configuration: the one after, unless it is illegal or without hope.
    fn happen(&mut self, context: Context<'_, M>, config: &Config, call: u32, ahead: Option<u32>) -> Option<Config> {
        let state = self.step(context, config.state, call)?;
        let mut after = Config { state, ..config.clone() };
        match self.class_of.get(&call) {
            Some(&class) => after.used.add(class),
            None => {
                let slot = self.slot_of[call as usize];
                after.done.insert(slot);
                after.free.remove(slot);
            }
        }
        after.trace = self.record(config.trace, call);
        if self.natures[call as usize] == Nature::Overwrites {
            for &(slot, other) in &self.open {
                if other != call && self.overwriters.has(slot) && !after.done.has(slot) {
                    after.free.insert(slot);
                }
            }
        }
        self.observe(context, &mut after, ahead).then_some(after)
    }

    /// Every open observation that is legal happens. False when one that must come can come no more.
    fn observe(&mut self, context: Context<'_, M>, config: &mut Config, ahead: Option<u32>) -> bool {
        for at in 0..self.open.len() {
            let (slot, call) = self.open[at];
            if !self.observers.has(slot) || config.done.has(slot) {
                continue;
            }
            if self.step(context, config.state, call).is_some() {
                config.done.insert(slot);
                config.trace = self.record(config.trace, call);
            } else if self.is_hopeless(context, config.state, call) {
                return false;
            }
        }
        ahead.is_none_or(|call| !self.is_hopeless(context, config.state, call))
    }

    fn is_hopeless(&self, context: Context<'_, M>, state: u32, call: u32) -> bool {
        let call = &context.calls[call as usize];
        self.foresight
            && call.output.as_ref().is_some_and(|output| context.model.hopeless(&self.states[state as usize], &call.input, output))
    }

    /// A call is invoked. What becomes of it is known already.
    pub(crate) fn invoke(&mut self, context: Context<'_, M>, call: u32, watchdog: Watchdog<'_>) -> Result<(), Halt<M::State>> {
        self.tick(watchdog)?;
        let i = call as usize;
        if self.natures.len() <= i {
            self.natures.resize(i + 1, Nature::Changes);
            self.slot_of.resize(i + 1, u32::MAX);
            self.span.resize(i + 1, (u32::MAX, u32::MAX));
        }
        let asked = &context.calls[i];
        let lost = asked.returned == NEVER;
        let nature = context.model.nature(&asked.input, if lost { None } else { asked.output.as_ref() });
        self.natures[i] = nature;
        self.span[i].0 = self.event as u32;
        if lost {
            // What of unknown outcome only observes says nothing.
            if nature != Nature::Observes {
                let class = match self.class_of_input.get(&asked.input) {
                    Some(class) => *class,
                    None => {
                        self.class_of_input.insert(asked.input.clone(), self.classes.len());
                        self.classes.push(vec![]);
                        self.classes.len() - 1
                    }
                };
                self.classes[class].push(call);
                self.class_of.insert(call, class);
            }
            return Ok(());
        }
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        self.slot_of[i] = slot;
        self.open.push((slot, call));
        match nature {
            Nature::Overwrites => self.overwriters.insert(slot),
            Nature::Changes => {}
            Nature::Observes => {
                self.observers.insert(slot);
                let mut frontier = std::mem::take(&mut self.frontier);
                for config in &mut frontier {
                    if self.step(context, config.state, call).is_some() {
                        config.done.insert(slot);
                        config.trace = self.record(config.trace, call);
                    }
                }
                self.frontier = frontier;
            }
        }
        Ok(())
    }

    fn tick(&mut self, watchdog: Watchdog<'_>) -> Result<(), Halt<M::State>> {
        self.event += 1;
        match self.event.is_multiple_of(4096) && !watchdog(self.progress()) {
            true => Err(Halt::Stopped),
            false => Ok(()),
        }
    }

    fn progress(&self) -> Progress {
        Progress { visits: self.visits, bytes: self.bytes(), events: self.event }
    }

    fn close(&mut self, call: u32) {
        let slot = self.slot_of[call as usize];
        self.open.retain(|(s, _)| *s != slot);
        self.free_slots.push(slot);
        self.observers.remove(slot);
        self.overwriters.remove(slot);
    }

    fn bytes(&self) -> usize {
        let states = self.states.len() * (2 * size_of::<M::State>() + 16) + self.steps.len() * 16;
        let used = self.seen.all.last().map_or(0, |c| c.used.bytes() + 8 * (c.done.words() + c.free.words()));
        let configs = self.seen.all.len() + self.after.all.len() + self.frontier.len();
        states + configs * (size_of::<Config>() + used + 8) + self.trace.as_ref().map_or(0, |t| t.len() * 12)
    }

    /// A call returns: it must have happened by now. `ahead` is a call that is invoked later and only observes.
    pub(crate) fn returns(
        &mut self,
        context: Context<'_, M>,
        call: u32,
        ahead: Option<u32>,
        watchdog: Watchdog<'_>,
    ) -> Result<(), Halt<M::State>> {
        self.tick(watchdog)?;
        self.span[call as usize].1 = self.event as u32;
        let slot = self.slot_of[call as usize];
        let may_count = |c: &Config| c.done.has(slot) || c.free.has(slot);
        let without = |mut c: Config| {
            c.done.remove(slot);
            c.free.remove(slot);
            c
        };
        self.after.clear();
        if self.frontier.iter().all(|c| c.done.has(slot)) {
            // Most often it happened before: nothing to search.
            self.close(call);
            if let [only] = &mut self.frontier[..] {
                only.done.remove(slot);
                return Ok(());
            }
            for config in std::mem::take(&mut self.frontier) {
                self.after.insert(without(config), &self.observers);
            }
            self.frontier = self.after.drain_best();
            return Ok(());
        }
        self.seen.clear();
        for config in &self.frontier {
            if may_count(config) {
                self.after.insert(without(config.clone()), &self.observers);
            }
            // What is free may count as done, and may as well be still to come: last moment.
            if !config.done.has(slot) {
                self.seen.insert(config.clone(), &self.observers);
            }
        }
        let mut turn = 0;
        let mut may: Vec<u32> = Vec::new();
        while turn < self.seen.all.len() {
            let place = turn as u32;
            turn += 1;
            if !self.seen.is_best(place) {
                continue;
            }
            self.visits += 1;
            if self.visits.is_multiple_of(256) && !watchdog(self.progress()) {
                return Err(Halt::Stopped);
            }
            let config = self.seen.all[turn - 1].clone();
            let lost = self.classes.iter().enumerate();
            let lost = lost.filter_map(|(class, members)| members.get(config.used.get(class) as usize));
            may.clear();
            may.extend(self.open.iter().filter(|(s, _)| !config.done.has(*s)).map(|(_, other)| *other).chain(lost.copied()));
            for &other in &may {
                let Some(next) = self.happen(context, &config, other, ahead) else { continue };
                // It happened itself, or was seen, or was overwritten unseen.
                if may_count(&next) {
                    self.after.insert(without(next.clone()), &self.observers);
                }
                if !next.done.has(slot) {
                    self.seen.insert(next, &self.observers);
                }
            }
        }
        if self.after.is_empty() {
            return Err(Halt::Stuck(self.stuck(context, call)));
        }
        self.close(call);
        self.frontier = self.after.drain_best();
        self.forget();
        Ok(())
    }

    /// States that no configuration is in any more are forgotten, once there are many.
    fn forget(&mut self) {
        if self.states.len() < 1 << 12 || self.states.len() < 8 * self.frontier.len() {
            return;
        }
        let mut frontier = std::mem::take(&mut self.frontier);
        let old = std::mem::take(&mut self.states);
        self.state_ids.clear();
        self.steps.clear();
        for config in &mut frontier {
            config.state = self.intern(old[config.state as usize].clone());
        }
        self.frontier = frontier;
    }

    fn stuck(&self, context: Context<'_, M>, call: u32) -> Stuck<M::State> {
        let mut states: Vec<u32> = self.frontier.iter().map(|c| c.state).collect();
        states.sort_unstable();
        states.dedup();
        let mut open: Vec<u32> = self.open.iter().map(|(_, c)| *c).chain(self.classes.iter().flatten().copied()).collect();
        open.retain(|other| *other != call);
        open.sort_unstable();
        Stuck {
            call: context.calls[call as usize].id,
            states: states.into_iter().map(|s| self.states[s as usize].clone()).collect(),
            open: open.into_iter().map(|c| context.calls[c as usize].id).collect(),
        }
    }

    /// An order that leads to the first configuration. Calls that were overwritten unseen are put before the one that did it.
    fn order(&self, context: Context<'_, M>) -> Vec<CallId> {
        let Some(trace) = &self.trace else { return vec![] };
        let mut steps: Vec<&Step> = vec![];
        let mut at = self.frontier[0].trace;
        while at != NO_TRACE {
            steps.push(&trace[at as usize]);
            at = trace[at as usize].before;
        }
        steps.reverse();
        let calls = context.calls;
        let mut happened = vec![false; calls.len()];
        steps.iter().for_each(|s| happened[s.call as usize] = true);
        let unseen = |i: &u32| !happened[*i as usize] && calls[*i as usize].returned != NEVER;
        let mut unseen: Vec<u32> = (0..calls.len() as u32).filter(unseen).collect();
        let mut order = Vec::with_capacity(calls.len());
        for step in steps {
            if self.natures[step.call as usize] == Nature::Overwrites && !unseen.is_empty() {
                let was_open = |i: &u32| {
                    let (invoked, returned) = self.span[*i as usize];
                    invoked < step.event && step.event <= returned
                };
                let (now, rest): (Vec<u32>, Vec<u32>) = unseen.into_iter().partition(was_open);
                order.extend(now.into_iter().map(|i| calls[i as usize].id));
                unseen = rest;
            }
            order.push(calls[step.call as usize].id);
        }
        order
    }
}
