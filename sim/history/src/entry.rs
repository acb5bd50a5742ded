//! The lines of a history.

use crate::{ClientId, NodeId, Op, OpId, Output, Saw, SimTime};
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

/// A named happening. `when:` and `sometimes:` use the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A node became leader of a term, other than the first leader of the run.
    LeaderChanged,
    /// A node became a candidate, after the run had its first leader.
    ElectionStarted,
    /// A process started again.
    NodeRestarted,
    /// A snapshot was built.
    SnapshotBuilt,
    /// A snapshot from a peer was installed.
    SnapshotInstalled,
    /// A log suffix that conflicted with the leader's was removed.
    LogTruncated,
    /// The log's head was dropped.
    LogPurged,
    /// A write was acknowledged while a partition was in force.
    WriteDuringPartition,
    /// An operation ended without anybody knowing whether it happened.
    OutcomeUnknown,
}

impl Event {
    /// Every event, in the order of their declaration.
    pub const ALL: &'static [Event] = &[
        Event::LeaderChanged,
        Event::ElectionStarted,
        Event::NodeRestarted,
        Event::SnapshotBuilt,
        Event::SnapshotInstalled,
        Event::LogTruncated,
        Event::LogPurged,
        Event::WriteDuringPartition,
        Event::OutcomeUnknown,
    ];

    /// The name that people write.
    pub fn name(self) -> &'static str {
        match self {
            Event::LeaderChanged => "leader-changed",
            Event::ElectionStarted => "election-started",
            Event::NodeRestarted => "node-restarted",
            Event::SnapshotBuilt => "snapshot-built",
            Event::SnapshotInstalled => "snapshot-installed",
            Event::LogTruncated => "log-truncated",
            Event::LogPurged => "log-purged",
            Event::WriteDuringPartition => "write-during-partition",
            Event::OutcomeUnknown => "outcome-unknown",
        }
    }

    /// Whether it is about a node, so that a fault may have it as its subject.
    pub fn has_subject(self) -> bool {
        match self {
            Event::LeaderChanged
            | Event::ElectionStarted
            | Event::NodeRestarted
            | Event::SnapshotBuilt
            | Event::SnapshotInstalled
            | Event::LogTruncated
            | Event::LogPurged => true,
            Event::WriteDuringPartition | Event::OutcomeUnknown => false,
        }
    }

    /// One sentence.
    pub fn about(self) -> &'static str {
        match self {
            Event::LeaderChanged => "a node became leader of a term, other than the first leader of the run",
            Event::ElectionStarted => "a node became a candidate, after the run had its first leader",
            Event::NodeRestarted => "a process started again",
            Event::SnapshotBuilt => "a node wrote a snapshot",
            Event::SnapshotInstalled => "a snapshot from a peer replaced a node's state",
            Event::LogTruncated => "a log suffix that conflicted with the leader's was removed",
            Event::LogPurged => "a log's head was dropped, a snapshot covers it",
            Event::WriteDuringPartition => "a write was acknowledged while a partition was in force",
            Event::OutcomeUnknown => "an operation ended without anybody knowing whether it happened",
        }
    }

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
