//! The state of a search, what calls make of states, and invocations.

use super::{
    config::{Best, Config, FIRST, FxMap, NOBODY},
    foresight::Foresight,
};
use crate::{
    bits::{Bits, Used, ones},
    call::NEVER,
    decision::{Progress, Stuck, Watchdog},
    model::{CallOf, Context, Model, Nature},
    trace::{NO_TRACE, Trace},
};
use hashbrown::{HashTable, hash_table::Entry};
use rustc_hash::FxBuildHasher;
use std::{cell::Cell, hash::BuildHasher};

/// How much of what is possible a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All of it.
    Exact,
    /// This many configurations at each return: an order that it finds is one.
    Narrow(usize),
    /// More than is possible, calls of unknown outcome happen as often as they like: if it finds no order there is none.
    Endless,
}

/// What ended a search before its end.
pub(crate) enum Halt<S> {
    Stuck(Stuck<S>),
    Stopped,
}

pub(super) fn is_harmless(nature: Nature) -> bool {
    matches!(nature, Nature::Overwrites | Nature::Adds)
}

pub(super) const ILLEGAL: u32 = u32::MAX;

/// It was not asked yet what a call makes of a state.
pub(super) const UNASKED: u32 = u32::MAX - 1;

/// The state of a search, apart from the calls themselves.
pub(crate) struct Engine<M: Model> {
    pub(super) natures: Vec<Nature>,
    pub(super) states: Vec<M::State>,
    /// The ids of states, by what they are.
    pub(super) state_ids: HashTable<u32>,
    /// What the call in a slot, or of a class of unknown outcome, makes of the first few states.
    pub(super) steps: [Vec<[u32; FIRST]>; 2],
    pub(super) used: Used,
    /// The slots of the open calls that will return, and the call in each slot.
    pub(super) open: Bits,
    pub(super) call_in: Vec<u32>,
    pub(super) slot_of: Vec<u32>,
    pub(super) free_slots: Vec<u32>,
    pub(super) slots: u32,
    /// Slots of open calls that only observe, and that only overwrite.
    pub(super) observers: Bits,
    pub(super) overwriters: Bits,
    /// For each of the first slots, the slots of open calls that do the same to every state and return earlier.
    pub(super) sooner: [u64; 64],
    /// For each of the first states, of which of the first slots it is known whether their calls are legal in it; and which are.
    pub(super) asked: [u64; FIRST],
    pub(super) legal: [u64; FIRST],
    /// Calls of unknown outcome that were invoked by now, those together that ask the same.
    pub(super) classes: Vec<Vec<u32>>,
    pub(super) class_of_input: FxMap<M::Input, usize>,
    pub(super) class_of: Vec<u32>,
    /// What is to come, so that states without hope are dropped.
    pub(super) foresight: Option<Foresight>,
    /// The states that one call of unknown outcome that overwrites leads to, from the configuration that is looked at.
    pub(super) at_once: Vec<u32>,
    /// The classes of unknown outcome that overwrite.
    pub(super) lost_overwriters: Vec<usize>,
    /// Slots of open calls that are not legal in every state.
    pub(super) delicate: Bits,
    /// Whether every call that is not legal in every state was invoked by now.
    pub(super) all_asked: bool,
    /// Whether the first configuration is past everything that could go wrong.
    pub(super) sure: bool,
    pub(super) trace: Trace,
    /// How much of what is possible is looked at, and whether something was left out.
    pub(super) reach: Reach,
    pub(super) narrowed: bool,
    /// The call that returns last of those that made a state without hope.
    pub(super) ahead: Cell<u32>,
    pub(super) event: usize,
    pub(super) visits: u64,
    pub(super) frontier: Vec<Config>,
    pub(super) after: Best,
    pub(super) seen: Best,
    /// Lists that a return fills, kept for their room.
    pub(super) lists: [Vec<u32>; 4],
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

    pub(super) fn intern(&mut self, state: M::State) -> u32 {
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

    /// Room for this many calls.
    pub(super) fn make_room(&mut self, calls: usize) {
        self.natures.resize(calls, Nature::Changes);
        self.slot_of.resize(calls, NOBODY);
        self.class_of.resize(calls, NOBODY);
        self.trace.make_room(calls);
    }

    /// Where what a call makes of the first few states is remembered.
    pub(super) fn row(&self, call: u32) -> (usize, usize) {
        match self.slot_of[call as usize] {
            u32::MAX => (1, self.class_of[call as usize] as usize),
            slot => (0, slot as usize),
        }
    }

    pub(super) fn step(&mut self, context: Context<'_, M>, state: u32, call: u32) -> Option<u32> {
        self.step_unless(context, state, call, |_, _| false)
    }

    /// The state after a call, unless there is something against it.
    pub(super) fn step_unless(
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

    pub(super) fn record(&mut self, before: u32, call: u32) -> u32 {
        self.trace.record(before, call, self.event)
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
    pub(super) fn rank(&mut self, context: Context<'_, M>, slot: u32) {
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

    pub(super) fn tick(&mut self, watchdog: Watchdog<'_>) -> Result<(), Halt<M::State>> {
        self.event += 1;
        match self.event.is_multiple_of(4096) && !watchdog(self.progress()) {
            true => Err(Halt::Stopped),
            false => Ok(()),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { visits: self.visits, bytes: self.bytes(), events: self.event }
    }

    pub(super) fn close(&mut self, call: u32) {
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
    pub(super) fn is_sure(&self, config: &Config) -> bool {
        self.all_asked && (0..self.delicate.words()).all(|w| self.delicate.word(w) & !config.done.word(w) == 0)
    }

    pub(super) fn bytes(&self) -> usize {
        let states = self.states.len() * (size_of::<M::State>() + 8) + self.steps[1].len() * size_of::<[u32; FIRST]>() + self.used.bytes();
        let used = self.seen.all.last().map_or(0, |c| c.done.bytes() + c.free.bytes());
        let configs = self.seen.all.len() + self.after.all.len() + self.frontier.len();
        states + configs * (size_of::<Config>() + used + 8) + self.trace.bytes()
    }
}
