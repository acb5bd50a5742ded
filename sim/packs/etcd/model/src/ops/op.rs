//! What a client asks, and what that does to keys.

use super::{CompletedOp, LeaseOp, LineOp, MemberOp, OpEnd, StreamEvent, output::Output};
use serde::{Deserialize, Serialize};
use squall_history::Ask;
use std::time::Duration;

/// What a client asks of the system under test.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Op {
    /// A linearizable read of one key.
    Get {
        /// Which key.
        key: String,
    },
    /// Writes one key.
    Put {
        /// Which key.
        key: String,
        /// What is written.
        value: String,
    },
    /// Writes `value` if the key holds `expect` (`None`: if the key is absent).
    Cas {
        /// Which key.
        key: String,
        /// What the key is to hold; `None`: it is absent.
        expect: Option<String>,
        /// What is written.
        value: String,
    },
    /// Removes one key.
    Delete {
        /// Which key.
        key: String,
    },
    /// Reads every key with this prefix: as of now, or as of a revision.
    Range {
        /// How the keys begin.
        prefix: String,
        /// As of which revision; `None`: now.
        at: Option<u64>,
    },
    /// Does all of `then` if every compare holds, else all of `otherwise`: at once, whole.
    Txn {
        /// What must hold.
        compare: Vec<Compare>,
        /// What is done if it holds.
        then: Vec<Act>,
        /// What is done if it does not.
        otherwise: Vec<Act>,
    },
    /// Removes every key from `from` on, up to `to`, which is not removed itself. The answer shows what was removed.
    DeleteRange {
        /// The first key.
        from: String,
        /// The key that ends the range; it stays.
        to: String,
    },
    /// Several ranges read in one transaction; afterwards `put` is written, if there is one. *Serializable*, and without a `put`:
    /// as the node that is asked has it, which may be old.
    Reads {
        /// The ranges.
        reads: Vec<Read>,
        /// What is written afterwards.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        put: Option<Put>,
        /// Whether the node that is asked answers alone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        serializable: bool,
    },
    /// Drops what no read at this revision or later can see.
    Compact {
        /// The oldest revision that reads can see afterwards.
        revision: u64,
    },
    /// Follows every change of the keys with this prefix, for `lasts_ms`: from a revision on, or from now on. With
    /// `progress` it asks now and then how far the watch has come.
    Watch {
        /// How the keys begin.
        prefix: String,
        /// From which revision on; `None`: from now on.
        from: Option<u64>,
        /// In milliseconds.
        lasts_ms: u64,
        /// Whether it asks how far the watch has come.
        progress: bool,
        /// Only the key that is the prefix itself.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        single: bool,
        /// Changes of this kind are not to be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        without: Option<Kind>,
    },
    /// Something about a lease.
    Lease(LeaseOp),
    /// Something about a lock or an election.
    Line(LineOp),
    /// Something about the cluster's members.
    Member(MemberOp),
    /// A greeting.
    Hello {
        /// Who greets.
        name: String,
    },
}

/// A kind of change to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It holds something afterwards.
    Puts,
    /// It is gone afterwards.
    Deletes,
}

impl Kind {
    /// The kind of a change that leaves this.
    pub fn of(value: Option<&str>) -> Kind {
        if value.is_some() { Kind::Puts } else { Kind::Deletes }
    }

    /// As scenarios and histories have it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Puts => "puts",
            Kind::Deletes => "deletes",
        }
    }
}

/// Reads every key with this prefix: as of now, or as of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Read {
    /// How the keys begin.
    pub prefix: String,
    /// `None`: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// Writes one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Put {
    /// The key.
    pub key: String,
    /// What it holds afterwards.
    pub value: String,
}

/// "This key holds that" (`None`: is absent).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    pub key: String,
    /// What it is to hold.
    pub holds: Option<String>,
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Reads a key.
    Get {
        /// Which key.
        key: String,
    },
    /// Writes a key.
    Put {
        /// Which key.
        key: String,
        /// What is written.
        value: String,
    },
    /// Removes a key.
    Delete {
        /// Which key.
        key: String,
    },
}

impl Act {
    /// The key it is about.
    pub fn key(&self) -> &str {
        match self {
            Act::Get { key } | Act::Put { key, .. } | Act::Delete { key } => key,
        }
    }

    /// What it leaves in its key: `None` when it only reads, `Some(None)` when it removes it.
    pub fn leaves(&self) -> Option<Option<&str>> {
        match self {
            Act::Get { .. } => None,
            Act::Put { value, .. } => Some(Some(value)),
            Act::Delete { .. } => Some(None),
        }
    }
}

/// A change that an operation makes, or may make, to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'o> {
    /// The key.
    pub key: &'o str,
    /// What it holds after; `None`: absent.
    pub value: Option<&'o str>,
}

impl Op {
    /// The one key that it is about; `None` when it is about several.
    pub fn key(&self) -> Option<&str> {
        match self {
            Op::Get { key } | Op::Put { key, .. } | Op::Cas { key, .. } | Op::Delete { key } => Some(key),
            Op::Range { .. } | Op::Txn { .. } | Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => None,
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => None,
        }
    }

