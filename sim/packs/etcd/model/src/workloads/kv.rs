//! `kv`: a key-value service used as its clients use it: deletes, transactions over several keys,
//! prefix ranges, reads of the past, deletions of ranges, several reads in a transaction, reads that may be stale, compactions.
//! Every value written is unique; some are large. The past is read near the last compaction more often than elsewhere.

use crate::ops::{Act, Answer, Compare, Op, Output, Put, Read, SeededStream, stream};
use squall_scenario::{
    language::arguments,
    values::{Number, Probability, Seed},
    workloads::{Asks, Clients, Keys, Kind, Loop, Mix, Mixed, OpSource, Pace, asks, source},
};
use std::collections::BTreeMap;

arguments! {
    /// How many ask, how fast.
    pub(crate) struct Crowd => Crowding, "a workload" {
        /// how many clients
        clients: Clients = Number(5),
        /// how many keys
        keys: Keys = Number(5),
        /// how fast they ask
        @flat pace: Loop,
    }
}

arguments! {
    /// What they write.
    pub(crate) struct Writes => Writing, "a workload" {
        /// how many values span several disk sectors
        large: Probability = Probability { numerator: 1, denominator: 8 },
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

arguments! {
    /// Gets, puts, deletes, transactions, ranges, reads of the past, compactions; every value is unique.
    pub(crate) struct Kv => KeyValue, "the kv workload" {
        /// who asks
        @flat crowd: Crowd,
        /// how often each operation, by weight
        mix: Mix<Ops> = Mix::of(&[40, 30, 10, 30, 20, 10, 6, 14, 1]),
        /// what they write
        @flat writes: Writes,
    }
}

arguments! {
    /// Transactions above all, on the same keys as `kv`: swaps and moves over several keys.
    pub(crate) struct Txn => Transacting, "the txn workload" {
        /// who asks
        @flat crowd: Crowd,
        /// how often each operation, by weight
        mix: Mix<Ops> = Mix::of(&[10, 10, 0, 80, 20, 10, 5, 20, 0]),
        /// what they write
        @flat writes: Writes,
    }
}

/// The operations of `kv` and `txn`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ops;

impl Mixed for Ops {
    const OPS: &'static [&'static str] = &["get", "put", "delete", "txn", "range", "past", "delete-range", "reads", "compact"];
}

/// Every key begins so.
const PREFIX: &str = "kv/";

/// How far a read of the past looks back, in revisions.
const PAST: u64 = 300;

/// The length of a large value: it spans two to four disk sectors.
const LARGE: std::ops::RangeInclusive<u64> = 600..=1800;

impl Kind for Kv {
    const NAME: &'static str = "kv";
    const EXAMPLE: &'static str = "kv: { clients: 6, keys: 8, think: 20ms, mix: { put: 1, txn: 2, range: 1 } }";

    fn clients(&self) -> u32 {
        self.crowd.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        asks(used(&self.mix))
    }
}

impl Kind for Txn {
    const NAME: &'static str = "txn";
    const EXAMPLE: &'static str = "txn: { clients: 6, keys: 4, think: 10ms }";

    fn clients(&self) -> u32 {
        self.crowd.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        asks(used(&self.mix))
    }
}

/// An operation of each kind that comes.
fn used(mix: &Mix<Ops>) -> Vec<Op> {
    let (key, prefix) = (format!("{PREFIX}1"), PREFIX.to_string());
    mix.used([
        Op::Get { key: key.clone() },
        Op::Put { key: key.clone(), value: "v".to_string() },
        Op::Delete { key: key.clone() },
        Op::Txn { compare: vec![], then: vec![Act::Delete { key }], otherwise: vec![] },
        Op::Range { prefix: prefix.clone(), at: None },
        Op::Range { prefix: prefix.clone(), at: Some(1) },
        Op::DeleteRange { from: format!("{PREFIX}1"), to: format!("{PREFIX}2") },
        Op::Reads { reads: vec![Read { prefix, at: None }], put: None, serializable: true },
        Op::Compact { revision: 1 },
    ])
}

impl Asks for KeyValue {
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        source(Source::new(&self.crowd, &self.mix, &self.writes, client, name))
    }
}

impl Asks for Transacting {
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        source(Source::new(&self.crowd, &self.mix, &self.writes, client, name))
    }
}

struct Source {
    crowd: Crowding,
    mix: Mix<Ops>,
    writes: Writing,
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
    fn new(crowd: &Crowding, mix: &Mix<Ops>, writes: &Writing, client: u32, name: &str) -> Source {
        Source {
            crowd: crowd.clone(),
            mix: mix.clone(),
            writes: writes.clone(),
            name: name.to_string(),
            client,
            ordinal: 0,
            seen: BTreeMap::new(),
            revision: 0,
            floor: None,
        }
    }

    fn key(&self, draws: &mut SeededStream) -> String {
        format!("{PREFIX}{}", draws.in_range(1..=self.crowd.keys.0))
    }

    /// A value that nobody else writes; `part` tells those of one operation apart.
    fn value(&self, draws: &mut SeededStream, part: u32) -> String {
        let mut value = format!("{}-{}", self.name, self.ordinal);
        if part > 1 {
            value.push_str(&format!(".{part}"));
        }
        if draws.ratio(u64::from(self.writes.large.numerator), u64::from(self.writes.large.denominator)) {
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
        let mut keys: Vec<String> = (1..=self.crowd.keys.0).map(|n| format!("{PREFIX}{n}")).collect();
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

impl squall_scenario::workloads::Source for Source {
    type Ask = Op;
    type Answer = Output;

    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.writes.seed, &format!("{} op {}", self.client, self.ordinal));
        let key = self.key(&mut draws);
        let prefix = || PREFIX.to_string();
        let op = match self.mix.choose(&mut draws) {
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
        Some((self.crowd.pace.pace(&mut draws, self.crowd.clients.0), op))
    }

    fn probe(&self) -> Op {
        Op::Get { key: format!("{PREFIX}1") }
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        self.revision = self.revision.max(answer.position.unwrap_or(0));
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
    use squall_scenario::{
        Size,
        language::{Arguments, Draws, nothing_given},
        workloads::Source as _,
    };
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_of_operation_comes_and_values_are_unique() {
        let workload = nothing_given::<Kv>().resolve(&Draws::new(3, "kv".to_string(), Size { nodes: 3, clients: 5 }));
        let mut source = Source::new(&workload.crowd, &workload.mix, &workload.writes, 1, "c1");
        let ops: Vec<Op> = (0..1500)
            .map(|i| {
                let (_, op) = source.next().unwrap();
                source.answered(&op, &Answer { output: Output::Done, position: Some(i) });
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
