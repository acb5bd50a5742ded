//! The systems under test, and how what they have of their own is read. A kind of workload reads itself in a scope that has all kinds of
//! workloads: so these types stand together.

use super::named::{EventInfo, Failpoint, Gives, Holder, Named};
use crate::{
    workloads::Workload,
    yaml::{self, Node},
};
use serde_json::{Map, Value as Json};
use serde_yaml::Value as Yaml;
use squall_history::Op;
use std::{fmt::Debug, sync::Arc};

/// What there is to test.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The systems under test; the first is that of a scenario which names none.
    pub services: Vec<Arc<Service>>,
}

impl Vocabulary {
    /// Every system under test, by name.
    pub(crate) fn systems(&self) -> Vec<&'static str> {
        self.services.iter().map(|service| service.name).collect()
    }

    /// Whatever they have of this kind, each once.
    pub(crate) fn all<T: PartialEq>(&self, of: impl Fn(&Service) -> Vec<T>) -> Vec<T> {
        every(&self.services, of)
    }
}

/// Whatever these have, each once.
pub(crate) fn every<T: PartialEq>(services: &[Arc<Service>], of: impl Fn(&Service) -> Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for one in services.iter().flat_map(|service| of(service)) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// What a system under test has, as far as a scenario can name it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// What it has besides clients that are answered.
    pub gives: Gives,
    /// What its clients may ask.
    pub workloads: &'static [WorkloadKind],
    /// What may happen in it, beside what may happen in any.
    pub events: &'static [EventInfo],
    /// The client that has what only one of them can have, where there is such a thing.
    pub holder: Option<&'static Holder>,
    /// The bugs that can be planted in it.
    pub bugs: Vec<Named>,
    /// The seams of its code.
    pub failpoints: &'static [Failpoint],
    /// Who judges it.
    pub checkers: Vec<&'static str>,
}

impl Service {
    /// One of which nothing is known.
    pub(crate) fn unknown() -> Service {
        Service {
            name: "",
            gives: Gives::EVERYTHING,
            workloads: &[],
            events: &[],
            holder: None,
            bugs: vec![],
            failpoints: &[],
            checkers: vec![],
        }
    }

    /// How its operations are written down, if they can be.
    pub(crate) fn lines(&self) -> Option<&'static Lines> {
        self.workloads.iter().find_map(|kind| kind.lines)
    }
}

/// The names that may be used in a scenario. Where there are none at all, any may be.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// What there is to test.
    pub(crate) vocabulary: Vocabulary,
    /// The system whose scenario it is, once that is known.
    pub(crate) service: Option<Arc<Service>>,
}

/// Takes values out of the tree of a scenario.
pub type Decoder = yaml::Decoder<Scope>;

/// Reads the arguments of a workload.
pub(crate) type ReadWorkload = dyn Fn(&mut Decoder, &Node) -> Option<Box<dyn Workload>> + Send + Sync;

/// A kind of workload, in the registry.
pub struct WorkloadKind {
    /// The key under which it is written.
    pub name: &'static str,
    /// A use of it, as YAML.
    pub example: &'static str,
    pub(crate) about: &'static [&'static str],
    pub(crate) arguments: fn() -> Vec<Argument>,
    pub(crate) schema: fn(&Vocabulary) -> Json,
    pub(crate) read: &'static ReadWorkload,
    /// How operations are written down, of a script.
    pub(crate) lines: Option<&'static Lines>,
}

impl Debug for WorkloadKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl WorkloadKind {
    /// One sentence.
    pub fn about(&self) -> String {
        joined(self.about)
    }

    /// Its arguments.
    pub fn arguments(&self) -> Vec<Argument> {
        let mut all = (self.arguments)();
        if let (Some(lines), Some(ops)) = (self.lines, all.iter_mut().find(|argument| argument.name == "ops")) {
            ops.about = format!("{} {}", ops.about, lines.about);
        }
        all
    }
}

/// What a client asks, to show that it is served, beside these operations: it changes nothing.
pub type Probe = dyn Fn(&[&Op]) -> Op + Send + Sync;

/// How the operations of a system are written down: each stands under a key.
pub struct Lines {
    /// A use of it, as YAML.
    pub example: &'static str,
    /// The keys, and what stands there, for people.
    pub about: &'static str,
    /// The keys of which an operation has one.
    pub keys: &'static [&'static str],
    /// Reads an operation that stands under this key.
    pub read: fn(&mut Decoder, &str, &Node) -> Option<Op>,
    /// Writes an operation, and the key that it stands under; `None` for one that cannot be written down.
    pub write: fn(&Op) -> Option<(&'static str, Yaml)>,
    /// The schema of each operation, by its key.
    pub schemas: fn(&Vocabulary) -> Map<String, Json>,
    /// What a client asks, to show that it is served, beside these operations: it changes nothing.
    pub probe: &'static Probe,
    /// The operation with other values.
    pub renamed: fn(&Op, &mut Rename<'_>) -> Op,
}

/// Gives a value another name.
pub type Rename<'r> = dyn FnMut(&mut String) + 'r;

impl Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the lines of a script")
    }
}

/// An argument, for its documentation and its schema.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Its key.
    pub name: &'static str,
    /// What is written there.
    pub form: String,
    /// What it means, and its default.
    pub about: String,
    /// Whether it must be given.
    pub needed: bool,
    /// Whether people write it; only plans have the others.
    pub offered: bool,
    /// The JSON Schema of its value.
    pub schema: fn(&Vocabulary) -> Json,
}

/// Lines of a doc comment, as one.
pub(crate) fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
