//! A FIFO queue, empty at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `enqueue v` | - | with v at its end |
//! | `dequeue`, something is in it | what is at its front | without that |
//! | `dequeue`, it is empty | nil | the same |

use super::{Parsed, Reads, bad_input};
use crate::{
    model::{CallOf, Model, NEVER, Nature},
    persistent::Fifo,
    raw::{RawCall, RawEnd, Value},
    refute::{SUSPECTS_MAX, Stay, stays},
};
use std::collections::BTreeSet;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Take this in.
    Enqueue(Value),
    /// Hand the oldest out.
    Dequeue,
}

/// The model.
pub struct Queue;

impl Model for Queue {
    /// The oldest first.
    type State = Fifo;
    type Input = Ask;
    /// What a dequeue handed out; `Nil` for nothing.
    type Output = Value;

    fn init(&self) -> Fifo {
        Fifo::default()
    }

    fn step(&self, state: &Fifo, input: &Ask, output: Option<&Value>) -> Option<Fifo> {
        match (input, output) {
            (Ask::Enqueue(value), _) => Some(state.with(value)),
            (Ask::Dequeue, Some(Value::Nil)) => state.is_empty().then(Fifo::default),
            (Ask::Dequeue, Some(value)) => (state.first() == Some(value)).then(|| state.rest()),
            (Ask::Dequeue, None) => Some(state.rest()),
        }
    }

    fn nature(&self, input: &Ask, output: Option<&Value>) -> Nature {
        match (input, output) {
            (Ask::Dequeue, Some(Value::Nil)) => Nature::Observes,
            (Ask::Dequeue, Some(_)) => Nature::Changes,
            (Ask::Enqueue(_), _) | (Ask::Dequeue, None) => Nature::Adds,
        }
    }

    fn goes_with(&self, gone: (&Ask, Option<&Value>), other: (&Ask, Option<&Value>)) -> bool {
        match (gone, other) {
            ((Ask::Enqueue(a), _), (Ask::Dequeue, Some(b))) | ((Ask::Dequeue, Some(a)), (Ask::Enqueue(b), _)) => a == b,
            // Of equal values nobody knows which was handed out; and nobody knows what an unanswered one took.
            ((Ask::Dequeue, Some(a)), (Ask::Dequeue, Some(b))) | ((Ask::Enqueue(a), _), (Ask::Enqueue(b), _)) => a == b,
            (_, (Ask::Dequeue, None)) | ((Ask::Dequeue, None), _) => true,
        }
    }

    fn parts(&self, input: &Ask, output: Option<&Value>) -> Option<Vec<Value>> {
        Some(match (input, output) {
            (Ask::Enqueue(value), _) => vec![value.clone()],
            (Ask::Dequeue, Some(Value::Nil) | None) => vec![],
            (Ask::Dequeue, Some(value)) => vec![value.clone()],
        })
    }

    /// Of a queue, some of the values are a queue. What an unanswered dequeue took may be among them or not: it may have happened or
    /// not, as before; and one that returned without telling what it took may take none of them, which only a lost one may.
    fn restrict(&self, input: &Ask, output: Option<&Value>, kept: &BTreeSet<Value>) -> Option<(Ask, Option<Value>)> {
        match (input, output) {
            (Ask::Enqueue(value), _) => kept.contains(value).then(|| (input.clone(), output.cloned())),
            (Ask::Dequeue, Some(Value::Nil) | None) => Some((Ask::Dequeue, output.cloned())),
            (Ask::Dequeue, Some(value)) => kept.contains(value).then(|| (Ask::Dequeue, output.cloned())),
        }
    }

    /// Two values, of which the one that came first goes last, or not at all.
    fn suspects(&self, calls: &[CallOf<Self>]) -> Vec<Vec<Value>> {
        let stays = stays::<Self>(
            calls,
            |call| if let Ask::Enqueue(value) = &call.input { Some(value) } else { None },
            |call| call.output.as_ref().filter(|value| call.input == Ask::Dequeue && call.returned != NEVER && **value != Value::Nil),
        );
        let mut by_return: Vec<&Stay<'_>> = stays.iter().filter(|stay| stay.comes.1 != NEVER).collect();
        by_return.sort_unstable_by_key(|stay| stay.comes.1);
        // Of those that had certainly come before: the one that goes last.
        let (mut last, mut next, mut found): (Option<&Stay<'_>>, _, Vec<(usize, Vec<Value>)>) = (None, 0, vec![]);
        for stay in stays.iter().filter(|stay| stay.goes.1 != NEVER) {
            while let Some(before) = by_return.get(next).filter(|before| before.comes.1 < stay.comes.0) {
                last = last.filter(|last| last.goes.0 >= before.goes.0).or(Some(before));
                next += 1;
            }
            if let Some(last) = last.filter(|last| last.goes.0 > stay.goes.1) {
                found.push((stay.goes.1, vec![last.value.clone(), stay.value.clone()]));
            }
        }
        found.sort_unstable();
        found.into_iter().take(SUSPECTS_MAX).map(|(_, pair)| pair).collect()
    }

    fn show_state(&self, state: &Fifo) -> String {
        state.list().to_string()
    }

    fn show_call(&self, input: &Ask, output: Option<&Value>) -> String {
        match (input, output) {
            (Ask::Enqueue(value), _) => format!("enqueue {value}"),
            (Ask::Dequeue, Some(value)) => format!("dequeue: {value}"),
            (Ask::Dequeue, None) => "dequeue".into(),
        }
    }
}

pub(super) fn parse(call: &RawCall, _: Reads) -> Parsed<Ask, Value> {
    let refused = matches!(call.end, RawEnd::Failed(_));
    Ok(Some(match &*call.kind {
        "enqueue" if refused => return Ok(None),
        "enqueue" => (Ask::Enqueue(call.input.clone()), Some(Value::Nil)),
        "dequeue" => match &call.end {
            RawEnd::Ok(Some(value)) => (Ask::Dequeue, Some(value.clone())),
            RawEnd::Ok(None) | RawEnd::Unknown => (Ask::Dequeue, None),
            // "Empty" is an observation where it is told as one.
            RawEnd::Failed(Some(Value::Text(why))) if &**why == "empty" => (Ask::Dequeue, Some(Value::Nil)),
            RawEnd::Failed(_) => return Ok(None),
        },
        _ => return bad_input(call, "enqueue or dequeue"),
    }))
}
