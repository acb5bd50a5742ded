//! What a pack finds in a history that is being made: what happens, and what is left in the end.

use squall_history::{Answer, ClientId, EntryKind, Event, Op};
use std::time::Duration;

/// Finds what happens in a service, as its history is made.
pub trait ServiceEvents: Send {
    /// The event that this line is, if it is one; `client` is the one whose operation it is about. Of an answer it takes the place of
    /// what any service would make of it; beside every other line it comes in addition.
    fn of(&mut self, what: &EntryKind, client: Option<ClientId>) -> Option<Event>;

    /// The client that has what only one of them can have, as far as it knows.
    fn holder(&self) -> Option<ClientId> {
        None
    }
}

/// What operations leave behind, and is looked at once more when the load is over.
pub trait Leftovers: Send {
    /// This is asked.
    fn asked(&mut self, _op: &Op) {}

    /// It was answered.
    fn answered(&mut self, _op: &Op, _answer: &Answer) {}

    /// What is asked in the end, in this order: each until it is answered.
    fn reads(&self) -> Vec<Op>;

    /// What is asked after that, again and again, until it is in here no more, or time is up.
    fn looks(&self) -> Vec<Op> {
        vec![]
    }

    /// How long that may take.
    fn lives(&self) -> Duration {
        Duration::ZERO
    }
}

/// The same reads in the end, whatever was asked before.
impl Leftovers for Vec<Op> {
    fn reads(&self) -> Vec<Op> {
        self.clone()
    }
}

/// Nothing happens, and nothing is left.
pub(crate) struct Nothing;

impl ServiceEvents for Nothing {
    fn of(&mut self, _what: &EntryKind, _client: Option<ClientId>) -> Option<Event> {
        None
    }
}

impl Leftovers for Nothing {
    fn asked(&mut self, _op: &Op) {}

    fn answered(&mut self, _op: &Op, _answer: &Answer) {}

    fn reads(&self) -> Vec<Op> {
        vec![]
    }
}
