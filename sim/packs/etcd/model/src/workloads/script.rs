//! The operations that a script may write down: each is a struct of its arguments.

use crate::ops::{Act, Compare, Op, Put, Read};
use serde_json::{Map, Value as Json, json};
use serde_yaml::{Mapping, Value as Yaml};
use squall_scenario::{
    Decoder, Vocabulary,
    language::{Value, arguments, as_written, schema},
    values::Number,
    workloads::Lines,
    yaml::Node,
};
use std::collections::BTreeSet;

/// The keys of which an operation has one.
pub(crate) const KEYS: [&str; 10] = ["get", "put", "cas", "delete", "range", "past", "delete-range", "reads", "compact", "txn"];

/// How operations are written down.
pub(super) static LINES: Lines = Lines {
    example: "script: { ops: [ { at: 1s, put: { key: k1, value: a } }, { client: 2, at: 1200ms, get: k1 } ] }",
    about: "get: KEY; put: { key, value }; cas: { key, expect, value } (without expect: if the key is absent); delete: KEY; range: PREFIX; \
            past: { prefix, revision }; delete-range: { from, to } (up to `to`, which stays); reads: { of: [{ prefix, revision }, ...], \
            put: { key, value }, serializable: true } (of each only the first is needed); compact: REVISION; \
            txn: { compare: [{ key, holds }], then: [...], else: [...] }",
    keys: &KEYS,
    read: |decoder, key, node| read(decoder, key, node).map(squall_history::Op::new),
    write: |op| write(op.get()?),
    schemas,
    probe: &|ops| {
        let first = ops.iter().filter_map(|op| op.get::<Op>()).flat_map(Op::keys).next();
        squall_history::Op::new(Op::Get { key: first.unwrap_or("k1").to_string() })
    },
    renamed: |op, rename| op.get().map_or_else(|| op.clone(), |op| squall_history::Op::new(renamed(op, rename))),
};

type Revision = Number<1, { u64::MAX >> 1 }>;

/// A key of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Value for Key {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let read = |text: &str| (!text.is_empty() && text.len() <= 200).then(|| Key(text.to_string()));
        decoder.scalar(node, "a key of 1 to 200 bytes", read)
    }

    fn write(&self) -> Yaml {
        self.0.as_str().into()
    }

    fn form() -> String {
        "a key".to_string()
    }

    /// A YAML reader may take a plain scalar for a number: keys and values are any scalar.
    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 200 })
    }
}

/// What a key holds, or how keys begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(String);

impl Value for Text {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.text(node, "text").map(|text| Text(text.to_string()))
    }

    fn write(&self) -> Yaml {
        self.0.as_str().into()
    }

    fn form() -> String {
        "text".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

/// Several of the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<V>(Vec<V>);

impl<V: Value<Planned = V>> Value for List<V> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let all: Vec<Option<V>> = decoder.items(node)?.iter().map(|item| V::read(decoder, item)).collect();
        all.into_iter().collect::<Option<Vec<V>>>().map(List)
    }

    fn write(&self) -> Yaml {
        self.0.iter().map(Value::write).collect()
    }

    fn form() -> String {
        format!("[{}, ...]", V::form())
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::list(&V::schema(vocabulary))
    }
}

arguments! {
    /// Writes a key.
    pub(crate) struct Write, "a put" {
        /// which key
        key: Key,
        /// what it holds then
        value: Text,
    }
}

arguments! {
    /// Writes a key if it holds something.
    pub(crate) struct Swap, "a compare-and-swap" {
        /// which key
        key: Key,
        /// what it must hold; without it, it must be absent
        expect: Option<Text>,
        /// what it holds then
        value: Text,
    }
}

arguments! {
    /// Reads what was there.
    pub(crate) struct Past, "a read of the past" {
        /// how the keys begin
        prefix: Text,
        /// when
        revision: Revision,
    }
}

arguments! {
    /// Deletes keys.
    pub(crate) struct Stretch, "a deletion of a range" {
        /// the first key
        from: Key,
        /// the key behind the last one: it stays
        to: Key,
    }
    check |it, check| {
        if it.from.0 >= it.to.0 {
            check.wrong("", format!("no key lies between {} and {}", it.from.0, it.to.0));
        }
    }
}

arguments! {
    /// Reads a range, as it is or as it was.
    pub(crate) struct Look, "a read" {
        /// how the keys begin
        prefix: Text,
        /// when; without it, now
        revision: Option<Revision>,
    }
}

