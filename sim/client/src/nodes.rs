//! The nodes that a client may talk to.

use squall_env::Env;
use squall_rpc::{Channel, ChannelOptions};
use std::net::SocketAddr;

/// The nodes that a client may talk to, and which one it prefers.
pub struct Nodes<E: Env> {
    channels: Vec<Channel<E>>,
    current: usize,
}

impl<E: Env> Clone for Nodes<E> {
    fn clone(&self) -> Nodes<E> {
        Nodes { channels: self.channels.clone(), current: self.current }
    }
}

impl<E: Env> Nodes<E> {
    /// These nodes. The `ordinal`th client (from 1) prefers another one than its neighbours.
    ///
    /// # Panics
    /// Where there are none.
    pub fn new(net: &E::Net, nodes: impl IntoIterator<Item = SocketAddr>, ordinal: u32, options: &ChannelOptions) -> Nodes<E> {
        let channels: Vec<_> = nodes.into_iter().map(|addr| Channel::new(net.clone(), addr, options.clone())).collect();
        assert!(!channels.is_empty(), "a client of no node");
        Nodes { current: ordinal as usize % channels.len(), channels }
    }

    /// The way to the node that is preferred.
    pub fn current(&self) -> Channel<E> {
        self.channels[self.current].clone()
    }

    /// Which one that is, from 0.
    pub fn position(&self) -> usize {
        self.current
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.channels.len()
    }

    /// Prefers the next one.
    pub fn rotate(&mut self) {
        self.current = (self.current + 1) % self.channels.len();
    }
}
