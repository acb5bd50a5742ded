//! Why a node does not start.

use crate::{identity, wal::WalError};
use std::{io, net::SocketAddr};

/// Why a node does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error("bad configuration: {0}")]
    Config(String),
    /// The address is taken, or is not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The log cannot be used.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The snapshot cannot be used.
    #[error("the snapshot cannot be read: {0}")]
    Snapshot(io::Error),
    /// The data directory is another member's.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// The cluster has removed this member.
    #[error("member {0:x} was removed from its cluster: it cannot come back, but a new member with an empty data directory can be added")]
    Removed(u64),
    /// It had data, and that is gone.
    #[error(
        "member {0:x} votes in its cluster, or acknowledged entries, and its disk is empty: what it promised is lost. Remove it from the cluster, and add a new member in its place"
    )]
    Lost(u64),
    /// Raft refuses.
    #[error("raft: {0}")]
    Raft(String),
}

impl StartError {
    /// Whether it could go on if the disk had room.
    pub(super) fn is_for_want_of_space(&self) -> bool {
        match self {
            StartError::Wal(WalError::Io(e)) | StartError::Snapshot(e) | StartError::Identity(identity::IdentityError::Io(e)) => {
                e.kind() == io::ErrorKind::StorageFull
            }
            _ => false,
        }
    }
}
