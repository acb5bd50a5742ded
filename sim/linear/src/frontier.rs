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

pub use crate::decision::{Progress, Watchdog, unlimited};
use crate::{
    bits::{Bits, NONE, Used, ones},
    call::{CallId, NEVER},
    compact,
    decision::{Decision, Stuck},
    model::{CallOf, Context, Model, Nature},
    trace::{NO_TRACE, Trace},
};
use hashbrown::{HashMap, HashTable, hash_table::Entry};
use rustc_hash::FxBuildHasher;
use std::{cell::Cell, hash::BuildHasher};

type FxMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// How much of what is possible a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All of it.
    Exact,
    /// So many configurations at each return: an order that it finds is one.
    Narrow(usize),
    /// More than is possible, calls of unknown outcome happen as often as they like: if it finds no order there is none.
    Endless,
}

/// What a narrow search tries at a return, as often as it is wide.
const TRIES: u64 = 32;

#[derive(Clone, Debug)]
struct Config {
    state: u32,
    /// Open calls that happened.
    done: Bits,
    /// Open calls that may count as done or as to come.
    free: Bits,
    /// How many of each class of unknown outcome happened: its number in `Used`.
    used: u32,
    /// The last step of the order that led here.
    trace: u32,
    /// Among others: the place of the one before it in the same state.
    before: u32,
}

/// The state of a configuration that another one dominates.
const GONE: u32 = u32::MAX;

/// Configurations without the dominated ones.
struct Best {
    all: Vec<Config>,
    /// The place of the last one in each of the first few states.
    last: [u32; FIRST],
    /// The same of the other states: kept once there are many.
    by_state: FxMap<u32, u32>,
}

/// So many configurations are looked through one by one.
const FEW: usize = 24;

const NOBODY: u32 = u32::MAX;

impl Default for Best {
    fn default() -> Best {
        Best { all: vec![], last: [NOBODY; FIRST], by_state: FxMap::default() }
    }
}

impl Best {
    fn clear(&mut self) {
        self.all.clear();
        self.last = [NOBODY; FIRST];
        self.by_state.clear();
    }

    /// Takes it, unless one that is as good is there already.
    fn insert(&mut self, config: Config, observers: &Bits, used: &Used) {
        let state = config.state as usize;
        if state >= FIRST && self.all.len() < FEW {
            for other in self.all.iter_mut().rev().filter(|other| other.state == config.state) {
                if as_good(other, &config, observers, used) {
                    return;
                }
                if as_good(&config, other, observers, used) {
                    other.state = GONE;
                }
            }
            self.all.push(config);
            return;
        }
        let mut at = self.last_in(config.state);
        while at != NOBODY {
            let other = &mut self.all[at as usize];
            at = other.before;
            if other.state != GONE {
                if as_good(other, &config, observers, used) {
                    return;
                }
                if as_good(&config, other, observers, used) {
                    other.state = GONE;
                }
            }
        }
        self.push(config);
    }

    /// Takes it: it is known that none is as good, nor it as good as any.
    fn push(&mut self, mut config: Config) {
        let (at, state) = (self.all.len() as u32, config.state as usize);
        if let Some(last) = self.last.get_mut(state) {
            config.before = std::mem::replace(last, at);
        } else if at as usize >= FEW {
            config.before = self.last_in(config.state);
            self.by_state.insert(config.state, at);
        }
        self.all.push(config);
    }

    /// The place of the last one in a state.
    fn last_in(&mut self, state: u32) -> u32 {
        if let Some(last) = self.last.get(state as usize) {
            return *last;
        }
        if self.by_state.is_empty() {
            for (at, config) in self.all.iter_mut().enumerate().filter(|(_, config)| config.state as usize >= FIRST) {
                config.before = self.by_state.insert(config.state, at as u32).unwrap_or(NOBODY);
            }
        }
        self.by_state.get(&state).copied().unwrap_or(NOBODY)
    }

