//! Names: of scenarios and faults, and of what a vocabulary knows.

use crate::{
    Decoder, Service, Vocabulary,
    language::{Value, as_written, schema},
    values::is_plain,
    vocabulary::every,
    yaml::{Diagnostic, Node, Place},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;

/// A name of letters, digits and dashes. It names directories, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

impl Value for Name {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.scalar(node, "a name of letters, digits and dashes", |text| is_plain(text).then(|| Name(text.to_string())))
    }

    fn write(&self) -> Yaml {
        self.0.as_str().into()
    }

    fn form() -> String {
        "a name of letters, digits and dashes".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern("^[A-Za-z0-9_-]{1,80}$")
    }
}

/// Text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prose(pub String);

impl Value for Prose {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.text(node, "a sentence").map(|text| Prose(text.to_string()))
    }

    fn write(&self) -> Yaml {
        self.0.as_str().into()
    }

    fn form() -> String {
        "text".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "string" })
    }
}

/// What only plans have: nobody is offered its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfPlans<V>(pub Option<V>);

impl<V: Value<Planned = V>> Value for OfPlans<V> {
    as_written!();

    const OFFERED: bool = false;

    fn absent() -> Option<Self> {
        Some(OfPlans(None))
    }

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        V::read(decoder, node).map(|value| OfPlans(Some(value)))
    }

    fn write(&self) -> Yaml {
        self.0.as_ref().map_or(Yaml::Null, Value::write)
    }

    fn form() -> String {
        V::form()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        V::schema(vocabulary)
    }
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub struct Placed<V> {
    pub place: Place,
    pub it: V,
}

impl<V: PartialEq> PartialEq for Placed<V> {
    fn eq(&self, other: &Self) -> bool {
        self.it == other.it
    }
}

impl<V: Value<Planned = V>> Value for Placed<V> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        V::read(decoder, node).map(|it| Placed { place: node.place, it })
    }

    fn write(&self) -> Yaml {
        self.it.write()
    }

    fn form() -> String {
        V::form()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        V::schema(vocabulary)
    }
}

/// Several values, each with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Several<V>(pub Vec<Placed<V>>);

impl<V: Value<Planned = V>> Value for Several<V> {
    as_written!();

    fn absent() -> Option<Self> {
        Some(Several(vec![]))
    }

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let items = decoder.items(node)?;
        let all: Vec<Option<Placed<V>>> = items.iter().map(|item| Value::read(decoder, item)).collect();
        all.into_iter().collect::<Option<Vec<_>>>().map(Several)
    }

    fn write(&self) -> Yaml {
        self.0.iter().map(Value::write).collect()
    }

    fn form() -> String {
        format!("a list, each {}", V::form())
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::list(&V::schema(vocabulary))
    }
}

impl<V> Several<V> {
    pub(crate) fn into_values(self) -> Vec<V> {
        self.0.into_iter().map(|placed| placed.it).collect()
    }
}

/// A name, held against those that there are, if that is known.
fn known(
    decoder: &mut Decoder,
    node: &Node,
    what: &str,
    names: impl Fn(&Decoder) -> Vec<&'static str>,
    of: impl Fn(&Service) -> Vec<&'static str>,
) -> Option<String> {
    if decoder.scope.vocabulary.services.is_empty() {
        return decoder.text(node, what).map(str::to_string);
    }
    let words: Vec<(&str, &str)> = names(decoder).into_iter().map(|name| (name, name)).collect();
    decoder.word_of_service(node, what, &words, of).map(str::to_string)
}

macro_rules! known_names {
    ($($(#[doc = $doc:literal])* $name:ident, $what:literal, $here:expr, $all:expr, $of:expr;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name(pub String);

            impl Value for $name {
                as_written!();

                fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
                    known(decoder, node, $what, $here, $of).map($name)
                }

                fn write(&self) -> Yaml {
                    self.0.as_str().into()
                }

                fn form() -> String {
                    $what.to_string()
                }

                fn schema(vocabulary: &Vocabulary) -> Json {
                    let names: fn(&Vocabulary) -> Vec<&'static str> = $all;
                    schema::names(&names(vocabulary), $what)
                }
            }
        )*
    };
}

/// The bugs of a system.
fn bugs(service: &Service) -> Vec<&'static str> {
    service.bugs.iter().map(|bug| bug.name).collect()
}

/// The checkers of a system.
fn checkers(service: &Service) -> Vec<&'static str> {
    service.checkers.clone()
}

known_names! {
    /// The name of a system under test.
    SystemName, "a system under test", |decoder| decoder.scope.vocabulary.systems(), |vocabulary| vocabulary.systems(), |_| vec![];
    /// The name of a planted bug.
    BugName, "a planted bug", |decoder| every(decoder.services(), bugs), |vocabulary| vocabulary.all(bugs), bugs;
    /// The name of a checker.
    CheckerName, "a checker", |decoder| every(decoder.services(), checkers), |vocabulary| vocabulary.all(checkers), checkers;
}

/// Names, each once.
#[derive(Clone, Debug, PartialEq)]
pub struct Names<V>(pub Vec<V>);

impl<V: Value<Planned = V>> Value for Names<V> {
    as_written!();

    fn absent() -> Option<Self> {
        Some(Names(vec![]))
    }

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut all: Vec<V> = Vec::new();
        for item in decoder.items(node)? {
            let name = V::read(decoder, item)?;
            if all.contains(&name) {
                let text = crate::yaml::flow(&name.write());
                return decoder.wrong(Diagnostic::new(item.place, format!("`{text}` is named twice")));
            }
            all.push(name);
        }
        Some(Names(all))
    }

    fn write(&self) -> Yaml {
        self.0.iter().map(Value::write).collect()
    }

    fn form() -> String {
        format!("a list, each {}", V::form())
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "uniqueItems": true, "items": V::schema(vocabulary) })
    }
}
