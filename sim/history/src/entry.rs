//! The lines of a history.

use crate::{ClientId, Effect, Heard, NodeId, Op, OpId, Output, Saw, SimTime};
use serde::{Deserialize, Serialize};

/// Up to when a promise holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// While faults may happen.
    Heal,
    /// Up to the final reads.
    FinalReads,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A node.
    Node,
    /// A client.
    Client,
}

macro_rules! events {
    ($($variant:ident = $name:literal, $subject:expr, $about:literal;)*) => {
        /// A named happening. `when:` and `sometimes:` use the same names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Event { $(#[doc = $about] $variant,)* }

        impl Event {
            /// Every event, in the order of their declaration.
            pub const ALL: &'static [Event] = &[$(Event::$variant,)*];

            /// The name that people write.
            pub fn name(self) -> &'static str {
                match self { $(Event::$variant => $name,)* }
            }

            /// What it is about: a fault may have that as its subject.
            pub fn subject(self) -> Option<Subject> {
                match self { $(Event::$variant => $subject,)* }
            }

            /// One sentence.
            pub fn about(self) -> &'static str {
                match self { $(Event::$variant => $about,)* }
            }
        }
    };
}

// The event, its name, what it is about, what it is.
events! {
    LeaderChanged = "leader-changed", Some(Subject::Node), "a node became leader of a term, other than the first leader of the run";
    ElectionStarted = "election-started", Some(Subject::Node), "a node became a candidate, after the run had its first leader";
    NodeRestarted = "node-restarted", Some(Subject::Node), "a process started again";
    SnapshotBuilt = "snapshot-built", Some(Subject::Node), "a node wrote a snapshot";
    SnapshotInstalled = "snapshot-installed", Some(Subject::Node), "a snapshot from a peer replaced a node's state";
    LogTruncated = "log-truncated", Some(Subject::Node), "a log suffix that conflicted with the leader's was removed";
    MembershipProposed = "membership-proposed", Some(Subject::Node), "a leader put a membership into its log, and nobody else has it yet";
    MembershipTruncated = "membership-truncated", Some(Subject::Node), "a membership was among what was removed from a log";
    LogPurged = "log-purged", Some(Subject::Node), "a log's head was dropped, a snapshot covers it";
    MemberAdded = "member-added", Some(Subject::Node), "the members of the cluster grew by this node: it learns first, and votes later";
    MemberRemoved = "member-removed", Some(Subject::Node), "this node is a member of the cluster no more";
    WriteDuringPartition = "write-during-partition", None, "a write was acknowledged while a partition was in force";
    WriteAcknowledged = "write-acknowledged", Some(Subject::Client), "a write was acknowledged; the history has the first one only";
    SpaceExceeded = "space-exceeded", Some(Subject::Client), "a write was refused because a disk is full";
    FailpointHit = "failpoint-hit", Some(Subject::Node), "a node came to a seam of its code where a fault was armed";
    DiskDamaged = "disk-damaged", Some(Subject::Node), "what was durable on a node's disk was damaged, or lost";
    NodeRefused = "node-refused", Some(Subject::Node), "a node refused to go on, and said why";
    OutcomeUnknown = "outcome-unknown", Some(Subject::Client), "an operation ended without anybody knowing whether it happened";
    WatchEvent = "watch-event", None, "a watch told of a change";
    WatchResumed = "watch-resumed", None, "a watch was taken up again from an earlier revision, and is there";
    WatchCompacted = "watch-compacted", None, "a watch was ended because its start is compacted away";
    LeaseExpired = "lease-expired", Some(Subject::Client), "a client was told that a lease is gone";
    LockAcquired = "lock-acquired", Some(Subject::Client), "a client came to hold a lock, or to lead an election";
    WorkRefused = "work-refused", Some(Subject::Client), "fenced work was refused, because its place in line is gone";
}

impl Event {
    /// The event of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Event> {
        Event::ALL.iter().copied().find(|e| e.name() == name)
    }
}

/// What one line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A client asked.
    Invoke { client: ClientId, op: OpId, ask: Op },
    /// It happened, and this is the answer; `revision` where the system has revisions.
    Ok {
        op: OpId,
        output: Output,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// While it lasts, its client heard this.
    Heard { op: OpId, heard: Heard },
    /// It certainly did not happen: why, as a word that can be compared, and in the words of whoever refused it.
    Fail {
        op: OpId,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        code: String,
        why: String,
    },
    /// Nobody knows.
    Info { op: OpId, why: String },
    /// The world did something: checkers do not see it.
    Effect(Effect),
    /// A named happening, and the node it is about.
    Event { event: Event, node: Option<NodeId> },
    /// A node was seen to do something.
    Node { node: NodeId, saw: Saw },
    /// It is promised that no time longer than this passes without a successful operation: from the
    /// first one to the heal, or to the end of the load.
    Available { max_gap: u64, until: Until },
    /// Faults are over; within this many nanoseconds the system must serve every client again.
    /// `nodes` are those that run from here on.
    Healed { within: u64, nodes: Vec<NodeId> },
    /// Reads after this line are the final reads: one for each key that was ever asked for.
    FinalReads,
    /// The run ended in good order. Without this line the history is a part of one.
    End,
}

/// One line: when, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The moment, in virtual time. Never goes back along a history.
    pub t: SimTime,
    /// What happened.
    pub what: What,
}

/// One total order of entries.
pub type History = Vec<Entry>;
