//! `script`: operations that are written down, each with its client and its time. What the shrinker
//! makes of a workload, and what a person writes to tell a story.

mod ops;

use super::{Asks, Kind, OpSource, Pace, load::Clients};
use crate::{
    Vocabulary,
    language::{Value, arguments, as_written, schema},
    values::Number,
    yaml::{Decoder, Node},
};
use serde_json::Value as Json;
use serde_yaml::{Mapping, Value as Yaml};
use squall_history::{Answer, Op};
use std::time::Duration;

arguments! {
    /// Operations that are written down, one by one, each with its client and its time.
    pub struct Script => Scripted, "a script" {
        /// how many clients; without it, the highest that an operation names
        clients: Option<Clients>,
        /// each has `client` (default 1), `at` (from the start; at once when an earlier one of that client ends later) and one of
        /// get: KEY; put: { key, value }; cas: { key, expect, value } (without expect: if the key is absent); delete: KEY;
        /// range: PREFIX; past: { prefix, revision }; delete-range: { from, to } (up to `to`, which stays);
        /// reads: { of: [{ prefix, revision }, ...], put: { key, value }, serializable: true } (of each only the first is needed);
        /// compact: REVISION; txn: { compare: [{ key, holds }], then: [...], else: [...] }
        ops: Vec<Line> = vec![],
    }
    check |it, check| {
        let highest = it.ops.iter().map(|line| line.client).max().unwrap_or(1);
        if let Some(clients) = it.clients.map(Number::small).filter(|clients| highest > *clients) {
            check.wrong("", format!("an operation is of client {highest}, and there are {clients}"));
        }
    }
}

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

impl Script {
    /// These operations, by so many clients.
    pub fn of(clients: u32, ops: Vec<Line>) -> Script {
        Script { clients: Some(Number(clients.into())), ops }
    }

    /// How many clients.
    pub fn count(&self) -> u32 {
        let highest = || self.ops.iter().map(|line| line.client).max().unwrap_or(1);
        self.clients.map_or_else(highest, |clients| clients.small())
    }
}

fn read_line(decoder: &mut Decoder, node: &Node) -> Option<Line> {
    let mut fields = decoder.fields(node, "an operation")?;
    let client = fields.take("client").map_or(Some(Number(1)), |node| Clients::read(decoder, node));
    let at = fields.need(decoder, "at").and_then(|node| Duration::read(decoder, node));
    let op = fields.one_of(decoder, &ops::KEYS).and_then(|(key, node)| ops::read(decoder, key, node));
    fields.done(decoder);
    Some(Line { client: client?.small(), at: at?, op: op? })
}

impl Value for Vec<Line> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let lines: Vec<Option<Line>> = decoder.list(node, "`ops`")?.iter().map(|item| read_line(decoder, item)).collect();
        lines.into_iter().collect()
    }

    fn write(&self) -> Yaml {
        let line = |line: &Line| {
            let (key, op) = ops::write(&line.op);
            let entries = [("client", line.client.into()), ("at", line.at.write()), (key, op)];
            Yaml::from(entries.map(|(key, value)| (Yaml::from(key), value)).into_iter().collect::<Mapping>())
        };
        self.iter().map(line).collect()
    }

    fn form() -> String {
        "a list".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let mut properties = ops::schemas(vocabulary);
        properties.insert("client".to_string(), Clients::schema(vocabulary));
        properties.insert("at".to_string(), Duration::schema(vocabulary));
        let mut line = schema::closed(properties, &["at"]);
        line["allOf"] = serde_json::json!([schema::one_of(ops::KEYS)]);
        schema::list(&line)
    }
}

impl Kind for Script {
    const NAME: &'static str = "script";
    const EXAMPLE: &'static str = "script: { ops: [ { at: 1s, put: { key: k1, value: a } }, { client: 2, at: 1200ms, get: k1 } ] }";

    fn clients(&self) -> u32 {
        self.count()
    }

    fn asks(&self) -> Vec<Op> {
        self.ops.iter().map(|line| line.op.clone()).chain([Op::Get { key: "k1".to_string() }]).collect()
    }

    fn last_at(&self) -> Option<Duration> {
        self.ops.iter().map(|line| line.at).max()
    }
}

impl Asks for Scripted {
    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        let mut lines: Vec<Line> = self.ops.iter().filter(|line| line.client == client).cloned().collect();
        lines.sort_by_key(|line| line.at);
        let first = self.ops.iter().flat_map(|line| line.op.keys()).next().unwrap_or("k1").to_string();
        Box::new(Source { lines: lines.into_iter(), probe: first })
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
