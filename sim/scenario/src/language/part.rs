//! What a shrinker may change in a value, by type.

use crate::target::Target;
use squall_effect::Span;
use squall_history::NodeId;
use std::time::Duration;

/// A part of a value, to be changed.
#[derive(Debug)]
pub enum Part<'a> {
    /// Whom it is about.
    Target(&'a mut Target),
    /// Nodes by name, in their order.
    Nodes(&'a mut Vec<NodeId>),
    /// Sets of nodes by name.
    Groups(&'a mut Vec<Vec<NodeId>>),
    /// A time.
    Time(&'a mut Duration),
    /// A time, or a range that one is drawn from.
    Span(&'a mut Span),
    /// A number, and the smallest and the largest that it may be.
    Number(&'a mut u64, u64, u64),
    /// Yes or no.
    Flag(&'a mut bool),
}

/// Shown each part, with the key that it stands under.
pub type Visit<'v> = dyn FnMut(&'static str, Part<'_>) + 'v;
