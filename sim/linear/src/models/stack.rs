//! A stack, empty at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `push v` | - | with v on top |
//! | `pop`, something is in it | what is on top | without that |
//! | `pop`, it is empty | nil | the same |

use crate::{
    call::{Call, NEVER},
    model::{CallOf, Model, Nature, SettledOf},
    persistent::Lifo,
    raw::{RawCall, RawEnd, Value},
    reading::{Parsed, Reads, bad_input},
    refute::{SUSPECTS_MAX, Stay, stays},
    settle::{Does, Goes, Going, settled},
};
use std::{collections::BTreeSet, sync::Arc};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Take this in.
    Push(Value),
    /// Take this in, where it can lie by when values go.
    PushOver(Value, Going),
    /// Hand the newest out.
    Pop,
    /// Hand the newest out, which is one of these: a pop of unknown outcome, if it happened at all.
    Lose(Arc<BTreeSet<Value>>),
}

/// The model.
pub struct Stack;

impl Model for Stack {
    /// The newest last.
    type State = Lifo;
    type Input = Ask;
    /// What a pop handed out; `Nil` for nothing.
    type Output = Value;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Lifo {
        Lifo::default()
    }

    fn step(&self, state: &Lifo, input: &Ask, output: Option<&Value>) -> Option<Lifo> {
        match (input, output) {
            (Ask::Push(value), _) => Some(state.with(value)),
            (Ask::PushOver(value, going), _) => state.top().is_none_or(|top| going.may_go_before(value, top)).then(|| state.with(value)),
            (Ask::Pop, Some(Value::Nil)) => state.is_empty().then(Lifo::default),
            (Ask::Pop, Some(value)) => (state.top() == Some(value)).then(|| state.rest()),
            (Ask::Pop, None) => Some(state.rest()),
            (Ask::Lose(of), _) => state.top().is_some_and(|top| of.contains(top)).then(|| state.rest()),
        }
    }

    fn nature(&self, input: &Ask, output: Option<&Value>) -> Nature {
        match (input, output) {
            (Ask::Pop, Some(Value::Nil)) => Nature::Observes,
            (Ask::Pop, Some(_)) | (Ask::Lose(_) | Ask::PushOver(..), _) => Nature::Changes,
            (Ask::Push(_), _) | (Ask::Pop, None) => Nature::Adds,
        }
    }

    fn parts(&self, input: &Ask, output: Option<&Value>) -> Option<Vec<Value>> {
        Some(match (input, output) {
            (Ask::Push(value) | Ask::PushOver(value, _), _) => vec![value.clone()],
            (Ask::Pop, Some(Value::Nil) | None) | (Ask::Lose(_), _) => vec![],
            (Ask::Pop, Some(value)) => vec![value.clone()],
        })
    }

    /// Of a stack, some of the values are a stack.
    fn restrict(&self, input: &Ask, output: Option<&Value>, kept: &BTreeSet<Value>) -> Option<(Ask, Option<Value>)> {
        match (input, output) {
            (Ask::Push(value) | Ask::PushOver(value, _), _) => kept.contains(value).then(|| (input.clone(), output.cloned())),
            (Ask::Pop, Some(Value::Nil) | None) | (Ask::Lose(_), _) => Some((input.clone(), output.cloned())),
            (Ask::Pop, Some(value)) => kept.contains(value).then(|| (Ask::Pop, output.cloned())),
        }
    }

    fn settled(&self, calls: &[CallOf<Self>]) -> Option<SettledOf<Self>> {
        let mut settled = settled::<Self>(calls, Goes::Newest, does, |of| Ask::Lose(Arc::new(of.clone())))?;
        let going = Going::of(&settled, does);
        for call in &mut settled.calls {
            if let Ask::Push(value) = &call.input {
                call.input = Ask::PushOver(value.clone(), going.clone());
            }
        }
        Some(settled)
    }

    /// Two values, of which one came and goes, or stays, over the other's end.
    fn suspects(&self, calls: &[CallOf<Self>]) -> Vec<Vec<Value>> {
        let stays = stays::<Self>(
            calls,
            |call| if let Ask::Push(value) = &call.input { Some(value) } else { None },
            |call| call.output.as_ref().filter(|value| call.input == Ask::Pop && call.returned != NEVER && **value != Value::Nil),
        );
        // In order of their coming: of the values that came certainly between one's coming and its going, one that goes after that.
        let leaf = stays.len().next_power_of_two();
        let mut last: Vec<usize> = vec![0; 2 * leaf];
        let goes = |at: usize| stays.get(at).map_or(0, |stay| stay.goes.0);
        let pick = |a: usize, b: usize| if goes(a) >= goes(b) { a } else { b };
        (0..leaf).for_each(|at| last[leaf + at] = at);
        (1..leaf).rev().for_each(|at| last[at] = pick(last[2 * at], last[2 * at + 1]));
        let mut found: Vec<(usize, Vec<Value>)> = vec![];
        for (at, stay) in stays.iter().enumerate().filter(|(_, stay)| stay.goes.1 != NEVER) {
            let (mut from, mut to) = (leaf + at + 1, leaf + stays.partition_point(|other| other.comes.0 < stay.goes.0));
            let mut best = None;
            while from < to {
                if from % 2 == 1 {
                    best = Some(best.map_or(last[from], |best| pick(best, last[from])));
                    from += 1;
                }
                if to % 2 == 1 {
                    to -= 1;
                    best = Some(best.map_or(last[to], |best| pick(best, last[to])));
                }
                (from, to) = (from / 2, to / 2);
            }
            let above = best.and_then(|best| stays.get(best));
            let wrong = |other: &&Stay<'_>| other.comes.0 > stay.comes.1 && other.comes.1 < stay.goes.0 && other.goes.0 > stay.goes.1;
            if let Some(above) = above.filter(wrong) {
                found.push((stay.goes.1, vec![stay.value.clone(), above.value.clone()]));
            }
        }
        found.sort_unstable();
        found.into_iter().take(SUSPECTS_MAX).map(|(_, pair)| pair).collect()
    }

    fn show_state(&self, state: &Lifo) -> String {
        state.list().to_string()
    }

    fn show_call(&self, input: &Ask, output: Option<&Value>) -> String {
        match (input, output) {
            (Ask::Push(value) | Ask::PushOver(value, _), _) => format!("push {value}"),
            (Ask::Pop, Some(value)) => format!("pop: {value}"),
            (Ask::Pop | Ask::Lose(_), _) => "pop".into(),
        }
    }
}

fn does(call: &Call<Ask, Value>) -> Does<'_> {
    let seen = call.output.as_ref().filter(|_| call.returned != NEVER);
    match (&call.input, seen) {
        (Ask::Push(value) | Ask::PushOver(value, _), _) => Does::Brings(value),
        (Ask::Pop, Some(value)) => Does::Takes(value),
        (Ask::Pop | Ask::Lose(_), _) => Does::TakesUnseen,
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
