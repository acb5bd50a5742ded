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
pub enum Observation {
    /// A process started; the first incarnation is 1.
    Booted {
        /// Which of its processes, from 1.
        incarnation: u32,
        /// What its disk held.
        data: BootData,
    },
    /// The process is gone: killed, powered off, or ended by itself.
    Stopped,
    /// The node's service ended by itself with an error: it refuses to go on.
    Refused {
        /// In the words of whoever said so.
        why: String,
    },
    /// A task of the node panicked; the node is dead.
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The hard state was saved and is about to be used: term, whom it voted for, and whether that
    /// leader is known to have a quorum (`true` on the leader and on those that heard from it).
    Vote {
        /// The term.
        term: u64,
        /// Whom it voted for.
        voted_for: Option<NodeId>,
        /// Whether that leader is known to have a quorum.
        granted: bool,
    },
    /// The server state changed.
    Role {
        /// The term.
        term: u64,
        /// What it is from now on.
        role: Role,
        /// Who leads, if that is known.
        leader: Option<NodeId>,
    },
    /// Entries were put into the log (not yet necessarily durable).
    Append {
        /// The entries, in order of index.
        entries: Vec<LogMark>,
    },
    /// Everything in its log up to this index is durable; told when the sync is done, before anybody is told of it.
    Synced {
        /// The index in the log.
        index: u64,
    },
    /// An entry of its log is a membership: the members that vote, set by set (two while it is a joint one), and those that
    /// only learn. Told right after the entry itself.
    Membership {
        /// The index in the log.
        index: u64,
        /// Who votes, set by set.
        voters: Vec<Vec<u64>>,
        /// Who only learns.
        learners: Vec<u64>,
    },
    /// Everything after this index was removed from the log; `None`: everything.
    Truncate {
        /// The last index that stays.
        after: Option<u64>,
    },
    /// Everything up to this index was dropped, a snapshot covers it.
    Purge {
        /// The last index that is dropped.
        upto: u64,
        /// The term.
        term: u64,
    },
    /// The node believes that everything up to here is committed.
    Commit {
        /// The index in the log.
        index: u64,
        /// The term.
        term: u64,
    },
    /// Entries from `first` on were applied; `state[i]` is the running hash of the replicated state
    /// after `first + i`.
    Apply {
        /// The first index.
        first: u64,
        /// The running hash after each of them.
        state: Vec<u32>,
    },
    /// What was written over before this point in the store's own order is forgotten: told at the start, and whenever that changes.
    #[serde(rename = "compacted")]
    Forgot {
        /// What came before this point of the order of changes is forgotten.
        #[serde(rename = "revision")]
        before: u64,
    },
    /// A snapshot that ends at `index` was written by this node.
    SnapshotBuilt {
        /// The index in the log.
        index: u64,
        /// The term.
        term: u64,
    },
    /// A snapshot that ends at `index` replaced this node's state; `state` is its running hash.
    SnapshotInstalled {
        /// The index in the log.
        index: u64,
        /// The term.
        term: u64,
        /// The running hash of the replicated state.
        state: u32,
    },
    /// The state was restored at boot up to `index`, from a snapshot; `state` is its running hash.
    Restored {
        /// The index in the log.
        index: u64,
        /// The term.
        term: u64,
        /// The running hash of the replicated state.
        state: u32,
    },
    /// What is promised of its monotonic clock from now on: how many parts per million it is off at the most, and
    /// how far it has just leapt forward, in nanoseconds.
    ClockBound {
        /// In parts per million.
        off_ppm: u64,
        /// In nanoseconds.
        leapt: u64,
    },
    /// It came to this seam of its code, and something was to happen there.
    Failpoint {
        /// The name of the seam.
        point: String,
    },
    /// What is known of its disk from now on.
    Disk {
        /// Its state from now on.
        disk: DiskHealth,
    },
    /// The membership at `index` is applied: who votes, and who only learns. Members that are no nodes of
    /// the run are left out.
    Members {
        /// The index in the log.
        index: u64,
        /// Who votes.
        voters: Vec<NodeId>,
        /// Who only learns.
        learners: Vec<NodeId>,
    },
    /// A place in its code, to which its author gave a name.
    Reached {
        /// The place.
        place: String,
    },
    /// Everything that it wants to show of itself, as JSON: asked for at the end, or when a run is looked at.
    State {
        /// Its state.
        state: serde_json::Value,
    },
    /// After the end: a hash over the whole store of this node, as it stands at `applied`.
    Final {
        /// Up to which index it had applied.
        applied: u64,
        /// Over the whole store.
        hash: u64,
    },
}
