//! Raft, by openraft, on the ports.

pub(crate) mod convert;
mod log_store;
mod network;
mod recent;
mod runtime;
mod server;
mod state_machine;
mod types;
mod watch;

pub(crate) use log_store::{LogReader, LogSpace, LogStore};
pub(crate) use network::Peers;
pub(crate) use server::{Heard, RaftService};
pub(crate) use state_machine::{CommandReply, StateMachine};
pub(crate) use types::{Command, Raft, Types};
pub(crate) use watch::OrderedReceiver;
