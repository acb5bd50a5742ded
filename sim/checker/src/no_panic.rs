//! `no-panic`: no node panicked, and none refused to go on.
//!
//! A refusal is a node's own word that what it finds on its disk, or in its Raft, must not be used.
//! It is right when the disk was damaged, and wrong otherwise; nothing damages disks yet.

use crate::{Checker, Verdict};
use squall_history::{Saw, View};

pub(crate) const CHECKER: Checker =
    Checker { name: "no-panic", client_side: false, about: "no node panicked, and none refused to go on", applies: |_| true, check };

fn check(view: &View<'_>) -> Verdict {
    for (at, node, saw) in view.observations() {
        match saw {
            Saw::Panicked { message } => return Verdict::invalid("panic", at, format!("{node} panicked: {message}")),
            Saw::Refused { why } => return Verdict::invalid("refusal", at, format!("{node} refused to go on: {why}")),
            _ => {}
        }
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{Entry, NodeId, SimTime, What};

    #[test]
    fn a_panic_and_a_refusal_are_violations_and_a_stop_is_not() {
        for (saw, expect) in
            [(Saw::Stopped, "valid"), (Saw::Panicked { message: "m".into() }, "invalid"), (Saw::Refused { why: "w".into() }, "invalid")]
        {
            let history = [Entry { t: SimTime(1), what: What::Node { node: NodeId(1), saw } }];
            assert_eq!(check(&View::new(&history)).word(), expect);
        }
    }
}
