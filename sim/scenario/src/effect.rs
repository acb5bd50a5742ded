//! What faults may know of the run when they fire, and what they compile to.

pub use squall_effect::{
    Admin, Armed, ClockChange, Damage, DiskAccess, DiskChange, Effect, Errno, Link, LinkChange, Party, PowerLoss, Strike,
};
use squall_history::{ClientId, NodeId};
use std::collections::BTreeMap;

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
    /// The client that last came to have what only one of them can have, and has not let go of it as far as it knows.
    pub holder: Option<ClientId>,
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
