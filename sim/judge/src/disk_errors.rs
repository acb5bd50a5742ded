//! Whose disk was damaged, and who was told errors by it since it was started: they may refuse to go on.

use squall_history::{DiskHealth, NodeId, Observation};
use std::collections::BTreeSet;

/// What is known of the disks, up to some line of a history.
#[derive(Default)]
pub(crate) struct DiskErrors {
    damaged: BTreeSet<NodeId>,
    /// Whose accesses fail now, and whose did at any time since the process started.
    failing: BTreeSet<NodeId>,
    failed: BTreeSet<NodeId>,
}

impl DiskErrors {
    pub(crate) fn observe(&mut self, node: NodeId, saw: &Observation) {
        match saw {
            Observation::Disk { disk: DiskHealth::Damaged } => _ = self.damaged.insert(node),
            Observation::Disk { disk: DiskHealth::Failing } => {
                self.failing.insert(node);
                self.failed.insert(node);
            }
            Observation::Disk { disk: DiskHealth::Sound } => _ = self.failing.remove(&node),
            Observation::Booted { .. } if !self.failing.contains(&node) => _ = self.failed.remove(&node),
            _ => {}
        }
    }

    /// Whether an access of its process may have failed.
    pub(crate) fn has_failed(&self, node: NodeId) -> bool {
        self.failed.contains(&node)
    }

    /// Whether it may refuse to go on.
    pub(crate) fn excuse(&self, node: NodeId) -> bool {
        self.damaged.contains(&node) || self.has_failed(node)
    }
}
