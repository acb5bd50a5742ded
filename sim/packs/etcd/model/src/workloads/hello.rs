//! `hello`: clients that say hello.

use crate::ops::{Answer, Op, Output, stream};
use squall_scenario::{
    language::arguments,
    values::{Number, Seed},
    workloads::{Asks, Clients, Kind, Loop, OpSource, Pace, asks, source},
};

arguments! {
    /// Greetings: MyService answers "Hello " and the name, on every node.
    pub(crate) struct Hello => Greeting, "the hello workload" {
        /// how many clients
        clients: Clients = Number(1),
        /// how fast they ask
        @flat pace: Loop,
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

impl Kind for Hello {
    const NAME: &'static str = "hello";
    const EXAMPLE: &'static str = "hello: { clients: 2, rate: 50/s }";

    fn clients(&self) -> u32 {
        self.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        asks([Op::Hello { name: "c1".to_string() }])
    }
}

impl Asks for Greeting {
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        source(Source { workload: self.clone(), name: name.to_string(), client, ordinal: 0 })
    }
}

struct Source {
    workload: Greeting,
    name: String,
    client: u32,
    ordinal: u64,
}

impl squall_scenario::workloads::Source for Source {
    type Ask = Op;
    type Answer = Output;

    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.workload.seed, &format!("{} op {}", self.client, self.ordinal));
        Some((self.workload.pace.pace(&mut draws, self.workload.clients.0), Op::Hello { name: format!("{}-{}", self.name, self.ordinal) }))
    }

    fn probe(&self) -> Op {
        Op::Hello { name: self.name.clone() }
    }

    fn answered(&mut self, _op: &Op, _answer: &Answer) {}
}
