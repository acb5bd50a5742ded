//! Faults: one file each, one line in the registry each.

mod admin;
mod clock;
mod crash_loop;
mod damage;
mod degrade;
mod disk;
mod failpoint;
mod fault;
mod flap;
mod kill;
mod kind;
mod load;
mod members;
mod partition;
mod pause;
mod reach;
mod refuse;
mod registry;
mod reset;
mod restart;
mod rolling;

pub use fault::{Fault, PlannedAction, named, targets};
pub use kind::Family;
use kind::{Acts, Kind, to_each};
pub(crate) use partition::CUTS;
pub(crate) use registry::keys;
pub use registry::{FaultKind, GROUPS};
use std::time::Duration;

/// Every kind, in the order of the documentation.
pub const REGISTRY: &[FaultKind] = &[
    FaultKind::of::<partition::Partition>(),
    FaultKind::of::<degrade::Delay>(),
    FaultKind::of::<degrade::Loss>(),
    FaultKind::of::<degrade::Bandwidth>(),
    FaultKind::of::<degrade::Reorder>(),
    FaultKind::of::<degrade::Corrupt>(),
    FaultKind::of::<degrade::Duplicate>(),
    FaultKind::of::<flap::Flap>(),
    FaultKind::of::<reset::ResetConnections>(),
    FaultKind::of::<refuse::Refuse>(),
    FaultKind::of::<kill::Kill>(),
    FaultKind::of::<restart::Restart>(),
    FaultKind::of::<pause::Pause>(),
    FaultKind::of::<rolling::RollingRestart>(),
    FaultKind::of::<crash_loop::CrashLoop>(),
    FaultKind::of::<damage::Wipe>(),
    FaultKind::of::<admin::TransferLeader>(),
    FaultKind::of::<admin::Compact>(),
    FaultKind::of::<admin::Snapshot>(),
    FaultKind::of::<admin::Defragment>(),
    FaultKind::of::<members::Grow>(),
    FaultKind::of::<members::Shrink>(),
    FaultKind::of::<members::Replace>(),
    FaultKind::of::<clock::Skew>(),
    FaultKind::of::<clock::Jump>(),
    FaultKind::of::<clock::Strobe>(),
    FaultKind::of::<clock::Drift>(),
    FaultKind::of::<clock::Leap>(),
    FaultKind::of::<clock::Reset>(),
    FaultKind::of::<disk::Slow>(),
    FaultKind::of::<disk::Full>(),
    FaultKind::of::<disk::IoError>(),
    FaultKind::of::<disk::Misdirect>(),
    FaultKind::of::<damage::LoseUnsynced>(),
    FaultKind::of::<damage::TornWrite>(),
    FaultKind::of::<damage::BitFlip>(),
    FaultKind::of::<damage::Truncate>(),
    FaultKind::of::<load::Spike>(),
    FaultKind::of::<load::Idle>(),
    FaultKind::of::<failpoint::Seam>(),
];

/// A load, and how long it lasts: what a phase may say.
pub(crate) fn load(times: u32, lasts: Duration) -> Box<dyn Fault> {
    load::of_phase(times, lasts)
}