    fn is_best(&self, place: usize) -> bool {
        self.all[place].state != GONE
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that nothing dominates, in order of their arrival.
    fn move_best(&mut self, into: &mut Vec<Config>) {
        into.clear();
        into.extend(self.all.drain(..).filter(|config| config.state != GONE));
        self.clear();
    }
}

fn is_harmless(nature: Nature) -> bool {
    matches!(nature, Nature::Overwrites | Nature::Adds)
}

/// Whether `a` can do all that `b` can, both in the same state.
#[inline(always)]
fn as_good(a: &Config, b: &Config, observers: &Bits, used: &Used) -> bool {
    // Most often the first word tells.
    as_good_in(0, a, b, observers) && as_good_beyond(a, b, observers, used)
}

#[inline(always)]
fn as_good_in(word: usize, a: &Config, b: &Config, observers: &Bits) -> bool {
    let differ = (a.done.word(word) ^ b.done.word(word)) | (a.free.word(word) ^ b.free.word(word));
    differ & !a.free.word(word) & !(observers.word(word) & a.done.word(word)) == 0
}

fn as_good_beyond(a: &Config, b: &Config, observers: &Bits, used: &Used) -> bool {
    let words = a.done.words().max(b.done.words()).max(b.free.words());
    used.within(a.used, b.used) && (1..words).all(|word| as_good_in(word, a, b, observers))
}

/// The state of a search, apart from the calls themselves.
pub(crate) struct Engine<M: Model> {
    natures: Vec<Nature>,
    states: Vec<M::State>,
    /// The ids of states, by what they are.
    state_ids: HashTable<u32>,
    /// What the call in a slot, or of a class of unknown outcome, makes of the first few states.
    steps: [Vec<[u32; FIRST]>; 2],
    used: Used,
    /// The slots of the open calls that will return, and the call in each slot.
    open: Bits,
    call_in: Vec<u32>,
    slot_of: Vec<u32>,
    free_slots: Vec<u32>,
    slots: u32,
    /// Slots of open calls that only observe, and that only overwrite.
    observers: Bits,
    overwriters: Bits,
    /// For each of the first slots, the slots of open calls that do the same to every state and return earlier.
    sooner: [u64; 64],
    /// For each of the first states, of which of the first slots it is known whether their calls are legal in it; and which are.
    asked: [u64; FIRST],
    legal: [u64; FIRST],
    /// Calls of unknown outcome that were invoked by now, those together that ask the same.
    classes: Vec<Vec<u32>>,
    class_of_input: FxMap<M::Input, usize>,
    class_of: Vec<u32>,
    /// What is to come, so that states without hope are dropped.
    foresight: Option<Foresight>,
    /// The states that one call of unknown outcome that overwrites leads to, from the configuration that is looked at.
    at_once: Vec<u32>,
    /// The classes of unknown outcome that overwrite.
    lost_overwriters: Vec<usize>,
    /// Slots of open calls that are not legal in every state.
    delicate: Bits,
    /// Whether every call that is not legal in every state was invoked by now.
    all_asked: bool,
    /// Whether the first configuration is past everything that could go wrong.
    sure: bool,
    trace: Trace,
    /// How much of what is possible is looked at, and whether something was left out.
    reach: Reach,
    narrowed: bool,
    /// The call that returns last of those that made a state without hope.
    ahead: Cell<u32>,
    event: usize,
    visits: u64,
    frontier: Vec<Config>,
    after: Best,
    seen: Best,
    /// Lists that a return fills, kept for their room.
    lists: [Vec<u32>; 4],
}

/// What is to come.
struct Foresight {
    /// For each event, the next call to be invoked that only observes: what must still be possible.
    ahead: Vec<Option<u32>>,
    /// For each event, how many calls that overwrite are invoked before it.
    overwriters: Vec<u32>,
    /// For each call, the event at which it returns.
    returns: Vec<u32>,
}

impl Foresight {
    fn new<M: Model>(context: Context<'_, M>, events: &[(usize, bool, u32)]) -> Foresight {
        let nature = |i: u32| {
            let call = &context.calls[i as usize];
            context.model.nature(&call.input, if call.returned == NEVER { None } else { call.output.as_ref() })
        };
        let (mut ahead, mut next) = (vec![None; events.len()], None);
        let (mut overwriters, mut number) = (Vec::with_capacity(events.len() + 1), 0);
        let mut returned = vec![u32::MAX; context.calls.len()];
        for (at, &(_, returns, i)) in events.iter().enumerate() {
            overwriters.push(number);
            number += u32::from(!returns && nature(i) == Nature::Overwrites);
            if returns {
                returned[i as usize] = at as u32;
            }
        }
        for (at, &(_, returns, i)) in events.iter().enumerate().rev() {
            ahead[at] = next;
            let call = &context.calls[i as usize];
            if !returns && call.returned != NEVER && call.output.is_some() && nature(i) == Nature::Observes {
                next = Some(i);
            }
        }
        Foresight { ahead, overwriters, returns: returned }
    }
}

const ILLEGAL: u32 = u32::MAX;

/// It was not asked yet what a call makes of a state.
const UNASKED: u32 = u32::MAX - 1;

/// What calls make of so many states is remembered: registers of a few values have no more.
const FIRST: usize = 14;

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

impl<M: Model> Engine<M> {
    pub(crate) fn new(states: &[M::State], order: bool) -> Self {
        let mut engine = Engine {
            natures: vec![],
            states: vec![],
            state_ids: HashTable::new(),
            steps: [vec![], vec![]],
            used: Used::default(),
            open: Bits::default(),
            call_in: vec![],
            slot_of: vec![],
            free_slots: vec![],
            slots: 0,
            observers: Bits::default(),
            overwriters: Bits::default(),
            sooner: [0; 64],
            asked: [0; FIRST],
            legal: [0; FIRST],
            classes: vec![],
            class_of_input: FxMap::default(),
            class_of: vec![],
            foresight: None,
            lost_overwriters: vec![],
            at_once: vec![],
            delicate: Bits::default(),
            all_asked: false,
            sure: false,
            trace: Trace::new(order),
            reach: Reach::Exact,
            narrowed: false,
            ahead: Cell::new(NOBODY),
            event: 0,
            visits: 0,
            frontier: vec![],
            after: Best::default(),
            seen: Best::default(),
            lists: Default::default(),
        };
        let states: Vec<u32> = states.iter().map(|state| engine.intern(state.clone())).collect();
        let first = |state: u32| Config { state, done: Bits::default(), free: Bits::default(), used: 0, trace: NO_TRACE, before: NOBODY };
        engine.frontier = states.into_iter().map(first).collect();
        engine
    }

