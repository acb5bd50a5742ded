//! A FIFO queue, empty at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `enqueue v` | - | with v at its end |
//! | `dequeue`, something is in it | what is at its front | without that |
//! | `dequeue`, it is empty | nil | the same |

use crate::{
    call::{Call, CallId, NEVER},
    judge::Judged,
    model::{CallOf, Model, Nature, SettledOf},
    persistent::Fifo,
    raw::{RawCall, RawEnd, RawHistory, Value},
    reading::{Parsed, Reads, Unreadable, bad_answer, bad_input},
    refute::{SUSPECTS_MAX, Stay, stays},
    settle::{Does, Goes, Going, in_line, settled},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Take this in.
    Enqueue(Value),
    /// Take this in, where it can stand by when values go.
    EnqueueBehind(Value, Going),
    /// Hand the oldest out.
    Dequeue,
    /// Hand the oldest out, which is one of these: a dequeue of unknown outcome, if it happened at all.
    Lose(Arc<BTreeSet<Value>>),
}

/// The model.
pub struct Queue;

impl Model for Queue {
    /// The oldest first.
    type State = Fifo;
    type Input = Ask;
    /// What a dequeue handed out; `Nil` for nothing.
    type Output = Value;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Fifo {
        Fifo::default()
    }

    fn step(&self, state: &Fifo, input: &Ask, output: Option<&Value>) -> Option<Fifo> {
        match (input, output) {
            (Ask::Enqueue(value), _) => Some(state.with(value)),
            (Ask::EnqueueBehind(value, going), _) => {
                state.last().is_none_or(|last| going.may_go_before(last, value)).then(|| state.with(value))
            }
            (Ask::Dequeue, Some(Value::Nil)) => state.is_empty().then(Fifo::default),
            (Ask::Dequeue, Some(value)) => (state.first() == Some(value)).then(|| state.rest()),
            (Ask::Dequeue, None) => Some(state.rest()),
            (Ask::Lose(of), _) => state.first().is_some_and(|first| of.contains(first)).then(|| state.rest()),
        }
    }

    fn nature(&self, input: &Ask, output: Option<&Value>) -> Nature {
        match (input, output) {
            (Ask::Dequeue, Some(Value::Nil)) => Nature::Observes,
            (Ask::Dequeue, Some(_)) | (Ask::Lose(_) | Ask::EnqueueBehind(..), _) => Nature::Changes,
            (Ask::Enqueue(_), _) | (Ask::Dequeue, None) => Nature::Adds,
        }
    }

    fn goes_with(&self, gone: (&Ask, Option<&Value>), other: (&Ask, Option<&Value>)) -> bool {
        match (gone, other) {
            ((Ask::Enqueue(a), _), (Ask::Dequeue, Some(b))) | ((Ask::Dequeue, Some(a)), (Ask::Enqueue(b), _)) => a == b,
            // Never asked of what is taken apart: whatever is right.
            ((Ask::EnqueueBehind(..), _), _) | (_, (Ask::EnqueueBehind(..), _)) => true,
            // Of equal values nobody knows which was handed out; and nobody knows what an unanswered one took.
            ((Ask::Dequeue, Some(a)), (Ask::Dequeue, Some(b))) | ((Ask::Enqueue(a), _), (Ask::Enqueue(b), _)) => a == b,
            (_, (Ask::Dequeue, None) | (Ask::Lose(_), _)) | ((Ask::Dequeue, None) | (Ask::Lose(_), _), _) => true,
        }
    }

    fn parts(&self, input: &Ask, output: Option<&Value>) -> Option<Vec<Value>> {
        Some(match (input, output) {
            (Ask::Enqueue(value) | Ask::EnqueueBehind(value, _), _) => vec![value.clone()],
            (Ask::Dequeue, Some(Value::Nil) | None) | (Ask::Lose(_), _) => vec![],
            (Ask::Dequeue, Some(value)) => vec![value.clone()],
        })
    }

