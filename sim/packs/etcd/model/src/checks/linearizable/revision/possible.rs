//! A store that is possible at a revision.

use super::super::store::State;
use std::collections::BTreeMap;

/// One store that is possible: and how many of each class of unanswered operations it took.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Possible {
    pub(super) state: State,
    pub(super) used: BTreeMap<usize, usize>,
}

impl Possible {
    pub(super) fn of(state: State) -> Possible {
        Possible { state, used: BTreeMap::new() }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.state.keys.len() * 64 + self.used.len() * 24 + 160
    }
}
