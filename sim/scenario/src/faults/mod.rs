//! Faults: one file each, one line in the registry each.

mod kill;
mod partition;
mod pause;
mod restart;

use crate::{
    effect::{ClusterView, Effect},
    yaml::{Decoder, Node},
};
use squall_history::{NodeId, SeededStream};
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

/// A kind of fault.
pub struct FaultKind {
    /// The key under which it is written.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its arguments.
    pub args: &'static [Arg],
    /// A use of it, as YAML.
    pub example: &'static str,
    pub(crate) decode: fn(&mut Decoder, &Node) -> Option<Box<dyn Fault>>,
}

/// Every kind, in the order of the documentation.
pub const REGISTRY: &[FaultKind] = &[partition::KIND, kill::KIND, restart::KIND, pause::KIND];

/// A fault, as written: what it does, to whom, for how long. When is not its business.
pub trait Fault: Debug + Send + Sync {
    /// Draws everything that is random, so that nothing is left to chance but who leads.
    fn fix(&self, draws: &mut SeededStream, nodes: u32) -> Box<dyn Fault>;

    /// The effects, each with how long after the start it happens. Empty when there is nobody to do
    /// it to. Only called on what `fix` returned.
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)>;

    /// How long it lasts at the most.
    fn lasts(&self) -> Duration;

    /// The nodes it names, to be checked against the cluster's size.
    fn named(&self) -> Vec<NodeId>;

    /// The smallest cluster in which it can be done to anybody.
    fn least_nodes(&self) -> u32;

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
