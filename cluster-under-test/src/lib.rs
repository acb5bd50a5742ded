//! The cluster under test: an etcd-style key-value service, replicated by openraft, over real gRPC.
//!
//! ```text
//!   client ──gRPC KV──► service ──propose──► openraft ──► WAL (fsync) ──► peers over gRPC
//!                          │                    │
//!                          └──read index──►  state machine: MVCC store, snapshots
//! ```
//!
//! Everything is generic over an [`Env`](squall_env::Env): `squall-node` runs it on real sockets and
//! files, the simulator on its own. It knows nothing of the simulator: what a node does is told to an
//! [`Observer`], which the real server leaves empty.
//!
//! **Architecture Invariant:** no madsim, no HashMap that is iterated, no clock but the Env's.

pub mod mvcc;
mod node;
mod observe;
mod raft;
mod service;
mod wal;

pub use node::{Admin, Node, NodeConfig, StartError};
pub use observe::{LogMark, NoObserver, Observer, RaftRole};
pub use service::LEADER_HINT;

/// Generated from `proto/`.
pub mod pb {
    #![allow(missing_docs, clippy::all)]
    /// etcd's key-value pairs.
    pub mod mvccpb {
        tonic::include_proto!("mvccpb");
    }
    /// etcd's services.
    pub mod etcdserverpb {
        tonic::include_proto!("etcdserverpb");
    }
    /// Our own.
    pub mod squall {
        /// Raft between the nodes.
        pub mod raft {
            tonic::include_proto!("squall.raft");
        }
        /// Log and disk.
        pub mod internal {
            tonic::include_proto!("squall.internal");
        }
    }
    pub use mvccpb::KeyValue;
    pub use squall::{internal, raft};
}
