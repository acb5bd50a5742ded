//! What calls do to an object, told by number: the object itself stays with its model.

use crate::{
    bits::ones,
    model::{Context, Model, Nature},
};
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// How many slots there are, and how many states.
pub(super) const WORD: usize = 64;

/// Why a search ended early.
pub(super) enum Halt {
    /// No order is left: the states that were possible, and the calls that were open.
    Stuck(u64, Vec<u32>),
    /// The watchdog.
    Stopped,
    /// It does not fit.
    Full,
}

/// What the calls do, without what they are.
pub(super) trait Object {
    fn nature(&self, call: u32) -> Nature;
    fn is_legal(&self, state: u8, call: u32) -> bool;
    /// The state after it, if it is legal. There may be no room for one.
    fn step(&mut self, state: u8, call: u32) -> Result<Option<u8>, Halt>;
    /// Forgets all states but these.
    fn keep(&mut self, states: u64);
    /// Whether two calls ask the same, and are answered the same.
    fn alike(&self, one: u32, other: u32) -> bool;
    /// Where a call returns.
    fn returned(&self, call: u32) -> usize;
}

pub(super) struct Asked<'c, M: Model> {
    context: Context<'c, M>,
    pub(super) states: Vec<M::State>,
    hashes: Vec<u64>,
    /// Which of them are of use.
    kept: u64,
}

impl<'c, M: Model> Asked<'c, M> {
    pub(super) fn new(context: Context<'c, M>) -> Self {
        Asked { context, states: vec![], hashes: vec![], kept: 0 }
    }

    pub(super) fn intern(&mut self, state: M::State) -> Result<u8, Halt> {
        let hash = FxBuildHasher.hash_one(&state);
        if let Some(known) = ones(0, self.kept).find(|at| self.hashes[*at as usize] == hash && self.states[*at as usize] == state) {
            return Ok(known as u8);
        }
        let at = (!self.kept).trailing_zeros() as usize;
        match at {
            WORD => return Err(Halt::Full),
            at if at == self.states.len() => {
                self.states.push(state);
                self.hashes.push(hash);
            }
            at => (self.states[at], self.hashes[at]) = (state, hash),
        }
        self.kept |= 1 << at;
        Ok(at as u8)
    }

    fn answer(&self, state: u8, call: u32) -> Option<M::State> {
        let call = &self.context.calls[call as usize];
        self.context.model.step(&self.states[state as usize], &call.input, call.output.as_ref())
    }
}

impl<M: Model> Object for Asked<'_, M> {
    fn nature(&self, call: u32) -> Nature {
        let call = &self.context.calls[call as usize];
        self.context.model.nature(&call.input, call.output.as_ref())
    }

    fn is_legal(&self, state: u8, call: u32) -> bool {
        self.answer(state, call).is_some()
    }

    fn step(&mut self, state: u8, call: u32) -> Result<Option<u8>, Halt> {
        self.answer(state, call).map(|next| self.intern(next)).transpose()
    }

    fn keep(&mut self, states: u64) {
        self.kept &= states;
    }

    fn alike(&self, one: u32, other: u32) -> bool {
        let (one, other) = (&self.context.calls[one as usize], &self.context.calls[other as usize]);
        one.input == other.input && self.context.model.alike(one.output.as_ref(), other.output.as_ref())
    }

    fn returned(&self, call: u32) -> usize {
        self.context.calls[call as usize].returned
    }
}