    fn intern(&mut self, state: M::State) -> u32 {
        let hash = |state: &M::State| FxBuildHasher.hash_one(state);
        let entry = self.state_ids.entry(hash(&state), |id| self.states[*id as usize] == state, |id| hash(&self.states[*id as usize]));
        match entry {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(slot) => {
                let id = self.states.len() as u32;
                slot.insert(id);
                self.states.push(state);
                id
            }
        }
    }

    /// Room for so many calls.
    fn make_room(&mut self, calls: usize) {
        self.natures.resize(calls, Nature::Changes);
        self.slot_of.resize(calls, NOBODY);
        self.class_of.resize(calls, NOBODY);
        self.trace.make_room(calls);
    }

    /// Where what a call makes of the first few states is remembered.
    fn row(&self, call: u32) -> (usize, usize) {
        match self.slot_of[call as usize] {
            u32::MAX => (1, self.class_of[call as usize] as usize),
            slot => (0, slot as usize),
        }
    }

    fn step(&mut self, context: Context<'_, M>, state: u32, call: u32) -> Option<u32> {
        self.step_unless(context, state, call, |_, _| false)
    }

    /// The state after a call, unless there is something against it.
    fn step_unless(
        &mut self,
        context: Context<'_, M>,
        state: u32,
        call: u32,
        refuse: impl FnOnce(&Self, &M::State) -> bool,
    ) -> Option<u32> {
        let (rows, row) = self.row(call);
        let known = self.steps[rows][row].get(state as usize).copied().unwrap_or(UNASKED);
        if known != UNASKED {
            return (known != ILLEGAL).then_some(known);
        }
        let asked = &context.calls[call as usize];
        // Of what never returned nobody saw an answer.
        let output = if asked.returned == NEVER { None } else { asked.output.as_ref() };
        let next = match context.model.step(&self.states[state as usize], &asked.input, output) {
            None => ILLEGAL,
            Some(_) if self.natures[call as usize] == Nature::Observes => state,
            Some(next) if refuse(self, &next) => return None,
            Some(next) => self.intern(next),
        };
        if let Some(step) = self.steps[rows][row].get_mut(state as usize) {
            *step = next;
        }
        (next != ILLEGAL).then_some(next)
    }

