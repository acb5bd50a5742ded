//! Waiting in line, as locks and elections do: whoever has the oldest place holds the lock, or leads.

use super::LeaseId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// etcd's Lock service.
    Lock,
    /// etcd's Election service.
    Election,
}

/// A place in a line: a key that hangs on a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// The key: `name/<lease in hex>`.
    pub key: String,
    /// The revision that made it: the fencing token, higher for whoever comes later. 0: it was not there when it
    /// was said to be held.
    pub token: u64,
    /// What it hangs on.
    pub lease: LeaseId,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineOp {
    /// Takes a place on this lease and waits, at most `wait_ms`, until it is at the head.
    Acquire {
        /// A lock or an election.
        kind: LineKind,
        /// The name.
        name: String,
        /// Which lease.
        lease: LeaseId,
        /// What is written.
        value: String,
        /// In milliseconds.
        wait_ms: u64,
    },
    /// Writes [`work_key`] as the holder of this place: `fenced`, only while the place is still held.
    Work {
        /// The name.
        name: String,
        /// Which place.
        place: Ticket,
        /// What is written.
        value: String,
        /// Whether it is done only while the place is held.
        fenced: bool,
    },
    /// The leader says something new.
    Proclaim {
        /// The name.
        name: String,
        /// Which place.
        place: Ticket,
        /// What is written.
        value: String,
    },
    /// Gives the place up.
    Release {
        /// A lock or an election.
        kind: LineKind,
        /// The name.
        name: String,
        /// Which place.
        place: Ticket,
    },
    /// Who leads?
    Leader {
        /// The name.
        name: String,
    },
    /// Follows who leads, for `lasts_ms`.
    Observe {
        /// The name.
        name: String,
        /// In milliseconds.
        lasts_ms: u64,
    },
}

/// The key that those who hold `name` work on.
pub fn work_key(name: &str) -> String {
    format!("work/{name}")
}

impl LineOp {
    /// The line that it is about.
    pub fn name(&self) -> &str {
        match self {
            LineOp::Acquire { name, .. }
            | LineOp::Work { name, .. }
            | LineOp::Proclaim { name, .. }
            | LineOp::Release { name, .. }
            | LineOp::Leader { name }
            | LineOp::Observe { name, .. } => name,
        }
    }

    /// Whether it can change anything.
    pub fn may_write(&self) -> bool {
        !matches!(self, LineOp::Leader { .. } | LineOp::Observe { .. })
    }
}

impl fmt::Display for LineOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineOp::Acquire { kind: LineKind::Lock, name, lease, .. } => write!(f, "lock {name} on lease {lease}"),
            LineOp::Acquire { kind: LineKind::Election, name, lease, value, .. } => {
                write!(f, "campaign for {name} as {value} on lease {lease}")
            }
            LineOp::Work { name, place, value, fenced } => {
                let how = if *fenced { "fenced by" } else { "unfenced, with" };
                write!(f, "work on {name}: {value}, {how} token {}", place.token)
            }
            LineOp::Proclaim { name, place, value } => write!(f, "proclaim {value} for {name}, token {}", place.token),
            LineOp::Release { kind: LineKind::Lock, name, place } => write!(f, "unlock {name}, token {}", place.token),
            LineOp::Release { kind: LineKind::Election, name, place } => write!(f, "resign from {name}, token {}", place.token),
            LineOp::Leader { name } => write!(f, "leader of {name}"),
            LineOp::Observe { name, lasts_ms } => write!(f, "observe {name} for {lasts_ms} ms"),
        }
    }
}

/// Who is at the head of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Led {
    /// The place's key.
    pub key: String,
    /// The revision that made it.
    pub token: u64,
    /// What its holder says.
    pub value: String,
    /// The revision that wrote that.
    pub revision: u64,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineOutput {
    /// The place is at the head.
    Held {
        /// Which place.
        place: Ticket,
    },
    /// Whether the work was done: fenced work is not, once the place is gone.
    Worked {
        /// Whether it was done.
        yes: bool,
    },
    /// It is said.
    Proclaimed,
    /// The place is given up.
    Released,
    /// Who leads, if anybody does.
    Led {
        /// Who leads; `None`: nobody.
        leader: Option<Led>,
    },
    /// The time is over.
    Observed,
}

impl fmt::Display for LineOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineOutput::Held { place } => write!(f, "held, token {}", place.token),
            LineOutput::Worked { yes: true } => f.write_str("done"),
            LineOutput::Worked { yes: false } => f.write_str("not done: the place is gone"),
            LineOutput::Proclaimed => f.write_str("ok"),
            LineOutput::Released => f.write_str("given up"),
            LineOutput::Led { leader: Some(led) } => write!(f, "{} (token {})", led.value, led.token),
            LineOutput::Led { leader: None } => f.write_str("nobody"),
            LineOutput::Observed => f.write_str("time is over"),
        }
    }
}
