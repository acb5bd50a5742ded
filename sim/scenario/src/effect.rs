//! Effects: what the world does. Few and physical; every fault compiles to them.

use crate::values::{Probability, Span};
use squall_history::{ClientId, NodeId};
use std::{fmt, time::Duration};

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

/// A directed link.
pub type Link = (Party, Party);

/// How a link becomes worse than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// So much more latency one way, drawn per segment.
    Delay(Span),
    /// Segments are lost this often, each independently: a retransmission delay.
    Loss(Probability),
    /// At most so many bytes a second.
    Bandwidth(u64),
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkChange::Delay(by) => write!(f, "delay by {}", by.to_text()),
            LinkChange::Loss(rate) => write!(f, "lose {}", rate.to_text()),
            LinkChange::Bandwidth(limit) => write!(f, "at most {limit}B/s"),
        }
    }
}

/// What an administrator asks of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Hand over to this node, if you lead.
    TransferLeader {
        /// To whom.
        to: NodeId,
    },
    /// Forget every revision but the last so many.
    Compact {
        /// How many are kept.
        keep: u64,
    },
    /// Write a snapshot now.
    Snapshot,
    /// Give back what the store does not need.
    Defragment,
    /// Take this node in; it votes once it has caught up.
    AddMember {
        /// Whom.
        node: NodeId,
    },
    /// Let this node go.
    RemoveMember {
        /// Whom.
        node: NodeId,
    },
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Admin::TransferLeader { to } => write!(f, "transfer the leadership to {to}"),
            Admin::Compact { keep } => write!(f, "compact, keep {keep} revisions"),
            Admin::Snapshot => f.write_str("take a snapshot"),
            Admin::Defragment => f.write_str("defragment"),
            Admin::AddMember { node } => write!(f, "take {node} in"),
            Admin::RemoveMember { node } => write!(f, "let {node} go"),
        }
    }
}

/// What happens to a node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// The wall clock goes by so many nanoseconds.
    Wall(i64),
    /// The monotonic clock runs so many parts per million too fast; 0: exactly.
    Rate(i64),
    /// The monotonic clock, and the wall clock with it, leaps forward.
    Leap(Duration),
    /// The wall clock shows the true time, the monotonic one runs exactly.
    Reset,
}

impl fmt::Display for ClockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockChange::Wall(nanos) => {
                write!(f, "wall clock {} {:?}", if *nanos < 0 { "back" } else { "ahead" }, Duration::from_nanos(nanos.unsigned_abs()))
            }
            ClockChange::Rate(0) => f.write_str("monotonic clock runs exactly"),
            ClockChange::Rate(ppm) => write!(f, "monotonic clock runs {ppm} ppm too fast"),
            ClockChange::Leap(by) => write!(f, "monotonic clock leaps {by:?}"),
            ClockChange::Reset => f.write_str("clocks are set right"),
        }
    }
}

/// What the world does at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// These links carry nothing any more, once more than before.
    Cut(Vec<Link>),
    /// Takes such a cut back.
    Heal(Vec<Link>),
    /// These links become worse; changes of several faults add up.
    Shape { links: Vec<Link>, change: LinkChange },
    /// Takes such a change back.
    Unshape { links: Vec<Link>, change: LinkChange },
    /// Every connection between the two ends of each of these dies with a reset.
    ResetConnections(Vec<Link>),
    /// The host answers new connections with a reset, once more than before.
    Refuse { node: NodeId },
    /// Takes that back.
    Accept { node: NodeId },
    /// The process dies; with `power_loss` its host does.
    Kill { node: NodeId, power_loss: bool },
    /// The process starts again, if none runs.
    Boot { node: NodeId },
    /// SIGSTOP.
    Pause { party: Party },
    /// SIGCONT.
    Resume { party: Party },
    /// Asks something of a node's administration interface.
    Admin { node: NodeId, ask: Admin },
    /// A node's clocks go wrong, or right.
    Clock { node: NodeId, change: ClockChange },
    /// Every sync of a node's disk takes so much longer; several of these add up.
    DiskSlow { node: NodeId, by: Span },
    /// Takes that back.
    DiskNormal { node: NodeId, by: Span },
    /// A node that there was not before starts, and the cluster is asked to take it in.
    Grow,
    /// The cluster is asked to let a node go; its process ends when it hears of that.
    Shrink { node: NodeId },
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
    /// Whom the event is about that a `when` waited for.
    pub subject: Option<NodeId>,
}

/// How large the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many nodes.
    pub nodes: u32,
    /// How many clients.
    pub clients: u32,
}
