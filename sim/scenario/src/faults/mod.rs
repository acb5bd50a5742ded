//! Faults: one file each, one line in the registry each.

mod admin;
mod clock;
mod crash_loop;
mod damage;
mod degrade;
mod disk;
mod failpoint;
mod flap;
mod kill;
mod load;
mod members;
mod partition;
pub(crate) use partition::CUTS;
mod pause;
mod reach;
mod refuse;
mod reset;
mod restart;
mod rolling;

use crate::{
    effect::{ClusterView, Effect, Party, Size},
    target::Target,
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::{fmt::Debug, time::Duration};

/// An argument of a fault, for its documentation.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its key.
    pub name: &'static str,
    /// What is written there.
    pub form: &'static str,
    /// What it means, and its default.
    pub about: &'static str,
}

/// What a fault is done to: `swarm` picks by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Links, connections, listeners.
    Network,
    /// Processes and the power of their hosts.
    Process,
    /// What an administrator does.
    Admin,
    /// Who belongs to the cluster.
    Membership,
    /// What time it is, and how fast it goes.
    Clock,
    /// What is written down.
    Disk,
    /// How much is asked.
    Load,
    /// Named seams of the code.
    Failpoint,
}

impl Family {
    /// Every family.
    pub const ALL: &'static [Family] = &[
        Family::Network,
        Family::Process,
        Family::Admin,
        Family::Membership,
        Family::Clock,
        Family::Disk,
        Family::Load,
        Family::Failpoint,
    ];

    /// The name that people write.
    pub fn name(self) -> &'static str {
        match self {
            Family::Network => "network",
            Family::Process => "process",
            Family::Admin => "admin",
            Family::Membership => "membership",
            Family::Clock => "clock",
            Family::Disk => "disk",
            Family::Load => "load",
            Family::Failpoint => "failpoint",
        }
    }
}

/// A kind of fault.
pub struct FaultKind {
    /// Its name; with a group's name before it, for those of a group ([`GROUPS`]).
    pub name: &'static str,
    /// Where it belongs.
    pub family: Family,
    /// One sentence.
    pub about: &'static str,
    /// Its arguments.
    pub args: &'static [Arg],
    /// A use of it, as YAML.
    pub example: &'static str,
    pub(crate) decode: fn(&mut Decoder, &Node) -> Option<Box<dyn Fault>>,
    /// One of its uses, at random: what `swarm` does with it. It is fixed afterwards, as any other.
    pub(crate) draw: fn(&mut SeededStream) -> Box<dyn Fault>,
}

/// Kinds whose names begin so are written under that key: `clock: { jump: ... }`.
pub const GROUPS: &[&str] = &["clock", "disk", "load"];

impl FaultKind {
    /// The key under which it is written, and, for those of a group, the key below that one.
    pub fn keys(&self) -> (&'static str, Option<&'static str>) {
        keys(self.name)
    }
}

/// The same, of a kind's name.
pub(crate) fn keys(name: &'static str) -> (&'static str, Option<&'static str>) {
    match name.split_once('-') {
        Some((group, rest)) if GROUPS.contains(&group) => (group, Some(rest)),
        _ => (name, None),
    }
}

/// Every kind, in the order of the documentation.
pub const REGISTRY: &[FaultKind] = &[
    partition::KIND,
    degrade::DELAY,
    degrade::LOSS,
    degrade::BANDWIDTH,
    degrade::REORDER,
    degrade::CORRUPT,
    degrade::DUPLICATE,
    flap::KIND,
    reset::KIND,
    refuse::KIND,
    kill::KIND,
    restart::KIND,
    pause::KIND,
    rolling::KIND,
    crash_loop::KIND,
    damage::WIPE,
    admin::TRANSFER_LEADER,
    admin::COMPACT,
    admin::SNAPSHOT,
    admin::DEFRAGMENT,
    members::GROW,
    members::SHRINK,
    members::REPLACE,
    clock::SKEW,
    clock::JUMP,
    clock::STROBE,
    clock::DRIFT,
    clock::LEAP,
    clock::RESET,
    disk::SLOW,
    disk::FULL,
    disk::IO_ERROR,
    disk::MISDIRECT,
    damage::LOSE_UNSYNCED,
    damage::TORN_WRITE,
    damage::BITFLIP,
    damage::TRUNCATE,
    load::SPIKE,
    load::IDLE,
    failpoint::KIND,
];

/// A fault, as written: what it does, to whom, for how long. When is not its business.
pub trait Fault: Debug + Send + Sync {
    /// Draws everything that is random, so that nothing is left to chance but who leads.
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault>;

    /// The effects, each with how long after the start it happens. Empty when there is nobody to do
    /// it to. Only called on what `fix` returned.
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)>;

    /// How long it lasts at the most.
    fn lasts(&self) -> Duration;

    /// Whom it is about.
    fn targets(&self) -> Vec<&Target>;

    /// The nodes and clients that it names, to be checked against the cluster's size.
    fn named(&self) -> Vec<Party> {
        self.targets().iter().flat_map(|t| t.named()).copied().collect()
    }

    /// The smallest cluster in which it can be done to anybody.
    fn least_nodes(&self) -> u32 {
        self.targets().iter().map(|t| t.least_nodes()).max().unwrap_or(1)
    }

    /// Whether it can be done to clients too.
    fn takes_clients(&self) -> bool {
        false
    }

    /// How many nodes join the cluster by it that there were not before.
    fn newcomers(&self) -> u32 {
        0
    }

    /// Whether it destroys what is durable on its targets.
    fn destroys(&self) -> bool {
        false
    }

    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Its arguments, as YAML.
    fn to_yaml(&self) -> serde_yaml::Value;

    /// A copy.
    fn boxed(&self) -> Box<dyn Fault>;
}

impl Clone for Box<dyn Fault> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// So much load for so long: what a phase may say.
pub(crate) fn load(times: u32, lasts: Duration) -> Box<dyn Fault> {
    load::of_phase(times, lasts)
}

/// A YAML mapping from pairs.
pub(crate) fn mapping<const N: usize>(pairs: [(&str, Option<serde_yaml::Value>); N]) -> serde_yaml::Value {
    let mut map = serde_yaml::Mapping::new();
    for (key, value) in pairs {
        if let Some(value) = value {
            map.insert(key.into(), value);
        }
    }
    map.into()
}
