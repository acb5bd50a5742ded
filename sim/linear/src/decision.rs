//! What a search is asked and what it finds.

use crate::call::CallId;

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
    /// A later call that made states without hope, where one did: what is invoked after both have returned does not matter.
    pub ahead: Option<CallId>,
}
