//! A value of the tree as a type of serde's. Scalars are text until somebody asks for a number; a mistake has its place.

use super::{
    decode::Decoder,
    diagnostic::{Diagnostic, Place},
    emit::emit,
    tree::{Kind, Node, parse_tree},
};
use serde::{
    Serialize,
    de::{
        self, Deserialize, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_yaml::Value as Yaml;
use std::fmt::{self, Display};

impl<S> Decoder<S> {
    /// A value of this type, as serde reads it. Numbers, truth values and nothing (`null`) are read where the type asks for them; where it
    /// asks for anything, text that looks like one of them is one.
    pub fn typed<T: DeserializeOwned>(&mut self, node: &Node) -> Option<T> {
        match T::deserialize(Of(node)) {
            Ok(value) => Some(value),
            Err(wrong) => self.wrong(Diagnostic::new(wrong.place.unwrap_or(node.place), wrong.text)),
        }
    }
}

/// A value as a script has it; `None` where it could not be read again.
pub fn as_written<T: Serialize + DeserializeOwned + PartialEq>(value: &T) -> Option<Yaml> {
    let yaml = serde_yaml::to_value(serde_json::to_value(value).ok()?).ok()?;
    let again = T::deserialize(Of(&parse_tree(&emit(&yaml)).ok()?)).ok()?;
    (again == *value).then_some(yaml)
}

/// What is wrong, and where.
#[derive(Debug)]
struct Wrong {
    place: Option<Place>,
    text: String,
}

impl Wrong {
    fn at(place: Place) -> impl FnOnce(Wrong) -> Wrong {
        move |wrong| Wrong { place: wrong.place.or(Some(place)), ..wrong }
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: Display>(text: T) -> Wrong {
        Wrong { place: None, text: text.to_string() }
    }
}

#[derive(Clone, Copy)]
struct Of<'n>(&'n Node);

fn is_nothing(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(text) if matches!(text.as_str(), "" | "~" | "null"))
}

impl<'n> Of<'n> {
    fn scalar(self) -> Option<&'n str> {
        if let Kind::Scalar(text) = &self.0.kind { Some(text) } else { None }
    }

    fn wrong(self, text: String) -> Wrong {
        Wrong { place: Some(self.0.place), text }
    }

    fn what(self) -> String {
        match &self.0.kind {
            Kind::Scalar(text) => format!("`{text}`"),
            Kind::List(_) => "a list".to_string(),
            Kind::Map(_) => "a mapping".to_string(),
        }
    }

    fn parsed<T: std::str::FromStr>(self, what: &str) -> Result<T, Wrong> {
        let parsed = self.scalar().and_then(|text| text.parse().ok());
        parsed.ok_or_else(|| self.wrong(format!("{} is not {what}", self.what())))
    }
}

macro_rules! numbers {
    ($($method:ident, $visit:ident, $what:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.parsed($what)?).map_err(Wrong::at(self.0.place))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Of<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let found = match &self.0.kind {
            _ if is_nothing(self.0) => visitor.visit_unit(),
            Kind::List(items) => visitor.visit_seq(Items(items.iter())),
            Kind::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
            Kind::Scalar(text) => match (text.as_str(), text.parse::<u64>(), text.parse::<i64>(), text.parse::<f64>()) {
                ("true", ..) => visitor.visit_bool(true),
                ("false", ..) => visitor.visit_bool(false),
                (_, Ok(number), ..) => visitor.visit_u64(number),
                (_, _, Ok(number), _) => visitor.visit_i64(number),
                (_, _, _, Ok(number)) if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
                    visitor.visit_f64(number)
                }
                (text, ..) => visitor.visit_str(text),
            },
        };
        found.map_err(Wrong::at(self.0.place))
    }

    numbers! {
        deserialize_bool, visit_bool, "true or false";
        deserialize_i8, visit_i8, "a number from -128 to 127";
        deserialize_i16, visit_i16, "a number of 16 bits";
        deserialize_i32, visit_i32, "a number of 32 bits";
        deserialize_i64, visit_i64, "a number of 64 bits";
        deserialize_u8, visit_u8, "a number from 0 to 255";
        deserialize_u16, visit_u16, "a number from 0, of 16 bits";
        deserialize_u32, visit_u32, "a number from 0, of 32 bits";
        deserialize_u64, visit_u64, "a number from 0, of 64 bits";
        deserialize_f32, visit_f32, "a number";
        deserialize_f64, visit_f64, "a number";
        deserialize_char, visit_char, "one character";
        deserialize_string, visit_string, "text";
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if is_nothing(self.0) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _name: &'static str, known: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        let (name, value) = match &self.0.kind {
            Kind::Scalar(_) => (self.0, None),
            Kind::Map(entries) if entries.len() == 1 => (&entries[0].0, Some(&entries[0].1)),
            _ => return Err(self.wrong(format!("{} is not one of {}", self.what(), known.join(", ")))),
        };
        visitor.visit_enum(Variant { name, value }).map_err(Wrong::at(name.place))
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct seq tuple tuple_struct map struct ignored_any i128 u128
    }
}

