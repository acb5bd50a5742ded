//! `watch`: clients that follow a prefix, break off, and take it up again: where they were, from now on, or
//! from a revision of the past. Some follow one key, some leave out puts or deletions. Somebody else has to write: put it beside `kv`.

use crate::ops::{Answer, Kind as EventKind, Op, Output, stream};
use squall_scenario::{
    language::arguments,
    values::{Each, Number, Prefix, Seed, Span, format_duration},
    workloads::{Asks, Clients, Kind, OpSource, Pace, asks, source},
};
use std::time::Duration;

arguments! {
    /// Watches, broken off and taken up again, also from the past. It writes nothing: put it beside `kv`.
    pub(crate) struct Watch => Watching, "the watch workload" {
        /// how many clients
        clients: Clients = Number(2),
        /// whose keys are followed; of kv/ one watch in four follows one key only
        prefix: Prefix = Prefix(PREFIX.to_string()),
        /// how long one watch is kept; at most 4s
        lasts: Each = Each(Span::millis(500, 3_000)),
        /// whether clients ask how far their watch has come
        progress: bool = true,
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
    check |it, check| {
        if it.lasts.0.max > LASTS_MAX {
            check.wrong("lasts", format!("at most {} here", format_duration(LASTS_MAX)));
        }
    }
}

/// How far a watch of the past looks back, in revisions.
const PAST: u64 = 400;

/// No watch lasts longer: after the heal every client must be served in time.
const LASTS_MAX: Duration = Duration::from_secs(4);

const PREFIX: &str = "kv/";

/// How many keys there are for watches of one key.
const ONE_OF: u64 = 4;

impl Kind for Watch {
    const NAME: &'static str = "watch";
    const EXAMPLE: &'static str = "watch: { clients: 3, prefix: kv/, lasts: 500ms..2s }";

    fn clients(&self) -> u32 {
        self.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        let prefix = self.prefix.0.clone();
        asks([Op::Watch { prefix, from: None, lasts_ms: 1, progress: self.progress, single: false, without: None }])
    }
}

impl Asks for Watching {
    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        source(Source { workload: self.clone(), client, ordinal: 0, next: None })
    }
}

struct Source {
    workload: Watching,
    client: u32,
    ordinal: u64,
    /// Where the last watch ended.
    next: Option<u64>,
}

impl squall_scenario::workloads::Source for Source {
    type Ask = Op;
    type Answer = Output;

    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.workload.seed, &format!("{} op {}", self.client, self.ordinal));
        let from = match draws.below(10) {
            0 => None,
            1 | 2 => self.next.map(|next| next.saturating_sub(draws.in_range(1..=PAST)).max(1)),
            _ => self.next,
        };
        let lasts_ms = self.workload.lasts.0.draw(&mut draws).as_millis() as u64;
        let pause = Duration::from_millis(draws.in_range(0..=100));
        let Watching { prefix: Prefix(mut prefix), progress, .. } = self.workload.clone();
        let single = prefix == PREFIX && draws.ratio(1, 4);
        if single {
            prefix.push_str(&draws.in_range(1..=ONE_OF).to_string());
        }
        let without = match draws.below(8) {
            0 => Some(EventKind::Puts),
            1 => Some(EventKind::Deletes),
            _ => None,
        };
        Some((Pace::AfterLast(pause), Op::Watch { prefix, from, lasts_ms: lasts_ms.max(1), progress, single, without }))
    }

    fn probe(&self) -> Op {
        let prefix = self.workload.prefix.0.clone();
        Op::Watch { prefix, from: self.next, lasts_ms: 50, progress: true, single: false, without: None }
    }

    fn answered(&mut self, _op: &Op, answer: &Answer) {
        if let Output::Watched { next } = answer.output {
            // A watch that never came about tells nothing.
            self.next = Some(next).filter(|next| *next > 0);
        }
    }
}
