//! What a node was seen to do. Written by the world, read by the checkers; neutral facts only.

use crate::NodeId;
use serde::{Deserialize, Serialize};

/// What the disk held when a process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootData {
    /// Nothing: a first boot, or one after a wipe.
    Empty,
    /// What an earlier incarnation made durable.
    Kept,
}

/// What is known of a node's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskHealth {
    /// Something that was durable is not as it was: the node may refuse to go on, for good.
    Damaged,
    /// Accesses fail: the node may refuse to go on, until it is started again.
    Failing,
    /// They do no more.
    Sound,
}

/// What a member is among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Replicates, does not vote.
    Learner,
    /// Follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Leads its term.
    Leader,
}

/// One log entry: where it is and what it is. `hash` is over its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMark(
    /// index
    pub u64,
    /// term
    pub u64,
    /// hash of the payload
    pub u32,
);

/// One observation of one node, at the moment when it became true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Saw {
    /// A process started; the first incarnation is 1.
    Booted { incarnation: u32, data: BootData },
    /// The process is gone: killed, powered off, or ended by itself.
    Stopped,
    /// The node's service ended by itself with an error: it refuses to go on.
    Refused { why: String },
    /// A task of the node panicked; the node is dead.
    Panicked { message: String },
    /// The hard state was saved and is about to be used: term, whom it voted for, and whether that
    /// leader is known to have a quorum (`true` on the leader and on those that heard from it).
    Vote { term: u64, voted_for: Option<NodeId>, granted: bool },
    /// The server state changed.
    Role { term: u64, role: Role, leader: Option<NodeId> },
    /// Entries were put into the log (not yet necessarily durable).
    Append { entries: Vec<LogMark> },
    /// Everything in its log up to this index is durable; told when the sync is done, before anybody is told of it.
    Synced { index: u64 },
    /// An entry of its log is a membership: the members that vote, set by set (two while it is a joint one), and those that
    /// only learn. Told right after the entry itself.
    Membership { index: u64, voters: Vec<Vec<u64>>, learners: Vec<u64> },
    /// Everything after this index was removed from the log; `None`: everything.
    Truncate { after: Option<u64> },
    /// Everything up to this index was dropped, a snapshot covers it.
    Purge { upto: u64, term: u64 },
    /// The node believes that everything up to here is committed.
    Commit { index: u64, term: u64 },
    /// Entries from `first` on were applied; `state[i]` is the running hash of the replicated state
    /// after `first + i`.
    Apply { first: u64, state: Vec<u32> },
    /// What was written over before this point in the store's own order is forgotten: told at the start, and whenever that changes.
    #[serde(rename = "compacted")]
    Forgot {
        #[serde(rename = "revision")]
        before: u64,
    },
    /// A snapshot that ends at `index` was written by this node.
    SnapshotBuilt { index: u64, term: u64 },
    /// A snapshot that ends at `index` replaced this node's state; `state` is its running hash.
    SnapshotInstalled { index: u64, term: u64, state: u32 },
    /// The state was restored at boot up to `index`, from a snapshot; `state` is its running hash.
    Restored { index: u64, term: u64, state: u32 },
    /// What is promised of its monotonic clock from now on: how many parts per million it is off at the most, and
    /// how far it has just leapt forward, in nanoseconds.
    ClockBound { off_ppm: u64, leapt: u64 },
    /// It came to this seam of its code, and something was to happen there.
    Failpoint { point: String },
    /// What is known of its disk from now on.
    Disk { disk: DiskHealth },
    /// The membership at `index` is applied: who votes, and who only learns. Members that are no nodes of
    /// the run are left out.
    Members { index: u64, voters: Vec<NodeId>, learners: Vec<NodeId> },
    /// After the end: a hash over the whole store of this node, as it stands at `applied`.
    Final { applied: u64, hash: u64 },
}
