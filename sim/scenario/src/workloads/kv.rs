//! `kv`: a key-value service used as its clients use it: deletes, transactions over several keys,
//! prefix ranges, reads of the past, deletions of ranges, several reads in a transaction, reads that may be stale, compactions.
//! Every value written is unique; some are large. The past is read near the last compaction more often than elsewhere.

use super::{
    OpSource, Pace, Workload, WorkloadKind,
    load::{self, CLIENTS_ARG, KEYS_ARG, Loop, RATE_ARG, SEED_ARG, THINK_ARG},
};
use crate::{
    faults::{Arg, mapping},
    values::{self, Probability},
    yaml::{Decoder, Node},
};
use squall_history::{Act, Answer, Compare, Op, Output, Put, Read, SeededStream, stream};
use std::collections::BTreeMap;

const LARGE_ARG: Arg = Arg { name: "large", form: "10% or 1/10", about: "how many values span several disk sectors (default 1/8)" };

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "kv",
    about: "Gets, puts, deletes, transactions, ranges, reads of the past, compactions; every value is unique.",
    args: &[
        CLIENTS_ARG,
        KEYS_ARG,
        THINK_ARG,
        RATE_ARG,
        Arg {
            name: "mix",
            form: "{ get: 40, put: 30, delete: 10, txn: 30, range: 20, past: 10, delete-range: 6, reads: 14, compact: 1 }",
            about: "how often each operation, by weight (default as here)",
        },
        LARGE_ARG,
        SEED_ARG,
    ],
    example: "kv: { clients: 6, keys: 8, think: 20ms, mix: { put: 1, txn: 2, range: 1 } }",
    decode: |d, n| decode(d, n, KIND.name, MIX),
};

pub(super) const TXN: WorkloadKind = WorkloadKind {
    name: "txn",
    about: "Transactions above all, on the same keys as `kv`: swaps and moves over several keys.",
    args: &[
        CLIENTS_ARG,
        KEYS_ARG,
        THINK_ARG,
        RATE_ARG,
        Arg {
            name: "mix",
            form: "{ get: 10, put: 10, delete: 0, txn: 80, range: 20, past: 10, delete-range: 5, reads: 20, compact: 0 }",
            about: "how often each operation, by weight (default as here)",
        },
        LARGE_ARG,
        SEED_ARG,
    ],
    example: "txn: { clients: 6, keys: 4, think: 10ms }",
    decode: |d, n| decode(d, n, TXN.name, TXN_MIX),
};

/// Every key begins so.
const PREFIX: &str = "kv/";

/// How far a read of the past looks back, in revisions.
const PAST: u64 = 300;

/// The length of a large value: it spans two to four disk sectors.
const LARGE: std::ops::RangeInclusive<u64> = 600..=1800;

#[derive(Clone, Debug)]
struct Kv {
    kind: &'static str,
    clients: u32,
    keys: u32,
    pace: Loop,
    mix: [u32; 9],
    large: Probability,
    seed: Option<u64>,
}

const MIX: [u32; 9] = [40, 30, 10, 30, 20, 10, 6, 14, 1];
const TXN_MIX: [u32; 9] = [10, 10, 0, 80, 20, 10, 5, 20, 0];
const OPS: [&str; 9] = ["get", "put", "delete", "txn", "range", "past", "delete-range", "reads", "compact"];
const EIGHTH: Probability = Probability { numerator: 1, denominator: 8 };

fn decode(decoder: &mut Decoder, node: &Node, kind: &'static str, default_mix: [u32; 9]) -> Option<Box<dyn Workload>> {
    let mut fields = decoder.fields(node, if kind == TXN.name { "the txn workload" } else { "the kv workload" })?;
    let clients = load::count(decoder, &mut fields, "clients", 200, 5);
    let keys = load::count(decoder, &mut fields, "keys", 1000, 5);
    let pace = Loop::decode(decoder, &mut fields);
    let mix = load::decode_mix(decoder, fields.take("mix"), OPS, default_mix);
    let large = fields.take("large").map_or(Some(EIGHTH), |n| values::probability(decoder, n));
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Kv { kind, clients: clients?, keys: keys?, pace: pace?, mix: mix?, large: large?, seed }))
}