arguments! {
    /// Reads several ranges at once, and may write behind that.
    pub(crate) struct Looks, "reads" {
        /// what is read
        of: List<Look>,
        /// what is written behind
        put: Option<Write>,
        /// whether any node may answer from what it has
        serializable: bool = false,
    }
    check |it, check| {
        if it.of.0.is_empty() {
            check.wrong("", "reads of nothing: give `of` a range, as in [{ prefix: kv/ }]");
        }
        if it.put.is_some() && it.serializable {
            check.wrong("", "what writes is not serializable: leave out `put` or `serializable`");
        }
    }
}

arguments! {
    /// What a key must hold.
    pub(crate) struct Demand, "a compare" {
        /// which key
        key: Key,
        /// what it must hold; without it, it must be absent
        holds: Option<Text>,
    }
}

arguments! {
    /// One branch or the other.
    pub(crate) struct Transaction, "a transaction" {
        /// what decides
        compare: List<Demand> = List(vec![]),
        /// what is done if all of that holds
        then: List<Step> = List(vec![]),
        /// what is done otherwise
        otherwise ["else"]: List<Step> = List(vec![]),
    }
    check |it, check| {
        for branch in [&it.then.0, &it.otherwise.0] {
            let mut written = BTreeSet::new();
            let twice = branch.iter().map(|step| &step.0).find(|act| act.leaves().is_some() && !written.insert(act.key().to_string()));
            if let Some(act) = twice {
                check.wrong("", format!("{} is written twice in one branch", act.key()));
            }
        }
        if it.then.0.is_empty() && it.otherwise.0.is_empty() {
            check.wrong("", "a transaction that does nothing: give `then` or `else` a step");
        }
    }
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step(Act);

const STEPS: [&str; 3] = ["get", "put", "delete"];

impl Value for Step {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut fields = decoder.fields(node, "a step")?;
        let act = fields.one_of(decoder, &STEPS).and_then(|(kind, node)| match kind {
            "get" => Key::read(decoder, node).map(|key| Act::Get { key: key.0 }),
            "put" => Write::read(decoder, node).map(|put| Act::Put { key: put.key.0, value: put.value.0 }),
            _ => Key::read(decoder, node).map(|key| Act::Delete { key: key.0 }),
        });
        fields.done(decoder);
        act.map(Step)
    }

    fn write(&self) -> Yaml {
        let (name, value) = match &self.0 {
            Act::Get { key } => ("get", Key(key.clone()).write()),
            Act::Put { key, value } => ("put", Write { key: Key(key.clone()), value: Text(value.clone()) }.write()),
            Act::Delete { key } => ("delete", Key(key.clone()).write()),
        };
        [(Yaml::from(name), value)].into_iter().collect::<Mapping>().into()
    }

    fn form() -> String {
        "{ get: KEY }, { put: { key, value } } or { delete: KEY }".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let schemas = [("get", Key::schema(vocabulary)), ("put", Write::schema(vocabulary)), ("delete", Key::schema(vocabulary))];
        let mut step = schema::closed(schemas.into_iter().map(|(key, schema)| (key.to_string(), schema)).collect(), &[]);
        step["allOf"] = json!([schema::one_of(STEPS)]);
        step
    }
}

/// The schema of each operation, by its key.
pub(crate) fn schemas(vocabulary: &Vocabulary) -> Map<String, Json> {
    let of = |key: &str| match key {
        "get" | "delete" => Key::schema(vocabulary),
        "range" => Text::schema(vocabulary),
        "put" => Write::schema(vocabulary),
        "cas" => Swap::schema(vocabulary),
        "past" => Past::schema(vocabulary),
        "delete-range" => Stretch::schema(vocabulary),
        "reads" => Looks::schema(vocabulary),
        "compact" => Revision::schema(vocabulary),
        "txn" => Transaction::schema(vocabulary),
        key => unreachable!("no operation has the key {key}"),
    };
    KEYS.iter().map(|key| (key.to_string(), of(key))).collect()
}