    /// Every key that it names, of those whose last value only such operations decide.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Op::Get { key } | Op::Put { key, .. } | Op::Cas { key, .. } | Op::Delete { key } => vec![key],
            Op::Range { .. } | Op::DeleteRange { .. } | Op::Compact { .. } => vec![],
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => vec![],
            Op::Reads { put, .. } => put.iter().map(|put| put.key.as_str()).collect(),
            Op::Txn { compare, then, otherwise } => {
                compare.iter().map(|c| c.key.as_str()).chain(then.iter().chain(otherwise).map(Act::key)).collect()
            }
        }
    }

    /// Whether it is one of the operations on keys and values that the sequential specification of a
    /// store knows: all but those about leases, lines, members, those that listen, and those that may answer of the past without
    /// being asked for it.
    pub fn is_kv(&self) -> bool {
        match self {
            Op::DeleteRange { .. } => true,
            Op::Reads { serializable, .. } => !serializable,
            Op::Compact { .. } => false,
            Op::Get { .. } | Op::Put { .. } | Op::Cas { .. } | Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. } => true,
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => false,
        }
    }

    /// Whether it is asked of a store's KV service: such operations can be written down as a script.
    pub fn is_scriptable(&self) -> bool {
        self.is_kv() || matches!(self, Op::Reads { .. } | Op::Compact { .. })
    }

    /// What it changes of keys and values, given its answer; without one, everything that it might have
    /// changed. Of leases and lines this says nothing, nor of a range that is deleted: the keys of that are known to whoever
    /// knows the history ([`super::View::ops`]).
    pub fn changes(&self, output: Option<&Output>) -> Vec<Change<'_>> {
        let one = |key, value| vec![Change { key, value }];
        match (self, output) {
            (Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. }, _) => vec![],
            (Op::DeleteRange { .. } | Op::Compact { .. }, _) => vec![],
            (Op::Reads { put, .. }, _) => put.iter().flat_map(|put| one(&put.key, Some(put.value.as_str()))).collect(),
            (Op::Get { .. } | Op::Range { .. }, _) | (Op::Cas { .. }, Some(Output::Swapped { yes: false })) => vec![],
            (Op::Put { key, value } | Op::Cas { key, value, .. }, _) => one(key, Some(value.as_str())),
            (Op::Delete { .. }, Some(Output::Deleted { count: 0 })) => vec![],
            (Op::Delete { key }, _) => one(key, None),
            (Op::Txn { then, otherwise, .. }, output) => {
                let acts: Vec<&Act> = match output {
                    Some(Output::Txn { succeeded: true, .. }) => then.iter().collect(),
                    Some(Output::Txn { succeeded: false, .. }) => otherwise.iter().collect(),
                    _ => then.iter().chain(otherwise).collect(),
                };
                acts.into_iter().filter_map(|act| Some(Change { key: act.key(), value: act.leaves()? })).collect()
            }
        }
    }

    /// The earliest revision that it asks to be told of, if it asks for one of the past.
    pub fn earliest(&self) -> Option<u64> {
        match self {
            Op::Range { at, .. } => *at,
            Op::Reads { reads, .. } => reads.iter().filter_map(|read| read.at).min(),
            _ => None,
        }
    }
}

impl Op {
    /// What kind of operation it is, in a word.
    pub fn verb(&self) -> &'static str {
        match self {
            Op::Get { .. } => "get",
            Op::Put { .. } => "put",
            Op::Cas { .. } => "cas",
            Op::Delete { .. } => "delete",
            Op::Range { .. } => "range",
            Op::Txn { .. } => "txn",
            Op::DeleteRange { .. } => "delete-range",
            Op::Reads { .. } => "reads",
            Op::Compact { .. } => "compact",
            Op::Watch { .. } => "watch",
            Op::Lease(_) => "lease",
            Op::Line(_) => "line",
            Op::Member(_) => "member",
            Op::Hello { .. } => "hello",
        }
    }

    /// How long it takes by its own wish: it listens, or waits for its turn.
    pub fn max_duration(&self) -> Duration {
        match self {
            Op::Watch { lasts_ms, .. } | Op::Line(LineOp::Observe { lasts_ms, .. }) => Duration::from_millis(*lasts_ms),
            Op::Line(LineOp::Acquire { wait_ms, .. }) => Duration::from_millis(*wait_ms),
            _ => Duration::ZERO,
        }
    }

    /// Whether it can change anything.
    pub fn may_write(&self) -> bool {
        match self {
            Op::Lease(ask) => ask.may_write(),
            Op::Line(ask) => ask.may_write(),
            Op::Member(ask) => ask.may_write(),
            Op::DeleteRange { .. } | Op::Compact { .. } => true,
            kv => !kv.changes(None).is_empty(),
        }
    }
}

impl Ask for Op {
    fn verb(&self) -> &'static str {
        self.verb()
    }

    fn may_write(&self) -> bool {
        self.may_write()
    }

    fn max_duration(&self) -> Duration {
        self.max_duration()
    }

    fn may_change_members(&self) -> bool {
        matches!(self, Op::Member(_))
    }
}

impl From<Op> for squall_history::Op {
    fn from(op: Op) -> squall_history::Op {
        squall_history::Op::new(op)
    }
}

impl From<StreamEvent> for squall_history::StreamEvent {
    fn from(heard: StreamEvent) -> squall_history::StreamEvent {
        squall_history::StreamEvent::new(heard)
    }
}

/// What operations did to keys.
pub trait Changes {
    /// What it changed for certain, or may have changed: nothing when it failed.
    fn changes(&self) -> Vec<Change<'_>>;
}

impl Changes for CompletedOp {
    fn changes(&self) -> Vec<Change<'_>> {
        match &self.end {
            OpEnd::Ok(_, output) => self.ask.changes(Some(output)),
            OpEnd::Fail(_) => vec![],
            OpEnd::Open => self.ask.changes(None),
        }
    }
}
