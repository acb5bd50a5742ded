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

mod bug;
mod failpoint;
mod identity;
mod member;
pub mod mvcc;
mod node;
mod observe;
mod raft;
mod refusals;
mod service;
mod wal;

pub use bug::Bug;
pub use failpoint::Failpoint;
pub use identity::{IdentityError, read as read_identity};
pub use member::url_addr;
pub use node::{Admin, Node, NodeConfig, StartError};
pub use observe::{LogMark, NoObserver, Observer, RaftRole};
pub use refusals::REFUSALS;

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
    /// etcd's election service.
    pub mod v3electionpb {
        tonic::include_proto!("v3electionpb");
    }
    /// etcd's lock service.
    pub mod v3lockpb {
        tonic::include_proto!("v3lockpb");
    }
    /// gRPC's health protocol.
    pub mod grpc {
        /// The package above the version.
        pub mod health {
            /// Version 1.
            pub mod v1 {
                tonic::include_proto!("grpc.health.v1");
            }
        }
    }
    /// A greeting.
    pub mod myservice {
        tonic::include_proto!("myservice");
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
        /// What members ask of each other beside Raft.
        pub mod peer {
            tonic::include_proto!("squall.peer");
        }
        /// What an engineer asks of a node.
        pub mod admin {
            tonic::include_proto!("squall.admin");
        }
    }
    pub use mvccpb::KeyValue;
    pub use squall::{admin, internal, peer, raft};
}
