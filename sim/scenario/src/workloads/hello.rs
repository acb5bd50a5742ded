//! `hello`: clients that say hello.

use super::{
    OpSource, Pace, Workload, WorkloadKind,
    load::{self, CLIENTS_ARG, Loop, RATE_ARG, SEED_ARG, THINK_ARG},
};
use crate::{
    faults::mapping,
    values,
    yaml::{Decoder, Node},
};
use squall_history::{Answer, Op, SeededStream, stream};

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "hello",
    about: "Greetings: MyService answers \"Hello \" and the name, on every node.",
    args: &[CLIENTS_ARG, THINK_ARG, RATE_ARG, SEED_ARG],
    example: "hello: { clients: 2, rate: 50/s }",
    decode,
};

#[derive(Clone, Debug)]
struct Hello {
    clients: u32,
    pace: Loop,
    seed: Option<u64>,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    let mut fields = decoder.fields(node, "the hello workload")?;
    let clients = load::count(decoder, &mut fields, "clients", 200, 1);
    let pace = Loop::decode(decoder, &mut fields);
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Hello { clients: clients?, pace: pace?, seed }))
}

impl Workload for Hello {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        Box::new(Source { workload: self.clone(), seed, name: name.to_string(), client, ordinal: 0 })
    }

    fn asks(&self) -> Vec<Op> {
        vec![Op::Hello { name: "c1".to_string() }]
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Hello { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (think, rate) = self.pace.to_yaml();
        mapping([("clients", Some(self.clients.into())), ("think", think), ("rate", rate), ("seed", self.seed.map(Into::into))])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

struct Source {
    workload: Hello,
    seed: u64,
    name: String,
    client: u32,
    ordinal: u64,
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        Some((self.workload.pace.pace(&mut draws, self.workload.clients), Op::Hello { name: format!("{}-{}", self.name, self.ordinal) }))
    }

    fn probe(&self) -> Op {
        Op::Hello { name: self.name.clone() }
    }

    fn answered(&mut self, _op: &Op, _answer: &Answer) {}
}
