//! `available`: no time longer than was promised passes without a successful operation, from the first
//! one on, up to the heal or to the end of the load.
//!
//! It judges only histories in which such a promise was made, and only what *any* client got: one
//! that is cut off alone is not seen here. Time in which nobody asks does not count.

use crate::{Checker, Verdict};
use squall_history::{EntryKind, SimTime, Until, View, in_words};
use std::time::Duration;

pub(crate) const CHECKER: Checker = Checker {
    name: "available",
    client_side: false,
    prefix: true,
    about: "an operation succeeds at least every `available.max_gap` of the scenario",
    applies: &|view| promise(view).is_some(),
    check: &check,
};

fn promise(view: &View<'_>) -> Option<(Duration, Until)> {
    view.entries().find_map(|(_, e)| match &e.what {
        EntryKind::Available { max_gap, until } => Some((Duration::from_nanos(*max_gap), *until)),
        _ => None,
    })
}

fn check(view: &View<'_>) -> Verdict {
    let Some((max_gap, until)) = promise(view) else { return Verdict::Unknown("nothing was promised".to_string()) };
    let (mut asking, mut served) = (0u32, false);
    // How long somebody was asking in vain since the last success.
    let (mut in_vain, mut before) = (Duration::ZERO, SimTime(0));
    for (_, entry) in view.entries() {
        if asking > 0 {
            in_vain += entry.t.since(before);
        }
        before = entry.t;
        if served && in_vain > max_gap {
            let text = format!(
                "no operation succeeded for {} of asking, up to {}; at most {} was promised",
                in_words(in_vain),
                entry.t,
                in_words(max_gap)
            );
            return Verdict::invalid("too-long-unavailable", entry.t, text);
        }
        match (&entry.what, until) {
            (EntryKind::Invoke { .. }, _) => asking += 1,
            (EntryKind::Ok { .. }, _) => (asking, in_vain, served) = (asking.saturating_sub(1), Duration::ZERO, true),
            (EntryKind::Fail { .. } | EntryKind::Info { .. }, _) => asking = asking.saturating_sub(1),
            (EntryKind::Healed { .. }, Until::Heal) | (EntryKind::FinalReads, Until::FinalReads) => {
                return match served {
                    true => Verdict::Valid,
                    false if in_vain > max_gap => {
                        Verdict::invalid("never-available", entry.t, format!("no operation succeeded before {}", entry.t))
                    }
                    false => Verdict::Unknown("nobody asked for long enough to tell".to_string()),
                };
            }
            _ => {}
        }
    }
    Verdict::Unknown("the history does not come to where the promise ends".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, Entry, OpId, Untyped};

    /// Operations as (asked, answered); an answer of 0 never comes.
    fn verdict(promised: Option<u64>, ops: &[(u64, u64)], until: Until) -> &'static str {
        let line = |t, what| Entry { t: SimTime(t), what };
        let mut history: Vec<Entry> = promised.map(|max_gap| line(0, EntryKind::Available { max_gap, until })).into_iter().collect();
        for (i, (asked, answered)) in ops.iter().enumerate() {
            let op = OpId(i as u64 + 1);
            history.push(line(*asked, EntryKind::Invoke { client: ClientId(1), op, ask: Untyped("get".into()).into() }));
            if *answered > 0 {
                history.push(line(*answered, EntryKind::Ok { op, output: Untyped("got".into()).into(), position: None }));
            }
        }
        history.push(line(100, EntryKind::Healed { within: 1, nodes: vec![] }));
        history.push(line(160, EntryKind::FinalReads));
        history.sort_by_key(|e| e.t);
        check(&View::new(&history)).word()
    }

    #[test]
    fn legal_and_illegal_gaps() {
        assert_eq!(verdict(Some(40), &[(10, 30), (30, 60), (60, 90)], Until::Heal), "valid");
        assert_eq!(verdict(Some(40), &[(10, 30), (30, 75)], Until::Heal), "invalid");
        assert_eq!(verdict(Some(40), &[(10, 30), (31, 0)], Until::Heal), "invalid", "asked, and never answered");
        assert_eq!(verdict(Some(40), &[(10, 30), (80, 90)], Until::Heal), "valid", "nobody asked in between");
        assert_eq!(verdict(Some(40), &[(10, 30)], Until::FinalReads), "valid", "nor after");
        assert_eq!(verdict(Some(40), &[(10, 30), (95, 0)], Until::FinalReads), "invalid");
        assert_eq!(verdict(Some(40), &[(10, 90)], Until::Heal), "valid", "it begins with the first success");
        assert_eq!(verdict(Some(40), &[(10, 0)], Until::Heal), "invalid", "never");
        assert_eq!(verdict(Some(40), &[], Until::Heal), "unknown", "nobody asked");
        assert_eq!(verdict(None, &[(1, 2)], Until::Heal), "unknown");
        assert!(!(CHECKER.applies)(&View::new(&[])));
    }
}
