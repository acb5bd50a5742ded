//! `no-panic`: no node panicked, and none refused to go on without a reason.
//!
//! A refusal is a node's own word that what it finds on its disk, or in its log, must not be used. It is right
//! when the disk was damaged, or says no, and wrong otherwise. It cannot see whether a node goes on that should
//! refuse: what comes of that, the other checkers see.

use crate::{Checker, Verdict, disk_errors::DiskErrors};
use squall_history::{Observation, View};

pub(crate) const CHECKER: Checker = Checker {
    name: "no-panic",
    client_side: false,
    prefix: true,
    about: "no node panics, and no node with a sound disk refuses to go on",
    applies: &|view| view.observations().next().is_some(),
    check: &check,
};

fn check(view: &View<'_>) -> Verdict {
    let mut disks = DiskErrors::default();
    for (at, node, saw) in view.observations() {
        disks.observe(node, saw);
        match saw {
            Observation::Panicked { message } => return Verdict::invalid("panic", at, format!("{node} panicked: {message}")),
            Observation::Refused { why } if !disks.excuse(node) => {
                return Verdict::invalid("refusal", at, format!("{node} refused to go on: {why}"));
            }
            _ => {}
        }
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{BootData, DiskHealth, Entry, EntryKind, NodeId, SimTime};

    fn verdict(all: &[(u32, Observation)]) -> &'static str {
        let history: Vec<Entry> = all
            .iter()
            .map(|(node, saw)| Entry { t: SimTime(1), what: EntryKind::Node { node: NodeId(*node), saw: saw.clone() } })
            .collect();
        check(&View::new(&history)).word()
    }

    #[test]
    fn a_panic_and_a_refusal_are_violations_and_a_stop_is_not() {
        for (saw, expect) in [
            (Observation::Stopped, "valid"),
            (Observation::Panicked { message: "m".into() }, "invalid"),
            (Observation::Refused { why: "w".into() }, "invalid"),
        ] {
            assert_eq!(verdict(&[(1, saw)]), expect);
        }
    }

    #[test]
    fn a_node_may_refuse_a_disk_that_is_damaged_or_was_failing_since_it_started() {
        let refused = || Observation::Refused { why: "w".into() };
        let disk = |disk| Observation::Disk { disk };
        let boot = || Observation::Booted { incarnation: 2, data: BootData::Kept };
        for (all, expect) in [
            (vec![(1, disk(DiskHealth::Damaged)), (1, boot()), (1, refused())], "valid"),
            (vec![(2, disk(DiskHealth::Damaged)), (1, refused())], "invalid"),
            (vec![(1, disk(DiskHealth::Failing)), (1, refused())], "valid"),
            (vec![(1, disk(DiskHealth::Failing)), (1, disk(DiskHealth::Sound)), (1, refused())], "valid"),
            (vec![(1, disk(DiskHealth::Failing)), (1, boot()), (1, refused())], "valid"),
            (vec![(1, disk(DiskHealth::Failing)), (1, disk(DiskHealth::Sound)), (1, boot()), (1, refused())], "invalid"),
            (vec![(1, disk(DiskHealth::Damaged)), (1, Observation::Panicked { message: "m".into() })], "invalid"),
        ] {
            assert_eq!(verdict(&all), expect, "{all:?}");
        }
    }
}
