//! What is asked at random: workloads, one file each, one line in the registry each.

mod hello;
mod kv;
mod lease;
mod line;
mod membership;
mod register;
mod script;
mod watch;

use squall_scenario::workloads::WorkloadKind;

/// Every kind, in the order of the documentation.
pub const ALL: &[WorkloadKind] = &[
    WorkloadKind::of::<register::Register>(),
    WorkloadKind::of::<kv::Kv>(),
    WorkloadKind::of::<kv::Txn>(),
    WorkloadKind::of::<watch::Watch>(),
    WorkloadKind::of::<lease::Lease>(),
    WorkloadKind::of::<line::Lock>(),
    WorkloadKind::of::<line::Election>(),
    WorkloadKind::of::<membership::Membership>(),
    WorkloadKind::of::<hello::Hello>(),
    WorkloadKind::script(&script::LINES),
];
