//! What the language is made of. A value knows how it is read, written, described and planned; a mapping of named values, the
//! *arguments* of something, is a struct, and that struct is its documentation, reader, printer, planner and schema.
//!
//! ```text
//!   arguments! {                              list faults, scenarios/README.md
//!       /// Stops nodes or clients.      ──►  schema.json
//!       struct Pause => Pausing, "a pause" {  read    YAML ─► Pause, or each mistake at its place
//!           /// whom                          write   Pause ─► YAML, without what is at its default
//!           target: Target,                   fix     Pause ─► Pausing: nothing is left to a seed
//!           /// how long                      fixed   the same of what leaves nothing to a seed; else nothing
//!           lasts ["for"]: Span,              unfix   Pausing ─► Pause
//!       }
//!   }
//! ```
//!
//! There are two stages: what is *written* may leave something to a seed (`for: 1s..3s`), what is *planned* may not, and has another
//! type. A value without a schema does not compile.

mod canonical;
mod draws;
#[macro_use]
mod macros;
mod part;
pub mod schema;

pub use crate::vocabulary::Argument;
pub(crate) use crate::vocabulary::joined;
pub use canonical::canonical;
pub use draws::Draws;
pub use macros::{argument, arguments, as_written, word_value, words};
pub use part::{Part, Visit};
#[doc(hidden)]
pub use {serde_json, serde_yaml};

use crate::{
    Decoder, Gives, Vocabulary,
    yaml::{Diagnostic, Fields, Kind, Node, Place, flow},
};
use serde_json::Value as Json;
use serde_yaml::{Mapping, Value as Yaml};
use std::fmt::Debug;

/// What can stand at one place of a scenario.
pub trait Value: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// What a plan makes of it: nothing is left to a seed.
    type Planned: Clone + Debug + PartialEq + Send + Sync + 'static;

    /// Whether its key is offered to who misspells one: keys that only plans have are not.
    const OFFERED: bool = true;

    /// What it is where its key is left out; `None`: the key is needed.
    fn absent() -> Option<Self> {
        None
    }

    /// Reads it. Mistakes go to the decoder.
    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self>;

    /// As it is written.
    fn write(&self) -> Yaml;

    /// What is written there, in words: `a duration or a range`.
    fn form() -> String;

    /// The JSON Schema of it.
    fn schema(vocabulary: &Vocabulary) -> Json;

    /// Draws what is left to a seed.
    fn plan(&self, draws: &Draws) -> Self::Planned;

    /// What is planned already; `None` where something is left to a seed.
    fn planned(&self) -> Option<Self::Planned>;

    /// The value that is planned so.
    fn unplanned(planned: &Self::Planned) -> Self;

    /// Shows what a shrinker may change in it, and the key that it stands under.
    fn parts(&mut self, _key: &'static str, _visit: &mut Visit<'_>) {}
}

