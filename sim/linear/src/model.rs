//! What a sequential specification is, and what the engine must know of each call.

use crate::{
    call::{Call, CallId, Settled},
    raw::Value,
};
use std::{collections::BTreeSet, hash::Hash};

/// What a call does to the state, whatever the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// It changes nothing, in *every* state in which it is legal. (`write 3` does not qualify for changing nothing where
    /// 3 is held already: being greedy with it gives wrong verdicts.)
    Observes,
    /// It is legal in every state, and the state after it does not depend on the one before.
    Overwrites,
    /// Wherever it changes anything, the state after it is one and the same: a compare-and-swap.
    Sets,
    /// It is legal in every state.
    Adds,
    /// Anything else.
    Changes,
}

/// Calls whose answers no order can explain, whatever became of all others: found by counting rather than by searching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outright {
    /// They, in order of invocation.
    pub calls: Vec<CallId>,
    /// The one of them whose answer it is.
    pub call: CallId,
    /// What was possible, for people.
    pub possible: String,
    /// Why, for people.
    pub why: String,
}

/// A sequential specification: which answers are legal in a state, and what the state is after.
///
/// Only [`init`](Model::init), [`step`](Model::step) and the two `show`s must be written; the rest makes the search
/// faster or its explanation smaller, and may be left as it is.
pub trait Model {
    /// A state.
    type State: Clone + Eq + Hash;
    /// What is asked.
    type Input: Clone + Eq + Hash;
    /// What is answered.
    type Output: Clone;

    /// Whether [`Model::hopeless`] may be true of anything. `true` is always right; `false` saves asking.
    const MAY_LOSE_HOPE: bool = true;

    /// The state at the beginning.
    fn init(&self) -> Self::State;

    /// The state after this call with this answer; `None` when a call in this state never answers so.
    /// Without an answer (nobody saw it), the state after whatever the call would do; `None` if it cannot happen now.
    fn step(&self, state: &Self::State, input: &Self::Input, output: Option<&Self::Output>) -> Option<Self::State>;

    /// What such a call does. [`Nature::Changes`] is always right.
    fn nature(&self, _input: &Self::Input, _output: Option<&Self::Output>) -> Nature {
        Nature::Changes
    }

    /// Whether this answer cannot be had any more, whatever is done to this state but overwriting it
    /// ([`Nature::Overwrites`]). `false` is always right. Asked only of models that [may lose hope](Model::MAY_LOSE_HOPE).
    fn hopeless(&self, _state: &Self::State, _input: &Self::Input, _output: &Self::Output) -> bool {
        false
    }

    /// Whether these two answers to one question are the same. `false` is always right.
    fn alike(&self, _one: Option<&Self::Output>, _other: Option<&Self::Output>) -> bool {
        false
    }

    /// Whether taking the first call out of a legal sequence may make the second one illegal. Used to find small
    /// counterexamples; `true` is always right, and calls that only observe are not asked about.
    fn goes_with(&self, _gone: (&Self::Input, Option<&Self::Output>), _other: (&Self::Input, Option<&Self::Output>)) -> bool {
        true
    }

    /// Where the state is made of parts that have nothing to do with each other (members of a set, values in a queue, registers): the
    /// parts that a call is about, which [`Model::restrict`] can then tell apart. `None`: it is not. Used to find small counterexamples.
    fn parts(&self, _input: &Self::Input, _output: Option<&Self::Output>) -> Option<Vec<Value>> {
        None
    }

    /// What is left of a call when only these parts are looked at; `None`: nothing. Whatever order is legal of whole calls must be
    /// legal of what is left of them.
    fn restrict(
        &self,
        _input: &Self::Input,
        _output: Option<&Self::Output>,
        _kept: &BTreeSet<Value>,
    ) -> Option<(Self::Input, Option<Self::Output>)> {
        None
    }

    /// The same specification, of a state of which there are only these parts: a call may have another nature then. `None`: this one
    /// serves.
    fn of_parts(&self, _kept: &BTreeSet<Value>) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// A few sets of parts by which there may be no order, found by a quick look: they are tried first.
    fn suspects(&self, _calls: &[CallOf<Self>]) -> Vec<Vec<Value>>
    where
        Self: Sized,
    {
        vec![]
    }

