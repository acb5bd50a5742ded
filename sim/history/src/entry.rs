//! The lines of a history.

use crate::{ClientId, Heard, NodeId, Op, OpId, Output, Saw, SimTime};
use serde::{Deserialize, Serialize};

/// When in its life an effect was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectPhase {
    /// It begins, and something will end it.
    Start,
    /// It ends.
    Stop,
    /// It has no duration.
    Once,
}

/// Up to when a promise holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// While faults may happen.
    Heal,
    /// Up to the final reads.
    FinalReads,
}

macro_rules! events {
    ($($variant:ident = $name:literal, $subject:literal, $about:literal;)*) => {
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

            /// Whether it is about a node, so that a fault may have it as its subject.
            pub fn has_subject(self) -> bool {
                match self { $(Event::$variant => $subject,)* }
            }

            /// One sentence.
            pub fn about(self) -> &'static str {
                match self { $(Event::$variant => $about,)* }
            }
        }
    };
}

// The event, its name, whether it is about a node, what it is.
events! {
    LeaderChanged = "leader-changed", true, "a node became leader of a term, other than the first leader of the run";
    ElectionStarted = "election-started", true, "a node became a candidate, after the run had its first leader";
    NodeRestarted = "node-restarted", true, "a process started again";
    SnapshotBuilt = "snapshot-built", true, "a node wrote a snapshot";
    SnapshotInstalled = "snapshot-installed", true, "a snapshot from a peer replaced a node's state";
    LogTruncated = "log-truncated", true, "a log suffix that conflicted with the leader's was removed";
    LogPurged = "log-purged", true, "a log's head was dropped, a snapshot covers it";
    MemberAdded = "member-added", true, "the members of the cluster grew by this node";
    MemberRemoved = "member-removed", true, "this node is a member of the cluster no more";
    WriteDuringPartition = "write-during-partition", false, "a write was acknowledged while a partition was in force";
    OutcomeUnknown = "outcome-unknown", false, "an operation ended without anybody knowing whether it happened";
    WatchEvent = "watch-event", false, "a watch told of a change";
    WatchResumed = "watch-resumed", false, "a watch was taken up again from an earlier revision, and is there";
    WatchCompacted = "watch-compacted", false, "a watch was ended because its start is compacted away";
    LeaseExpired = "lease-expired", false, "a client was told that a lease is gone";
    LockAcquired = "lock-acquired", false, "a client came to hold a lock, or to lead an election";
    WorkRefused = "work-refused", false, "fenced work was refused, because its place in line is gone";
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
    /// It certainly did not happen.
    Fail { op: OpId, why: String },
    /// Nobody knows.
    Info { op: OpId, why: String },
    /// The world did something, as text for people: checkers do not see it.
    Effect { fault: String, phase: EffectPhase, text: String },
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