/// Reads an operation that stands under this key.
pub(crate) fn read(decoder: &mut Decoder, key: &str, node: &Node) -> Option<Op> {
    Some(match key {
        "get" => Op::Get { key: Key::read(decoder, node)?.0 },
        "delete" => Op::Delete { key: Key::read(decoder, node)?.0 },
        "range" => Op::Range { prefix: Text::read(decoder, node)?.0, at: None },
        "compact" => Op::Compact { revision: Revision::read(decoder, node)?.0 },
        "put" => {
            let Write { key, value } = Value::read(decoder, node)?;
            Op::Put { key: key.0, value: value.0 }
        }
        "cas" => {
            let Swap { key, expect, value } = Value::read(decoder, node)?;
            Op::Cas { key: key.0, expect: expect.map(|text| text.0), value: value.0 }
        }
        "past" => {
            let Past { prefix, revision } = Value::read(decoder, node)?;
            Op::Range { prefix: prefix.0, at: Some(revision.0) }
        }
        "delete-range" => {
            let Stretch { from, to } = Value::read(decoder, node)?;
            Op::DeleteRange { from: from.0, to: to.0 }
        }
        "reads" => {
            let Looks { of, put, serializable } = Value::read(decoder, node)?;
            let reads = of.0.into_iter().map(|look| Read { prefix: look.prefix.0, at: look.revision.map(|n| n.0) }).collect();
            Op::Reads { reads, put: put.map(|put| Put { key: put.key.0, value: put.value.0 }), serializable }
        }
        "txn" => {
            let Transaction { compare, then, otherwise } = Value::read(decoder, node)?;
            let compare = compare.0.into_iter().map(|demand| Compare { key: demand.key.0, holds: demand.holds.map(|text| text.0) });
            let acts = |steps: List<Step>| steps.0.into_iter().map(|step| step.0).collect();
            Op::Txn { compare: compare.collect(), then: acts(then), otherwise: acts(otherwise) }
        }
        key => unreachable!("no operation has the key {key}"),
    })
}

/// Writes an operation, and the key that it stands under.
pub(crate) fn write(op: &Op) -> Option<(&'static str, Yaml)> {
    let key = |key: &str| Key(key.to_string());
    let text = |text: &str| Text(text.to_string());
    let optional = |value: &Option<String>| value.clone().map(Text);
    Some(match op {
        Op::Get { key: of } => ("get", key(of).write()),
        Op::Delete { key: of } => ("delete", key(of).write()),
        Op::Put { key: of, value } => ("put", Write { key: key(of), value: text(value) }.write()),
        Op::Cas { key: of, expect, value } => ("cas", Swap { key: key(of), expect: optional(expect), value: text(value) }.write()),
        Op::Range { prefix, at: None } => ("range", text(prefix).write()),
        Op::Range { prefix, at: Some(revision) } => ("past", Past { prefix: text(prefix), revision: Number(*revision) }.write()),
        Op::DeleteRange { from, to } => ("delete-range", Stretch { from: key(from), to: key(to) }.write()),
        Op::Compact { revision } => ("compact", Number::<1, { u64::MAX >> 1 }>(*revision).write()),
        Op::Reads { reads, put, serializable } => {
            let of = reads.iter().map(|read| Look { prefix: text(&read.prefix), revision: read.at.map(Number) }).collect();
            let put = put.as_ref().map(|put| Write { key: key(&put.key), value: text(&put.value) });
            ("reads", Looks { of: List(of), put, serializable: *serializable }.write())
        }
        Op::Txn { compare, then, otherwise } => {
            let compare = compare.iter().map(|c| Demand { key: key(&c.key), holds: optional(&c.holds) }).collect();
            let steps = |acts: &[Act]| List(acts.iter().cloned().map(Step).collect());
            ("txn", Transaction { compare: List(compare), then: steps(then), otherwise: steps(otherwise) }.write())
        }
        // A lease's or a place's number is the run's own.
        Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => return None,
    })
}

/// The operation with other values.
fn renamed(op: &Op, mut rename: &mut dyn FnMut(&mut String)) -> Op {
    let mut op = op.clone();
    match &mut op {
        Op::Put { value, .. } => rename(value),
        Op::Cas { expect, value, .. } => {
            expect.as_mut().into_iter().for_each(&mut rename);
            rename(value);
        }
        Op::Txn { compare, then, otherwise } => {
            compare.iter_mut().filter_map(|c| c.holds.as_mut()).for_each(&mut rename);
            for act in then.iter_mut().chain(otherwise) {
                if let Act::Put { value, .. } = act {
                    rename(value);
                }
            }
        }
        Op::Reads { put, .. } => put.iter_mut().for_each(|put| rename(&mut put.value)),
        Op::Get { .. } | Op::Delete { .. } | Op::Range { .. } | Op::DeleteRange { .. } | Op::Compact { .. } => {}
        Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => {}
    }
    op
}
