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
    Service, Vocabulary,
    effect::{ClusterView, Effect, Party},
    language::{Argument, Arguments, Draws, Part, Value, Visit, arguments_of, is_sound, joined},
    target::{Chosen, Target},
    yaml::{Decoder, Node},
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use squall_history::SeededStream;
use std::{fmt::Debug, time::Duration};

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
    /// Its name; with a group's name before it, for those of a group ([`GROUPS`]).
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
    /// The effects, each with how long after the start it happens. Empty when there is nobody to do it to.
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)>;

    /// How long it lasts at the most.
    fn lasts(&self) -> Duration {
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

/// A kind of fault, in the registry.
pub struct FaultKind {
    /// Its name; with a group's name before it, for those of a group ([`GROUPS`]).
    pub name: &'static str,
    /// Where it belongs.
    pub family: Family,
    /// A use of it, as YAML.
    pub example: &'static str,
    about: &'static [&'static str],
    arguments: fn() -> Vec<Argument>,
    pub(crate) schema: fn(&Vocabulary) -> Json,
    pub(crate) read: fn(&mut Decoder, &Node) -> Option<Box<dyn Fault>>,
    pub(crate) draw: fn(&mut SeededStream, &Service) -> Box<dyn Fault>,
}

impl FaultKind {
    const fn of<K: Kind>() -> FaultKind {
        FaultKind {
            name: K::NAME,
            family: K::FAMILY,
            example: K::EXAMPLE,
            about: K::ABOUT,
            arguments: arguments_of::<K>,
            schema: K::schema,
            read: |decoder, node| Some(Box::new(K::read(decoder, node)?)),
            draw: |draws, service| Box::new(K::draw(draws, service)),
        }
    }

    /// One sentence.
    pub fn about(&self) -> String {
        joined(self.about)
    }

    /// Its arguments.
    pub fn arguments(&self) -> Vec<Argument> {
        (self.arguments)()
    }
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

/// A fault, as written: what it does, to whom, for how long. When is not its business.
pub trait Fault: Debug + Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Its arguments, as YAML.
    fn to_yaml(&self) -> Yaml;

    /// Draws everything that is random, so that nothing is left to chance but who leads.
    fn plan(&self, draws: &Draws) -> Box<dyn PlannedAction>;

    /// What it does, if nothing of it is left to a seed.
    fn planned(&self) -> Option<Box<dyn PlannedAction>>;

    /// Shows what a shrinker may change in it.
    fn parts(&mut self, visit: &mut Visit<'_>);

    /// The same with one argument less each.
    fn leaner(&self) -> Vec<Box<dyn Fault>>;

    /// Other uses that are easier to bring about.
    fn alternatives(&self) -> Vec<Box<dyn Fault>>;

    /// Whether its arguments go together.
    fn is_sound(&self) -> bool;

    /// The smallest cluster in which it can be done to anybody.
    fn least_nodes(&self) -> u32;

    /// Whether it can be done to clients too.
    fn takes_clients(&self) -> bool;

    /// A copy.
    fn boxed(&self) -> Box<dyn Fault>;
}

impl<K: Kind> Fault for K {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn to_yaml(&self) -> Yaml {
        self.write()
    }

    fn plan(&self, draws: &Draws) -> Box<dyn PlannedAction> {
        Box::new(Planned::<K>(self.fix(draws)))
    }

    fn planned(&self) -> Option<Box<dyn PlannedAction>> {
        Some(Box::new(Planned::<K>(self.fixed()?)))
    }

    fn parts(&mut self, visit: &mut Visit<'_>) {
        self.each(visit);
    }

    fn leaner(&self) -> Vec<Box<dyn Fault>> {
        boxes(Arguments::leaner(self))
    }

    fn alternatives(&self) -> Vec<Box<dyn Fault>> {
        boxes(Kind::alternatives(self))
    }

    fn is_sound(&self) -> bool {
        is_sound(self)
    }