struct Items<'n>(std::slice::Iter<'n, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.0.next().map(|node| seed.deserialize(Of(node))).transpose()
    }
}

struct Entries<'n> {
    entries: std::slice::Iter<'n, (Node, Node)>,
    value: Option<&'n Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(Of(key)).map(Some).map_err(Wrong::at(key.place))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(Of(self.value.take().expect("a value is asked for after its key")))
    }
}

struct Variant<'n> {
    name: &'n Node,
    value: Option<&'n Node>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Wrong> {
        let name = Of(self.name).scalar().ok_or_else(|| Of(self.name).wrong("a name is expected here".to_string()))?;
        let name: StrDeserializer<'_, Wrong> = name.into_deserializer();
        Ok((seed.deserialize(name).map_err(Wrong::at(self.name.place))?, self))
    }
}

impl Variant<'_> {
    fn value(&self) -> Result<Of<'_>, Wrong> {
        self.value.map(Of).ok_or_else(|| Of(self.name).wrong(format!("{} has arguments", Of(self.name).what())))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        self.value.map_or(Ok(()), |node| <()>::deserialize(Of(node)))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Wrong> {
        de::Deserializer::deserialize_any(self.value()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        de::Deserializer::deserialize_any(self.value()?, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    enum Ask {
        Look,
        Get(String),
        Put { key: String, value: Option<i32> },
        Move(u8, bool),
        Many(BTreeMap<String, Vec<f64>>),
    }

    fn read(text: &str) -> Result<Ask, (usize, usize, String)> {
        let node = parse_tree(text).expect("YAML");
        Ask::deserialize(Of(&node)).map_err(|wrong| {
            let place = wrong.place.expect("it has a place");
            (place.line, place.column, wrong.text)
        })
    }

    #[test]
    fn whatever_serde_writes_is_read_again() {
        for ask in [
            Ask::Look,
            Ask::Get("5".to_string()),
            Ask::Put { key: "true".to_string(), value: None },
            Ask::Put { key: "k".to_string(), value: Some(-3) },
            Ask::Move(7, true),
            Ask::Many([("a".to_string(), vec![1.0, -0.5])].into()),
        ] {
            let text = serde_yaml::to_string(&serde_json::to_value(&ask).expect("JSON")).expect("YAML");
            assert_eq!(read(&text), Ok(ask), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, line, column, part) in [
            ("put: { key: k, value: x }", 1, 23, "`x` is not a number of 32 bits"),
            ("put:\n  key: k\n  colour: red", 3, 3, "unknown field `colour`"),
            ("peek", 1, 1, "unknown variant `peek`"),
            ("? [put]\n: 1", 1, 3, "a name is expected here"),
            ("[1]", 1, 1, "a list is not one of look, get, put, move, many"),
            ("put", 1, 1, "`put` has arguments"),
            ("move: [300, true]", 1, 8, "`300` is not a number from 0 to 255"),
        ] {
            let (at_line, at_column, said) = read(text).expect_err(text);
            assert_eq!((at_line, at_column), (line, column), "{text}: {said}");
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
