//! `watch`: clients that follow a prefix, break off, and take it up again: where they were, from now on, or
//! from a revision of the past. Some follow one key, some leave out puts or deletions. Somebody else has to write: put it beside `kv`.

use super::{
    OpSource, Pace, Workload, WorkloadKind,
    load::{self, CLIENTS_ARG, SEED_ARG},
};
use crate::{
    faults::{Arg, mapping},
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::{Answer, Kind, Op, Output, SeededStream, stream};
use std::time::Duration;

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "watch",
    about: "Watches, broken off and taken up again, also from the past. It writes nothing: put it beside `kv`.",
    args: &[
        CLIENTS_ARG,
        Arg {
            name: "prefix",
            form: "a prefix",
            about: "whose keys are followed (default kv/; of that one watch in four follows one key only)",
        },
        Arg { name: "lasts", form: "a duration or a range", about: "how long one watch is kept (default 500ms..3s)" },
        Arg { name: "progress", form: "true or false", about: "whether clients ask how far their watch has come (default true)" },
        SEED_ARG,
    ],
    example: "watch: { clients: 3, prefix: kv/, lasts: 500ms..2s }",
    decode,
};

/// How far a watch of the past looks back, in revisions.
const PAST: u64 = 400;

/// No watch lasts longer: after the heal every client must be served in time.
const LASTS_MAX: Duration = Duration::from_secs(4);

#[derive(Clone, Debug)]
struct Watch {
    clients: u32,
    prefix: String,
    lasts: Span,
    progress: bool,
    seed: Option<u64>,
}

const LASTS: Span = Span { min: Duration::from_millis(500), max: Duration::from_secs(3) };
const PREFIX: &str = "kv/";

/// A watch of one key is of one of so many.
const ONE_OF: u64 = 4;

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    let mut fields = decoder.fields(node, "the watch workload")?;
    let clients = load::count(decoder, &mut fields, "clients", 200, 2);
    let prefix = fields.take("prefix").map_or(Some(PREFIX.to_string()), |n| decoder.text(n, "a prefix").map(str::to_string));
    let lasts = fields.take("lasts").map_or(Some(LASTS), |n| values::span_of_at_most(decoder, n, LASTS_MAX));
    let progress = fields.take("progress").map_or(Some(true), |n| decoder.flag(n));
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Watch { clients: clients?, prefix: prefix?, lasts: lasts?, progress: progress?, seed }))
}

impl Workload for Watch {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        Box::new(Source { workload: self.clone(), seed, client, ordinal: 0, next: None })
    }

    fn asks(&self) -> Vec<Op> {
        vec![Op::Watch { prefix: self.prefix.clone(), from: None, lasts_ms: 1, progress: self.progress, single: false, without: None }]
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Watch { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([
            ("clients", Some(self.clients.into())),
            ("prefix", (self.prefix != PREFIX).then(|| self.prefix.as_str().into())),
            ("lasts", (self.lasts != LASTS).then(|| self.lasts.to_text().into())),
            ("progress", (!self.progress).then(|| false.into())),
            ("seed", self.seed.map(Into::into)),
        ])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

struct Source {
    workload: Watch,
    seed: u64,
    client: u32,
    ordinal: u64,
    /// Where the last watch ended.
    next: Option<u64>,
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        let from = match draws.below(10) {
            0 => None,
            1 | 2 => self.next.map(|next| next.saturating_sub(draws.in_range(1..=PAST)).max(1)),
            _ => self.next,
        };
        let lasts_ms = self.workload.lasts.draw(&mut draws).as_millis() as u64;
        let pause = Duration::from_millis(draws.in_range(0..=100));
        let Watch { mut prefix, progress, .. } = self.workload.clone();
        let single = prefix == PREFIX && draws.ratio(1, 4);
        if single {
            prefix.push_str(&draws.in_range(1..=ONE_OF).to_string());
        }
        let without = match draws.below(8) {
            0 => Some(Kind::Puts),
            1 => Some(Kind::Deletes),
            _ => None,
        };
        Some((Pace::AfterLast(pause), Op::Watch { prefix, from, lasts_ms: lasts_ms.max(1), progress, single, without }))
    }

    fn probe(&self) -> Op {
        let prefix = self.workload.prefix.clone();
        Op::Watch { prefix, from: self.next, lasts_ms: 50, progress: true, single: false, without: None }
    }

    fn answered(&mut self, _op: &Op, answer: &Answer) {
        if let Output::Watched { next } = answer.output {
            // A watch that never came about tells nothing.
            self.next = Some(next).filter(|next| *next > 0);
        }
    }
}
