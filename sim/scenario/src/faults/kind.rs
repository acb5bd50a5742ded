//! What a kind of fault is, as its author writes it: its arguments, how it is drawn, and what it does.

use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::Arguments,
    target::Chosen,
};
use squall_history::SeededStream;
use std::time::Duration;

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

/// A kind of fault, as its author writes it: a struct of arguments that says how it is drawn.
pub(crate) trait Kind: Arguments<Planned: Acts> {
    /// Its name; with a group's name before it, for those of a group ([`super::GROUPS`]).
    const NAME: &'static str;
    /// Where it belongs.
    const FAMILY: Family;
    /// A use of it, as YAML.
    const EXAMPLE: &'static str;
    /// Whether it can be done to clients too.
    const TAKES_CLIENTS: bool = false;
    /// Whether it destroys what is durable on its targets.
    const DESTROYS: bool = false;

    /// One of its uses, at random: what `swarm` does with it. It is planned afterwards, as any other.
    fn draw(draws: &mut SeededStream, service: &Service) -> Self;

    /// The smallest cluster in which it can be done to anybody, whoever its target is.
    fn least_nodes(&self) -> u32 {
        1
    }

    /// Other uses of it that are easier to bring about: for shrinking.
    fn alternatives(&self) -> Vec<Self> {
        vec![]
    }
}

/// What a fault of a plan does: its planned arguments.
pub(crate) trait Acts {
    /// The effects, each with how long after the start it happens. Empty when it matches no target.
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)>;

    /// How long it lasts at the most.
    fn max_duration(&self) -> Duration {
        Duration::ZERO
    }

    /// How many nodes join the cluster by it that there were not before.
    fn newcomers(&self) -> u32 {
        0
    }

    /// Whom it is about, where none of its arguments says so.
    fn target(&self) -> Option<Chosen> {
        None
    }
}

/// A time after the start of a fault at which it does one thing to each of several.
pub(crate) fn to_each<T>(all: Vec<T>, effects: impl Fn(T) -> Vec<(Duration, Effect)>) -> Vec<(Duration, Effect)> {
    all.into_iter().flat_map(effects).collect()
}