    fn record(&mut self, before: u32, call: u32) -> u32 {
        self.trace.record(before, call, self.event)
    }

    /// A call happens in a configuration: the one after, unless it is illegal, without hope, or in vain.
    ///
    /// A call that nobody waits for yet, or that may as well be overwritten unseen, is in vain unless it makes something
    /// legal, among what else may happen, that does not just overwrite in its turn. (`lost`: what of unknown outcome may; `None` for the
    /// call that returns.)
    fn happen(&mut self, context: Context<'_, M>, config: &Config, call: u32, lost: Option<&[u32]>) -> Option<Config> {
        let state = self.step_unless(context, config.state, call, |engine, next| engine.is_doomed(context, config, next))?;
        let class = self.class_of[call as usize];
        let is_lost = class != u32::MAX;
        let overwrites = self.natures[call as usize] == Nature::Overwrites;
        // What nobody waits for need not happen where it changes nothing, nor hides anything.
        if state == config.state && is_lost && !(overwrites && self.hides_some(config)) {
            return None;
        }
        if (overwrites || is_lost)
            && let Some(lost) = lost
            && !self.leads_on(context, config, state, lost, overwrites && is_lost)
        {
            return None;
        }
        let mut after = Config { state, ..config.clone() };
        match is_lost {
            true if self.reach == Reach::Endless => {}
            true => after.used = self.used.add(after.used, class as usize),
            false => {
                let slot = self.slot_of[call as usize];
                after.done.insert(slot);
                after.free.remove(slot);
            }
        }
        after.trace = self.record(config.trace, call);
        if overwrites {
            // The call itself is done by now, if it is an open one.
            after.free.add_without(&self.overwriters, &after.done);
        }
        // A state that is remembered was not asked about just now.
        if (state as usize) < FIRST && self.is_doomed(context, &after, &self.states[state as usize]) {
            return None;
        }
        self.observe(context, &mut after);
        Some(after)
    }

    /// Whether an open call overwrites as this one of unknown outcome does, and may as well happen first: in an order where it happens
    /// later, the two can change places.
    fn is_spared(&self, context: Context<'_, M>, config: &Config, lost: u32) -> bool {
        let lost = &context.calls[lost as usize];
        let after = |output: Option<&M::Output>| context.model.step(&self.states[0], &lost.input, output);
        self.overwriters.without(&config.done).any(|slot| {
            let open = &context.calls[self.call_in[slot as usize] as usize];
            open.input == lost.input && after(open.output.as_ref()) == after(None)
        })
    }

    /// Whether one that overwrites would hide an open one that was not hidden yet.
    fn hides_some(&self, config: &Config) -> bool {
        (0..self.overwriters.words()).any(|w| self.overwriters.word(w) & !config.done.word(w) & !config.free.word(w) != 0)
    }

