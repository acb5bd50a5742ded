//! The typed scenario, and how it is read from the tree.

mod cluster;
mod demands;
mod document;
mod limits;
mod loads;
mod misfit;
mod names;
mod phases;
mod read;
mod scenario;
mod schedule;
mod swarm;
mod when;

pub use cluster::{Cluster, Disk, Network, Nodes, Zones};
pub use demands::{Available, Bites, Expect, Heal, Liveness};
pub(crate) use document::{parts, scenario_schema};
pub(crate) use limits::FAULTS_MAX;
pub(crate) use misfit::Bounds;
pub(crate) use read::parse;
pub use scenario::Scenario;
pub use schedule::{PlannedFault, ScheduledFault, Start, Wait};
pub use swarm::{Pick, Swarm, Vary};
pub use when::{Trigger, When};
