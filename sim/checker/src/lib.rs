//! Checkers: each decides one promise, from what clients and nodes observed.
//!
//! **Architecture Invariant:** a checker sees a [`View`](squall_history::View): no plan, no effects. It
//! says `valid`, `invalid` with a witness, or `unknown` with a reason; never nothing, never by default.

mod available;
mod durable;
mod foreign;
pub mod generate;
mod greeting;
mod lease;
pub mod linearizable;
mod liveness;
mod membership;
mod mutual_exclusion;
mod no_panic;
mod raft;
mod replicas_equal;
mod revisions;
mod verdict;
mod watch;
mod writes;

pub use verdict::{Verdict, Witness, merge};

use squall_history::View;

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
    pub applies: fn(&View<'_>) -> bool,
    /// Decides.
    pub check: fn(&View<'_>) -> Verdict,
}

/// Every checker, in the order of reports.
pub const REGISTRY: &[Checker] = &[
    linearizable::CHECKER,
    durable::CHECKER,
    revisions::CHECKER,
    watch::CHECKER,
    lease::CHECKER,
    mutual_exclusion::CHECKER,
    membership::CHECKER,
    greeting::CHECKER,
    replicas_equal::CHECKER,
    raft::CHECKER,
    liveness::CHECKER,
    available::CHECKER,
    no_panic::CHECKER,
];

/// The violations that a history which is still being made shows already, of every checker that applies, or of those among them
/// that are named here. Up to its final reads: from there on, only the end tells.
pub fn violations_so_far(view: &View<'_>, only: &[String]) -> Vec<(&'static str, Box<Witness>)> {
    let wanted = |checker: &&Checker| {
        let named = only.is_empty() || only.iter().any(|name| name == checker.name);
        checker.prefix && named && (checker.applies)(view)
    };
    let found =
        |checker: &Checker| if let Verdict::Invalid(witness) = (checker.check)(view) { Some((checker.name, witness)) } else { None };
    REGISTRY.iter().filter(wanted).filter_map(found).collect()
}

/// The verdicts of every checker that applies, or of those among them that are named here. A history
/// that was cut off is `unknown`, where it is not `invalid`.
pub fn check_all(view: &View<'_>, only: &[String]) -> Vec<(&'static str, Verdict)> {
    let ended = view.ended();
    let judge = |checker: &Checker| match (checker.check)(view) {
        Verdict::Valid if !ended => Verdict::Unknown("the history does not come to its end".to_string()),
        verdict => verdict,
    };
    let wanted = |checker: &&Checker| match only {
        [] => (checker.applies)(view),
        only => only.iter().any(|name| name == checker.name),
    };
    REGISTRY.iter().filter(wanted).map(|checker| (checker.name, judge(checker))).collect()
}