    fn least_nodes(&self) -> u32 {
        let targets = targets(self);
        targets.iter().map(Target::least_nodes).max().unwrap_or(1).max(Kind::least_nodes(self))
    }

    fn takes_clients(&self) -> bool {
        K::TAKES_CLIENTS
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}

fn boxes<K: Kind>(all: Vec<K>) -> Vec<Box<dyn Fault>> {
    all.into_iter().map(|fault| Box::new(fault) as Box<dyn Fault>).collect()
}

impl Clone for Box<dyn Fault> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl PartialEq for dyn Fault {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.to_yaml() == other.to_yaml()
    }
}

/// Whom a fault is about, in the order of its arguments.
pub fn targets(fault: &dyn Fault) -> Vec<Target> {
    let mut all = Vec::new();
    fault.boxed().parts(&mut |_, part| match part {
        Part::Target(target) => all.push(target.clone()),
        Part::Nodes(nodes) => all.push(Target::named_ones(nodes.iter().map(|id| Party::Node(*id)).collect())),
        Part::Groups(_) | Part::Time(_) | Part::Span(_) | Part::Number(..) | Part::Flag(_) => {}
    });
    all
}

/// The nodes and clients that a fault names.
pub fn named(fault: &dyn Fault) -> Vec<Party> {
    let mut all: Vec<Party> = targets(fault).iter().flat_map(|target| target.named().to_vec()).collect();
    fault.boxed().parts(&mut |_, part| {
        if let Part::Groups(groups) = part {
            all.extend(groups.iter().flatten().map(|id| Party::Node(*id)));
        }
    });
    all
}

/// A fault of a plan: what it does.
pub trait PlannedAction: Debug + Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// The effects, each with how long after the start it happens. Empty when there is nobody to do it to.
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)>;

    /// How long it lasts at the most.
    fn lasts(&self) -> Duration;

    /// How many nodes join the cluster by it that there were not before.
    fn newcomers(&self) -> u32;

    /// Whether it destroys what is durable on its targets.
    fn destroys(&self) -> bool;

    /// Whom it is about, first of all.
    fn target(&self) -> Option<Chosen>;

    /// As it is written.
    fn written(&self) -> Box<dyn Fault>;

    /// A copy.
    fn boxed(&self) -> Box<dyn PlannedAction>;
}

/// The planned arguments of a kind.
struct Planned<K: Kind>(K::Planned);

impl<K: Kind> Debug for Planned<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Kind> PlannedAction for Planned<K> {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        self.0.effects(view)
    }

    fn lasts(&self) -> Duration {
        self.0.lasts()
    }

    fn newcomers(&self) -> u32 {
        self.0.newcomers()
    }

    fn destroys(&self) -> bool {
        K::DESTROYS
    }

    fn target(&self) -> Option<Chosen> {
        let said = || targets(&K::unfix(&self.0)).into_iter().next()?.planned();
        self.0.target().or_else(said)
    }

    fn written(&self) -> Box<dyn Fault> {
        Box::new(K::unfix(&self.0))
    }

    fn boxed(&self) -> Box<dyn PlannedAction> {
        Box::new(Planned::<K>(self.0.clone()))
    }
}

impl Clone for Box<dyn PlannedAction> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl dyn PlannedAction {
    /// The nodes and clients that it names.
    pub fn named(&self) -> Vec<Party> {
        named(&*self.written())
    }
}

/// So much load for so long: what a phase may say.
pub(crate) fn load(times: u32, lasts: Duration) -> Box<dyn Fault> {
    load::of_phase(times, lasts)
}

/// A time after the start of a fault at which it does one thing to each of several.
pub(crate) fn to_each<T>(all: Vec<T>, effects: impl Fn(T) -> Vec<(Duration, Effect)>) -> Vec<(Duration, Effect)> {
    all.into_iter().flat_map(effects).collect()
}
