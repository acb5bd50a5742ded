//! `script`: operations that are written down, each with its client and its time. What the shrinker
//! makes of a workload, and what a person writes to tell a story.

use super::{OpSource, Pace, Workload, WorkloadKind};
use crate::{
    faults::{Arg, mapping},
    values::{self, format_duration},
    yaml::{Decoder, Diagnostic, Fields, Node},
};
use serde_yaml::Value;
use squall_history::{Act, Answer, Compare, Op, Put, Read, SeededStream};
use std::time::Duration;

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "script",
    about: "Operations that are written down, one by one, each with its client and its time.",
    args: &[
        Arg { name: "clients", form: "1 to 200", about: "how many clients (default: the highest that an operation names)" },
        Arg {
            name: "ops",
            form: "a list",
            about: "each has `client` (default 1), `at` (from the start; at once when an earlier one of that client ends later) and one of \
                    get: KEY; put: { key, value }; cas: { key, expect, value } (without expect: if the key is absent); delete: KEY; \
                    range: PREFIX; past: { prefix, revision }; delete-range: { from, to } (up to `to`, which stays); \
                    reads: { of: [{ prefix, revision }, ...], put: { key, value }, serializable: true } (of each only the first is needed); \
                    compact: REVISION; txn: { compare: [{ key, holds }], then: [...], else: [...] }",
        },
    ],
    example: "script: { ops: [ { at: 1s, put: { key: k1, value: a } }, { client: 2, at: 1200ms, get: k1 } ] }",
    decode,
};

/// One operation of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose, from 1.
    pub client: u32,
    /// When it is due, from the client's start.
    pub at: Duration,
    /// What is asked.
    pub op: Op,
}

/// The workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// How many clients.
    pub clients: u32,
    /// The operations, of every client.
    pub ops: Vec<Line>,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    Some(Box::new(Script::decode(decoder, node)?))
}

impl Script {
    pub(crate) fn decode(decoder: &mut Decoder, node: &Node) -> Option<Script> {
        decode_script(decoder, node)
    }
}

fn decode_script(decoder: &mut Decoder, node: &Node) -> Option<Script> {
    let mut fields = decoder.fields(node, "a script")?;
    let clients = fields.take("clients").map(|n| values::number(decoder, n, 1, 200));
    let ops = match fields.take("ops") {
        None => Some(vec![]),
        Some(node) => decoder.list(node, "`ops`").and_then(|items| {
            let lines: Vec<Option<Line>> = items.iter().map(|item| decode_line(decoder, item)).collect();
            lines.into_iter().collect::<Option<Vec<Line>>>()
        }),
    };
    let place = fields.place;
    fields.done(decoder);
    let ops = ops?;
    let highest = ops.iter().map(|line| line.client).max().unwrap_or(1);
    let clients = match clients {
        None => highest,
        Some(clients) => clients? as u32,
    };
    if highest > clients {
        return decoder.wrong(Diagnostic::new(place, format!("an operation is of client {highest}, and there are {clients}")));
    }
    Some(Script { clients, ops })
}

const OPS: [&str; 10] = ["get", "put", "cas", "delete", "range", "past", "delete-range", "reads", "compact", "txn"];

fn decode_line(decoder: &mut Decoder, node: &Node) -> Option<Line> {
    let mut fields = decoder.fields(node, "an operation")?;
    let client = fields.take("client").map_or(Some(1), |n| values::number(decoder, n, 1, 200));
    let at = fields.need(decoder, "at").and_then(|n| values::duration(decoder, n));
    let op = fields.one_of(decoder, &OPS).and_then(|(kind, node)| match kind {
        "get" => key(decoder, node).map(|key| Op::Get { key }),
        "put" => put(decoder, node).map(|(key, value)| Op::Put { key, value }),
        "delete" => key(decoder, node).map(|key| Op::Delete { key }),
        "range" => text(decoder, node, "a prefix").map(|prefix| Op::Range { prefix, at: None }),
        "past" => {
            let mut fields = decoder.fields(node, "a read of the past")?;
            let prefix = fields.need(decoder, "prefix").and_then(|n| text(decoder, n, "a prefix"));
            let revision = fields.need(decoder, "revision").and_then(|n| values::number(decoder, n, 1, u64::MAX >> 1));
            fields.done(decoder);
            Some(Op::Range { prefix: prefix?, at: Some(revision?) })
        }
        "delete-range" => {
            let mut fields = decoder.fields(node, "a deletion of a range")?;
            let from = fields.need(decoder, "from").and_then(|n| key(decoder, n));
            let to = fields.need(decoder, "to").and_then(|n| key(decoder, n));
            let place = fields.place;
            fields.done(decoder);
            let (from, to) = (from?, to?);
            match from < to {
                true => Some(Op::DeleteRange { from, to }),
                false => decoder.wrong(Diagnostic::new(place, format!("no key lies between {from} and {to}"))),
            }
        }
        "compact" => values::number(decoder, node, 1, u64::MAX >> 1).map(|revision| Op::Compact { revision }),
        "reads" => decode_reads(decoder, node),
        "cas" => {
            let mut fields = decoder.fields(node, "a compare-and-swap")?;
            let key = need_key(decoder, &mut fields);
            let expect = fields.take("expect").map(|n| text(decoder, n, "a value"));
            let value = fields.need(decoder, "value").and_then(|n| text(decoder, n, "a value"));
            fields.done(decoder);
            let expect = match expect {
                None => None,
                Some(expect) => Some(expect?),
            };
            Some(Op::Cas { key: key?, expect, value: value? })
        }
        _ => decode_txn(decoder, node),
    });
    fields.done(decoder);
    Some(Line { client: client? as u32, at: at?, op: op? })
}