    /// Whether in this state any open call that did not happen yet, or any of these of unknown outcome, may happen and does not just
    /// overwrite.
    fn leads_on(&mut self, context: Context<'_, M>, config: &Config, state: u32, lost: &[u32], overwrites: bool) -> bool {
        for at in 0..self.open.words() {
            let some = self.open.word(at) & !config.done.word(at) & !self.overwriters.word(at);
            if at == 0 && (state as usize) < FIRST {
                if self.legal_in(context, state, some) != 0 {
                    return true;
                }
            } else if ones(at, some).any(|slot| self.step(context, state, self.call_in[slot as usize]).is_some()) {
                return true;
            }
        }
        lost.iter().any(|&call| {
            // What nobody waits for is to change something; and two such calls in a row, of which the first overwrites, are
            // no better than one that overwrites alone: the two could do later whatever the one could.
            let next = self.step(context, state, call);
            next.is_some_and(|next| next != state && !(overwrites && self.at_once.contains(&next)))
        })
    }

    /// Which of these of the first slots have a call that is legal in this state, one of the first few.
    #[inline]
    fn legal_in(&mut self, context: Context<'_, M>, state: u32, some: u64) -> u64 {
        let unknown = some & !self.asked[state as usize];
        for slot in ones(0, unknown) {
            let is_legal = self.step(context, state, self.call_in[slot as usize]).is_some();
            self.legal[state as usize] |= u64::from(is_legal) << slot;
        }
        self.asked[state as usize] |= unknown;
        self.legal[state as usize] & some
    }

    /// Every open observation that is legal happens.
    #[inline]
    fn observe(&mut self, context: Context<'_, M>, config: &mut Config) {
        let mut from = 0;
        if (config.state as usize) < FIRST {
            let now = self.legal_in(context, config.state, self.observers.word(0) & !config.done.word(0));
            config.done.add_first(now);
            if self.trace.is_kept() {
                ones(0, now).for_each(|slot| config.trace = self.record(config.trace, self.call_in[slot as usize]));
            }
            from = 1;
        }
        for at in from..self.observers.words() {
            for slot in ones(at, self.observers.word(at) & !config.done.word(at)) {
                let call = self.call_in[slot as usize];
                if self.step(context, config.state, call).is_some() {
                    config.done.insert(slot);
                    config.trace = self.record(config.trace, call);
                }
            }
        }
    }

    /// Whether a call that must come cannot: its answer is not to be had any more, and nothing can overwrite before it returns.
    fn is_doomed(&self, context: Context<'_, M>, config: &Config, state: &M::State) -> bool {
        let Some(foresight) = &self.foresight else { return false };
        let now = foresight.overwriters[self.event.min(foresight.overwriters.len()) - 1];
        let ahead = foresight.ahead.get(self.event - 1).copied().flatten();
        let open = self.observers.without(&config.done).map(|slot| self.call_in[slot as usize]);
        open.chain(ahead).any(|call| {
            let asked = &context.calls[call as usize];
            let Some(output) = &asked.output else { return false };
            let hopeless = |state: &M::State| context.model.hopeless(state, &asked.input, output);
            if !hopeless(state) || foresight.overwriters[foresight.returns[call as usize] as usize] > now {
                return false;
            }
            let open = self.overwriters.without(&config.done).map(|slot| self.call_in[slot as usize]);
            let lost = self.lost_overwriters.iter();
            let lost = lost.filter_map(|class| self.classes[*class].get(self.used.get(config.used, *class) as usize).copied());
            let doomed = !open.chain(lost).any(|other| {
                let other = &context.calls[other as usize];
                let output = if other.returned == NEVER { None } else { other.output.as_ref() };
                context.model.step(state, &other.input, output).is_some_and(|next| !hopeless(&next))
            });
            if doomed && (self.ahead.get() == NOBODY || context.calls[self.ahead.get() as usize].returned < asked.returned) {
                self.ahead.set(call);
            }
            doomed
        })
    }

