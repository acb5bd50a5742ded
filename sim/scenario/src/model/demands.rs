//! What a run is held against: what must be true after the faults, how long service may be out, what is expected.

use super::names::CheckerName;
use crate::{
    Decoder, Vocabulary,
    language::{Arguments, Value, arguments, as_written, word_value, words},
    values::Number,
    yaml::{Diagnostic, Kind, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;
use squall_history::Until;
use std::time::Duration;

words! {
    /// What is mended at the end of the faults.
    pub enum Heal, "what is healed" {
        /// Everything.
        All = "all",
        /// The network, and enough nodes for a quorum; a minority stays dead.
        Quorum = "quorum",
    }
}

arguments! {
    /// After the faults, the system must serve.
    pub struct Liveness, "`liveness`" {
        /// what is mended: everything, or the network and enough nodes for a quorum; then a minority stays dead, unless members were to
        /// join or leave
        heal: Heal = Heal::All,
        /// how soon after the faults every client must be served again
        within: Duration,
    }
}

impl Default for Liveness {
    fn default() -> Self {
        Liveness { heal: Heal::All, within: Duration::from_secs(10) }
    }
}

word_value!(Until, "a part of the run", [("faults", Until::Heal), ("run", Until::FinalReads)]);

arguments! {
    /// How long the system may be out of service.
    pub struct Available, "`available`" {
        /// the longest time without a successful operation
        max_gap: Duration,
        /// up to when that is demanded: while there may be faults, or to the end
        until ["during"]: Until = Until::Heal,
    }
}

arguments! {
    /// A violation that is expected.
    pub(crate) struct Violation, "`expect`" {
        /// the checker that finds it
        violation: CheckerName,
        /// how many seeds it may take
        within_seeds: Number<1, 1_000_000> = Number(100),
    }
}

/// What a run is expected to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No violation.
    Valid,
    /// A violation that this checker finds, within this many seeds.
    Violation {
        /// The checker's name.
        checker: String,
        /// How many seeds it may take.
        within_seeds: u64,
    },
}

impl Expect {
    /// The checker that is to find a violation; `None` where none is expected.
    pub fn checker(&self) -> Option<&str> {
        match self {
            Expect::Valid => None,
            Expect::Violation { checker, .. } => Some(checker),
        }
    }
}

impl Value for Expect {
    as_written!();

    fn absent() -> Option<Self> {
        Some(Expect::Valid)
    }

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        if let Kind::Scalar(_) = node.kind {
            decoder.word(node, "what is expected (`valid`, or a mapping with `violation`)", &[("valid", ())])?;
            return Some(Expect::Valid);
        }
        let Violation { violation, within_seeds } = Value::read(decoder, node)?;
        Some(Expect::Violation { checker: violation.0, within_seeds: within_seeds.0 })
    }

    fn write(&self) -> Yaml {
        match self {
            Expect::Valid => "valid".into(),
            Expect::Violation { checker, within_seeds } => {
                // How many seeds it may take is always said.
                let mut map = serde_yaml::Mapping::new();
                let demand = Violation { violation: CheckerName(checker.clone()), within_seeds: Number(*within_seeds) };
                demand.put(&mut map);
                map.entry("within_seeds".into()).or_insert_with(|| (*within_seeds).into());
                map.into()
            }
        }
    }

    fn form() -> String {
        "valid, or { violation, within_seeds }".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "anyOf": [{ "const": "valid" }, Violation::schema(vocabulary)] })
    }
}

arguments! {
    /// What a scenario is worth: with this change it must fail.
    pub struct Bites, "`bites`" {
        /// parts of a scenario that take the place of its own: a planted bug, a setting
        with: Part,
        /// the checker that must find it
        violation: CheckerName,
        /// how many seeds it may take
        within_seeds: Number<1, 1_000_000> = Number(20),
    }
}

impl Bites {
    /// What the scenario is expected to show with the change.
    pub(crate) fn expect(&self) -> Expect {
        Expect::Violation { checker: self.violation.0.clone(), within_seeds: self.within_seeds.0 }
    }
}

/// Parts of a scenario, as they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Part(pub(crate) Node);

impl Part {
    /// The tree that was read.
    pub(crate) fn tree(&self) -> &Node {
        &self.0
    }
}

impl Value for Part {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => Some(Part(node.clone())),
            _ => decoder
                .wrong(Diagnostic::new(node.place, "`with` is a part of a scenario").help("for example `with: { bugs: [stale-read] }`")),
        }
    }

    fn write(&self) -> Yaml {
        as_yaml(&self.0)
    }

    fn form() -> String {
        "a part of a scenario".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "object" })
    }
}

/// A tree that was read, to be written again.
fn as_yaml(node: &Node) -> Yaml {
    match &node.kind {
        Kind::Scalar(text) => match (text.as_str(), text.parse::<u64>()) {
            (_, Ok(number)) if number.to_string() == *text => number.into(),
            ("true", _) => true.into(),
            ("false", _) => false.into(),
            (text, _) => text.into(),
        },
        Kind::List(items) => items.iter().map(as_yaml).collect(),
        Kind::Map(entries) => entries.iter().map(|(key, value)| (as_yaml(key), as_yaml(value))).collect::<serde_yaml::Mapping>().into(),
    }
}
