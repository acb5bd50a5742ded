//! Leases: what clients ask of them, and what they are told.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A lease's number. The server chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseOp {
    /// A new lease of `ttl` seconds. With `keep` the client renews it in the background, as etcd's
    /// client library does, until it is revoked, is gone, or the client ends.
    Grant {
        /// In seconds.
        ttl: u64,
        /// Whether the client renews it.
        keep: bool,
    },
    /// Renews it.
    KeepAlive {
        /// Which lease.
        lease: LeaseId,
    },
    /// Ends it, and removes its keys.
    Revoke {
        /// Which lease.
        lease: LeaseId,
    },
    /// How long it has left, and its keys.
    TimeLeft {
        /// Which lease.
        lease: LeaseId,
    },
    /// Writes a key that goes when the lease does.
    Attach {
        /// Which lease.
        lease: LeaseId,
        /// Which key.
        key: String,
        /// What is written.
        value: String,
    },
}

impl LeaseOp {
    /// The lease that it is about; a grant is about none yet.
    pub fn lease(&self) -> Option<LeaseId> {
        match self {
            LeaseOp::Grant { .. } => None,
            LeaseOp::KeepAlive { lease } | LeaseOp::Revoke { lease } | LeaseOp::TimeLeft { lease } | LeaseOp::Attach { lease, .. } => {
                Some(*lease)
            }
        }
    }

    /// Whether it can change anything.
    pub fn may_write(&self) -> bool {
        !matches!(self, LeaseOp::TimeLeft { .. })
    }
}

impl fmt::Display for LeaseOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaseOp::Grant { ttl, keep: false } => write!(f, "grant a lease of {ttl} s"),
            LeaseOp::Grant { ttl, keep: true } => write!(f, "grant a lease of {ttl} s, and keep it"),
            LeaseOp::KeepAlive { lease } => write!(f, "keep lease {lease} alive"),
            LeaseOp::Revoke { lease } => write!(f, "revoke lease {lease}"),
            LeaseOp::TimeLeft { lease } => write!(f, "time left of lease {lease}"),
            LeaseOp::Attach { lease, key, value } => write!(f, "put {key} = {value} on lease {lease}"),
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseOutput {
    /// It is granted, for `ttl` seconds.
    Granted {
        /// Which lease.
        lease: LeaseId,
        /// In seconds.
        ttl: u64,
    },
    /// It has `ttl` seconds again; 0: there is no such lease.
    Renewed {
        /// In seconds; 0: there is no such lease.
        ttl: u64,
    },
    /// It is ended.
    Revoked,
    /// The seconds that are left, rounded down, and its keys; -1: there is no such lease.
    Left {
        /// In seconds, rounded down; -1: there is no such lease.
        ttl: i64,
        /// The keys that hang on it.
        keys: Vec<String>,
    },
    /// The key is written.
    Attached,
}

impl fmt::Display for LeaseOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaseOutput::Granted { lease, ttl } => write!(f, "lease {lease}, {ttl} s"),
            LeaseOutput::Renewed { ttl: 0 } | LeaseOutput::Left { ttl: -1, .. } => f.write_str("no such lease"),
            LeaseOutput::Renewed { ttl } => write!(f, "{ttl} s again"),
            LeaseOutput::Revoked => f.write_str("revoked"),
            LeaseOutput::Left { ttl, keys } => write!(f, "{ttl} s left, keys [{}]", keys.join(", ")),
            LeaseOutput::Attached => f.write_str("ok"),
        }
    }
}
