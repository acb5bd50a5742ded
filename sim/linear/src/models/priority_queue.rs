//! A queue that hands out the smallest first; empty at first. Numbers by size, text by its bytes.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `enqueue v` | - | with one v more |
//! | `dequeue`, something is in it | the smallest | with one of it less |
//! | `dequeue`, it is empty | nil | the same |

use super::queue::{self, Ask};
use crate::{
    model::{Model, Nature},
    raw::{RawCall, Value},
    reading::{Parsed, Reads},
};
use std::collections::{BTreeMap, BTreeSet};

/// The model.
pub struct PriorityQueue;

impl Model for PriorityQueue {
    /// How often each value is in it.
    type State = BTreeMap<Value, u64>;
    type Input = Ask;
    /// What a dequeue handed out; `Nil` for nothing.
    type Output = Value;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, input: &Ask, output: Option<&Value>) -> Option<Self::State> {
        let mut next = state.clone();
        match (input, output) {
            (Ask::Enqueue(value) | Ask::EnqueueBehind(value, _), _) => *next.entry(value.clone()).or_default() += 1,
            (Ask::Dequeue, Some(Value::Nil)) => return state.is_empty().then_some(next),
            (Ask::Dequeue | Ask::Lose(_), seen) => {
                let Some(mut least) = next.first_entry() else { return seen.is_none().then_some(next) };
                if seen.is_some_and(|seen| seen != least.key()) {
                    return None;
                }
                *least.get_mut() -= 1;
                if *least.get() == 0 {
                    least.remove();
                }
            }
        }
        Some(next)
    }

    fn nature(&self, input: &Ask, output: Option<&Value>) -> Nature {
        super::Queue.nature(input, output)
    }

    fn goes_with(&self, gone: (&Ask, Option<&Value>), other: (&Ask, Option<&Value>)) -> bool {
        super::Queue.goes_with(gone, other)
    }

    fn parts(&self, input: &Ask, output: Option<&Value>) -> Option<Vec<Value>> {
        super::Queue.parts(input, output)
    }

    /// Of such a queue, some of the values are one.
    fn restrict(&self, input: &Ask, output: Option<&Value>, kept: &BTreeSet<Value>) -> Option<(Ask, Option<Value>)> {
        super::Queue.restrict(input, output, kept)
    }

    fn show_state(&self, state: &Self::State) -> String {
        let all: Vec<String> = state.iter().flat_map(|(value, n)| (0..*n).map(move |_| value.to_string())).collect();
        format!("{{{}}}", all.join(" "))
    }

    fn show_call(&self, input: &Ask, output: Option<&Value>) -> String {
        super::Queue.show_call(input, output)
    }
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Ask, Value> {
    queue::parse(call, reads)
}