    /// Of a queue, some of the values are a queue. What an unanswered dequeue took may be among them or not: it may have happened or
    /// not, as before; and one that returned without telling what it took may take none of them, which only a lost one may.
    fn restrict(&self, input: &Ask, output: Option<&Value>, kept: &BTreeSet<Value>) -> Option<(Ask, Option<Value>)> {
        match (input, output) {
            (Ask::Enqueue(value) | Ask::EnqueueBehind(value, _), _) => kept.contains(value).then(|| (input.clone(), output.cloned())),
            (Ask::Dequeue, Some(Value::Nil) | None) | (Ask::Lose(_), _) => Some((input.clone(), output.cloned())),
            (Ask::Dequeue, Some(value)) => kept.contains(value).then(|| (Ask::Dequeue, output.cloned())),
        }
    }

    fn built(&self, calls: &[CallOf<Self>]) -> Option<Vec<CallId>> {
        in_line(calls, does)
    }

    fn settled(&self, calls: &[CallOf<Self>]) -> Option<SettledOf<Self>> {
        let mut settled = settled::<Self>(calls, Goes::Oldest, does, |of| Ask::Lose(Arc::new(of.clone())))?;
        let going = Going::of(&settled, does);
        for call in &mut settled.calls {
            if let Ask::Enqueue(value) = &call.input {
                call.input = Ask::EnqueueBehind(value.clone(), going.clone());
            }
        }
        Some(settled)
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
            (Ask::Enqueue(value) | Ask::EnqueueBehind(value, _), _) => format!("enqueue {value}"),
            (Ask::Dequeue, Some(value)) => format!("dequeue: {value}"),
            (Ask::Dequeue | Ask::Lose(_), _) => "dequeue".into(),
        }
    }
}

pub(super) fn does(call: &Call<Ask, Value>) -> Does<'_> {
    let seen = call.output.as_ref().filter(|_| call.returned != NEVER);
    match (&call.input, seen) {
        (Ask::Enqueue(value) | Ask::EnqueueBehind(value, _), _) => Does::Brings(value),
        (Ask::Dequeue, Some(value)) => Does::Takes(value),
        (Ask::Dequeue | Ask::Lose(_), _) => Does::TakesUnseen,
    }
}

/// A drain takes one after the other: it is judged as a number of dequeues, each somewhere between its beginning and its end, in whichever
/// order.
pub(super) fn drained(history: &RawHistory, judge: impl FnOnce(&RawHistory) -> Result<Judged, Unreadable>) -> Result<Judged, Unreadable> {
    if !history.calls.iter().any(|call| &*call.kind == "drain") {
        return judge(history);
    }
    let mut next = history.calls.iter().map(|call| call.id.0).max().unwrap_or(0) + 1;
    let (mut calls, mut drains): (Vec<RawCall>, BTreeMap<CallId, CallId>) = Default::default();
    for call in &history.calls {
        if &*call.kind != "drain" {
            calls.push(call.clone());
            continue;
        }
        let mut push = |dequeue: RawCall| {
            drains.insert(CallId(next), call.id);
            calls.push(RawCall { id: CallId(next), ..dequeue });
            next += 1;
        };
        let taken = match &call.end {
            RawEnd::Ok(Some(Value::List(taken))) => &taken[..],
            RawEnd::Ok(Some(Value::Nil)) | RawEnd::Failed(_) => &[],
            // It may have taken all that ever came.
            RawEnd::Unknown => {
                for _ in history.calls.iter().filter(|call| &*call.kind == "enqueue") {
                    push(RawCall { kind: "dequeue".into(), ..call.clone() });
                }
                continue;
            }
            RawEnd::Ok(_) => return bad_answer(call, "a list of what it took"),
        };
        for value in taken {
            push(RawCall { kind: "dequeue".into(), end: RawEnd::Ok(Some(value.clone())), ..call.clone() });
        }
    }
    let judged = judge(&RawHistory { calls, remarks: history.remarks.clone() })?;
    Ok(judged.named(|id| drains.get(&id).copied().unwrap_or(id)))
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
