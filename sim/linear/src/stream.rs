//! A history that is still being made: told event by event, decided as soon as it can be.
//!
//! Whether a call may happen depends on its answer, so an event is decided once every call that was invoked before it has
//! ended: returned, or lost. The delay is thus the longest time that a call takes, at the most its deadline.

use crate::{
    call::{Call, CallId, NEVER},
    decision::{Progress, Stuck, unlimited},
    frontier::{Engine, Halt},
    model::{CallOf, Context, Model},
};
use std::collections::{BTreeMap, VecDeque};

/// A search that goes along with a history.
pub struct Stream<M: Model> {
    model: M,
    engine: Engine<M>,
    calls: Vec<CallOf<M>>,
    /// Calls without an end so far, by name.
    pending: BTreeMap<CallId, u32>,
    /// Events that are not decided yet: whether it is a return, and of which call.
    events: VecDeque<(bool, u32)>,
    place: usize,
    stuck: Option<Stuck<M::State>>,
}

impl<M: Model> Stream<M> {
    /// A history without any event.
    pub fn new(model: M) -> Stream<M> {
        let engine = Engine::new(&[model.init()], false);
        Stream { model, engine, calls: vec![], pending: BTreeMap::new(), events: VecDeque::new(), place: 0, stuck: None }
    }

    /// Somebody asks.
    ///
    /// # Panics
    /// When a call of this name is open.
    pub fn invoke(&mut self, id: CallId, input: M::Input) {
        let call = self.calls.len() as u32;
        assert!(self.pending.insert(id, call).is_none(), "call {id} is open already");
        self.calls.push(Call { id, input, output: None, invoked: self.place, returned: NEVER });
        self.events.push_back((false, call));
        self.place += 1;
    }

    /// It is answered. `Err` as soon as no order is left, from there on for every event.
    ///
    /// # Errors
    /// Where no order is left.
    ///
    /// # Panics
    /// When no call of this name is open.
    pub fn returned(&mut self, id: CallId, output: Option<M::Output>) -> Result<(), &Stuck<M::State>> {
        let call = self.pending.remove(&id).unwrap_or_else(|| panic!("call {id} is not open"));
        self.calls[call as usize].output = output;
        self.calls[call as usize].returned = self.place;
        self.events.push_back((true, call));
        self.place += 1;
        self.go_on()
    }

    /// It will never be known whether it happened.
    ///
    /// # Errors
    /// Where no order is left.
    pub fn lost(&mut self, id: CallId) -> Result<(), &Stuck<M::State>> {
        self.pending.remove(&id);
        self.go_on()
    }

    /// The history is over: what has not ended is lost.
    ///
    /// # Errors
    /// Where no order is left.
    pub fn finish(&mut self) -> Result<(), &Stuck<M::State>> {
        self.pending.clear();
        self.go_on()
    }

    /// How many events are not decided yet.
    pub fn undecided(&self) -> usize {
        self.events.len()
    }

    fn go_on(&mut self) -> Result<(), &Stuck<M::State>> {
        let context = Context { model: &self.model, calls: &self.calls };
        while self.stuck.is_none()
            && let Some(&(returns, call)) = self.events.front()
        {
            if !returns && self.pending.contains_key(&self.calls[call as usize].id) {
                break;
            }
            self.events.pop_front();
            let mut watchdog: fn(Progress) -> bool = unlimited;
            let step = match returns {
                false => self.engine.invoke(context, call, &mut watchdog),
                true => self.engine.returns(context, call, &mut watchdog),
            };
            match step {
                Ok(()) => {}
                Err(Halt::Stuck(stuck)) => self.stuck = Some(stuck),
                Err(Halt::Stopped) => unreachable!("nobody stops it"),
            }
        }
        self.stuck.as_ref().map_or(Ok(()), Err)
    }
}
