//! A queue that hands out in any order, as Knossos' `unordered-queue`; empty at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `enqueue v` | - | with one v more |
//! | `dequeue`, v is in it | v | with one v less |
//! | `dequeue`, it is empty | nil | the same |

use super::queue::{self, Ask};
use crate::{
    model::{CallOf, Model, Nature, SettledOf},
    raw::{RawCall, Value},
    reading::{Parsed, Reads},
    settle::{Goes, settled},
};
use std::collections::{BTreeMap, BTreeSet};

/// The model.
pub struct UnorderedQueue;

impl Model for UnorderedQueue {
    /// How often each value is in it; and how many unanswered dequeues took nobody knows what.
    type State = (BTreeMap<Value, u64>, u64);
    type Input = Ask;
    /// What a dequeue handed out; `Nil` for nothing.
    type Output = Value;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Self::State {
        (BTreeMap::new(), 0)
    }

    fn step(&self, (state, taken): &Self::State, input: &Ask, output: Option<&Value>) -> Option<Self::State> {
        let mut next = state.clone();
        let in_all = || state.values().sum::<u64>();
        match (input, output) {
            (Ask::Enqueue(value), _) => *next.entry(value.clone()).or_default() += 1,
            // Those that took nobody knows what may have taken all that is left.
            (Ask::Dequeue, Some(Value::Nil)) => return (in_all() <= *taken).then(|| (BTreeMap::new(), 0)),
            (Ask::Dequeue, Some(value)) => {
                let left = next.get_mut(value)?;
                *left -= 1;
                if *left == 0 {
                    next.remove(value);
                }
                if next.values().sum::<u64>() < *taken {
                    return None;
                }
            }
            (Ask::Dequeue, None) if in_all() > *taken => return Some((next, taken + 1)),
            (Ask::Dequeue, None) => {}
            // Neither is asked of this model: where a value stands does not matter, and what it takes is left open until it shows.
            (Ask::EnqueueBehind(value, _), _) => *next.entry(value.clone()).or_default() += 1,
            (Ask::Lose(_), _) => return self.step(&(next, *taken), &Ask::Dequeue, None),
        }
        Some((next, *taken))
    }

    fn nature(&self, input: &Ask, output: Option<&Value>) -> Nature {
        match (input, output) {
            (Ask::Enqueue(_), _) | (Ask::Dequeue, None) | (Ask::EnqueueBehind(..) | Ask::Lose(_), _) => Nature::Adds,
            (Ask::Dequeue, Some(_)) => Nature::Changes,
        }
    }

    fn parts(&self, input: &Ask, output: Option<&Value>) -> Option<Vec<Value>> {
        super::Queue.parts(input, output)
    }

    fn restrict(&self, input: &Ask, output: Option<&Value>, kept: &BTreeSet<Value>) -> Option<(Ask, Option<Value>)> {
        super::Queue.restrict(input, output, kept)
    }

    fn settled(&self, calls: &[CallOf<Self>]) -> Option<SettledOf<Self>> {
        settled::<Self>(calls, Goes::Any, queue::does, |_| Ask::Dequeue)
    }

    fn show_state(&self, (state, taken): &Self::State) -> String {
        let all: Vec<String> = state.iter().flat_map(|(value, n)| (0..*n).map(move |_| value.to_string())).collect();
        let but = if *taken > 0 { format!(", but for {taken} that somebody took") } else { String::new() };
        format!("{{{}}}{but}", all.join(" "))
    }

    fn show_call(&self, input: &Ask, output: Option<&Value>) -> String {
        super::Queue.show_call(input, output)
    }
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Ask, Value> {
    queue::parse(call, reads)
}
