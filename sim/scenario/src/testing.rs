//! A system under test for tests of what needs one, and asks it nothing: it has notes that clients read and write.

use crate::{
    Decoder, Diagnostics, EventInfo, Failpoint, Gives, Holder, Named, Scenario, Service, Vocabulary,
    language::arguments,
    values::{Number, Seed},
    workloads::{Asks, Clients, Keys, Kind, Lines, Loop, OpSource, Pace, WorkloadKind},
    yaml::Node,
};
use serde_json::{Map, Value as Json, json};
use squall_history::{Answer, Ask, Event, EventKind, Op, Subject, stream};
use std::{fmt, sync::Arc};

/// Reads a note, or writes one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// Reads it.
    Get(String),
    /// Writes it.
    Put(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Get(note) => write!(f, "get {note}"),
            Note::Put(note) => write!(f, "put {note}"),
        }
    }
}

impl Ask for Note {
    fn verb(&self) -> &'static str {
        if self.may_write() { "put" } else { "get" }
    }

    fn may_write(&self) -> bool {
        matches!(self, Note::Put(_))
    }
}

arguments! {
    /// Notes are read and written.
    pub struct Notes => Noting, "the notes workload" {
        /// how many clients
        clients: Clients = Number(5),
        /// how many notes
        keys: Keys = Number(5),
        /// whether they are written, too
        write: bool = true,
        /// how fast they ask
        @flat pace: Loop,
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

impl Kind for Notes {
    const NAME: &'static str = "notes";
    const EXAMPLE: &'static str = "notes: { clients: 5 }";

    fn clients(&self) -> u32 {
        self.clients.small()
    }

    fn asks(&self) -> Vec<Op> {
        let get = Op::new(Note::Get("k".to_string()));
        [get].into_iter().chain(self.write.then(|| Op::new(Note::Put("k".to_string())))).collect()
    }
}

impl Asks for Noting {
    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        Box::new(Source { workload: self.clone(), client, ordinal: 0 })
    }
}

struct Source {
    workload: Noting,
    client: u32,
    ordinal: u64,
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.workload.seed, &format!("{} op {}", self.client, self.ordinal));
        let note = format!("k{}", draws.in_range(1..=self.workload.keys.0));
        let op = if self.workload.write && draws.below(2) == 0 { Note::Put(note) } else { Note::Get(note) };
        Some((self.workload.pace.pace(&mut draws, self.workload.clients.0), Op::new(op)))
    }

    fn probe(&self) -> Op {
        Op::new(Note::Get("k1".to_string()))
    }

    fn answered(&mut self, _op: &Op, _answer: &Answer) {}
}

fn note(op: &Op) -> &Note {
    op.get().expect("an operation of this system")
}

static LINES: Lines = Lines {
    example: "script: { ops: [ { at: 1s, put: k1 }, { client: 2, at: 1200ms, get: k1 } ] }",
    about: "get: NOTE; put: NOTE",
    keys: &["get", "put"],
    read: |decoder: &mut Decoder, key: &str, node: &Node| {
        let name = decoder.text(node, "a note")?.to_string();
        Some(Op::new(if key == "get" { Note::Get(name) } else { Note::Put(name) }))
    },
    write: |op| match note(op) {
        Note::Get(name) => Some(("get", name.as_str().into())),
        Note::Put(name) => Some(("put", name.as_str().into())),
    },
    schemas: |_| ["get", "put"].map(|key| (key.to_string(), json!({ "type": "string" }))).into_iter().collect::<Map<String, Json>>(),
    probe: &|_| Op::new(Note::Get("k1".to_string())),
    renamed: |op, rename| match note(op) {
        Note::Get(_) => op.clone(),
        Note::Put(name) => {
            let mut name = name.clone();
            rename(&mut name);
            Op::new(Note::Put(name))
        }
    },
};

/// A note is kept by somebody.
const KEPT: Event = Event::own(&EventKind { name: "note-kept", subject: Some(Subject::Client), about: "a client keeps a note" });

/// The system.
pub fn service() -> Service {
    const EVENTS: &[EventInfo] =
        &[EventInfo { event: KEPT, never: |asks| (!asks.iter().any(Op::may_write)).then_some("nobody writes a note") }];
    const WORKLOADS: &[WorkloadKind] = &[WorkloadKind::of::<Notes>(), WorkloadKind::script(&LINES)];
    const FAILPOINTS: &[Failpoint] = &[
        Failpoint { name: "before-sync", about: "before a sync", can_fail: true, only_late: false },
        Failpoint { name: "before-end", about: "before something ends", can_fail: false, only_late: true },
    ];
    Service {
        name: "notes",
        gives: Gives::EVERYTHING,
        workloads: WORKLOADS,
        events: EVENTS,
        holder: Some(&Holder { name: "keeper", about: "the client that keeps a note", comes: KEPT }),
        bugs: vec![Named { name: "forgets", about: "it forgets" }],
        failpoints: FAILPOINTS,
        checkers: vec!["honest"],
    }
}

/// Reads a scenario of it.
///
/// # Errors
/// As [`crate::parse`].
pub fn parse(name: &str, source: &str) -> Result<Scenario, Diagnostics> {
    crate::parse(name, source, &Vocabulary { services: vec![Arc::new(service())] })
}
