//! Whom a fault is about.

mod parties;
mod whom;
mod words;

pub use whom::{Chosen, Target};
pub(crate) use words::OfNodes;
pub use words::TARGET_WORDS;
