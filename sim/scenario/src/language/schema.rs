//! JSON Schema (draft-07), piece by piece.

use crate::vocabulary::{Argument, Vocabulary};
use serde_json::{Map, Value as Json, json};

/// A mapping with these keys and no others.
pub fn closed(properties: Map<String, Json>, required: &[&str]) -> Json {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// The mapping of these arguments.
pub fn mapping(arguments: &[Argument], vocabulary: &Vocabulary) -> Json {
    let mut properties = Map::new();
    for argument in arguments {
        let mut schema = (argument.schema)(vocabulary);
        schema["description"] = format!("{}: {}", argument.form, argument.about).into();
        properties.insert(argument.name.to_string(), schema);
    }
    let needed: Vec<&str> = arguments.iter().filter(|argument| argument.needed).map(|argument| argument.name).collect();
    closed(properties, &needed)
}

/// One of these.
pub fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Json {
    json!({ "enum": words.into_iter().collect::<Vec<_>>() })
}

/// Names, if they are known; any text otherwise.
pub fn names(known: &[&str], about: &str) -> Json {
    match known {
        [] => json!({ "type": "string", "description": about }),
        known => json!({ "enum": known, "description": about }),
    }
}

/// Any number of these.
pub fn list(of: &Json) -> Json {
    json!({ "type": "array", "items": of })
}

/// Text of this form.
pub fn pattern(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": pattern })
}

/// A whole number.
pub fn integer(min: u64, max: u64) -> Json {
    if max == u64::MAX {
        json!({ "type": "integer", "minimum": min })
    } else {
        json!({ "type": "integer", "minimum": min, "maximum": max })
    }
}

/// Exactly one of these keys is there.
pub fn one_of<'k>(keys: impl IntoIterator<Item = &'k str>) -> Json {
    json!({ "oneOf": keys.into_iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>() })
}

/// More words than these have a table of their own.
const WORDS_FEW: usize = 8;

/// `both, to or from`; what they are, if there are many.
pub fn either<'w>(what: &str, words: impl Iterator<Item = &'w str>) -> String {
    let all: Vec<&str> = words.collect();
    match &all[..] {
        [] => String::new(),
        [one] => one.to_string(),
        many if many.len() > WORDS_FEW => what.to_string(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
