//! The handle by which services speak to Raft.

use super::{state_machine::StateMachine, types::Types};

/// The Raft handle of a node.
pub type Raft<E> = openraft::Raft<Types<E>, StateMachine<E>>;
