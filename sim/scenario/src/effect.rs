//! Effects: what the world does. Few and physical; every fault compiles to them.

use squall_history::{ClientId, NodeId};
use std::fmt;

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A member of the cluster.
    Node(NodeId),
    /// A client.
    Client(ClientId),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Node(id) => id.fmt(f),
            Party::Client(id) => id.fmt(f),
        }
    }
}

/// What the world does at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// These directed links carry nothing any more, once more than before.
    Cut(Vec<(Party, Party)>),
    /// Takes such a cut back.
    Heal(Vec<(Party, Party)>),
    /// The process dies; with `power_loss` its host does.
    Kill { node: NodeId, power_loss: bool },
    /// The process starts again, if none runs.
    Boot { node: NodeId },
    /// SIGSTOP.
    Pause { node: NodeId },
    /// SIGCONT.
    Resume { node: NodeId },
}

/// What faults may know of the run when they fire.
#[derive(Clone, Debug)]
pub struct ClusterView {
    /// Every member.
    pub nodes: Vec<NodeId>,
    /// Every client.
    pub clients: Vec<ClientId>,
    /// Who was last seen to become leader, and still runs.
    pub leader: Option<NodeId>,
}
