//! A number to which one adds; 0 at first, unless it is said what else.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `add n` (`inc`, `dec`: 1) | - | n more |
//! | `read` | what it is | the same |

use super::{Parsed, Reads, bad_answer, bad_input};
use crate::{
    model::{Model, Nature},
    raw::{RawCall, RawEnd, Value},
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Be so much more.
    Add(i64),
    /// How much are you?
    Read,
}

/// The model: what it is at first.
pub struct Counter(pub i64);

impl Counter {
    pub(super) fn from(initial: Option<&Value>) -> Counter {
        Counter(if let Some(Value::Int(n)) = initial { *n } else { 0 })
    }
}

impl Model for Counter {
    type State = i64;
    type Input = Ask;
    /// What a read showed.
    type Output = Option<i64>;

    fn init(&self) -> i64 {
        self.0
    }

    fn step(&self, state: &i64, input: &Ask, output: Option<&Option<i64>>) -> Option<i64> {
        match (input, output) {
            (Ask::Add(n), _) => Some(state.wrapping_add(*n)),
            (Ask::Read, Some(Some(seen))) => (seen == state).then_some(*state),
            (Ask::Read, _) => Some(*state),
        }
    }

    fn nature(&self, input: &Ask, _: Option<&Option<i64>>) -> Nature {
        if *input == Ask::Read { Nature::Observes } else { Nature::Adds }
    }

    fn show_state(&self, state: &i64) -> String {
        state.to_string()
    }

    fn show_call(&self, input: &Ask, output: Option<&Option<i64>>) -> String {
        match (input, output) {
            (Ask::Add(n), _) => format!("add {n}"),
            (Ask::Read, Some(Some(seen))) => format!("read: {seen}"),
            (Ask::Read, _) => "read".into(),
        }
    }
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Ask, Option<i64>> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    Ok(Some(match (&*call.kind, &call.input) {
        ("add" | "inc" | "increment", Value::Int(n)) => (Ask::Add(*n), Some(None)),
        ("inc" | "increment", Value::Nil) => (Ask::Add(1), Some(None)),
        ("dec" | "decrement", Value::Nil) => (Ask::Add(-1), Some(None)),
        ("dec" | "decrement", Value::Int(n)) => (Ask::Add(n.wrapping_neg()), Some(None)),
        ("read" | "get", _) => match &call.end {
            RawEnd::Ok(Some(Value::Int(n))) => (Ask::Read, Some(Some(*n))),
            RawEnd::Ok(Some(Value::Nil)) if reads == Reads::NilIsSeen => return bad_answer(call, "a number"),
            RawEnd::Ok(Some(Value::Nil) | None) | RawEnd::Unknown | RawEnd::Failed(_) => (Ask::Read, Some(None)),
            RawEnd::Ok(Some(_)) => return bad_answer(call, "a number"),
        },
        ("add", _) => return bad_input(call, "a number to add"),
        _ => return bad_input(call, "add or read"),
    }))
}