fn text(decoder: &mut Decoder, node: &Node, what: &str) -> Option<String> {
    decoder.text(node, what).map(str::to_string)
}

fn key(decoder: &mut Decoder, node: &Node) -> Option<String> {
    decoder.scalar(node, "a key of 1 to 200 bytes", |t| (!t.is_empty() && t.len() <= 200).then(|| t.to_string()))
}

fn need_key(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Option<String> {
    fields.need(decoder, "key").and_then(|n| key(decoder, n))
}

fn put(decoder: &mut Decoder, node: &Node) -> Option<(String, String)> {
    let mut fields = decoder.fields(node, "a put")?;
    let key = need_key(decoder, &mut fields);
    let value = fields.need(decoder, "value").and_then(|n| text(decoder, n, "a value"));
    fields.done(decoder);
    Some((key?, value?))
}

fn decode_txn(decoder: &mut Decoder, node: &Node) -> Option<Op> {
    let mut fields = decoder.fields(node, "a transaction")?;
    let compare = match fields.take("compare") {
        None => Some(vec![]),
        Some(node) => decoder.list(node, "`compare`").and_then(|items| items.iter().map(|item| decode_compare(decoder, item)).collect()),
    };
    let mut branch = |decoder: &mut Decoder, name| match fields.take(name) {
        None => Some(vec![]),
        Some(node) => {
            decoder.list(node, "a branch").and_then(|items| items.iter().map(|i| decode_act(decoder, i)).collect::<Option<Vec<Act>>>())
        }
    };
    let (then, otherwise) = (branch(decoder, "then"), branch(decoder, "else"));
    let place = fields.place;
    fields.done(decoder);
    let (then, otherwise) = (then?, otherwise?);
    for branch in [&then, &otherwise] {
        let mut written = std::collections::BTreeSet::new();
        if let Some(twice) = branch.iter().find(|act| act.leaves().is_some() && !written.insert(act.key())) {
            return decoder.wrong(Diagnostic::new(place, format!("{} is written twice in one branch", twice.key())));
        }
    }
    if then.is_empty() && otherwise.is_empty() {
        return decoder.wrong(Diagnostic::new(place, "a transaction that does nothing: give `then` or `else` a step"));
    }
    Some(Op::Txn { compare: compare?, then, otherwise })
}

fn decode_reads(decoder: &mut Decoder, node: &Node) -> Option<Op> {
    let mut fields = decoder.fields(node, "reads")?;
    let reads = fields.need(decoder, "of").and_then(|node| {
        let items = decoder.list(node, "`of`")?;
        items.iter().map(|item| decode_read(decoder, item)).collect::<Option<Vec<Read>>>()
    });
    let put = fields.take("put").map(|n| put(decoder, n).map(|(key, value)| Put { key, value }));
    let serializable = fields.take("serializable").map_or(Some(false), |n| decoder.flag(n));
    let place = fields.place;
    fields.done(decoder);
    let (reads, serializable) = (reads?, serializable?);
    if reads.is_empty() {
        return decoder.wrong(Diagnostic::new(place, "reads of nothing: give `of` a range, as in [{ prefix: kv/ }]"));
    }
    match put {
        Some(None) => None,
        Some(Some(_)) if serializable => {
            decoder.wrong(Diagnostic::new(place, "what writes is not serializable: leave out `put` or `serializable`"))
        }
        put => Some(Op::Reads { reads, put: put.flatten(), serializable }),
    }
}

fn decode_read(decoder: &mut Decoder, node: &Node) -> Option<Read> {
    let mut fields = decoder.fields(node, "a read")?;
    let prefix = fields.need(decoder, "prefix").and_then(|n| text(decoder, n, "a prefix"));
    let at = fields.take("revision").map(|n| values::number(decoder, n, 1, u64::MAX >> 1));
    fields.done(decoder);
    Some(Read { prefix: prefix?, at: if let Some(at) = at { Some(at?) } else { None } })
}

fn decode_compare(decoder: &mut Decoder, node: &Node) -> Option<Compare> {
    let mut fields = decoder.fields(node, "a compare")?;
    let key = need_key(decoder, &mut fields);
    let holds = match fields.take("holds") {
        None => Some(None),
        Some(node) => text(decoder, node, "a value").map(Some),
    };
    fields.done(decoder);
    Some(Compare { key: key?, holds: holds? })
}

fn decode_act(decoder: &mut Decoder, node: &Node) -> Option<Act> {
    let mut fields = decoder.fields(node, "a step")?;
    let act = fields.one_of(decoder, &["get", "put", "delete"]).and_then(|(kind, node)| match kind {
        "get" => key(decoder, node).map(|key| Act::Get { key }),
        "put" => put(decoder, node).map(|(key, value)| Act::Put { key, value }),
        _ => key(decoder, node).map(|key| Act::Delete { key }),
    });
    fields.done(decoder);
    act
}

fn put_yaml(key: &str, value: &str) -> Value {
    mapping([("key", Some(key.into())), ("value", Some(value.into()))])
}

fn act_yaml(act: &Act) -> Value {
    match act {
        Act::Get { key } => mapping([("get", Some(key.as_str().into()))]),
        Act::Put { key, value } => mapping([("put", Some(put_yaml(key, value)))]),
        Act::Delete { key } => mapping([("delete", Some(key.as_str().into()))]),
    }
}

fn op_yaml(op: &Op) -> (&'static str, Value) {
    let optional = |v: &Option<String>| v.as_deref().map(Value::from);
    match op {
        Op::Get { key } => ("get", key.as_str().into()),
        Op::Put { key, value } => ("put", put_yaml(key, value)),
        Op::Cas { key, expect, value } => {
            ("cas", mapping([("key", Some(key.as_str().into())), ("expect", optional(expect)), ("value", Some(value.as_str().into()))]))
        }
        Op::Delete { key } => ("delete", key.as_str().into()),
        Op::Range { prefix, at: None } => ("range", prefix.as_str().into()),
        Op::Range { prefix, at: Some(revision) } => {
            ("past", mapping([("prefix", Some(prefix.as_str().into())), ("revision", Some((*revision).into()))]))
        }
        Op::DeleteRange { from, to } => ("delete-range", mapping([("from", Some(from.as_str().into())), ("to", Some(to.as_str().into()))])),
        Op::Compact { revision } => ("compact", (*revision).into()),
        Op::Reads { reads, put, serializable } => {
            let read = |read: &Read| mapping([("prefix", Some(read.prefix.as_str().into())), ("revision", read.at.map(Into::into))]);
            let put = put.as_ref().map(|put| put_yaml(&put.key, &put.value));
            let serializable = serializable.then(|| true.into());
            ("reads", mapping([("of", Some(reads.iter().map(read).collect())), ("put", put), ("serializable", serializable)]))
        }
        Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => unreachable!("a script has no line for `{op}`"),
        Op::Txn { compare, then, otherwise } => {
            let compare = compare.iter().map(|c| mapping([("key", Some(c.key.as_str().into())), ("holds", optional(&c.holds))]));
            let branch = |acts: &[Act]| (!acts.is_empty()).then(|| acts.iter().map(act_yaml).collect::<Value>());
            ("txn", mapping([("compare", Some(compare.collect())), ("then", branch(then)), ("else", branch(otherwise))]))
        }
    }
}

impl Workload for Script {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        let mut lines: Vec<Line> = self.ops.iter().filter(|line| line.client == client).cloned().collect();
        lines.sort_by_key(|line| line.at);
        let first = self.ops.iter().flat_map(|line| line.op.keys()).next().unwrap_or("k1").to_string();
        Box::new(Source { lines: lines.into_iter(), probe: first })
    }

    fn asks(&self) -> Vec<Op> {
        self.ops.iter().map(|line| line.op.clone()).chain([Op::Get { key: "k1".to_string() }]).collect()
    }

    fn last_at(&self) -> Option<Duration> {
        self.ops.iter().map(|line| line.at).max()
    }

    fn fix(&self, _draws: &mut SeededStream) -> Box<dyn Workload> {
        self.boxed()
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> Value {
        let line = |line: &Line| {
            let (kind, op) = op_yaml(&line.op);
            mapping([("client", Some(line.client.into())), ("at", Some(format_duration(line.at).into())), (kind, Some(op))])
        };
        let ops: Value = self.ops.iter().map(line).collect();
        mapping([("clients", Some(self.clients.into())), ("ops", (!self.ops.is_empty()).then_some(ops))])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

struct Source {
    lines: std::vec::IntoIter<Line>,
    probe: String,
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.lines.next().map(|line| (Pace::At(line.at), line.op))
    }

    fn probe(&self) -> Op {
        Op::Get { key: self.probe.clone() }
    }

    fn answered(&mut self, _op: &Op, _answer: &Answer) {}
}
