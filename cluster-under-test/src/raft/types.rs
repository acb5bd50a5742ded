//! openraft's type configuration, generic over the Env: written by hand, the macro cannot be.

use super::runtime::RaftRuntime;
use crate::mvcc::Applied;
use bytes::Bytes;
use openraft::{BasicNode, EntryPayload, OptionalSend};
use squall_env::Env;
use std::{fmt, marker::PhantomData};

/// A marker type over `E` with every trait that openraft asks for, whatever `E` is.
macro_rules! marker {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<E>(PhantomData<fn() -> E>);

        impl<E> fmt::Debug for $name<E> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
        impl<E> Clone for $name<E> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<E> Copy for $name<E> {}
        impl<E> Default for $name<E> {
            fn default() -> Self {
                $name(PhantomData)
            }
        }
        impl<E> PartialEq for $name<E> {
            fn eq(&self, _: &Self) -> bool {
                true
            }
        }
        impl<E> Eq for $name<E> {}
        impl<E> PartialOrd for $name<E> {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl<E> Ord for $name<E> {
            fn cmp(&self, _: &Self) -> std::cmp::Ordering {
                std::cmp::Ordering::Equal
            }
        }
    };
}

marker!(
    /// The type configuration.
    Types
);

/// A replicated command: an encoded `squall.internal.Command`. Encoded once, where it is proposed;
/// the log and the wire carry these very bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(pub Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a proposal is answered with once it is applied.
#[derive(Debug)]
pub struct CommandReply(pub Option<Applied>);

// One leader a term, as in the Raft paper: the default `leader_id_adv` allows several.
type LeaderId = openraft::vote::leader_id_std::LeaderId<u64, u64>;
type CommittedLeaderId = openraft::vote::leader_id_std::CommittedLeaderId<u64>;

impl<E: Env> openraft::RaftTypeConfig for Types<E> {
    type D = Command;
    type R = CommandReply;
    type NodeId = u64;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = openraft::impls::Vote<LeaderId>;
    type Payload = EntryPayload<Command, u64, BasicNode>;
    type Entry = openraft::Entry<CommittedLeaderId, Self::Payload>;
    type AsyncRuntime = RaftRuntime<E>;
    type Responder<T>
        = openraft::impls::ProgressResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}
