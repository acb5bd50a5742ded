//! The names that a scenario may use, where they are not this crate's own.

use crate::Gives;

/// Systems, bugs and checkers that there are: see [`crate::parse_within`].
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Systems under test.
    pub systems: Vec<String>,
    /// Planted bugs.
    pub bugs: Vec<String>,
    /// Checkers.
    pub checkers: Vec<String>,
    /// What each system has, in the order of `systems`: what can never happen under it is a mistake. Nothing is held against one
    /// that is left out.
    pub gives: Vec<Gives>,
}
