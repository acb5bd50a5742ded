//! `register`: gets, puts and compare-and-swaps on a few keys, with values that are all different.

use crate::ops::{Answer, Op, Output, stream};
use squall_scenario::{
    language::arguments,
    values::{Number, Seed},
    workloads::{Asks, Clients, Keys, Kind, Loop, Mix, Mixed, OpSource, Pace, asks, source},
};
use std::collections::BTreeMap;

arguments! {
    /// Gets, puts and compare-and-swaps on a few keys; every value written is unique.
    pub(crate) struct Register => Registering, "the register workload" {
        /// how many clients
        clients: Clients = Number(5),
        /// how many keys
        keys: Keys = Number(5),
        /// how fast they ask
        @flat pace: Loop,
        /// how often each operation, by weight
        mix: Mix<Ops> = Mix::of(&[5, 3, 2]),
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

/// The operations of a register.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ops;

impl Mixed for Ops {
    const OPS: &'static [&'static str] = &["get", "put", "cas"];
}

impl Kind for Register {
    const NAME: &'static str = "register";
    const EXAMPLE: &'static str = "register: { clients: 5, keys: 10, think: 10ms }";

    fn clients(&self) -> u32 {
        self.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        let (key, value) = ("k1".to_string(), "v".to_string());
        asks(self.mix.used([
            Op::Get { key: key.clone() },
            Op::Put { key: key.clone(), value: value.clone() },
            Op::Cas { key, expect: None, value },
        ]))
    }
}

impl Asks for Registering {
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        source(Source { workload: self.clone(), name: name.to_string(), client, ordinal: 0, seen: BTreeMap::new() })
    }
}

struct Source {
    workload: Registering,
    name: String,
    client: u32,
    ordinal: u64,
    /// What this client last saw in each key: what its compare-and-swaps expect.
    seen: BTreeMap<String, Option<String>>,
}

impl squall_scenario::workloads::Source for Source {
    type Ask = Op;
    type Answer = Output;

    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.workload.seed, &format!("{} op {}", self.client, self.ordinal));
        let key = format!("k{}", draws.in_range(1..=self.workload.keys.0));
        let value = format!("{}-{}", self.name, self.ordinal);
        let op = match self.workload.mix.choose(&mut draws) {
            0 => Op::Get { key },
            1 => Op::Put { key, value },
            _ => Op::Cas { expect: self.seen.get(&key).cloned().flatten(), key, value },
        };
        Some((self.workload.pace.pace(&mut draws, self.workload.clients.0), op))
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
        let pace = Loop::Rate(squall_scenario::values::PerSecond(100));
        let workload = Registering { clients: Number(2), keys: Number(3), pace, mix: Mix::of(&[5, 3, 2]), seed: 7 };
        let ops = |client: u32| {
            let mut source = workload.source(client, &format!("c{client}"));
            (0..200).map(|_| source.next().unwrap().1.get::<Op>().unwrap().clone()).collect::<Vec<_>>()
        };
        assert_eq!(ops(1), ops(1));
        assert_ne!(ops(1), ops(2));
        let all = [ops(1), ops(2)].concat();
        let values: Vec<&str> = all.iter().flat_map(|op| op.changes(None)).filter_map(|change| change.value).collect();
        let unique: std::collections::BTreeSet<&&str> = values.iter().collect();
        assert_eq!(unique.len(), values.len());
    }
}
