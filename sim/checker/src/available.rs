//! `available`: no time longer than was promised passes without a successful operation, from the first
//! one on, up to the heal or to the end of the load.
//!
//! It judges only histories in which such a promise was made, and only what *any* client got: one
//! that is cut off alone is not seen here.

use crate::{Checker, Verdict};
use squall_history::{OpEnd, SimTime, Until, View, What};
use std::time::Duration;

pub(crate) const CHECKER: Checker = Checker {
    name: "available",
    about: "no time longer than the scenario's `available.max_gap` passes without a successful operation",
    applies: |view| promise(view).is_some(),
    check,
};

fn promise(view: &View<'_>) -> Option<(Duration, Until)> {
    view.entries().find_map(|(_, e)| match &e.what {
        What::Available { max_gap, until } => Some((Duration::from_nanos(*max_gap), *until)),
        _ => None,
    })
}

fn check(view: &View<'_>) -> Verdict {
    let Some((max_gap, until)) = promise(view) else { return Verdict::Unknown("nothing was promised".to_string()) };
    let end = view.entries().find_map(|(_, e)| match (&e.what, until) {
        (What::Healed { .. }, Until::Heal) | (What::FinalReads, Until::FinalReads) => Some(e.t),
        _ => None,
    });
    let Some(end) = end else { return Verdict::Unknown("the history does not come to where the promise ends".to_string()) };
    let mut served: Vec<SimTime> = view.ops().iter().filter_map(|op| if let OpEnd::Ok(at, _) = op.end { Some(at) } else { None }).collect();
    served.retain(|at| *at <= end);
    served.sort_unstable();
    let Some(first) = served.first().copied() else {
        return Verdict::invalid("never-available", end, format!("no operation succeeded before {end}"));
    };
    let mut last = first;
    for at in served.into_iter().chain([end]) {
        let gap = at.since(last);
        if gap > max_gap {
            let text = format!("no operation succeeded for {gap:?} after {last}; at most {max_gap:?} was promised");
            return Verdict::invalid("too-long-unavailable", last + max_gap, text);
        }
        last = at;
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, Entry, Op, OpId, Output};

    fn verdict(promised: Option<u64>, served: &[u64], until: Until) -> &'static str {
        let line = |t, what| Entry { t: SimTime(t), what };
        let mut history: Vec<Entry> = promised.map(|max_gap| line(0, What::Available { max_gap, until })).into_iter().collect();
        for (i, t) in served.iter().enumerate() {
            let op = OpId(i as u64 + 1);
            history.push(line(*t, What::Invoke { client: ClientId(1), op, ask: Op::Get { key: "k".into() } }));
            history.push(line(*t, What::Ok { op, output: Output::Got { value: None }, revision: None }));
        }
        history.push(line(100, What::Healed { within: 1, nodes: vec![] }));
        history.push(line(160, What::FinalReads));
        check(&View::new(&history)).word()
    }

    #[test]
    fn legal_and_illegal_gaps() {
        assert_eq!(verdict(Some(40), &[30, 60, 90], Until::Heal), "valid");
        assert_eq!(verdict(Some(40), &[30, 60, 90], Until::FinalReads), "invalid", "nothing after 90");
        assert_eq!(verdict(Some(40), &[30, 60, 90, 130], Until::FinalReads), "valid");
        assert_eq!(verdict(Some(40), &[30, 75], Until::Heal), "invalid");
        assert_eq!(verdict(Some(40), &[90], Until::Heal), "valid", "it begins with the first success");
        assert_eq!(verdict(Some(40), &[], Until::Heal), "invalid");
        assert_eq!(verdict(None, &[1], Until::Heal), "unknown");
        assert!(!(CHECKER.applies)(&View::new(&[])));
    }
}
