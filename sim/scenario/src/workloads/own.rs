//! A workload that no pack declares: whoever starts the program hands it over, as a function.

use super::{
    load::{Clients, Loop},
    source::OpSource,
    workload::{PlannedLoad, Workload},
};
use crate::{
    language::{Arguments, Draws, Value, Visit, arguments, arguments_of, is_sound},
    values::{Number, Seed},
    vocabulary::WorkloadKind,
};
use serde_yaml::Value as Yaml;
use squall_history::Op;
use std::{any::Any, fmt::Debug, time::Duration};

arguments! {
    /// Operations that a function draws, one after another.
    pub struct Own => OwnPlanned, "a workload" {
        /// how many clients
        clients: Clients = Number(4),
        /// how fast they ask
        @flat pace: Loop,
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

impl OwnPlanned {
    /// How many clients it has.
    pub fn clients(&self) -> u64 {
        self.clients.0
    }

    /// How fast they ask.
    pub fn pace(&self) -> Loop {
        self.pace
    }

    /// The seed of its operations.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// What a client of such a workload asks, from 1.
pub type OwnSource = dyn Fn(&OwnPlanned, u32) -> Box<dyn OpSource> + Send + Sync;

/// A workload that is handed over.
pub struct OwnLoad {
    /// The key under which it is written.
    pub name: &'static str,
    /// One sentence, in lines.
    pub about: &'static [&'static str],
    /// A use of it, as YAML.
    pub example: &'static str,
    /// An operation of each kind that it may ask.
    pub asks: Vec<Op>,
    /// Its operations.
    pub source: Box<OwnSource>,
}

impl Debug for OwnLoad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl WorkloadKind {
    /// This one.
    pub fn own(load: &'static OwnLoad) -> WorkloadKind {
        WorkloadKind {
            lines: None,
            name: load.name,
            example: load.example,
            about: load.about,
            arguments: arguments_of::<Own>,
            schema: Own::schema,
            read: Box::leak(Box::new(move |decoder: &mut crate::Decoder, node: &crate::yaml::Node| {
                Own::read(decoder, node).map(|arguments| Box::new(Written { load, arguments }) as Box<dyn Workload>)
            })),
        }
    }
}

#[derive(Clone, Debug)]
struct Written {
    load: &'static OwnLoad,
    arguments: Own,
}

impl Workload for Written {
    fn kind(&self) -> &'static str {
        self.load.name
    }

    fn to_yaml(&self) -> Yaml {
        self.arguments.write()
    }

    fn clients(&self) -> u32 {
        self.arguments.clients.small()
    }

    fn asks(&self) -> Vec<Op> {
        self.load.asks.clone()
    }

    fn last_at(&self) -> Option<Duration> {
        None
    }

    fn plan(&self, draws: &Draws) -> Box<dyn PlannedLoad> {
        Box::new(Planned { load: self.load, arguments: self.arguments.resolve(draws) })
    }

    fn planned(&self) -> Option<Box<dyn PlannedLoad>> {
        Some(Box::new(Planned { load: self.load, arguments: self.arguments.fixed()? }))
    }

    fn parts(&mut self, visit: &mut Visit<'_>) {
        self.arguments.each(visit);
    }

    fn is_sound(&self) -> bool {
        is_sound(&self.arguments)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

#[derive(Clone, Debug)]
struct Planned {
    load: &'static OwnLoad,
    arguments: OwnPlanned,
}

impl PlannedLoad for Planned {
    fn clients(&self) -> u32 {
        Own::unfix(&self.arguments).clients.small()
    }

    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        (self.load.source)(&self.arguments, client)
    }

    fn written(&self) -> Box<dyn Workload> {
        Box::new(Written { load: self.load, arguments: Own::unfix(&self.arguments) })
    }

    fn boxed(&self) -> Box<dyn PlannedLoad> {
        Box::new(self.clone())
    }
}
