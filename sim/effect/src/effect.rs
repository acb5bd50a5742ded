//! Effects: what a run does at one moment.

use crate::{Armed, ClockChange, Damage, DiskChange, LinkChange};
use squall_history::{Link, NodeId, Party, PowerLoss};
use std::fmt;

/// What an administrator asks of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Hand over to this node, if you lead.
    TransferLeader {
        /// To whom.
        to: NodeId,
    },
    /// Forget what was before the last `keep` changes.
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

/// What the world does at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// These links carry nothing any more, once more than before.
    Cut(Vec<Link>),
    /// Takes such a cut back.
    Heal(Vec<Link>),
    /// These links become worse; changes of several faults add up.
    DegradeLink {
        /// Which links.
        links: Vec<Link>,
        /// How they change.
        change: LinkChange,
    },
    /// Takes such a change back.
    RestoreLink {
        /// Which links.
        links: Vec<Link>,
        /// How they change.
        change: LinkChange,
    },
    /// Every connection between the two ends of each of these dies with a reset.
    ResetConnections(Vec<Link>),
    /// The host answers new connections with a reset, once more than before.
    Refuse {
        /// Which node.
        node: NodeId,
    },
    /// Takes that back.
    Accept {
        /// Which node.
        node: NodeId,
    },
    /// The process dies; with a power loss its host does.
    Kill {
        /// Which node.
        node: NodeId,
        /// What the power loss leaves of unsynced data; without it only the process dies.
        power_loss: Option<PowerLoss>,
    },
    /// The process starts again, if none runs.
    Boot {
        /// Which node.
        node: NodeId,
    },
    /// SIGSTOP.
    Pause {
        /// Which node or client.
        party: Party,
    },
    /// SIGCONT.
    Resume {
        /// Which node or client.
        party: Party,
    },
    /// Asks something of a node's administration interface.
    Admin {
        /// Which node.
        node: NodeId,
        /// What is asked.
        ask: Admin,
    },
    /// The clocks of a node, or of a client's host, go wrong, or right.
    Clock {
        /// Which node or client.
        party: Party,
        /// How its clock changes.
        change: ClockChange,
    },
    /// Something happens to a node when it comes to a seam of its code.
    Arm {
        /// Which node.
        node: NodeId,
        /// What happens there, and how often.
        armed: Armed,
    },
    /// Takes that back.
    Disarm {
        /// Which node.
        node: NodeId,
        /// What happens there, and how often.
        armed: Armed,
    },
    /// Clients ask this many times as often; 0: not at all.
    Load {
        /// How many times as often.
        times: u32,
    },
    /// They ask as often as their workloads say.
    RestoreLoad {
        /// How many times as often.
        times: u32,
    },
    /// Something is wrong with a node's disk; several of these add up.
    DegradeDisk {
        /// Which node.
        node: NodeId,
        /// What is wrong with it.
        change: DiskChange,
    },
    /// Takes that back.
    RestoreDisk {
        /// Which node.
        node: NodeId,
        /// What was wrong with it.
        change: DiskChange,
    },
    /// What is on a node's disk is damaged.
    Damage {
        /// Which node.
        node: NodeId,
        /// What is damaged.
        damage: Damage,
    },
    /// The power goes, and an empty disk takes the place of a node's.
    Wipe {
        /// Which node.
        node: NodeId,
    },
    /// A node that there was not before starts, and the cluster is asked to take it in.
    Grow,
    /// The cluster is asked to let a node go; its process ends when it hears of that.
    Shrink {
        /// Which node.
        node: NodeId,
    },
}
