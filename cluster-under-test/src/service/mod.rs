//! The services that clients call.

mod admin;
mod cluster;
mod election;
mod kv;
mod lease;
mod line;
mod lock;
mod maintenance;
mod peer;
mod replica;
mod require_leader;
mod small;
mod watch;

pub(crate) use admin::AdminService;
pub(crate) use cluster::Members;
pub(crate) use election::ElectionService;
pub(crate) use kv::KvService;
pub(crate) use lease::{LeaseService, Lessor};
pub(crate) use line::Lines;
pub(crate) use lock::LockService;
pub(crate) use maintenance::{MaintenanceService, compact_log, move_leader};
pub(crate) use peer::PeerService;
pub(crate) use replica::{Parts, Replica};
pub(crate) use require_leader::refuse_without_leader;
pub(crate) use small::{Greeter, HealthService, NoAuth};
pub(crate) use watch::{PROGRESS_EVERY, WatchService};