impl Workload for Kv {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        Box::new(Source {
            workload: self.clone(),
            seed,
            name: name.to_string(),
            client,
            ordinal: 0,
            seen: BTreeMap::new(),
            revision: 0,
            floor: None,
        })
    }

    fn asks(&self) -> Vec<Op> {
        let (key, prefix) = (format!("{PREFIX}1"), PREFIX.to_string());
        let all = [
            Op::Get { key: key.clone() },
            Op::Put { key: key.clone(), value: "v".to_string() },
            Op::Delete { key: key.clone() },
            Op::Txn { compare: vec![], then: vec![Act::Delete { key }], otherwise: vec![] },
            Op::Range { prefix: prefix.clone(), at: None },
            Op::Range { prefix: prefix.clone(), at: Some(1) },
            Op::DeleteRange { from: format!("{PREFIX}1"), to: format!("{PREFIX}2") },
            Op::Reads { reads: vec![Read { prefix, at: None }], put: None, serializable: true },
            Op::Compact { revision: 1 },
        ];
        all.into_iter().zip(self.mix).filter(|(_, weight)| *weight > 0).map(|(op, _)| op).collect()
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Kv { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (think, rate) = self.pace.to_yaml();
        mapping([
            ("clients", Some(self.clients.into())),
            ("keys", Some(self.keys.into())),
            ("think", think),
            ("rate", rate),
            ("mix", (self.mix != if self.kind == TXN.name { TXN_MIX } else { MIX }).then(|| load::mix_to_yaml(self.mix, OPS))),
            ("large", (self.large != EIGHTH).then(|| self.large.to_text().into())),
            ("seed", self.seed.map(Into::into)),
        ])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

struct Source {
    workload: Kv,
    seed: u64,
    name: String,
    client: u32,
    ordinal: u64,
    /// What this client last saw in each key: what its transactions expect.
    seen: BTreeMap<String, Option<String>>,
    /// The highest revision that it was told of.
    revision: u64,
    /// The last revision up to which it compacted.
    floor: Option<u64>,
}

impl Source {
    fn key(&self, draws: &mut SeededStream) -> String {
        format!("{PREFIX}{}", draws.in_range(1..=u64::from(self.workload.keys)))
    }

    /// A value that nobody else writes; `part` tells those of one operation apart.
    fn value(&self, draws: &mut SeededStream, part: u32) -> String {
        let mut value = format!("{}-{}", self.name, self.ordinal);
        if part > 1 {
            value.push_str(&format!(".{part}"));
        }
        if draws.ratio(u64::from(self.workload.large.numerator), u64::from(self.workload.large.denominator)) {
            let length = draws.in_range(LARGE) as usize;
            value.push('~');
            // No two pieces of it look alike: a misplaced or stale sector shows.
            for i in 0.. {
                if value.len() >= length {
                    break;
                }
                value.push_str(&format!("{i:x}."));
            }
        }
        value
    }

    /// A revision of the past, once there is one: near what this client compacted last as often as not.
    fn past(&self, draws: &mut SeededStream) -> Option<u64> {
        let at = match self.floor {
            Some(floor) if draws.ratio(1, 2) => (floor + draws.below(4)).saturating_sub(1).min(self.revision),
            Some(floor) if draws.ratio(3, 4) => draws.in_range(floor.min(self.revision)..=self.revision),
            _ => self.revision.saturating_sub(draws.in_range(0..=PAST)),
        };
        (self.revision > 1).then_some(at.max(1))
    }

    /// A range of up to three keys, and the key that comes after them, in order of key.
    fn delete_range(&self, draws: &mut SeededStream) -> Op {
        let mut keys: Vec<String> = (1..=self.workload.keys).map(|n| format!("{PREFIX}{n}")).collect();
        keys.sort_unstable();
        let first = draws.below(keys.len() as u64) as usize;
        let after = first + draws.in_range(1..=3) as usize;
        let to = keys.get(after).cloned().unwrap_or_else(|| format!("{}\u{7f}", keys[keys.len() - 1]));
        Op::DeleteRange { from: keys[first].clone(), to }
    }

    fn reads(&self, draws: &mut SeededStream) -> Op {
        let how = draws.below(5);
        let count = draws.in_range(1..=2);
        let reads = (0..count).map(|_| {
            let prefix = if draws.ratio(1, 2) { PREFIX.to_string() } else { self.key(draws) };
            let is_past = how >= 3 && draws.ratio(2, 3);
            Read { prefix, at: is_past.then(|| self.past(draws)).flatten() }
        });
        let reads = reads.collect();
        let put = (how == 4).then(|| Put { key: self.key(draws), value: self.value(draws, 1) });
        Op::Reads { reads, put, serializable: how < 2 }
    }

    fn txn(&self, draws: &mut SeededStream) -> Op {
        let mut keys = Vec::new();
        for _ in 0..3 {
            let key = self.key(draws);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let expect = |key: &String| Compare { key: key.clone(), holds: self.seen.get(key).cloned().flatten() };
        let read = |key: &String| Act::Get { key: key.clone() };
        let compare = keys.iter().take(draws.in_range(1..=2) as usize).map(expect).collect();
        let then = match draws.below(3) {
            // A swap of several keys.
            0 => {
                let puts: Vec<Act> = (1..).zip(&keys).map(|(i, key)| Act::Put { key: key.clone(), value: self.value(draws, i) }).collect();
                puts.into_iter().chain([read(&keys[0])]).collect()
            }
            // A move: the first key's place is taken by the last one.
            1 if keys.len() > 1 => {
                let value = self.value(draws, 1);
                let to = keys[keys.len() - 1].clone();
                vec![Act::Delete { key: keys[0].clone() }, Act::Put { key: to, value }, read(&keys[0])]
            }
            // A compare-and-swap.
            _ => vec![Act::Put { key: keys[0].clone(), value: self.value(draws, 1) }],
        };
        // The loser looks, or writes elsewhere.
        let otherwise = match draws.below(3) {
            0 => vec![Act::Put { key: keys[keys.len() - 1].clone(), value: self.value(draws, 9) }],
            _ => keys.iter().map(read).collect(),
        };
        Op::Txn { compare, then, otherwise }
    }
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        let key = self.key(&mut draws);
        let prefix = || PREFIX.to_string();
        let op = match load::choose(&mut draws, self.workload.mix) {
            0 => Op::Get { key },
            1 => Op::Put { key, value: self.value(&mut draws, 1) },
            2 => Op::Delete { key },
            3 => self.txn(&mut draws),
            4 => Op::Range { prefix: prefix(), at: None },
            5 => Op::Range { prefix: prefix(), at: self.past(&mut draws) },
            6 => self.delete_range(&mut draws),
            7 => self.reads(&mut draws),
            _ => {
                let keep = if draws.ratio(1, 3) { draws.in_range(0..=10) } else { draws.in_range(0..=PAST) };
                Op::Compact { revision: self.revision.saturating_sub(keep).max(1) }
            }
        };
        Some((self.workload.pace.pace(&mut draws, self.workload.clients), op))
    }

    fn probe(&self) -> Op {
        Op::Get { key: format!("{PREFIX}1") }
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        self.revision = self.revision.max(answer.revision.unwrap_or(0));
        match (op, &answer.output) {
            (Op::Get { key }, Output::Got { value }) => _ = self.seen.insert(key.clone(), value.clone()),
            (Op::Range { at: None, .. }, Output::Ranged { kvs }) => {
                self.seen = kvs.iter().map(|kv| (kv.key.clone(), Some(kv.value.clone()))).collect();
            }
            (Op::Compact { revision }, _) => self.floor = Some(*revision),
            (Op::DeleteRange { from, to }, _) => {
                self.seen.range_mut(from.clone()..to.clone()).for_each(|(_, held)| *held = None);
            }
            (_, output) => {
                for change in op.changes(Some(output)) {
                    self.seen.insert(change.key.to_string(), change.value.map(str::to_string));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_of_operation_comes_and_values_are_unique() {
        let workload = Kv {
            kind: KIND.name,
            clients: 2,
            keys: 4,
            pace: Loop::Think(crate::Span::millis(1, 2)),
            mix: MIX,
            large: EIGHTH,
            seed: Some(3),
        };
        let mut source = workload.source(1, "c1");
        let ops: Vec<Op> = (0..1500)
            .map(|i| {
                let (_, op) = source.next().unwrap();
                source.answered(&op, &Answer { output: Output::Done, revision: Some(i) });
                op
            })
            .collect();
        let kinds: BTreeSet<String> = ops.iter().map(|op| op.to_string().split(' ').next().unwrap().to_string()).collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["compact", "delete", "get", "put", "range", "read", "txn"]);
        assert!(ops.iter().any(|op| matches!(op, Op::Range { at: Some(_), .. })));
        let values: Vec<&str> = ops.iter().flat_map(|op| op.changes(None)).filter_map(|change| change.value).collect();
        assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len());
        assert!(values.iter().any(|v| v.len() > 1_024) && values.iter().all(|v| v.len() < 2_048));
        for op in &ops {
            let Op::Txn { then, otherwise, .. } = op else { continue };
            for branch in [then, otherwise] {
                let written: Vec<&str> = branch.iter().filter(|a| a.leaves().is_some()).map(Act::key).collect();
                assert_eq!(written.iter().collect::<BTreeSet<_>>().len(), written.len(), "etcd refuses a key that is written twice: {op}");
            }
        }
    }
}
