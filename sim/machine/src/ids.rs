//! What names a part of the machine: a host, a connection, a timer.

use squall_history::NodeId;

/// Names a host of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub(crate) usize);

impl HostId {
    /// The node that this host is, on a machine with this many nodes; else which client's it is, from 1.
    ///
    /// # Errors
    /// With the client's number.
    pub fn node(self, nodes: u32) -> Result<NodeId, u32> {
        let number = self.0 as u32 + 1;
        if number <= nodes { Ok(NodeId(number)) } else { Err(number - nodes) }
    }
}

/// Names a connection, or an attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) u64);

/// A slot in the machine's table of timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId(pub(crate) usize);
