//! A key-value store with revisions, empty at first: the sequential specification of etcd's KV.
//!
//! | call | legal answers | store after |
//! | --- | --- | --- |
//! | get k | what k holds | the same |
//! | put k v | done | k holds v, one revision more |
//! | cas k: e to v, k holds e | swapped | k holds v, one revision more |
//! | cas k: e to v, it does not | not swapped | the same |
//! | delete k, k is there | 1 deleted | k is absent, one revision more |
//! | delete k, it is not | 0 deleted | the same |
//! | range p | every key that begins with p, what it holds, the revision that wrote it | the same |
//! | txn | each compare on the store before; the steps of one branch in order, reads see earlier steps | one revision more if a step changed something |
//!
//! An answer that carries a revision carries the store's, after the call. What a read of the *past*
//! holds is not decided here: only the revision that it carries is.

use crate::ops::{Act, Answer, KeyValue, Op, Output};
use squall_linear::{Model, Nature};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// The store at one revision. Copies share keys and values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The revision of the last change; 1 before the first.
    pub revision: u64,
    /// Every key that is there.
    pub keys: BTreeMap<Arc<str>, (Arc<str>, u64)>,
}

impl Default for State {
    fn default() -> State {
        State { revision: 1, keys: BTreeMap::new() }
    }
}

impl State {
    /// What a read of one key answers.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(|(value, _)| &**value)
    }

    /// What a range answers.
    pub(super) fn range(&self, prefix: &str) -> Vec<KeyValue> {
        let from = self.keys.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        from.map(|(key, (value, revision))| KeyValue {
            key: key.to_string(),
            value: value.to_string(),
            revision: Some(*revision),
            made: None,
        })
        .collect()
    }

    /// What a plain read answers; `None` for what may change something.
    pub(super) fn look(&self, op: &Op) -> Option<Output> {
        match op {
            Op::Get { key } => Some(Output::Got { value: self.get(key).map(str::to_string) }),
            Op::Range { prefix, .. } => Some(Output::Ranged { kvs: self.range(prefix) }),
            Op::Put { .. } | Op::Cas { .. } | Op::Delete { .. } | Op::Txn { .. } => None,
            Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => panic!("`{op}` is told key by key"),
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => panic!("a store is not asked `{op}`"),
        }
    }

    /// Does it, and answers what the specification answers.
    pub(crate) fn apply(&mut self, op: &Op) -> Output {
        let next = self.revision + 1;
        let mut changed = false;
        let output = match op {
            Op::Get { key } => Output::Got { value: self.get(key).map(str::to_string) },
            Op::Range { prefix, .. } => Output::Ranged { kvs: self.range(prefix) },
            Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => panic!("`{op}` is told key by key"),
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => panic!("a store is not asked `{op}`"),
            Op::Put { key, value } => self.act(&Act::Put { key: key.clone(), value: value.clone() }, next, &mut changed),
            Op::Delete { key } => self.act(&Act::Delete { key: key.clone() }, next, &mut changed),
            Op::Cas { key, expect, value } => {
                let yes = self.get(key) == expect.as_deref();
                if yes {
                    self.act(&Act::Put { key: key.clone(), value: value.clone() }, next, &mut changed);
                }
                Output::Swapped { yes }
            }
            Op::Txn { compare, then, otherwise } => {
                let succeeded = compare.iter().all(|c| self.get(&c.key) == c.holds.as_deref());
                let acts = if succeeded { then } else { otherwise };
                Output::Txn { succeeded, results: acts.iter().map(|act| self.act(act, next, &mut changed)).collect() }
            }
        };
        if changed {
            self.revision = next;
        }
        output
    }

    fn act(&mut self, act: &Act, revision: u64, changed: &mut bool) -> Output {
        match act {
            Act::Get { key } => Output::Got { value: self.get(key).map(str::to_string) },
            Act::Put { key, value } => {
                self.keys.insert(key.as_str().into(), (value.as_str().into(), revision));
                *changed = true;
                Output::Done
            }
            Act::Delete { key } => {
                let gone = self.keys.remove(key.as_str()).is_some();
                *changed |= gone;
                Output::Deleted { count: u64::from(gone) }
            }
        }
    }
}

/// Whether an answer is the one that the specification gives. Revisions of keys count where both say them.
pub(super) fn agrees(expected: &Output, answered: &Output) -> bool {
    match (expected, answered) {
        (Output::Ranged { kvs: a }, Output::Ranged { kvs: b }) => {
            let same = |(a, b): (&KeyValue, &KeyValue)| {
                a.key == b.key && a.value == b.value && (a.revision == b.revision || a.revision.is_none() || b.revision.is_none())
            };
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        (a, b) => a == b,
    }
}

/// Whether an operation that answered so changed the store.
pub(super) fn modified(op: &Op, output: &Output) -> bool {
    match (op, output) {
        (Op::Get { .. } | Op::Range { .. }, _) => false,
        (_, Output::Swapped { yes }) => *yes,
        (_, Output::Deleted { count }) => *count > 0,
        (Op::Txn { .. }, Output::Txn { results, .. }) => {
            results.iter().any(|r| matches!(r, Output::Done) || matches!(r, Output::Deleted { count } if *count > 0))
        }
        (Op::Put { .. } | Op::Cas { .. } | Op::Delete { .. } | Op::Txn { .. }, _) => true,
        (Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. }, _) => false,
        (Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. }, _) => false,
    }
}

/// The model, for the generic engine: exact, and slow when many operations never returned.
pub struct Store;

impl Model for Store {
    type State = State;
    type Input = Op;
    type Output = Answer;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> State {
        State::default()
    }

    fn step(&self, state: &State, input: &Op, answer: Option<&Answer>) -> Option<State> {
        let mut after = state.clone();
        let expected = after.apply(input);
        let past = matches!(input, Op::Range { at: Some(_), .. });
        let right = answer.is_none_or(|a| (past || agrees(&expected, &a.output)) && a.position.is_none_or(|r| r == after.revision));
        right.then_some(after)
    }

    fn nature(&self, input: &Op, answer: Option<&Answer>) -> Nature {
        let changes = match answer {
            None => input.may_write(),
            Some(answer) => modified(input, &answer.output),
        };
        if changes { Nature::Changes } else { Nature::Observes }
    }

    fn show_state(&self, state: &State) -> String {
        let keys: Vec<String> = state.keys.iter().map(|(key, (value, _))| format!("{key} = {value}")).collect();
        format!("revision {}: {}", state.revision, if keys.is_empty() { "nothing".into() } else { keys.join(", ") })
    }

    fn show_call(&self, input: &Op, answer: Option<&Answer>) -> String {
        match answer {
            None => input.to_string(),
            Some(Answer { output, position: revision }) => {
                format!("{input}: {output}{}", revision.map_or(String::new(), |r| format!(" at revision {r}")))
            }
        }
    }
}
