//! What an operator wants to read of a node's life: who leads, who belongs to the cluster, snapshots.

use squall_cluster::{LogMark, Observer, RaftRole};

/// An observer that writes what changes seldom to the log.
pub struct Logged {
    /// Whose life it is.
    pub member: u64,
}

impl Logged {
    fn id(&self) -> String {
        format!("{:x}", self.member)
    }
}

fn ids(members: &[u64]) -> String {
    members.iter().map(|id| format!("{id:x}")).collect::<Vec<_>>().join(" ")
}

impl Observer for Logged {
    fn vote(&self, _term: u64, _voted_for: u64, _committed: bool) {}

    fn role(&self, term: u64, role: RaftRole, leader: Option<u64>) {
        let leader = leader.map_or("nobody".to_string(), |id| format!("{id:x}"));
        tracing::info!(member = self.id(), term, role = ?role, leader, "raft role");
    }

    fn appended(&self, _entries: &[LogMark]) {}

    fn synced(&self, _index: u64) {}

    fn membership(&self, _index: u64, _voters: &[Vec<u64>], _learners: &[u64]) {}

    fn truncated(&self, after: Option<u64>) {
        tracing::warn!(member = self.id(), after, "removed entries that conflict with the leader's");
    }

    fn purged(&self, index: u64, term: u64) {
        tracing::info!(member = self.id(), index, term, "dropped the log up to here");
    }

    fn committed(&self, _index: u64, _term: u64) {}

    fn applied(&self, _first: u64, _state: &[u32]) {}

    fn compacted(&self, revision: u64) {
        tracing::info!(member = self.id(), revision, "compacted");
    }

    fn snapshot_built(&self, index: u64, term: u64) {
        tracing::info!(member = self.id(), index, term, "wrote a snapshot");
    }

    fn snapshot_installed(&self, index: u64, term: u64, _state: u32) {
        tracing::info!(member = self.id(), index, term, "installed a snapshot from the leader");
    }

    fn restored(&self, index: u64, term: u64, _state: u32) {
        tracing::info!(member = self.id(), index, term, "restored a snapshot");
    }

    fn members(&self, index: u64, voters: &[u64], learners: &[u64]) {
        tracing::info!(member = self.id(), index, voters = ids(voters), learners = ids(learners), "members");
    }
}
