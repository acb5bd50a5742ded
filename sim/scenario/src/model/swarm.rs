//! A random mix of faults.

use crate::{
    Decoder, Vocabulary,
    faults::{self, Family},
    language::{Value, arguments, as_written, schema, word_value, words},
    model::names::Names,
    yaml::Node,
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;

arguments! {
    /// A random mix of faults: each seed turns some kinds off altogether and weights the rest wildly.
    pub struct Swarm, "`swarm`" {
        /// how many kinds
        pick: Pick = Pick(1, 4),
        /// out of these families; without it, of all
        families: Names<Family>,
        /// out of these kinds; without it, of all
        kinds: Names<KindName>,
        /// what else each seed draws, instead of what the scenario says
        vary: Names<Vary>,
    }
    check |it, check| {
        if it.candidates().is_empty() {
            check.wrong("", "no kind of fault is of these families and of these kinds");
        }
    }
}

impl Swarm {
    /// The kinds that it picks from.
    pub fn candidates(&self) -> Vec<&'static faults::FaultKind> {
        let family = |kind: &faults::FaultKind| self.families.0.is_empty() || self.families.0.contains(&kind.family);
        let named = |kind: &faults::FaultKind| self.kinds.0.is_empty() || self.kinds.0.iter().any(|k| k.0 == kind.name);
        faults::REGISTRY.iter().filter(|kind| family(kind) && named(kind)).collect()
    }
}

/// How many kinds, at the least and at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick(pub u32, pub u32);

impl Value for Pick {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.scalar(node, "how many kinds of faults: a number, or a range such as 1..4", |text| {
            let (low, high) = text.split_once("..").unwrap_or((text, text));
            let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
            (low >= 1 && low <= high).then_some(Pick(low, high))
        })
    }

    fn write(&self) -> Yaml {
        let Pick(low, high) = self;
        if low == high { (*low).into() } else { format!("{low}..{high}").into() }
    }

    fn form() -> String {
        "a number, or a range such as 1..4".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, schema::pattern(r"^[0-9]+\.\.[0-9]+$")] })
    }
}

/// The name of a kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindName(pub &'static str);

word_value!(KindName, "a kind of fault", faults::REGISTRY.iter().map(|kind| (kind.name, KindName(kind.name))).collect::<Vec<_>>());
word_value!(Family, "a family of faults", Family::ALL.iter().map(|family| (family.name(), *family)).collect::<Vec<_>>());

words! {
    /// What a swarm may draw beside faults.
    pub enum Vary, "what a swarm may vary" {
        /// How many nodes there are: from the smallest number that the scenario has up to 7.
        Size = "size",
        /// Election timeouts and heartbeats, how often there are snapshots, how long syncs take.
        Timeouts = "timeouts",
        /// The latency of links.
        Latency = "latency",
        /// How many keys each workload has: how much clients are in each other's way.
        Keys = "keys",
        /// How many clients each workload has.
        Clients = "clients",
        /// Whether everything is healed, or a minority stays dead.
        Heal = "heal",
    }
}
