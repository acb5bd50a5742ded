//! `script`: operations that are written down, each with its client and its time. What the shrinker
//! makes of a workload, and what a person writes to tell a story.

use super::{
    kind::{Asks, Kind},
    load::Clients,
    source::{OpSource, Pace},
};
use crate::{
    Decoder, Vocabulary,
    language::{Value, arguments, as_written, schema},
    values::Number,
    vocabulary::{Lines, WorkloadKind},
    yaml::{Diagnostic, Node},
};
use serde_json::{Map, Value as Json};
use serde_yaml::{Mapping, Value as Yaml};
use squall_history::{Answer, Op};
use std::{fmt::Debug, time::Duration};

arguments! {
    /// Operations that are written down, one by one, each with its client and its time.
    pub struct Script => Scripted, "a script" {
        /// how many clients; without it, the highest that an operation names
        clients: Option<Clients>,
        /// each has `client` (default 1), `at` (from the start; at once when an earlier one of that client ends later) and one of
        ops: Ops,
    }
    check |it, check| {
        let highest = it.ops.all.iter().map(|line| line.client).max().unwrap_or(1);
        if let Some(clients) = it.clients.map(Number::small).filter(|clients| highest > *clients) {
            check.wrong("", format!("an operation is of client {highest}, and there are {clients}"));
        }
    }
}

/// One operation of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Whose, from 1.
    pub client: u32,
    /// When it is due, from the client's start.
    pub at: Duration,
    /// What is asked.
    pub op: Op,
}

/// The operations of a script.
#[derive(Clone, Debug)]
pub struct Ops {
    /// How they are written down.
    pub lines: &'static Lines,
    /// They, in any order.
    pub all: Vec<Line>,
}

impl PartialEq for Ops {
    fn eq(&self, other: &Ops) -> bool {
        self.all == other.all
    }
}

impl Script {
    /// These operations, by this many clients.
    pub fn of(lines: &'static Lines, clients: u32, all: Vec<Line>) -> Script {
        Script { clients: Some(Number(clients.into())), ops: Ops { lines, all } }
    }

    /// How many clients.
    pub fn count(&self) -> u32 {
        let highest = || self.ops.all.iter().map(|line| line.client).max().unwrap_or(1);
        self.clients.map_or_else(highest, |clients| clients.small())
    }
}

fn read_line(decoder: &mut Decoder, lines: &'static Lines, node: &Node) -> Option<Line> {
    let mut fields = decoder.fields(node, "an operation")?;
    let client = fields.take("client").map_or(Some(Number(1)), |node| Clients::read(decoder, node));
    let at = fields.need(decoder, "at").and_then(|node| Duration::read(decoder, node));
    let op = fields.one_of(decoder, lines.keys).and_then(|(key, node)| (lines.read)(decoder, key, node));
    fields.done(decoder);
    Some(Line { client: client?.small(), at: at?, op: op? })
}

impl Value for Ops {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let Some(lines) = decoder.services().iter().find_map(|service| service.lines()) else {
            return decoder.wrong(Diagnostic::new(node.place, "operations of this system cannot be written down"));
        };
        let all: Vec<Option<Line>> = decoder.list(node, "`ops`")?.iter().map(|item| read_line(decoder, lines, item)).collect();
        Some(Ops { lines, all: all.into_iter().collect::<Option<Vec<_>>>()? })
    }

    fn write(&self) -> Yaml {
        let line = |line: &Line| {
            let (key, op) = (self.lines.write)(&line.op).expect("only what can be written down becomes a line");
            let entries = [("client", line.client.into()), ("at", line.at.write()), (key, op)];
            Yaml::from(entries.map(|(key, value)| (Yaml::from(key), value)).into_iter().collect::<Mapping>())
        };
        self.all.iter().map(line).collect()
    }

    fn form() -> String {
        "a list".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let all = vocabulary.all(|service| service.lines().map_or(vec![], |lines| lines.keys.to_vec()));
        let mut properties: Map<String, Json> = Map::new();
        for (key, one) in vocabulary.services.iter().filter_map(|service| service.lines()).flat_map(|lines| (lines.schemas)(vocabulary)) {
            match properties.get_mut(&key) {
                // Two systems have one of this name.
                Some(other) => *other = serde_json::json!({ "anyOf": [other.take(), one] }),
                None => _ = properties.insert(key, one),
            }
        }
        properties.insert("client".to_string(), Clients::schema(vocabulary));
        properties.insert("at".to_string(), Duration::schema(vocabulary));
        let mut line = schema::closed(properties, &["at"]);
        line["allOf"] = serde_json::json!([schema::one_of(all)]);
        schema::list(&line)
    }
}

impl WorkloadKind {
    /// The operations of a system, written down one by one.
    pub const fn script(lines: &'static Lines) -> WorkloadKind {
        WorkloadKind { example: lines.example, lines: Some(lines), ..WorkloadKind::of::<Script>() }
    }
}

impl Kind for Script {
    const NAME: &'static str = "script";
    const EXAMPLE: &'static str = "script: { ops: [] }";

    fn clients(&self) -> u32 {
        self.count()
    }

    fn asks(&self) -> Vec<Op> {
        self.ops.all.iter().map(|line| line.op.clone()).chain([(self.ops.lines.probe)(&[])]).collect()
    }

    fn last_at(&self) -> Option<Duration> {
        self.ops.all.iter().map(|line| line.at).max()
    }
}

impl Asks for Scripted {
    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        let mut lines: Vec<Line> = self.ops.all.iter().filter(|line| line.client == client).cloned().collect();
        lines.sort_by_key(|line| line.at);
        let all: Vec<&Op> = self.ops.all.iter().map(|line| &line.op).collect();
        let probe = (self.ops.lines.probe)(&all);
        Box::new(Source { lines: lines.into_iter(), probe })
    }
}

struct Source {
    lines: std::vec::IntoIter<Line>,
    probe: Op,
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.lines.next().map(|line| (Pace::At(line.at), line.op))
    }

    fn probe(&self) -> Op {
        self.probe.clone()
    }

    fn answered(&mut self, _op: &Op, _answer: &Answer) {}
}
