//! A kind of fault in the registry: its name, its documentation, and how it is read and drawn.

use super::{
    fault::Fault,
    kind::{Family, Kind},
};
use crate::{
    Decoder, Service, Vocabulary,
    language::{Argument, Value, arguments_of, joined},
    yaml::Node,
};
use serde_json::Value as Json;
use squall_history::SeededStream;

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
    pub(super) const fn of<K: Kind>() -> FaultKind {
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
