//! A fault of any kind: as written, and as planned.

use super::kind::{Acts, Kind};
use crate::{
    effect::{ClusterView, Effect, Party},
    language::{Arguments, Draws, Part, Value, Visit, is_sound},
    target::{Chosen, Target},
};
use serde_yaml::Value as Yaml;
use std::{fmt::Debug, time::Duration};

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
        Box::new(Planned::<K>(self.resolve(draws)))
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

    /// The effects, each with how long after the start it happens. Empty when it matches no target.
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)>;

    /// How long it lasts at the most.
    fn max_duration(&self) -> Duration;

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

    fn max_duration(&self) -> Duration {
        self.0.max_duration()
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
