//! Which tickets are legal.

use crate::{Ask, Ticket, checks::TICKETS};
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
