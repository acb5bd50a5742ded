//! The typed scenario.

use super::{
    cluster::Cluster,
    demands::{Available, Bites, Expect, Liveness},
    schedule::ScheduledFault,
    swarm::Swarm,
};
use crate::{Service, workloads::Workload};
use squall_history::Event;
use std::{sync::Arc, time::Duration};

/// What a person writes. Under a seed it becomes a [`crate::Plan`].
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Which system under test.
    pub system: String,
    /// What that has.
    pub service: Arc<Service>,
    /// Whether the system is named, or the one of who names none.
    pub(crate) names_system: bool,
    /// The planted bugs that are on, by name.
    pub bugs: Vec<String>,
    /// The cluster.
    pub cluster: Cluster,
    /// What clients ask, all at once.
    pub workloads: Vec<Box<dyn Workload>>,
    /// How long faults may happen.
    pub duration: Duration,
    /// What goes wrong.
    pub faults: Vec<ScheduledFault>,
    /// What goes wrong besides, at random. A plan has none: it is drawn.
    pub swarm: Option<Swarm>,
    /// Whether faults may destroy what a quorum needs: otherwise a minority's disks are damaged at the most.
    pub allow_data_loss: bool,
    /// The faults that a plan leaves out for that.
    pub dropped: Vec<String>,
    /// What must be true after the faults.
    pub liveness: Liveness,
    /// How long the system may be out of service while faults happen, if that is demanded.
    pub available: Option<Available>,
    /// The checkers that judge; empty: every one that applies.
    pub checkers: Vec<String>,
    /// What must happen now and then, over a sweep.
    pub sometimes: Vec<Event>,
    /// What the run is expected to show.
    pub expect: Expect,
    /// With which change it must fail, and by whom.
    pub bites: Option<Bites>,
    /// The scenario with that change.
    pub bitten: Option<Box<Scenario>>,
    /// Where a plan came from; provenance, not proof.
    pub seed: Option<String>,
    /// The key of the world's draws; a plan has it.
    pub world_seed: Option<u64>,
}

impl Scenario {
    /// How many clients all workloads have together.
    pub fn clients(&self) -> u32 {
        self.workloads.iter().map(|w| w.clients()).sum()
    }
}
