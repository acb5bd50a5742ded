//! What a client is told.

use super::{Answer, LeaseOutput, LineOutput, MemberOutput, brief};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A key as a range read shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// What it holds.
    pub value: String,
    /// The revision that wrote that, where the system has revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The revision that made the key, and how often it was written since, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// The revision that made a key, and how often it was written since: 1 when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Made {
    /// etcd's `create_revision`.
    pub created: u64,
    /// etcd's `version`.
    pub version: u64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "made at revision {}, version {}", self.created, self.version)
    }
}

/// What an operation that certainly happened answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// The value read; `None`: the key is absent.
    Got {
        /// What the key holds; `None`: it is absent.
        value: Option<String>,
    },
    /// The write happened.
    Done,
    /// Whether the compare held, and so the write happened.
    Swapped {
        /// Whether it was done.
        yes: bool,
    },
    /// How many keys were removed.
    Deleted {
        /// How many.
        count: u64,
    },
    /// What a range holds, in order of key.
    Ranged {
        /// The keys, in order.
        kvs: Vec<KeyValue>,
    },
    /// Whether every compare held, and the answer to each step that was taken.
    Txn {
        /// Whether every compare held.
        succeeded: bool,
        /// The answers, in order.
        results: Vec<Output>,
    },
    /// What a range held that was removed, in order of key; and how many keys the server counted.
    Removed {
        /// The keys, in order.
        kvs: Vec<KeyValue>,
        /// How many keys the server counted.
        count: u64,
    },
    /// What each range holds, in order of key.
    ReadAll {
        /// Range by range, each in order of key.
        ranges: Vec<Vec<KeyValue>>,
    },
    /// A compaction happened.
    Compacted,
    /// A watch is over; it may be taken up again from this revision on.
    Watched {
        /// From which revision it may be taken up again.
        next: u64,
    },
    /// About a lease.
    Lease(LeaseOutput),
    /// About a lock or an election.
    Line(LineOutput),
    /// About members.
    Member(MemberOutput),
    /// A greeting.
    Greeted {
        /// The greeting.
        message: String,
    },
}

/// The first few keys and what they hold.
fn listed(kvs: &[KeyValue]) -> String {
    let shown: Vec<String> = kvs.iter().take(8).map(|kv| format!("{} = {}", kv.key, brief(&kv.value))).collect();
    let more = if kvs.len() > 8 { format!(" and {} more", kvs.len() - 8) } else { String::new() };
    format!("{{{}}}{more}", shown.join(", "))
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Got { value } => f.write_str(&show(value)),
            Output::Done => f.write_str("ok"),
            Output::Swapped { yes: true } => f.write_str("swapped"),
            Output::Swapped { yes: false } => f.write_str("not swapped"),
            Output::Deleted { count } => write!(f, "{count} deleted"),
            Output::Ranged { kvs } => f.write_str(&listed(kvs)),
            Output::Removed { kvs, count } => write!(f, "{count} deleted: {}", listed(kvs)),
            Output::ReadAll { ranges } => {
                let ranges: Vec<String> = ranges.iter().map(|kvs| listed(kvs)).collect();
                f.write_str(&ranges.join(" and "))
            }
            Output::Compacted => f.write_str("compacted"),
            Output::Watched { next } => write!(f, "up to revision {}", next.saturating_sub(1)),
            Output::Lease(answer) => answer.fmt(f),
            Output::Line(answer) => answer.fmt(f),
            Output::Member(answer) => answer.fmt(f),
            Output::Greeted { message } => f.write_str(message),
            Output::Txn { succeeded, results } => {
                let results: Vec<String> = results.iter().map(Output::to_string).collect();
                write!(f, "{} [{}]", if *succeeded { "then" } else { "else" }, results.join(", "))
            }
        }
    }
}

impl From<Output> for squall_history::Output {
    fn from(output: Output) -> squall_history::Output {
        squall_history::Output::new(output)
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Answer {
        Answer { output, position: None }
    }
}

/// A value in words.
pub(super) fn show(value: &Option<String>) -> String {
    value.as_deref().map_or("(absent)".to_string(), brief)
}
