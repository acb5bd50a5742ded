//! `tickets`: every number is handed out once, in order, and nobody is told an old one. As a sequential specification, decided by
//! `squall-linear`.

use crate::{Ask, Ticket};
use squall_judge::{Checker, by_model};
use squall_linear::{Model, Nature};

pub(crate) const TICKETS: Checker = Checker {
    name: "tickets",
    client_side: true,
    prefix: true,
    about: "tickets are handed out one after the other, each once, and whoever looks is told the last one",
    applies: &|view| view.asks().any(|ask| ask.get::<Ask>().is_some()),
    check: &|view| by_model(view, &Office),
};

/// The office: how many tickets it has handed out.
struct Office;

impl Model for Office {
    type State = u64;
    type Input = Ask;
    type Output = Ticket;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> u64 {
        0
    }

    fn step(&self, taken: &u64, ask: &Ask, told: Option<&Ticket>) -> Option<u64> {
        let after = match ask {
            Ask::Take => taken + 1,
            Ask::Last => *taken,
        };
        told.is_none_or(|told| told.0 == after).then_some(after)
    }

    fn nature(&self, ask: &Ask, _told: Option<&Ticket>) -> Nature {
        match ask {
            Ask::Take => Nature::Changes,
            Ask::Last => Nature::Observes,
        }
    }

    fn show_state(&self, taken: &u64) -> String {
        format!("{taken} taken")
    }

    fn show_call(&self, ask: &Ask, told: Option<&Ticket>) -> String {
        format!("{ask}: {}", told.map_or("?".to_string(), Ticket::to_string))
    }
}
