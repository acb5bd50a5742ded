//! A host of the machine: its clocks, its disk, and what runs on it.

use crate::{clock::Clock, disk::DiskState, life::Life, trap::Trap};
use std::sync::Arc;

/// A computer, which runs at most one process of ours. Its address and its power are the network's ([`crate::net::Nic`]).
pub(crate) struct Host {
    pub(crate) label: String,
    /// How many faults hold it still.
    pub(crate) pauses: u32,
    pub(crate) clock: Clock,
    pub(crate) disk: DiskState,
    /// What runs here, if something does.
    pub(crate) life: Option<Arc<Life>>,
    /// The failpoints that are armed here.
    pub(crate) traps: Vec<Trap>,
    /// Whether a fault made an access of this process fail: it may give up for that, whenever it comes to it.
    pub(crate) was_failed: bool,
    pub(crate) incarnations: u32,
}
