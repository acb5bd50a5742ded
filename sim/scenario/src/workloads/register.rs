//! `register`: get, put and compare-and-swap on a few keys. Every written value is unique.

use super::{OpSource, Pace, Workload, WorkloadKind};
use crate::{
    faults::{Arg, mapping},
    values::{self, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_history::{Op, Output, SeededStream, stream};
use std::{collections::BTreeMap, time::Duration};

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "register",
    about: "Linearizable registers: get, put and compare-and-swap on a few keys, with unique values.",
    args: &[
        Arg { name: "clients", form: "1 to 200", about: "how many clients (default 5)" },
        Arg { name: "keys", form: "1 to 1000", about: "how many keys (default 5)" },
        Arg {
            name: "think",
            form: "a duration or a range",
            about: "closed loop: the pause between an answer and the next question (default 10ms)",
        },
        Arg { name: "rate", form: "200/s", about: "open loop: operations a second, over all clients" },
        Arg { name: "mix", form: "{ get: 5, put: 3, cas: 2 }", about: "how often each operation, by weight (default as here)" },
        Arg { name: "seed", form: "a number", about: "the seed of the operations; a plan has it" },
    ],
    example: "register: { clients: 5, keys: 10, think: 10ms }",
    decode,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loop {
    Think(Span),
    /// Operations a second, over all clients.
    Rate(u32),
}

/// The workload.
#[derive(Clone, Debug)]
pub struct Register {
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
    let mut count = |decoder: &mut Decoder, key, max, default| match fields.take(key) {
        Some(node) => values::number(decoder, node, 1, max),
        None => Some(default),
    };
    let (clients, keys) = (count(decoder, "clients", 200, 5), count(decoder, "keys", 1000, 5));
    let (think, rate) = (fields.take("think"), fields.take("rate"));
    let pace = match (think, rate) {
        (Some(_), Some(rate)) => decoder.wrong(
            Diagnostic::new(rate.place, "`rate` cannot stand beside `think`")
                .help("`think` is a closed loop, `rate` an open one: give one of them"),
        ),
        (Some(node), None) => values::span(decoder, node).map(Loop::Think),
        (None, Some(node)) => {
            decoder.scalar(node, "a rate such as 200/s", |t| t.strip_suffix("/s")?.parse().ok().filter(|n| *n > 0)).map(Loop::Rate)
        }
        (None, None) => Some(Loop::Think(Span::millis(10, 10))),
    };
    let mix = match fields.take("mix") {
        None => Some(MIX),
        Some(node) => decode_mix(decoder, node),
    };
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Register { clients: clients? as u32, keys: keys? as u32, pace: pace?, mix: mix?, seed }))
}

fn decode_mix(decoder: &mut Decoder, node: &Node) -> Option<[u32; 3]> {
    let mut fields = decoder.fields(node, "`mix`")?;
    let place = fields.place;
    let mut mix = [0; 3];
    for (weight, op) in mix.iter_mut().zip(OPS) {
        if let Some(node) = fields.take(op) {
            *weight = values::number(decoder, node, 0, 1000)? as u32;
        }
    }
    fields.done(decoder);
    match mix.iter().sum::<u32>() {
        0 => decoder.wrong(Diagnostic::new(place, "a mix of nothing: give at least one operation a weight")),
        _ => Some(mix),
    }
}

impl Workload for Register {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        Box::new(Source { workload: self.clone(), seed, name: name.to_string(), client, ordinal: 0, seen: BTreeMap::new() })
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Register { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (think, rate) = match self.pace {
            Loop::Think(span) => (Some(span.to_text().into()), None),
            Loop::Rate(n) => (None, Some(format!("{n}/s").into())),
        };
        let mix = (self.mix != MIX).then(|| mapping([0, 1, 2].map(|i| (OPS[i], Some(self.mix[i].into())))));
        mapping([
            ("clients", Some(self.clients.into())),
            ("keys", Some(self.keys.into())),
            ("think", think),
            ("rate", rate),
            ("mix", mix),
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
    fn next(&mut self) -> (Pace, Op) {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        let key = format!("k{}", draws.in_range(1..=u64::from(self.workload.keys)));
        let mix = self.workload.mix;
        let mut at = draws.below(u64::from(mix.iter().sum::<u32>()));
        let chosen = mix.iter().position(|weight| {
            let hit = at < u64::from(*weight);
            at = at.saturating_sub(u64::from(*weight));
            hit
        });
        let value = format!("{}-{}", self.name, self.ordinal);
        let op = match chosen {
            Some(0) => Op::Get { key },
            Some(1) => Op::Put { key, value },
            _ => Op::Cas { expect: self.seen.get(&key).cloned().flatten(), key, value },
        };
        let pace = match self.workload.pace {
            Loop::Think(span) => Pace::AfterLast(span.draw(&mut draws)),
            Loop::Rate(rate) => {
                // Arrivals of each client are spread evenly, with a jitter of half an interval each way.
                let interval = 1_000_000_000 * u64::from(self.workload.clients) / u64::from(rate);
                Pace::AfterStart(Duration::from_nanos(draws.in_range(interval / 2..=interval * 3 / 2)))
            }
        };
        (pace, op)
    }

    fn answered(&mut self, op: &Op, output: &Output) {
        let now = match (op, output) {
            (Op::Get { .. }, Output::Got { value }) => value.clone(),
            (Op::Put { value, .. }, Output::Done) | (Op::Cas { value, .. }, Output::Swapped { yes: true }) => Some(value.clone()),
            _ => return,
        };
        self.seen.insert(op.key().to_string(), now);
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
            (0..200).map(|_| source.next().1).collect::<Vec<_>>()
        };
        assert_eq!(ops(1), ops(1));
        assert_ne!(ops(1), ops(2));
        let values: Vec<String> = [ops(1), ops(2)].concat().iter().filter_map(|op| op.writes().map(str::to_string)).collect();
        let unique: std::collections::BTreeSet<&String> = values.iter().collect();
        assert_eq!(unique.len(), values.len());
    }
}
