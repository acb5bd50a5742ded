//! Effects: what the world does. Few and physical; every fault compiles to them.

use crate::values::{Probability, Span};
use squall_history::{ClientId, NodeId};
pub use squall_history::{Link, Party, PowerLoss};
use std::{collections::BTreeMap, fmt, time::Duration};

/// How a link becomes worse than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// So much more latency one way, drawn per segment.
    Delay(Span),
    /// Segments are lost this often, each independently: a retransmission delay.
    Loss(Probability),
    /// At most so many bytes a second.
    Bandwidth(u64),
    /// Each connection is so much slower than it was, drawn for each: what is sent over several arrives in any order.
    Reorder(Span),
    /// A bit flips in a segment's first byte, this often: where a frame of HTTP/2 says how long it is.
    Corrupt(Probability),
    /// A request is sent once more, this often, over another connection.
    Duplicate(Probability),
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkChange::Delay(by) => write!(f, "delay by {}", by.to_text()),
            LinkChange::Loss(rate) => write!(f, "lose {}", rate.to_text()),
            LinkChange::Bandwidth(limit) => write!(f, "at most {limit}B/s"),
            LinkChange::Reorder(by) => write!(f, "delay each connection by {}", by.to_text()),
            LinkChange::Corrupt(rate) => write!(f, "corrupt {}", rate.to_text()),
            LinkChange::Duplicate(rate) => write!(f, "send {} of the requests twice", rate.to_text()),
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

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAccess {
    /// To read.
    Read,
    /// To write, into the cache.
    Write,
    /// To make durable what was written.
    Sync,
}

impl DiskAccess {
    /// All, by the names that people write.
    pub const WORDS: &'static [(&'static str, DiskAccess)] =
        &[("read", DiskAccess::Read), ("write", DiskAccess::Write), ("sync", DiskAccess::Sync)];

    /// That name.
    pub fn name(self) -> &'static str {
        DiskAccess::WORDS.iter().find(|(_, a)| *a == self).expect("every access has a name").0
    }
}

/// Why a disk says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// An input/output error.
    Eio,
    /// No space left on the device.
    Enospc,
    /// The file system is read-only now.
    Erofs,
}

impl Errno {
    /// All, by the names that people write.
    pub const WORDS: &'static [(&'static str, Errno)] = &[("EIO", Errno::Eio), ("ENOSPC", Errno::Enospc), ("EROFS", Errno::Erofs)];

    /// That name.
    pub fn name(self) -> &'static str {
        Errno::WORDS.iter().find(|(_, e)| *e == self).expect("every error has a name").0
    }

    /// Linux's number of it.
    pub fn number(self) -> i32 {
        match self {
            Errno::Eio => 5,
            Errno::Enospc => 28,
            Errno::Erofs => 30,
        }
    }
}

/// What is wrong with a disk, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskChange {
    /// Every sync takes so much longer.
    Slow(Span),
    /// So many bytes more can be allocated, beside what is given back.
    Full { leaves: u64 },
    /// These accesses fail, this often. After a failed sync the pages are taken for clean, as on Linux.
    Errors { on: Vec<DiskAccess>, errno: Errno, rate: Probability },
    /// What a sync writes lands some sectors away, this often.
    Misdirect { rate: Probability },
}

impl fmt::Display for DiskChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskChange::Slow(by) => write!(f, "each sync takes {} longer", by.to_text()),
            DiskChange::Full { leaves } => write!(f, "the disk is full but for {leaves} bytes"),
            DiskChange::Errors { on, errno, rate } => {
                let on: Vec<&str> = on.iter().map(|access| access.name()).collect();
                write!(f, "{} of {} fails with {}", rate.to_text(), on.join(", "), errno.name())
            }
            DiskChange::Misdirect { rate } => write!(f, "{} of what is written lands somewhere else", rate.to_text()),
        }
    }
}

/// What happens to what is on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// So many bits flip in a file whose path begins so.
    Flip { files: Option<String>, bits: u64 },
    /// A file whose path begins so loses up to so many bytes at its end.
    Cut { files: Option<String>, bytes: u64 },
}

/// What happens where a failpoint is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The process dies there.
    Kill,
    /// Its host loses power.
    PowerLoss,
    /// SIGSTOP, for so long.
    Pause(Duration),
    /// What comes next is so much later.
    Delay(Duration),
    /// What comes next fails.
    Error(Errno),
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strike::Kill => f.write_str("it is killed there"),
            Strike::PowerLoss => f.write_str("it loses power there"),
            Strike::Pause(lasts) => write!(f, "it is paused there for {lasts:?}"),
            Strike::Delay(by) => write!(f, "it is held up there by {by:?}"),
            Strike::Error(errno) => write!(f, "what comes next fails with {}", errno.name()),
        }
    }
}

/// A failpoint that is armed on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    /// Its name.
    pub point: String,
    /// What happens there.
    pub strike: Strike,
    /// How many passes go by before that.
    pub skip: u32,
    /// On how many passes it happens.
    pub times: u32,
    /// Who died there is started so much later.
    pub restart_after: Option<Duration>,
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
    /// The process dies; with a power loss its host does.
    Kill { node: NodeId, power_loss: Option<PowerLoss> },
    /// The process starts again, if none runs.
    Boot { node: NodeId },
    /// SIGSTOP.
    Pause { party: Party },
    /// SIGCONT.
    Resume { party: Party },
    /// Asks something of a node's administration interface.
    Admin { node: NodeId, ask: Admin },
    /// The clocks of a node, or of a client's host, go wrong, or right.
    Clock { party: Party, change: ClockChange },
    /// Something happens to a node when it comes to a seam of its code.
    Arm { node: NodeId, armed: Armed },
    /// Takes that back.
    Disarm { node: NodeId, armed: Armed },
    /// Clients ask so many times as often; 0: not at all.
    Load { times: u32 },
    /// They ask as often as their workloads say.
    LoadNormal { times: u32 },
    /// Something is wrong with a node's disk; several of these add up.
    DiskWorse { node: NodeId, change: DiskChange },
    /// Takes that back.
    DiskBetter { node: NodeId, change: DiskChange },
    /// What is on a node's disk is damaged.
    Damage { node: NodeId, damage: Damage },
    /// The power goes, and an empty disk takes the place of a node's.
    Wipe { node: NodeId },
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
    pub subject: Option<Party>,
    /// The client that last came to hold a lock, or to lead an election, and has not let go of it as far as it knows.
    pub lease_holder: Option<ClientId>,
    /// Whom faults with `as:` were done to.
    pub bound: BTreeMap<String, Vec<Party>>,
}

/// How large the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many nodes.
    pub nodes: u32,
    /// How many clients.
    pub clients: u32,
}
