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
    applies: |view| view.asks().any(|ask| ask.get::<Ask>().is_some()),
    check: |view| by_model(view, &Office),
};

/// The office: how many tickets it has handed out.
struct Office;

impl Model for Office {
    type State = u64;
    type Input = Ask;
    type Output = Ticket;

    fn init(&self) -> u64 {
        0
    }

    fn step(&self, taken: &u64, ask: &Ask, told: Option<&Ticket>) -> Option<u64> {
        let after = taken + u64::from(*ask == Ask::Take);
        told.is_none_or(|told| told.0 == after).then_some(after)
    }

    fn nature(&self, ask: &Ask, _told: Option<&Ticket>) -> Nature {
        if *ask == Ask::Last { Nature::Observes } else { Nature::Changes }
    }

    fn show_state(&self, taken: &u64) -> String {
        format!("{taken} taken")
    }

    fn show_call(&self, ask: &Ask, told: Option<&Ticket>) -> String {
        format!("{ask}: {}", told.map_or("?".to_string(), Ticket::to_string))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, Entry, EntryKind, OpId, SimTime, View};

    /// `take 1` from (asked) to (answered), `last 0`; `?`: never answered.
    fn verdict(calls: &[(&str, u64, u64)]) -> &'static str {
        let mut history: Vec<Entry<Ask, Ticket, Ticket>> = vec![];
        for (i, (call, from, to)) in calls.iter().enumerate() {
            let (ask, told) = call.split_once(' ').unwrap();
            let (op, ask) = (OpId(i as u64), if ask == "take" { Ask::Take } else { Ask::Last });
            history.push(Entry { t: SimTime(*from), what: EntryKind::Invoke { client: ClientId(1), op, ask } });
            if let Ok(number) = told.parse() {
                history.push(Entry { t: SimTime(*to), what: EntryKind::Ok { op, output: Ticket(number), position: None } });
            }
        }
        history.sort_by_key(|entry| entry.t);
        let history: Vec<Entry> = history.into_iter().map(Entry::untyped).collect();
        (TICKETS.check)(&View::new(&history)).word()
    }

    #[test]
    fn legal_and_illegal_tickets() {
        assert_eq!(verdict(&[("take 1", 1, 2), ("take 2", 3, 4), ("last 2", 5, 6)]), "valid");
        assert_eq!(verdict(&[("take 1", 1, 2), ("take 1", 3, 4)]), "invalid", "twice");
        assert_eq!(verdict(&[("take 1", 1, 2), ("last 0", 3, 4)]), "invalid", "old");
        assert_eq!(verdict(&[("take 1", 1, 5), ("take 2", 2, 4), ("last 2", 6, 7)]), "valid", "side by side");
        assert_eq!(verdict(&[("take ?", 1, 0), ("take 2", 3, 4)]), "valid", "the first one happened");
        assert_eq!(verdict(&[("take ?", 1, 0), ("take 3", 3, 4)]), "invalid", "a gap");
    }
}
