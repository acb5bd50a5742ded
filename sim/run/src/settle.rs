//! The end of a run: replicas settle, and tell what they hold.

use crate::{membership::Membership, stage::Stage};
use squall_history::{EntryKind, SimTime};
use std::time::Duration;

/// How often replicas are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until every running replica holds the same state, or the deadline; then writes down what each of them holds.
pub(crate) async fn settle(stage: &Stage, membership: &Membership, deadline: SimTime) {
    loop {
        let finals = membership.finals();
        let settled = finals.iter().all(|(_, saw)| saw.is_some() && *saw == finals[0].1);
        if settled || stage.now() >= deadline {
            for (node, saw) in finals {
                if let Some(saw) = saw {
                    stage.record(EntryKind::Node { node, saw });
                }
            }
            return;
        }
        stage.sleep(LOOK).await;
    }
}
