//! A stack, empty at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `push v` | - | with v on top |
//! | `pop`, something is in it | what is on top | without that |
//! | `pop`, it is empty | nil | the same |

use super::{Parsed, Reads, bad_input};
use crate::{
    model::{Model, Nature},
    raw::{RawCall, RawEnd, Value},
};
use std::collections::BTreeSet;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Take this in.
    Push(Value),
    /// Hand the newest out.
    Pop,
}

/// The model.
pub struct Stack;

impl Model for Stack {
    /// The newest last.
    type State = Vec<Value>;
    type Input = Ask;
    /// What a pop handed out; `Nil` for nothing.
    type Output = Value;

    fn init(&self) -> Vec<Value> {
        vec![]
    }

    fn step(&self, state: &Vec<Value>, input: &Ask, output: Option<&Value>) -> Option<Vec<Value>> {
        let without = || state[..state.len().saturating_sub(1)].to_vec();
        match (input, output) {
            (Ask::Push(value), _) => Some(state.iter().chain([value]).cloned().collect()),
            (Ask::Pop, Some(Value::Nil)) => state.is_empty().then(Vec::new),
            (Ask::Pop, Some(value)) => (state.last() == Some(value)).then(without),
            (Ask::Pop, None) => Some(without()),
        }
    }

    fn nature(&self, input: &Ask, output: Option<&Value>) -> Nature {
        match (input, output) {
            (Ask::Pop, Some(Value::Nil)) => Nature::Observes,
            (Ask::Pop, Some(_)) => Nature::Changes,
            (Ask::Push(_), _) | (Ask::Pop, None) => Nature::Adds,
        }
    }

    fn parts(&self, input: &Ask, output: Option<&Value>) -> Option<Vec<Value>> {
        Some(match (input, output) {
            (Ask::Push(value), _) => vec![value.clone()],
            (Ask::Pop, Some(Value::Nil) | None) => vec![],
            (Ask::Pop, Some(value)) => vec![value.clone()],
        })
    }

    /// Of a stack, some of the values are a stack.
    fn restrict(&self, input: &Ask, output: Option<&Value>, kept: &BTreeSet<Value>) -> Option<(Ask, Option<Value>)> {
        match (input, output) {
            (Ask::Push(value), _) => kept.contains(value).then(|| (input.clone(), output.cloned())),
            (Ask::Pop, Some(Value::Nil) | None) => Some((Ask::Pop, output.cloned())),
            (Ask::Pop, Some(value)) => kept.contains(value).then(|| (Ask::Pop, output.cloned())),
        }
    }

    fn show_state(&self, state: &Vec<Value>) -> String {
        Value::List(state.clone()).to_string()
    }

    fn show_call(&self, input: &Ask, output: Option<&Value>) -> String {
        match (input, output) {
            (Ask::Push(value), _) => format!("push {value}"),
            (Ask::Pop, Some(value)) => format!("pop: {value}"),
            (Ask::Pop, None) => "pop".into(),
        }
    }
}

pub(super) fn parse(call: &RawCall, _: Reads) -> Parsed<Ask, Value> {
    let refused = matches!(call.end, RawEnd::Failed(_));
    Ok(Some(match &*call.kind {
        "push" | "pop" if refused => return Ok(None),
        "push" => (Ask::Push(call.input.clone()), Some(Value::Nil)),
        "pop" => match &call.end {
            RawEnd::Ok(Some(value)) => (Ask::Pop, Some(value.clone())),
            RawEnd::Ok(None) | RawEnd::Unknown | RawEnd::Failed(_) => (Ask::Pop, None),
        },
        _ => return bad_input(call, "push or pop"),
    }))
}
