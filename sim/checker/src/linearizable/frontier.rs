//! The just-in-time frontier: walk the events in order, keep every configuration that is possible.
//!
//! ```text
//!   a configuration: the state, and which open operations were linearized already
//!
//!   invoke a   invoke b   return a ── every configuration must have a linearized by now: linearize
//!                                     open operations, in every order, until a is among them
//! ```
//!
//! Operations are linearized only when a return forces it, so memory is bounded by concurrency, not
//! by the history's length. Operations that never returned stay open to the end; a configuration that
//! used fewer of them dominates one that used more and is otherwise equal: it can do all that the
//! other can. Nothing here is limited silently: no word-sized sets, no saturating counters.

use squall_history::OpId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

/// A sequential specification.
pub trait Model {
    /// A state.
    type State: Clone + Ord + Debug;
    /// What is asked.
    type Input;
    /// What is answered.
    type Output;

    /// The state at the beginning.
    fn init(&self) -> Self::State;

    /// The state after this call with this answer; `None` when a call in this state never answers so.
    /// Without an answer (nobody saw it), whatever the call would do.
    fn step(&self, state: &Self::State, input: &Self::Input, output: Option<&Self::Output>) -> Option<Self::State>;
}

/// One operation. Places are ordinals in the history; `returned` is `usize::MAX` when it never did.
#[derive(Clone, Debug)]
pub struct Call<I, O> {
    /// Its name.
    pub id: OpId,
    /// What was asked.
    pub input: I,
    /// What was answered, if anybody saw.
    pub output: Option<O>,
    /// Where it was invoked.
    pub invoked: usize,
    /// Where it returned.
    pub returned: usize,
}

/// Where no order was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck<S> {
    /// The operation whose return no configuration survived.
    pub call: OpId,
    /// The states that were possible just before.
    pub states: Vec<S>,
    /// The other operations that were open then.
    pub open: Vec<OpId>,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<S> {
    /// An order exists.
    Linearizable,
    /// None does.
    Stuck(Stuck<S>),
    /// More configurations than allowed.
    OutOfBudget,
}

/// A configuration. `done` holds the open operations that will return and are linearized already;
/// `used` those that never return. Both are sorted indices into the calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Config<S> {
    state: S,
    done: Vec<u32>,
    used: Vec<u32>,
}

/// The configurations that were seen, without the dominated ones.
struct Seen<S> {
    by_rest: BTreeMap<(S, Vec<u32>), Vec<Vec<u32>>>,
}

fn is_subset(small: &[u32], large: &[u32]) -> bool {
    small.iter().all(|i| large.binary_search(i).is_ok())
}

impl<S: Clone + Ord> Seen<S> {
    /// False when it, or one that dominates it, was seen before.
    fn insert(&mut self, config: &Config<S>) -> bool {
        let used = self.by_rest.entry((config.state.clone(), config.done.clone())).or_default();
        if used.iter().any(|fewer| is_subset(fewer, &config.used)) {
            return false;
        }
        used.retain(|more| !is_subset(&config.used, more));
        used.push(config.used.clone());
        true
    }
}

fn with(set: &[u32], item: u32) -> Vec<u32> {
    let at = set.partition_point(|i| *i < item);
    let mut set = set.to_vec();
    set.insert(at, item);
    set
}

/// Decides whether an order exists, visiting at most `visits_max` configurations.
pub fn decide<M: Model>(model: &M, calls: &[Call<M::Input, M::Output>], visits_max: u64) -> Decision<M::State> {
    let mut events: Vec<(usize, bool, u32)> = Vec::with_capacity(calls.len() * 2);
    for (i, call) in calls.iter().enumerate() {
        events.push((call.invoked, false, i as u32));
        if call.returned != usize::MAX {
            events.push((call.returned, true, i as u32));
        }
    }
    events.sort_unstable();

    let mut frontier = vec![Config { state: model.init(), done: vec![], used: vec![] }];
    let mut open: BTreeSet<u32> = BTreeSet::new();
    let mut visits = 0u64;
    for (_, returns, i) in events {
        if !returns {
            open.insert(i);
            continue;
        }
        let mut after: Seen<M::State> = Seen { by_rest: BTreeMap::new() };
        let mut seen: Seen<M::State> = Seen { by_rest: BTreeMap::new() };
        let mut todo: Vec<Config<M::State>> = Vec::new();
        for config in &frontier {
            // Most often the returning operation was linearized before, or can be at once.
            if let Ok(at) = config.done.binary_search(&i) {
                let mut config = config.clone();
                config.done.remove(at);
                after.insert(&config);
            } else if seen.insert(config) {
                todo.push(config.clone());
            }
        }
        while let Some(config) = todo.pop() {
            visits += 1;
            if visits > visits_max {
                return Decision::OutOfBudget;
            }
            for &j in &open {
                if config.done.binary_search(&j).is_ok() || config.used.binary_search(&j).is_ok() {
                    continue;
                }
                let call = &calls[j as usize];
                let Some(state) = model.step(&config.state, &call.input, call.output.as_ref()) else { continue };
                if j == i {
                    after.insert(&Config { state, done: config.done.clone(), used: config.used.clone() });
                    continue;
                }
                let next = match call.returned == usize::MAX {
                    true => Config { state, done: config.done.clone(), used: with(&config.used, j) },
                    false => Config { state, done: with(&config.done, j), used: config.used.clone() },
                };
                if seen.insert(&next) {
                    todo.push(next);
                }
            }
        }
        open.remove(&i);
        if after.by_rest.is_empty() {
            let states: BTreeSet<M::State> = frontier.into_iter().map(|c| c.state).collect();
            let open = open.iter().map(|j| calls[*j as usize].id).collect();
            return Decision::Stuck(Stuck { call: calls[i as usize].id, states: states.into_iter().collect(), open });
        }
        frontier = after
            .by_rest
            .into_iter()
            .flat_map(|((state, done), used)| used.into_iter().map(move |used| Config { state: state.clone(), done: done.clone(), used }))
            .collect();
    }
    Decision::Linearizable
}
