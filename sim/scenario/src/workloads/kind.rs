//! What a kind of workload is, as its author writes it: its arguments, and what its clients ask.

use super::{
    source::OpSource,
    workload::{PlannedLoad, Workload},
};
use crate::{
    language::{Arguments, Draws, Value, Visit, arguments_of, is_sound},
    vocabulary::WorkloadKind,
};
use serde_yaml::Value as Yaml;
use squall_history::Op;
use std::{any::Any, fmt::Debug, time::Duration};

/// A kind of workload, as its author writes it: a struct of arguments.
pub trait Kind: Arguments<Planned: Asks> {
    /// The key under which it is written.
    const NAME: &'static str;
    /// A use of it, as YAML.
    const EXAMPLE: &'static str;

    /// How many clients it has.
    fn clients(&self) -> u32;

    /// An operation of each kind that it may ask, so that a system can say whether it takes them.
    fn asks(&self) -> Vec<Op>;

    /// When its last operation is due, if that is written down.
    fn last_at(&self) -> Option<Duration> {
        None
    }
}

/// What the clients of a plan's workload ask: its planned arguments.
pub trait Asks {
    /// The operations of its `client`th client (from 1). `name` makes written values unique.
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource>;
}

impl WorkloadKind {
    /// This kind.
    pub const fn of<K: Kind>() -> WorkloadKind {
        WorkloadKind {
            lines: None,
            name: K::NAME,
            example: K::EXAMPLE,
            about: K::ABOUT,
            arguments: arguments_of::<K>,
            schema: K::schema,
            read: &|decoder, node| Some(Box::new(K::read(decoder, node)?)),
        }
    }
}

impl<K: Kind> Workload for K {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn to_yaml(&self) -> Yaml {
        self.write()
    }

    fn clients(&self) -> u32 {
        Kind::clients(self)
    }

    fn asks(&self) -> Vec<Op> {
        Kind::asks(self)
    }

    fn last_at(&self) -> Option<Duration> {
        Kind::last_at(self)
    }

    fn plan(&self, draws: &Draws) -> Box<dyn PlannedLoad> {
        Box::new(Planned::<K>(self.resolve(draws)))
    }

    fn planned(&self) -> Option<Box<dyn PlannedLoad>> {
        Some(Box::new(Planned::<K>(self.fixed()?)))
    }

    fn parts(&mut self, visit: &mut Visit<'_>) {
        self.each(visit);
    }

    fn is_sound(&self) -> bool {
        is_sound(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

/// The planned arguments of a kind.
struct Planned<K: Kind>(K::Planned);

impl<K: Kind> Debug for Planned<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Kind> PlannedLoad for Planned<K> {
    fn clients(&self) -> u32 {
        Kind::clients(&K::unfix(&self.0))
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        self.0.source(client, name)
    }

    fn written(&self) -> Box<dyn Workload> {
        Box::new(K::unfix(&self.0))
    }

    fn boxed(&self) -> Box<dyn PlannedLoad> {
        Box::new(Planned::<K>(self.0.clone()))
    }
}
