//! Text, names, and lists.

use crate::{
    Decoder, Vocabulary,
    language::{Draws, Value, Visit, as_written, schema},
    yaml::{Diagnostic, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;

/// Whether it is a name: letters, digits, dashes.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 80 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The beginning of something: of keys, or of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(pub String);

impl Value for Prefix {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.text(node, "a prefix").map(|text| Prefix(text.to_string()))
    }

    fn write(&self) -> Yaml {
        self.0.as_str().into()
    }

    fn form() -> String {
        "a prefix".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "string" })
    }
}

/// The beginning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPrefix(pub(crate) String);

impl Value for PathPrefix {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b)).then(|| text.to_string());
        decoder.scalar(node, "the beginning of a path such as wal", plain).map(PathPrefix)
    }

    fn write(&self) -> Yaml {
        self.0.as_str().into()
    }

    fn form() -> String {
        "the beginning of a path".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern("^[A-Za-z0-9_./-]*$")
    }
}

/// Several words, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set<W>(pub(crate) Vec<W>);

impl<W: Value<Planned = W>> Value for Set<W> {
    type Planned = Vec<W>;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut all: Vec<W> = Vec::new();
        for item in decoder.items(node)? {
            let word = W::read(decoder, item)?;
            if all.contains(&word) {
                let word = crate::yaml::flow(&word.write());
                return decoder.wrong(Diagnostic::new(item.place, format!("`{word}` is named twice")));
            }
            all.push(word);
        }
        Some(Set(all))
    }

    fn write(&self) -> Yaml {
        self.0.iter().map(Value::write).collect::<Vec<Yaml>>().into()
    }

    fn form() -> String {
        format!("a list, each {}", W::form())
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": W::schema(vocabulary) })
    }

    fn plan(&self, _draws: &Draws) -> Vec<W> {
        self.0.clone()
    }

    fn planned(&self) -> Option<Vec<W>> {
        Some(self.0.clone())
    }

    fn unplanned(planned: &Vec<W>) -> Self {
        Set(planned.clone())
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        self.0.iter_mut().for_each(|word| word.parts(key, visit));
    }
}
