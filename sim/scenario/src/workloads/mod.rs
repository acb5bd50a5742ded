//! Workloads: what they are, and what those of every system have. The kinds themselves belong to the packs.

mod kind;
mod load;
mod own;
mod script;
mod source;
mod workload;

pub use crate::vocabulary::{Lines, Probe, Rename, WorkloadKind};
pub use kind::{Asks, Kind};
pub use load::{Clients, Keys, Loop, Mix, Mixed, THINK};
pub use own::{Own, OwnLoad, OwnPlanned, OwnSource};
pub use script::{Line, Script};
pub use source::{OpSource, Pace, Source, asks, drawn, source};
pub(crate) use workload::with_number;
pub use workload::{PlannedLoad, Workload};
