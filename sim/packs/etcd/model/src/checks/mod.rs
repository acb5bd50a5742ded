//! What an etcd-style service promises. Each checker decides one promise, from what clients and nodes observed.

mod durable;
pub mod generate;
mod greeting;
mod lease;
pub mod linearizable;
mod membership;
mod mutual_exclusion;
mod out_of_model;
mod raft;
mod revisions;
mod watch;
mod writes;

use crate::ops::View;
pub(crate) use squall_judge::{Checker, Verdict, Witness};

/// Every checker, in the order of reports.
pub const ALL: &[Checker] = &[
    linearizable::CHECKER,
    durable::CHECKER,
    revisions::CHECKER,
    watch::CHECKER,
    lease::CHECKER,
    mutual_exclusion::CHECKER,
    membership::CHECKER,
    greeting::CHECKER,
    raft::CHECKER,
];

/// Whether a checker has anything to decide.
fn applies(view: &squall_history::View<'_>, applies: impl FnOnce(&View<'_>) -> bool) -> bool {
    View::of(view, applies).unwrap_or(false)
}

/// A checker's verdict.
fn verdict(view: &squall_history::View<'_>, check: impl FnOnce(&View<'_>) -> Verdict) -> Verdict {
    View::of(view, check).unwrap_or_else(|| Verdict::Unknown("the history is another service's".to_string()))
}
