//! What customers ask, and the workload that asks it.

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_history::{Dialect, Op};
use squall_scenario::{
    language::arguments,
    values::{Number, Seed},
    workloads::{Asks, Clients, Kind, Lines, Loop, OpSource, WorkloadKind, asks, drawn},
};
use std::fmt;

/// What is asked of a ticket office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// The next ticket, please.
    Take,
    /// Which one was the last?
    Last,
}

/// A ticket's number, from 1; 0: none was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u64);

pub(crate) const DIALECT: Dialect = Dialect::of::<Ask, Ticket, Ticket>(&[]);

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(squall_history::Ask::verb(self))
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ticket {}", self.0)
    }
}

impl squall_history::Ask for Ask {
    fn verb(&self) -> &'static str {
        match self {
            Ask::Take => "take",
            Ask::Last => "last",
        }
    }

    fn may_write(&self) -> bool {
        match self {
            Ask::Take => true,
            Ask::Last => false,
        }
    }
}

/// What customers may do.
pub(crate) const WORKLOADS: &[WorkloadKind] = &[WorkloadKind::of::<Tickets>(), WorkloadKind::script(&LINES)];

static LINES: Lines = Lines {
    example: "script: { ops: [ { at: 1s, ask: take }, { client: 2, at: 1200ms, ask: last } ] }",
    about: "ask: take or last",
    keys: &["ask"],
    read: |decoder, _, node| decoder.word(node, "take or last", &[("take", Ask::Take), ("last", Ask::Last)]).map(Op::new),
    write: |op| op.get::<Ask>().map(|ask| ("ask", squall_history::Ask::verb(ask).into())),
    schemas: |_| [("ask".to_string(), json!({ "enum": ["take", "last"] }))].into_iter().collect(),
    probe: &|_| Op::new(Ask::Last),
    renamed: |op, _| op.clone(),
};

arguments! {
    /// Customers take tickets, and look which one was the last.
    pub(crate) struct Tickets => Ticketing, "the tickets workload" {
        /// how many clients
        clients: Clients = Number(4),
        /// of ten operations, how many take a ticket
        takes: Number<1, 10> = Number(5),
        /// how fast they ask
        @flat pace: Loop,
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

impl Kind for Tickets {
    const NAME: &'static str = "tickets";
    const EXAMPLE: &'static str = "tickets: { clients: 4, think: 20ms }";

    fn clients(&self) -> u32 {
        self.clients.small()
    }

    fn asks(&self) -> Vec<Op> {
        asks([Ask::Take, Ask::Last])
    }
}

impl Asks for Ticketing {
    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        let (takes, pace, clients) = (self.takes.0, self.pace, self.clients.0);
        drawn(self.seed, client, Ask::Last, move |draws| {
            let ask = if draws.in_range(1..=10) <= takes { Ask::Take } else { Ask::Last };
            (pace.pace(draws, clients), ask)
        })
    }
}
