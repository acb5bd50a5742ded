//! What a node tells of itself, at every change, in order. For whoever tests it; the real server
//! listens to nothing.

/// A Raft server's state, as its saved vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaftRole {
    /// It follows (or has just started).
    Follower,
    /// It asked for votes in its term.
    Candidate,
    /// A quorum elected it.
    Leader,
}

/// One log entry: where it is, and a hash of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMark {
    /// Its index; the first one is 0.
    pub index: u64,
    /// The term of the leader that made it.
    pub term: u64,
    /// CRC-32C of the payload.
    pub hash: u32,
}

/// Listens to a node. Called synchronously from the node's own tasks.
pub trait Observer: Send + Sync + 'static {
    /// The vote was saved, and is about to be used. `committed`: a quorum granted it.
    fn vote(&self, term: u64, voted_for: u64, committed: bool);
    /// The server state changed.
    fn role(&self, term: u64, role: RaftRole, leader: Option<u64>);
    /// Entries were put into the log; at boot, what was recovered.
    fn appended(&self, entries: &[LogMark]);
    /// Everything in the log up to this index is durable. Said before anybody acts on it.
    fn synced(&self, index: u64);
    /// An entry of the log is a membership: the voters, set by set, and the learners. Said right after the entry itself.
    fn membership(&self, index: u64, voters: &[Vec<u64>], learners: &[u64]);
    /// Everything after this index went from the log (`None`: everything).
    fn truncated(&self, after: Option<u64>);
    /// Everything up to this index was dropped from the log's head.
    fn purged(&self, index: u64, term: u64);
    /// Everything up to here is committed, as far as this node knows.
    fn committed(&self, index: u64, term: u64);
    /// These entries were applied; `state[i]` is the running state hash after `first + i`.
    fn applied(&self, first: u64, state: &[u32]);
    /// What was written over before this revision is forgotten: said at the start, and when a compaction was applied.
    fn compacted(&self, revision: u64);
    /// A snapshot up to here was written.
    fn snapshot_built(&self, index: u64, term: u64);
    /// A snapshot up to here replaced the state.
    fn snapshot_installed(&self, index: u64, term: u64, state: u32);
    /// The state was restored at boot.
    fn restored(&self, index: u64, term: u64, state: u32);
    /// The membership of this index is applied: who votes (in a joint one, in either part), and who only
    /// learns.
    fn members(&self, index: u64, voters: &[u64], learners: &[u64]);
}

/// Listens to nothing.
pub struct NoObserver;

impl Observer for NoObserver {
    fn vote(&self, _term: u64, _voted_for: u64, _committed: bool) {}
    fn role(&self, _term: u64, _role: RaftRole, _leader: Option<u64>) {}
    fn appended(&self, _entries: &[LogMark]) {}
    fn synced(&self, _index: u64) {}
    fn membership(&self, _index: u64, _voters: &[Vec<u64>], _learners: &[u64]) {}
    fn truncated(&self, _after: Option<u64>) {}
    fn purged(&self, _index: u64, _term: u64) {}
    fn committed(&self, _index: u64, _term: u64) {}
    fn applied(&self, _first: u64, _state: &[u32]) {}
    fn compacted(&self, _revision: u64) {}
    fn snapshot_built(&self, _index: u64, _term: u64) {}
    fn snapshot_installed(&self, _index: u64, _term: u64, _state: u32) {}
    fn restored(&self, _index: u64, _term: u64, _state: u32) {}
    fn members(&self, _index: u64, _voters: &[u64], _learners: &[u64]) {}
}
