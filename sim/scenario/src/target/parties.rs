//! Nodes and clients by name, as they are written: `n1`, `[n1, c3]`, `[[n1, n2], [n3]]`.

use crate::{
    Decoder, Vocabulary,
    effect::Party,
    language::{Part, Value, Visit, as_written, schema},
    yaml::{Diagnostic, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;
use squall_history::{ClientId, NodeId};

/// The name of a node or a client, as a regular expression.
pub(super) const HOST: &str = "^[nc][1-9][0-9]*$";

fn numbered(text: &str, letter: char) -> Option<u32> {
    let digits = text.strip_prefix(letter)?;
    let plain = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

fn node_id(text: &str) -> Option<NodeId> {
    numbered(text, 'n').map(NodeId)
}

/// A node or a client, by name.
pub(super) fn party(text: &str) -> Option<Party> {
    node_id(text).map(Party::Node).or_else(|| numbered(text, 'c').map(|id| Party::Client(ClientId(id))))
}

/// Nodes by name: `[n1, n3]`.
impl Value for Vec<NodeId> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        list(decoder, node, "a node such as n1", node_id)
    }

    fn write(&self) -> Yaml {
        self.iter().map(|id| Yaml::from(id.to_string())).collect()
    }

    fn form() -> String {
        "[n1, n2]".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": schema::pattern("^n[1-9][0-9]*$") })
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Nodes(self));
    }
}

/// Sets of nodes by name: `[[n1, n2], [n2, n3]]`.
impl Value for Vec<Vec<NodeId>> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        match decoder.list(node, "`groups`")? {
            [] => decoder.wrong(Diagnostic::new(node.place, "an empty set of nodes")),
            items => items.iter().map(|item| Value::read(decoder, item)).collect(),
        }
    }

    fn write(&self) -> Yaml {
        self.iter().map(Value::write).collect()
    }

    fn form() -> String {
        "[[n1, n2], [n2, n3]]".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "items": Vec::<NodeId>::schema(vocabulary) })
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Groups(self));
    }
}

/// Nodes and clients by name: `[n1, c3]`.
impl Value for Vec<Party> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        parties(decoder, node)
    }

    fn write(&self) -> Yaml {
        self.iter().map(|party| Yaml::from(party.to_string())).collect()
    }

    fn form() -> String {
        "[n1, c3]".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": schema::pattern(HOST) })
    }
}

fn list<T: PartialEq + std::fmt::Display>(
    decoder: &mut Decoder,
    node: &Node,
    what: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<Vec<T>> {
    let items = decoder.list(node, "a set of nodes")?;
    let mut ids = Vec::new();
    for item in items {
        let id = decoder.scalar(item, what, &read)?;
        if ids.contains(&id) {
            return decoder.wrong(Diagnostic::new(item.place, format!("{id} is named twice")));
        }
        ids.push(id);
    }
    if ids.is_empty() {
        return decoder.wrong(Diagnostic::new(node.place, "an empty set of nodes"));
    }
    Some(ids)
}

/// A list of nodes and clients: `[n1, c3]`.
pub(super) fn parties(decoder: &mut Decoder, node: &Node) -> Option<Vec<Party>> {
    list(decoder, node, "a node such as n1, or a client such as c1", party)
}
