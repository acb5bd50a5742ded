//! A workload of any kind: as written, and as planned.

use super::source::OpSource;
use crate::language::{Draws, Part, Visit};
use serde_yaml::Value as Yaml;
use squall_history::Op;
use std::{any::Any, fmt::Debug, time::Duration};

/// A workload, as written: how many clients there are and what each of them asks.
pub trait Workload: Debug + Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Its arguments, as YAML.
    fn to_yaml(&self) -> Yaml;

    /// How many clients it has.
    fn clients(&self) -> u32;

    /// An operation of each kind that it may ask, so that a system can say whether it takes them.
    fn asks(&self) -> Vec<Op>;

    /// When its last operation is due, if that is written down.
    fn last_at(&self) -> Option<Duration>;

    /// Draws what is random: its seed.
    fn plan(&self, draws: &Draws) -> Box<dyn PlannedLoad>;

    /// What its clients ask, if nothing of it is left to a seed.
    fn planned(&self) -> Option<Box<dyn PlannedLoad>>;

    /// Shows what may be changed in it.
    fn parts(&mut self, visit: &mut Visit<'_>);

    /// Whether its arguments go together.
    fn is_sound(&self) -> bool;

    /// Itself, for who knows its type.
    fn as_any(&self) -> &dyn Any;

    /// A copy.
    fn boxed(&self) -> Box<dyn Workload>;
}

impl Clone for Box<dyn Workload> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl PartialEq for dyn Workload {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.to_yaml() == other.to_yaml()
    }
}

/// A workload of a plan.
pub trait PlannedLoad: Debug + Send + Sync {
    /// How many clients it has.
    fn clients(&self) -> u32;

    /// The operations of its `client`th client (from 1). `name` makes written values unique.
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource>;

    /// As it is written.
    fn written(&self) -> Box<dyn Workload>;

    /// A copy.
    fn boxed(&self) -> Box<dyn PlannedLoad>;
}

impl Clone for Box<dyn PlannedLoad> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

/// The same workload with another number under this key, if it has one there, and if that makes sense: fewer clients than it needs do not.
pub(crate) fn with_number(workload: &dyn Workload, key: &str, change: impl FnOnce(u64) -> u64) -> Box<dyn Workload> {
    let (mut changed, mut change) = (workload.boxed(), Some(change));
    (*changed).parts(&mut |name, part| {
        if let Part::Number(number, min, max) = part
            && name == key
            && let Some(change) = change.take()
        {
            *number = change(*number).clamp(min, max);
        }
    });
    if changed.is_sound() { changed } else { workload.boxed() }
}
