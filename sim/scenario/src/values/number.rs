//! Whole numbers, flags, and values that may be left out.

use crate::{
    Decoder, Vocabulary,
    language::{Draws, Part, Value, Visit, as_written, schema},
    yaml::Node,
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Number<MIN, MAX> {
    /// As a smaller type, for whose range `MAX` is small enough.
    pub fn small(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

/// From here on a bound says nothing to a reader.
const MANY: u64 = 1_000_000;

impl<const MIN: u64, const MAX: u64> Value for Number<MIN, MAX> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let read = |text: &str| text.parse().ok().filter(|n| (MIN..=MAX).contains(n)).map(Number);
        decoder.scalar(node, &format!("a whole number from {MIN} to {MAX}"), read)
    }

    fn write(&self) -> Yaml {
        self.0.into()
    }

    fn form() -> String {
        if MAX >= MANY { "a number".to_string() } else { format!("{MIN} to {MAX}") }
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::integer(MIN, MAX)
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Number(&mut self.0, MIN, MAX));
    }
}

impl Value for bool {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.flag(node)
    }

    fn write(&self) -> Yaml {
        (*self).into()
    }

    fn form() -> String {
        "true or false".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "boolean" })
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Flag(self));
    }
}

impl<V: Value> Value for Option<V> {
    type Planned = Option<V::Planned>;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        V::read(decoder, node).map(Some)
    }

    fn write(&self) -> Yaml {
        self.as_ref().map_or(Yaml::Null, Value::write)
    }

    fn form() -> String {
        V::form()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        V::schema(vocabulary)
    }

    fn plan(&self, draws: &Draws) -> Self::Planned {
        self.as_ref().map(|value| value.plan(draws))
    }

    fn planned(&self) -> Option<Self::Planned> {
        match self {
            None => Some(None),
            Some(value) => value.planned().map(Some),
        }
    }

    fn unplanned(planned: &Self::Planned) -> Self {
        planned.as_ref().map(V::unplanned)
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        if let Some(value) = self {
            value.parts(key, visit);
        }
    }
}

/// The seed of something that is generated: a plan has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub(crate) Option<u64>);

impl Value for Seed {
    type Planned = u64;

    fn absent() -> Option<Self> {
        Some(Seed(None))
    }

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        Number::<0, { u64::MAX }>::read(decoder, node).map(|seed| Seed(Some(seed.0)))
    }

    fn write(&self) -> Yaml {
        self.0.map_or(Yaml::Null, Into::into)
    }

    fn form() -> String {
        "a number".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::integer(0, u64::MAX)
    }

    fn plan(&self, draws: &Draws) -> u64 {
        self.0.unwrap_or_else(|| draws.stream().bits() >> 1)
    }

    fn planned(&self) -> Option<u64> {
        self.0
    }

    fn unplanned(planned: &u64) -> Self {
        Seed(Some(*planned))
    }
}
