//! Checkers: each decides one promise, from what clients and nodes observed.
//!
//! **Architecture Invariant:** a checker sees a [`View`](squall_history::View): no plan, no effects. It
//! says `valid`, `invalid` with a witness, or `unknown` with a reason; never nothing, never by default.

mod available;
mod disk_errors;
mod judge;
mod liveness;
mod model;
mod no_panic;
mod replicas_equal;
mod verdict;

pub use judge::{Judged, judge};
pub use model::{by_model, by_model_of};
pub use verdict::{Judgement, Verdict, Witness, merge};

use squall_history::View;

/// Whether a checker has anything to decide in a history.
pub type Applies = dyn Fn(&View<'_>) -> bool + Sync;

/// What a checker decides.
pub type Check = dyn Fn(&View<'_>) -> Verdict + Sync;

/// A checker.
pub struct Checker {
    /// The name that scenarios use.
    pub name: &'static str,
    /// What it promises, and what it cannot see.
    pub about: &'static str,
    /// Whether what clients saw is all that it needs, so that it can judge a cluster that really runs.
    pub client_side: bool,
    /// Whether what it finds invalid in the beginning of a history stays so, whatever comes after. (What it finds valid there may
    /// not.)
    pub prefix: bool,
    /// Whether it has anything to decide in this history.
    pub applies: &'static Applies,
    /// Decides.
    pub check: &'static Check,
}

/// The promises of any service, in the order of reports.
pub const GENERAL: &[Checker] = &[replicas_equal::CHECKER, liveness::CHECKER, available::CHECKER, no_panic::CHECKER];

/// Every checker of a service whose pack has these, in the order of reports.
pub fn every(own: &'static [Checker]) -> impl Iterator<Item = &'static Checker> {
    own.iter().chain(GENERAL)
}

/// The violations that a history which is still being made shows already, of every checker that applies, or of those among them
/// that are named here. Up to its final reads: from there on, only the end tells.
pub fn violations_so_far(view: &View<'_>, only: &[String], own: &'static [Checker]) -> Vec<(&'static str, Box<Witness>)> {
    let wanted = |checker: &&'static Checker| {
        let named = only.is_empty() || only.iter().any(|name| name == checker.name);
        checker.prefix && named && (checker.applies)(view)
    };
    let found = |checker: &'static Checker| {
        if let Verdict::Invalid(witness) = (checker.check)(view) { Some((checker.name, witness)) } else { None }
    };
    every(own).filter(wanted).filter_map(found).collect()
}

/// The verdicts of every checker that applies, or of those among them that are named here. A history
/// that was cut off is `unknown`, where what there is of it is not `invalid` whatever may come.
pub fn check_all(view: &View<'_>, only: &[String], own: &'static [Checker]) -> Vec<(&'static str, Verdict)> {
    check_each(view, only, own).map(|(name, judge)| (name, judge())).collect()
}

/// The same, one by one: a checker judges when its verdict is asked for.
pub fn check_each<'a>(
    view: &'a View<'_>,
    only: &'a [String],
    own: &'static [Checker],
) -> impl Iterator<Item = (&'static str, impl FnOnce() -> Verdict + 'a)> + 'a {
    let ended = view.ended();
    let judge = move |checker: &Checker| match (checker.check)(view) {
        // It was asked for by name: that it had nothing to do is no proof.
        Verdict::Valid if !(checker.applies)(view) => Verdict::Unknown("there was nothing for it to judge".to_string()),
        Verdict::Valid if !ended => Verdict::Unknown("the history does not come to its end".to_string()),
        // What only the end tells is not told by its absence.
        Verdict::Invalid(_) if !ended && !checker.prefix => Verdict::Unknown("the history does not come to its end".to_string()),
        verdict => verdict,
    };
    let wanted = move |checker: &&'static Checker| match only {
        [] => (checker.applies)(view),
        only => only.iter().any(|name| name == checker.name),
    };
    every(own).filter(wanted).map(move |checker| (checker.name, move || judge(checker)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, Entry, EntryKind, NodeId, OpId, SimTime, Untyped};

    #[test]
    fn a_checker_that_is_named_and_has_nothing_to_judge_proves_nothing() {
        let history = [Entry { t: SimTime(1), what: EntryKind::End }];
        for name in ["replicas-equal", "available"] {
            assert_eq!(check_all(&View::new(&history), &[name.to_string()], &[])[0].1.word(), "unknown", "{name}");
        }
        assert!(check_all(&View::new(&history), &[], &[]).iter().all(|(name, _)| *name != "available"));
    }

    #[test]
    fn what_only_the_end_tells_is_unknown_without_it() {
        let ask = |client, op| EntryKind::Invoke { client: ClientId(client), op: OpId(op), ask: Untyped("get".into()).into() };
        let whats = [
            EntryKind::Healed { within: 100, nodes: vec![NodeId(1)] },
            ask(1, 1),
            ask(2, 2),
            EntryKind::Ok { op: OpId(1), output: Untyped("got".into()).into(), position: None },
        ];
        let mut history: Vec<Entry> = whats.into_iter().map(|what| Entry { t: SimTime(1), what }).collect();
        let word = |history: &[Entry]| check_all(&View::new(history), &["liveness".to_string()], &[])[0].1.word();
        assert_eq!(word(&history), "unknown", "cut off while one is not served yet");
        history.push(Entry { t: SimTime(200), what: EntryKind::End });
        assert_eq!(word(&history), "invalid");
    }
}