/// Named values: a mapping, or the part of one.
pub trait Arguments: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// What a plan makes of them.
    type Planned: Clone + Debug + PartialEq + Send + Sync + 'static;

    /// Whose they are, for messages: `a pause`.
    const WHAT: &'static str;

    /// What that is for: the lines of its documentation.
    const ABOUT: &'static [&'static str];

    /// Takes them out of a mapping.
    fn take(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Option<Self>;

    /// Puts those into a mapping that are not at their default.
    fn put(&self, into: &mut Mapping);

    /// Each of them, for documentation and schema.
    fn describe(into: &mut Vec<Argument>);

    /// Draws what is left to a seed: each argument from a stream of its own, so that one never changes another.
    fn resolve(&self, draws: &Draws) -> Self::Planned;

    /// What is planned already; `None` where something is left to a seed.
    fn fixed(&self) -> Option<Self::Planned>;

    /// The arguments that are planned so.
    fn unfix(planned: &Self::Planned) -> Self;

    /// Shows what a shrinker may change in them.
    fn each(&mut self, visit: &mut Visit<'_>);

    /// These, with one argument less each.
    fn leaner(&self) -> Vec<Self>;

    /// What is wrong with them, taken together.
    fn check(&self, check: &mut Check<'_>);
}

impl<A: Arguments> Value for A {
    type Planned = A::Planned;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut fields = decoder.fields(node, A::WHAT)?;
        let value = A::take(decoder, &mut fields);
        fields.done(decoder);
        value
    }

    fn write(&self) -> Yaml {
        let mut map = Mapping::new();
        self.put(&mut map);
        map.into()
    }

    fn form() -> String {
        format!("{{ {} }}", arguments_of::<A>().iter().map(|argument| argument.name).collect::<Vec<_>>().join(", "))
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::mapping(&arguments_of::<A>(), vocabulary)
    }

    fn plan(&self, draws: &Draws) -> Self::Planned {
        self.resolve(draws)
    }

    fn planned(&self) -> Option<Self::Planned> {
        self.fixed()
    }

    fn unplanned(planned: &Self::Planned) -> Self {
        A::unfix(planned)
    }

    fn parts(&mut self, _key: &'static str, visit: &mut Visit<'_>) {
        self.each(visit);
    }
}

/// The arguments of a struct, in order.
pub fn arguments_of<A: Arguments>() -> Vec<Argument> {
    let mut all = Vec::new();
    A::describe(&mut all);
    all
}

/// Arguments that were read, one by one: what is wrong with them together is said at their places.
pub struct Check<'c> {
    decoder: &'c mut Decoder,
    places: Vec<(&'static str, Place)>,
    whole: Place,
    strangers: bool,
}

impl<'c> Check<'c> {
    /// Of the arguments that were taken from these fields.
    pub fn new(decoder: &'c mut Decoder, fields: &Fields<'_>) -> Check<'c> {
        Check { decoder, places: fields.taken().to_vec(), whole: fields.place, strangers: fields.first_left().is_some() }
    }

    /// Notes a mistake at this argument, or at all of them where it was not given.
    pub fn wrong(&mut self, key: &str, message: impl Into<String>) -> &mut Diagnostic {
        let place = self.places.iter().find(|(name, _)| *name == key).map_or(self.whole, |(_, place)| *place);
        self.decoder.mistakes.push(Diagnostic::new(place, message));
        self.decoder.mistakes.last_mut().expect("just noted")
    }

    /// Whether there are keys that nobody knows.
    pub fn has_strangers(&self) -> bool {
        self.strangers
    }

    /// What the system of this scenario has; `None` where the system is not known.
    pub(crate) fn gives(&self) -> Option<Gives> {
        self.decoder.scope.service.as_ref().map(|service| service.gives)
    }

    /// Whether it was given, whatever it says.
    pub fn is_given(&self, key: &str) -> bool {
        self.places.iter().any(|(name, _)| *name == key)
    }
}

/// The arguments where none is given.
///
/// # Panics
/// When one of them is needed.
pub fn nothing_given<A: Arguments>() -> A {
    let (mut decoder, place) = (Decoder::default(), Place { line: 1, column: 1, length: 1 });
    let empty = Node { place, kind: Kind::Map(vec![]) };
    A::read(&mut decoder, &empty).expect("each of these has a default")
}

/// Whether nothing is wrong with these arguments together.
pub fn is_sound<A: Arguments>(arguments: &A) -> bool {
    let mut decoder = Decoder::default();
    let whole = Place { line: 1, column: 1, length: 1 };
    arguments.check(&mut Check { decoder: &mut decoder, places: vec![], whole, strangers: false });
    decoder.mistakes.is_empty()
}

/// Reads an argument. For what `arguments!` makes.
pub fn take<T: Value>(d: &mut Decoder, fields: &mut Fields<'_>, key: &'static str, default: Option<T>) -> Option<T> {
    match default.or_else(T::absent) {
        None => {
            let node = fields.need(d, key)?;
            d.key = key;
            T::read(d, node)
        }
        Some(default) => {
            let node = if T::OFFERED { fields.take(key) } else { fields.take_of_plans(key) };
            d.key = key;
            node.map_or(Some(default), |node| T::read(d, node))
        }
    }
}

/// Writes an argument, unless it is at its default. For what `arguments!` makes.
pub fn put<T: Value>(into: &mut Mapping, key: &'static str, value: &T, default: Option<T>) {
    if default.or_else(T::absent).as_ref() != Some(value) {
        into.insert(key.into(), value.write());
    }
}

/// Describes an argument. For what `arguments!` makes.
pub fn describe<T: Value>(name: &'static str, lines: &[&str], default: Option<T>) -> Argument {
    let needed = default.is_none() && T::absent().is_none();
    let text = |default: T| match default.write() {
        Yaml::String(text) => text,
        other => flow(&other),
    };
    let default = default.map(text).filter(|text| !["", "{}", "[]"].contains(&text.as_str()));
    let default = default.map_or(String::new(), |text| format!(" (default {text})"));
    Argument { name, form: T::form(), about: joined(lines) + &default, needed, offered: T::OFFERED, schema: T::schema }
}

/// The arguments with this one left out, if that says less. For what `arguments!` makes.
pub fn without<T: Value>(value: &T, default: Option<T>) -> Option<T> {
    default.or_else(T::absent).filter(|default| default != value)
}
