//! Calls.

use std::fmt;

/// What identifies a call to its caller. Kept small: the engine carries it along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One call. Places are ordinals in one total order of invocations and returns.
#[derive(Clone, Debug)]
pub struct Call<I, O> {
    /// Its name.
    pub id: CallId,
    /// What was asked.
    pub input: I,
    /// What was answered; `None`: nobody saw it. Of a call that returned, `None` says that any answer is right.
    pub output: Option<O>,
    /// Where it was invoked.
    pub invoked: usize,
    /// Where it returned; [`NEVER`] when its outcome is unknown: it may happen at any time after its invocation, or not
    /// at all.
    pub returned: usize,
}

/// Where a call returns of which nobody knows whether it happened.
pub const NEVER: usize = usize::MAX;

/// Two calls, of which the second takes what the first one brings.
pub(crate) type Pair<I, O> = (Call<I, O>, Call<I, O>);

/// A history with less left open.
#[derive(Clone, Debug)]
pub struct Settled<I, O> {
    /// What is left.
    pub(crate) calls: Vec<Call<I, O>>,
    /// Calls that stand beside each other in some order if there is any, and change nothing together.
    pub(crate) pairs: Vec<Pair<I, O>>,
    /// How many places of these calls make one place of the history.
    pub(crate) scale: usize,
}
