//! Histories to measure checkers with: a store, some clients, answers that come late or never.

use crate::checks::linearizable::StoreState;
use crate::ops::{ClientId, Entry, EntryKind, Op, OpId, Output, SeededStream, SimTime, stream};

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// How many operations.
    pub ops: u64,
    /// How many clients ask at once.
    pub clients: u64,
    /// How many keys there are.
    pub keys: u64,
    /// Of a thousand operations, how many have no known outcome; half of these happen, and half of those late.
    pub unknown_per_mille: u64,
    /// Of a thousand operations, how many read every key at once.
    pub ranges_per_mille: u64,
    /// The seed.
    pub seed: u64,
}

enum Busy {
    Idle,
    /// Asked, and not done yet.
    Asked(u64, Op),
    /// Done, and not answered yet.
    Done(u64, Output, u64),
}

/// A valid history of a store with revisions, line by line.
pub struct Generated {
    spec: Spec,
    draws: SeededStream,
    store: StoreState,
    clients: Vec<Busy>,
    late: Vec<(u64, Op)>,
    asked: u64,
    busy: usize,
    time: u64,
    ended: bool,
}

/// Makes a history.
pub fn generate(spec: Spec) -> Generated {
    Generated {
        spec,
        draws: stream(spec.seed, "generate"),
        store: StoreState::default(),
        clients: (0..spec.clients).map(|_| Busy::Idle).collect(),
        late: vec![],
        asked: 0,
        busy: 0,
        time: 0,
        ended: false,
    }
}

impl Generated {
    fn op(&mut self, id: u64) -> Op {
        let key = format!("k{}", self.draws.below(self.spec.keys));
        let value = format!("v{id}");
        if self.draws.below(1000) < self.spec.ranges_per_mille {
            return Op::Range { prefix: "k".into(), at: None };
        }
        match self.draws.below(100) {
            0..50 => Op::Get { key },
            50..88 => Op::Put { key, value },
            88..95 => {
                // Half of them expect what is there.
                let held = self.store.keys.get(key.as_str()).map(|(value, _)| value.to_string());
                let expect = if self.draws.ratio(1, 2) { held } else { Some(format!("v{}", self.draws.below(id.max(1)))) };
                Op::Cas { key, expect, value }
            }
            _ => Op::Delete { key },
        }
    }
}

impl Iterator for Generated {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.ended {
            return None;
        }
        loop {
            if self.asked == self.spec.ops && self.busy == 0 {
                self.ended = true;
                return Some(Entry { t: SimTime(self.time), what: EntryKind::End });
            }
            if !self.late.is_empty() && self.draws.ratio(1, 64) {
                let at = self.draws.below(self.late.len() as u64) as usize;
                let (_, op) = self.late.swap_remove(at);
                self.store.apply(&op);
            }
            let client = self.draws.below(self.spec.clients) as usize;
            self.time += 1_000 + self.draws.below(1_000_000);
            let t = SimTime(self.time);
            match std::mem::replace(&mut self.clients[client], Busy::Idle) {
                Busy::Idle if self.asked == self.spec.ops => {}
                Busy::Idle => {
                    self.asked += 1;
                    self.busy += 1;
                    let id = self.asked;
                    let ask = self.op(id);
                    self.clients[client] = Busy::Asked(id, ask.clone());
                    return Some(Entry { t, what: EntryKind::Invoke { client: ClientId(client as u32 + 1), op: OpId(id), ask } });
                }
                Busy::Asked(id, op) if self.draws.below(1000) < self.spec.unknown_per_mille => {
                    self.busy -= 1;
                    match self.draws.below(4) {
                        0 => _ = self.store.apply(&op),
                        1 => self.late.push((id, op)),
                        _ => {}
                    }
                    return Some(Entry { t, what: EntryKind::Info { op: OpId(id), why: "timeout".into() } });
                }
                Busy::Asked(id, op) => {
                    let output = self.store.apply(&op);
                    self.clients[client] = Busy::Done(id, output, self.store.revision);
                }
                Busy::Done(id, output, revision) => {
                    self.busy -= 1;
                    return Some(Entry { t, what: EntryKind::Ok { op: OpId(id), output, position: Some(revision) } });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checks::{ALL, Verdict},
        ops::untyped,
    };
    use squall_history::View;
    use squall_judge::check_all;

    #[test]
    fn what_is_generated_is_valid_and_spoilt_it_is_not() {
        for (seed, unknown) in [(1, 0), (2, 10), (3, 100), (4, 300)] {
            let spec = Spec { ops: 3_000, clients: 10, keys: 16, unknown_per_mille: unknown, ranges_per_mille: 10, seed };
            let mut history: Vec<Entry> = generate(spec).collect();
            let judge = |history: &[Entry]| check_all(&View::new(&untyped(history)), &["linearizable".to_string()], ALL).remove(0).1;
            assert_eq!(judge(&history), Verdict::Valid, "{spec:?}");
            let gets = history.iter_mut().filter_map(|e| match &mut e.what {
                EntryKind::Ok { output: Output::Got { value: Some(value) }, .. } => Some(value),
                _ => None,
            });
            *gets.last().unwrap() = "v0".into();
            assert!(matches!(judge(&history), Verdict::Invalid(_)), "{spec:?}");
        }
    }
}
