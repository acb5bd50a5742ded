//! `register`: gets, puts and compare-and-swaps on a few keys, with values that are all different.

use super::{
    OpSource, Pace, Workload, WorkloadKind,
    load::{self, CLIENTS_ARG, KEYS_ARG, Loop, RATE_ARG, SEED_ARG, THINK_ARG},
};
use crate::{
    faults::{Arg, mapping},
    values,
    yaml::{Decoder, Node},
};
use squall_history::{Answer, Op, Output, SeededStream, stream};
use std::collections::BTreeMap;

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "register",
    about: "Gets, puts and compare-and-swaps on a few keys; every value written is unique.",
    args: &[
        CLIENTS_ARG,
        KEYS_ARG,
        THINK_ARG,
        RATE_ARG,
        Arg { name: "mix", form: "{ get: 5, put: 3, cas: 2 }", about: "how often each operation, by weight (default as here)" },
        SEED_ARG,
    ],
    example: "register: { clients: 5, keys: 10, think: 10ms }",
    decode,
};

/// The workload.
#[derive(Clone, Debug)]
struct Register {
    clients: u32,
    keys: u32,
    pace: Loop,
    mix: [u32; 3],
    seed: Option<u64>,
}

const MIX: [u32; 3] = [5, 3, 2];
const OPS: [&str; 3] = ["get", "put", "cas"];

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    let mut fields = decoder.fields(node, "the register workload")?;
    let clients = load::count(decoder, &mut fields, "clients", 200, 5);
    let keys = load::count(decoder, &mut fields, "keys", 1000, 5);
    let pace = Loop::decode(decoder, &mut fields);
    let mix = load::decode_mix(decoder, fields.take("mix"), OPS, MIX);
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Register { clients: clients?, keys: keys?, pace: pace?, mix: mix?, seed }))
}

impl Workload for Register {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        Box::new(Source { workload: self.clone(), seed, name: name.to_string(), client, ordinal: 0, seen: BTreeMap::new() })
    }

    fn asks(&self) -> Vec<Op> {
        let (key, value) = ("k1".to_string(), "v".to_string());
        let all = [Op::Get { key: key.clone() }, Op::Put { key: key.clone(), value: value.clone() }, Op::Cas { key, expect: None, value }];
        all.into_iter().zip(self.mix).filter(|(_, weight)| *weight > 0).map(|(op, _)| op).collect()
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Register { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (think, rate) = self.pace.to_yaml();
        mapping([
            ("clients", Some(self.clients.into())),
            ("keys", Some(self.keys.into())),
            ("think", think),
            ("rate", rate),
            ("mix", (self.mix != MIX).then(|| load::mix_to_yaml(self.mix, OPS))),
            ("seed", self.seed.map(Into::into)),
        ])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

struct Source {
    workload: Register,
    seed: u64,
    name: String,
    client: u32,
    ordinal: u64,
    /// What this client last saw in each key: what its compare-and-swaps expect.
    seen: BTreeMap<String, Option<String>>,
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        let key = format!("k{}", draws.in_range(1..=u64::from(self.workload.keys)));
        let value = format!("{}-{}", self.name, self.ordinal);
        let op = match load::choose(&mut draws, self.workload.mix) {
            0 => Op::Get { key },
            1 => Op::Put { key, value },
            _ => Op::Cas { expect: self.seen.get(&key).cloned().flatten(), key, value },
        };
        Some((self.workload.pace.pace(&mut draws, self.workload.clients), op))
    }

    fn probe(&self) -> Op {
        Op::Get { key: "k1".to_string() }
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        let (key, now) = match (op, &answer.output) {
            (Op::Get { key }, Output::Got { value }) => (key, value.clone()),
            (Op::Put { key, value }, Output::Done) | (Op::Cas { key, value, .. }, Output::Swapped { yes: true }) => {
                (key, Some(value.clone()))
            }
            _ => return,
        };
        self.seen.insert(key.clone(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_depend_on_their_ordinal_alone_and_values_are_unique() {
        let workload = Register { clients: 2, keys: 3, pace: Loop::Rate(100), mix: MIX, seed: Some(7) };
        let ops = |client: u32| {
            let mut source = workload.source(client, &format!("c{client}"));
            (0..200).map(|_| source.next().unwrap().1).collect::<Vec<_>>()
        };
        assert_eq!(ops(1), ops(1));
        assert_ne!(ops(1), ops(2));
        let all = [ops(1), ops(2)].concat();
        let values: Vec<&str> = all.iter().flat_map(|op| op.changes(None)).filter_map(|change| change.value).collect();
        let unique: std::collections::BTreeSet<&&str> = values.iter().collect();
        assert_eq!(unique.len(), values.len());
    }
}
