//! Raft, by openraft, on the ports.

pub(crate) mod convert;
mod handle;
mod log_store;
mod network;
mod pipeline;
mod recent;
mod runtime;
mod server;
mod snapshot;
mod state_machine;
mod types;
mod watch;
mod wire;

pub(crate) use handle::Raft;
pub(crate) use log_store::{LogReader, LogSpace, LogStore};
pub(crate) use network::Peers;
pub(crate) use server::{Heard, RaftService};
pub(crate) use state_machine::StateMachine;
pub(crate) use types::{Command, Types};
pub(crate) use watch::OrderedReceiver;