    /// Calls whose answers no order can explain, if that can be told at a glance.
    fn outright(&self, _calls: &[CallOf<Self>]) -> Option<Outright>
    where
        Self: Sized,
    {
        None
    }

    /// An order that is built rather than searched for. It is replayed before it is believed; `None` says nothing.
    fn built(&self, _calls: &[CallOf<Self>]) -> Option<Vec<CallId>>
    where
        Self: Sized,
    {
        None
    }

    /// The same history, with less left open: calls of unknown outcome that make no difference are gone, and a call lasts only as long
    /// as it can matter. It has an order if and only if the first one has. `None`: there is nothing to be made of it.
    fn settled(&self, _calls: &[CallOf<Self>]) -> Option<SettledOf<Self>>
    where
        Self: Sized,
    {
        None
    }

    /// Calls that can be taken out of any legal order together, and nothing else with them: each call's group. `None`: there are no
    /// such groups. Used to find small counterexamples.
    fn groups(&self, _calls: &[CallOf<Self>]) -> Option<Vec<usize>>
    where
        Self: Sized,
    {
        None
    }

    /// A state, for people.
    fn show_state(&self, state: &Self::State) -> String;

    /// A call, for people: what was asked, and what was answered.
    fn show_call(&self, input: &Self::Input, output: Option<&Self::Output>) -> String;
}

impl<M: Model> Model for &M {
    type State = M::State;
    type Input = M::Input;
    type Output = M::Output;

    const MAY_LOSE_HOPE: bool = M::MAY_LOSE_HOPE;

    fn init(&self) -> M::State {
        (**self).init()
    }
    fn step(&self, state: &M::State, input: &M::Input, output: Option<&M::Output>) -> Option<M::State> {
        (**self).step(state, input, output)
    }
    fn nature(&self, input: &M::Input, output: Option<&M::Output>) -> Nature {
        (**self).nature(input, output)
    }
    fn hopeless(&self, state: &M::State, input: &M::Input, output: &M::Output) -> bool {
        (**self).hopeless(state, input, output)
    }
    fn alike(&self, one: Option<&M::Output>, other: Option<&M::Output>) -> bool {
        (**self).alike(one, other)
    }
    fn goes_with(&self, gone: (&M::Input, Option<&M::Output>), other: (&M::Input, Option<&M::Output>)) -> bool {
        (**self).goes_with(gone, other)
    }
    fn parts(&self, input: &M::Input, output: Option<&M::Output>) -> Option<Vec<Value>> {
        (**self).parts(input, output)
    }
    fn restrict(&self, input: &M::Input, output: Option<&M::Output>, kept: &BTreeSet<Value>) -> Option<(M::Input, Option<M::Output>)> {
        (**self).restrict(input, output, kept)
    }
    fn suspects(&self, calls: &[CallOf<Self>]) -> Vec<Vec<Value>> {
        (**self).suspects(calls)
    }
    fn outright(&self, calls: &[CallOf<Self>]) -> Option<Outright> {
        (**self).outright(calls)
    }
    fn built(&self, calls: &[CallOf<Self>]) -> Option<Vec<CallId>> {
        (**self).built(calls)
    }
    fn settled(&self, calls: &[CallOf<Self>]) -> Option<SettledOf<Self>> {
        (**self).settled(calls)
    }
    fn groups(&self, calls: &[CallOf<Self>]) -> Option<Vec<usize>> {
        (**self).groups(calls)
    }
    fn show_state(&self, state: &M::State) -> String {
        (**self).show_state(state)
    }
    fn show_call(&self, input: &M::Input, output: Option<&M::Output>) -> String {
        (**self).show_call(input, output)
    }
}

/// A call of a model.
pub type CallOf<M> = Call<<M as Model>::Input, <M as Model>::Output>;

/// The settled form of a model's histories.
pub type SettledOf<M> = Settled<<M as Model>::Input, <M as Model>::Output>;

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