    /// A call is invoked. What becomes of it is known already.
    pub(crate) fn invoke(&mut self, context: Context<'_, M>, call: u32, watchdog: Watchdog<'_>) -> Result<(), Halt<M::State>> {
        self.tick(watchdog)?;
        let i = call as usize;
        if self.natures.len() <= i {
            self.make_room(i + 1);
        }
        let asked = &context.calls[i];
        let lost = asked.returned == NEVER;
        let nature = context.model.nature(&asked.input, if lost { None } else { asked.output.as_ref() });
        self.natures[i] = nature;
        self.trace.invoked(call, self.event);
        if lost {
            // What of unknown outcome only observes says nothing.
            if nature != Nature::Observes {
                let class = match self.class_of_input.get(&asked.input) {
                    Some(class) => *class,
                    None => {
                        self.class_of_input.insert(asked.input.clone(), self.classes.len());
                        self.classes.push(vec![]);
                        self.steps[1].push([UNASKED; FIRST]);
                        if nature == Nature::Overwrites {
                            self.lost_overwriters.push(self.classes.len() - 1);
                        }
                        self.classes.len() - 1
                    }
                };
                self.classes[class].push(call);
                self.class_of[i] = class as u32;
            }
            return Ok(());
        }
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.steps[0].push([UNASKED; FIRST]);
            self.slots - 1
        });
        self.steps[0][slot as usize] = [UNASKED; FIRST];
        if slot < 64 {
            self.asked.iter_mut().for_each(|slots| *slots &= !(1 << slot));
            self.legal.iter_mut().for_each(|slots| *slots &= !(1 << slot));
        }
        self.slot_of[i] = slot;
        self.call_in.resize(self.slots as usize, NOBODY);
        self.call_in[slot as usize] = call;
        self.open.insert(slot);
        if !is_harmless(nature) {
            self.delicate.insert(slot);
        }
        match nature {
            Nature::Overwrites => {
                if slot < 64 {
                    self.rank(context, slot);
                }
                self.overwriters.insert(slot);
            }
            Nature::Changes | Nature::Sets | Nature::Adds => {}
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

    /// Which open calls do the same as the one in this slot, which overwrites: of two such calls the one that returns earlier may as well
    /// happen first. In any order where it does not, the two can change places.
    fn rank(&mut self, context: Context<'_, M>, slot: u32) {
        let call = |slot: u32| &context.calls[self.call_in[slot as usize] as usize];
        let after = |call: &CallOf<M>| context.model.step(&self.states[0], &call.input, call.output.as_ref());
        // Of two that return at one place, the one that stands first.
        let end = |slot: u32| (call(slot).returned, self.call_in[slot as usize]);
        let asked = call(slot);
        let mut sooner = 0;
        for other in ones(0, self.overwriters.word(0)) {
            if call(other).input == asked.input && after(call(other)) == after(asked) {
                match end(other) < end(slot) {
                    true => sooner |= 1 << other,
                    false => self.sooner[other as usize] |= 1 << slot,
                }
            }
        }
        self.sooner[slot as usize] = sooner;
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
        self.open.remove(slot);
        self.free_slots.push(slot);
        self.observers.remove(slot);
        self.overwriters.remove(slot);
        self.delicate.remove(slot);
        if slot < 64 {
            ones(0, self.overwriters.word(0)).for_each(|other| self.sooner[other as usize] &= !(1 << slot));
        }
    }

    /// Whether nothing can go wrong any more from here: what is open and could has happened, and no more is asked.
    fn is_sure(&self, config: &Config) -> bool {
        self.all_asked && (0..self.delicate.words()).all(|w| self.delicate.word(w) & !config.done.word(w) == 0)
    }

    fn bytes(&self) -> usize {
        let states = self.states.len() * (size_of::<M::State>() + 8) + self.steps[1].len() * size_of::<[u32; FIRST]>() + self.used.bytes();
        let used = self.seen.all.last().map_or(0, |c| c.done.bytes() + c.free.bytes());
        let configs = self.seen.all.len() + self.after.all.len() + self.frontier.len();
        states + configs * (size_of::<Config>() + used + 8) + self.trace.bytes()
    }

    /// A call returns: it must have happened by now.
    pub(crate) fn returns(&mut self, context: Context<'_, M>, call: u32, watchdog: Watchdog<'_>) -> Result<(), Halt<M::State>> {
        self.tick(watchdog)?;
        self.trace.returned(call, self.event);
        let slot = self.slot_of[call as usize];
        let may_count = |c: &Config| c.done.has(slot) || c.free.has(slot);
        let without = |mut c: Config| {
            c.done.remove(slot);
            c.free.remove(slot);
            c
        };
        if self.frontier.iter().all(|c| c.done.has(slot)) && !(self.all_asked && self.frontier.len() > 1) {
            // Most often it happened before: nothing to search.
            self.close(call);
            // Of two in the same state none becomes better than the other by that.
            self.frontier.iter_mut().for_each(|config| config.done.remove(slot));
            return Ok(());
        }
        self.after.clear();
        self.seen.clear();
        for config in &self.frontier {
            if may_count(config) {
                if self.is_sure(config) {
                    let sure = without(config.clone());
                    self.close(call);
                    self.frontier = vec![sure];
                    self.sure = true;
                    return Ok(());
                }
                self.after.insert(without(config.clone()), &self.observers, &self.used);
            }
            // What is free may count as done, and may as well be still to come: last moment.
            if !config.done.has(slot) {
                self.seen.push(config.clone());
            }
        }
        let mut turn = 0;
        let [mut may, mut leads, mut counts, mut reached] = std::mem::take(&mut self.lists);
        let first = self.visits;
        let mut looked_at: Vec<bool> = vec![];
        while turn < self.seen.all.len() {
            let mut at = turn;
            if let Reach::Narrow(width) = self.reach {
                if self.visits - first >= TRIES * width as u64 || self.after.all.len() >= 2 * width {
                    self.narrowed = true;
                    break;
                }
                // Every other one is the newest that was not looked at: few of all ways are tried, and some of them to their end.
                looked_at.resize(self.seen.all.len(), false);
                if self.visits % 2 == 1 {
                    at = looked_at.iter().rposition(|looked_at| !looked_at).unwrap_or(turn);
                }
                if std::mem::replace(&mut looked_at[at], true) {
                    turn += usize::from(at == turn);
                    continue;
                }
            }
            turn += usize::from(at == turn);
            if !self.seen.is_best(at) {
                continue;
            }
            self.visits += 1;
            if self.visits.is_multiple_of(256) && !watchdog(self.progress()) {
                return Err(Halt::Stopped);
            }
            let config = self.seen.all[at].clone();
            if !self.classes.is_empty() {
                self.used.spread(config.used, self.classes.len(), &mut counts);
            }
            may.clear();
            for at in 0..self.open.words() {
                for slot in ones(at, self.open.word(at) & !config.done.word(at)) {
                    let is_late = at == 0 && self.overwriters.has(slot) && self.sooner[slot as usize] & !config.done.word(0) != 0;
                    if !is_late {
                        may.push(self.call_in[slot as usize]);
                    }
                }
            }
            let left = |engine: &Self, class: usize| engine.classes[class].get(counts[class] as usize).copied();
            reached.clear();
            leads.clear();
            for class in 0..self.classes.len() {
                let Some(other) = left(self, class).filter(|other| self.natures[*other as usize] != Nature::Overwrites) else { continue };
                leads.push(other);
                if let Some(next) = self.step(context, config.state, other).filter(|next| *next != config.state) {
                    may.push(other);
                    if self.natures[other as usize] == Nature::Sets {
                        reached.push(next);
                    }
                }
            }
            // One that overwrites could do all that one that sets the same does: it is kept for later.
            let hides_some = self.hides_some(&config);
            self.at_once.clear();
            for at in 0..self.lost_overwriters.len() {
                let Some(other) = left(self, self.lost_overwriters[at]) else { continue };
                let Some(next) = self.step(context, config.state, other) else { continue };
                self.at_once.push(next);
                if (hides_some || !reached.contains(&next)) && !self.is_spared(context, &config, other) {
                    may.push(other);
                }
            }
            for &other in &may {
                let lost = (other != call).then_some(&leads[..]);
                let Some(next) = self.happen(context, &config, other, lost) else { continue };
                // It happened itself, or was seen, or was overwritten unseen.
                if may_count(&next) {
                    if self.is_sure(&next) {
                        self.close(call);
                        self.frontier = vec![without(next)];
                        self.sure = true;
                        return Ok(());
                    }
                    if next.done.has(slot) {
                        self.after.insert(without(next), &self.observers, &self.used);
                        continue;
                    }
                    self.after.insert(without(next.clone()), &self.observers, &self.used);
                }
                self.seen.insert(next, &self.observers, &self.used);
            }
        }
        if self.after.is_empty() {
            return Err(Halt::Stuck(self.stuck(context, call)));
        }
        self.lists = [may, leads, counts, reached];
        self.close(call);
        self.after.move_best(&mut self.frontier);
        self.narrow();
        self.forget();
        Ok(())
    }

    /// Of many configurations those that used the fewest calls of unknown outcome, if the search is a narrow one.
    fn narrow(&mut self) {
        let Reach::Narrow(width) = self.reach else { return };
        if self.frontier.len() > width {
            self.frontier.sort_by_key(|config| self.used.sum(config.used));
            self.frontier.truncate(width);
            self.narrowed = true;
        }
    }

    /// A call returns, and so will only calls that are legal in every state: any configuration will do.
    fn returns_anyhow(&mut self, context: Context<'_, M>, call: u32) {
        if !self.trace.is_kept() {
            return;
        }
        self.event += 1;
        self.trace.returned(call, self.event);
        self.frontier.truncate(1);
        let slot = self.slot_of[call as usize];
        let config = self.frontier[0].clone();
        if !config.done.has(slot)
            && let Some(next) = self.happen(context, &config, call, None)
        {
            self.frontier[0] = next;
        }
        let config = &mut self.frontier[0];
        config.done.remove(slot);
        config.free.remove(slot);
        self.close(call);
    }

    /// States that no configuration is in any more are forgotten, once there are many.
    fn forget(&mut self) {
        if self.states.len() < 1 << 12 || self.states.len() < 8 * self.frontier.len() {
            return;
        }
        let mut frontier = std::mem::take(&mut self.frontier);
        let old = std::mem::take(&mut self.states);
        self.state_ids.clear();
        self.steps.iter_mut().for_each(|rows| rows.fill([UNASKED; FIRST]));
        self.asked = [0; FIRST];
        self.legal = [0; FIRST];
        for config in &mut frontier {
            config.state = self.intern(old[config.state as usize].clone());
        }
        self.frontier = frontier;
    }

    fn stuck(&self, context: Context<'_, M>, call: u32) -> Stuck<M::State> {
        let mut states: Vec<u32> = self.frontier.iter().map(|c| c.state).collect();
        states.sort_unstable();
        states.dedup();
        let waiting = self.open.without(&NONE).map(|slot| self.call_in[slot as usize]);
        let mut open: Vec<u32> = waiting.chain(self.classes.iter().flatten().copied()).collect();
        open.retain(|other| *other != call);
        open.sort_unstable();
        Stuck {
            call: context.calls[call as usize].id,
            states: states.into_iter().map(|s| self.states[s as usize].clone()).collect(),
            open: open.into_iter().map(|c| context.calls[c as usize].id).collect(),
            ahead: (self.ahead.get() != NOBODY).then(|| context.calls[self.ahead.get() as usize].id),
        }
    }

    /// An order that leads to the first configuration.
    fn order(&self, context: Context<'_, M>) -> Vec<CallId> {
        let calls = context.calls;
        let overwrites = |call: u32| self.natures[call as usize] == Nature::Overwrites;
        let order = self.trace.order(self.frontier[0].trace, overwrites, |call| calls[call as usize].returned != NEVER);
        order.into_iter().map(|call| calls[call as usize].id).collect()
    }
}
