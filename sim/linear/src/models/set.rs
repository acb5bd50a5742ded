//! A set, empty at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `add v` | - | with v |
//! | `remove v` | - | without v |
//! | `contains v` | whether v is in it | the same |
//! | `read` | every member, in any order | the same |

use crate::{
    model::{Model, Nature},
    persistent::Members,
    raw::{RawCall, RawEnd, Value},
    reading::{Parsed, Reads, bad_answer, bad_input},
};
use std::{collections::BTreeSet, sync::Arc};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Have this.
    Add(Value),
    /// Do not have this.
    Remove(Value),
    /// Do you have this?
    Contains(Value),
    /// What do you have?
    Read,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Done.
    Done,
    /// It has it, or not.
    Has(bool),
    /// All that it has, in order, each once.
    Members(Arc<[Value]>),
}

/// The model.
pub struct Set;

impl Model for Set {
    type State = Members;
    type Input = Ask;
    type Output = Answer;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Members {
        Members::default()
    }

    fn step(&self, state: &Members, input: &Ask, output: Option<&Answer>) -> Option<Members> {
        match (input, output) {
            (Ask::Add(value), Some(Answer::Done) | None) => Some(state.with(value)),
            (Ask::Remove(value), Some(Answer::Done) | None) => Some(state.without(value)),
            (Ask::Contains(value), Some(Answer::Has(yes))) => (state.has(value) == *yes).then(|| state.clone()),
            (Ask::Read, Some(Answer::Members(members))) => {
                (members.len() == state.len() && members.iter().all(|member| state.has(member))).then(|| state.clone())
            }
            (Ask::Contains(_) | Ask::Read, None) => Some(state.clone()),
            _ => None,
        }
    }

    fn nature(&self, input: &Ask, output: Option<&Answer>) -> Nature {
        match (input, output) {
            (Ask::Contains(_) | Ask::Read, _) => Nature::Observes,
            (_, Some(Answer::Done) | None) => Nature::Adds,
            _ => Nature::Changes,
        }
    }

    fn goes_with(&self, gone: (&Ask, Option<&Answer>), other: (&Ask, Option<&Answer>)) -> bool {
        let (Ask::Add(value) | Ask::Remove(value)) = gone.0 else { return false };
        match other {
            // Whoever changed or looked at that member.
            (Ask::Add(v) | Ask::Remove(v) | Ask::Contains(v), _) => v == value,
            (Ask::Read, _) => true,
        }
    }

    fn parts(&self, input: &Ask, output: Option<&Answer>) -> Option<Vec<Value>> {
        Some(match (input, output) {
            (Ask::Add(value) | Ask::Remove(value) | Ask::Contains(value), _) => vec![value.clone()],
            (Ask::Read, Some(Answer::Members(members))) => members.to_vec(),
            (Ask::Read, _) => vec![],
        })
    }

    fn restrict(&self, input: &Ask, output: Option<&Answer>, kept: &BTreeSet<Value>) -> Option<(Ask, Option<Answer>)> {
        match (input, output) {
            (Ask::Add(value) | Ask::Remove(value) | Ask::Contains(value), _) => {
                kept.contains(value).then(|| (input.clone(), output.cloned()))
            }
            (Ask::Read, Some(Answer::Members(members))) => Some((
                Ask::Read,
                Some(Answer::Members(kept.iter().filter(|member| members.binary_search(member).is_ok()).cloned().collect())),
            )),
            (Ask::Read, _) => None,
        }
    }

    fn show_state(&self, state: &Members) -> String {
        shown(state.sorted())
    }

    fn show_call(&self, input: &Ask, output: Option<&Answer>) -> String {
        let answer = match output {
            Some(Answer::Has(yes)) => format!(": {yes}"),
            Some(Answer::Members(members)) => format!(": {}", shown(members.iter())),
            Some(Answer::Done) | None => String::new(),
        };
        match input {
            Ask::Add(value) => format!("add {value}"),
            Ask::Remove(value) => format!("remove {value}"),
            Ask::Contains(value) => format!("contains {value}{answer}"),
            Ask::Read => format!("read{answer}"),
        }
    }
}

/// Members in order, each once.
fn sorted(members: &Arc<[Value]>) -> Arc<[Value]> {
    if members.is_sorted_by(|a, b| a < b) {
        return members.clone();
    }
    let mut all = members.to_vec();
    all.sort_unstable();
    all.dedup();
    all.into()
}

/// Members, the first few of many.
fn shown<'v>(members: impl IntoIterator<Item = &'v Value>) -> String {
    let all: Vec<String> = members.into_iter().map(Value::to_string).collect();
    match all.len().checked_sub(SHOWN_MAX) {
        None | Some(0) => format!("{{{}}}", all.join(" ")),
        Some(more) => format!("{{{} … and {more} more}}", all[..SHOWN_MAX].join(" ")),
    }
}

/// No more members are told.
const SHOWN_MAX: usize = 100;

pub(super) fn parse(call: &RawCall, _: Reads) -> Parsed<Ask, Answer> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    let answer = if let RawEnd::Ok(Some(value)) = &call.end { Some(value) } else { None };
    let value = call.input.clone();
    Ok(Some(match (&*call.kind, answer) {
        ("add", _) => (Ask::Add(value), Some(Answer::Done)),
        ("remove", _) => (Ask::Remove(value), Some(Answer::Done)),
        ("contains", Some(Value::Bool(yes))) => (Ask::Contains(value), Some(Answer::Has(*yes))),
        ("contains", None) => (Ask::Contains(value), None),
        ("contains", _) => return bad_answer(call, "true or false"),
        ("read", Some(Value::List(members))) => (Ask::Read, Some(Answer::Members(sorted(members)))),
        ("read", Some(Value::Nil) | None) => (Ask::Read, None),
        ("read", _) => return bad_answer(call, "a list"),
        _ => return bad_input(call, "add, remove, contains or read"),
    }))
}
