//! What goes over the wire, and through the log.

use serde::{Deserialize, Serialize};
use std::io::Cursor;

/// The messages, as the build makes them.
#[allow(missing_docs)]
pub mod pb {
    tonic::include_proto!("raftkv");
}

/// What goes through the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Put {
    /// Which key.
    pub key: String,
    /// Its value from then on.
    pub value: u64,
}

openraft::declare_raft_types!(
    /// openraft's types here.
    pub TypeConfig:
        D = Put,
        R = (),
);
