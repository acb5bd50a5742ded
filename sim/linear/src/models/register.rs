//! A register with compare-and-swap, empty at first. `register` and `cas-register` are this one model.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `read` | what it holds | the same |
//! | `write v` | - | v |
//! | `cas [e v]`, it holds e | ok | v |
//! | `cas [e v]`, it does not | refused | the same |

use crate::{
    call::NEVER,
    judge::{Judged, Options, judge},
    model::{CallOf, Model, Nature},
    raw::{RawCall, RawEnd, RawHistory, Value},
    reading::{Initial, Parsed, Reads, Unreadable, bad_answer, bad_input},
};
use std::{fmt, hash::Hash};

/// What is asked. `V` is what it holds, with an emptiness of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask<V> {
    /// What do you hold?
    Read,
    /// Hold this.
    Write(V),
    /// Hold `to` if you hold `from`.
    Cas {
        /// What it must hold.
        from: V,
        /// What it holds then.
        to: V,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer<V> {
    /// It holds that.
    Holds(V),
    /// Written.
    Written,
    /// Swapped, or not.
    Swapped(bool),
}

/// The model: what it holds at first.
pub struct Register<V>(pub V);

impl<V: Clone + Eq + Hash + fmt::Display> Model for Register<V> {
    type State = V;
    type Input = Ask<V>;
    type Output = Answer<V>;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> V {
        self.0.clone()
    }

    fn step(&self, state: &V, input: &Ask<V>, output: Option<&Answer<V>>) -> Option<V> {
        match (input, output) {
            (Ask::Read, Some(Answer::Holds(value))) => (value == state).then(|| state.clone()),
            (Ask::Read, None) => Some(state.clone()),
            (Ask::Write(value), Some(Answer::Written) | None) => Some(value.clone()),
            (Ask::Cas { from, to }, Some(Answer::Swapped(true))) => (from == state).then(|| to.clone()),
            (Ask::Cas { from, .. }, Some(Answer::Swapped(false))) => (from != state).then(|| state.clone()),
            (Ask::Cas { from, to }, None) => Some(if from == state { to.clone() } else { state.clone() }),
            // An answer of another kind than the question is never right.
            _ => None,
        }
    }

    fn nature(&self, input: &Ask<V>, output: Option<&Answer<V>>) -> Nature {
        match (input, output) {
            (Ask::Read, _) | (Ask::Cas { .. }, Some(Answer::Swapped(false))) => Nature::Observes,
            (Ask::Cas { from, to }, Some(Answer::Swapped(true)) | None) if from == to => Nature::Observes,
            (Ask::Write(_), Some(Answer::Written) | None) => Nature::Overwrites,
            (Ask::Cas { .. }, Some(Answer::Swapped(true)) | None) => Nature::Sets,
            _ => Nature::Changes,
        }
    }

    fn alike(&self, one: Option<&Answer<V>>, other: Option<&Answer<V>>) -> bool {
        one == other
    }

    fn goes_with(&self, gone: (&Ask<V>, Option<&Answer<V>>), other: (&Ask<V>, Option<&Answer<V>>)) -> bool {
        let (Ask::Write(left) | Ask::Cas { to: left, .. }, _) = gone else { return false };
        match other {
            (Ask::Read, Some(Answer::Holds(seen))) => seen == left,
            (Ask::Cas { from, .. }, Some(Answer::Swapped(true))) => from == left,
            // It saw that something was *not* there.
            (Ask::Cas { .. }, Some(Answer::Swapped(false))) => true,
            _ => false,
        }
    }

    fn show_state(&self, state: &V) -> String {
        state.to_string()
    }

    fn show_call(&self, input: &Ask<V>, output: Option<&Answer<V>>) -> String {
        match (input, output) {
            (Ask::Read, Some(Answer::Holds(value))) => format!("read: {value}"),
            (Ask::Read, _) => "read".into(),
            (Ask::Write(value), _) => format!("write {value}"),
            (Ask::Cas { from, to }, Some(Answer::Swapped(false))) => format!("cas {from} to {to}: refused"),
            (Ask::Cas { from, to }, _) => format!("cas {from} to {to}"),
        }
    }
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Ask<Value>, Answer<Value>> {
    let failed = matches!(call.end, RawEnd::Failed(_));
    let (input, output) = match &*call.kind {
        "read" | "get" => match &call.end {
            RawEnd::Failed(_) => return Ok(None),
            RawEnd::Ok(None) => (Ask::Read, None),
            // In Knossos' models nil says that nobody knows what was read.
            RawEnd::Ok(Some(Value::Nil)) if reads == Reads::NilIsUnknown => (Ask::Read, None),
            RawEnd::Ok(Some(value)) => (Ask::Read, Some(Answer::Holds(value.clone()))),
            RawEnd::Unknown => (Ask::Read, None),
        },
        "write" | "put" if failed => return Ok(None),
        "write" | "put" => (Ask::Write(call.input.clone()), Some(Answer::Written)),
        "cas" => {
            let Value::List(pair) = &call.input else { return bad_input(call, "`[from to]`") };
            let [from, to] = &pair[..] else { return bad_input(call, "`[from to]`") };
            let output = match &call.end {
                RawEnd::Ok(None) => Answer::Swapped(true),
                RawEnd::Ok(Some(Value::Bool(yes))) => Answer::Swapped(*yes),
                RawEnd::Ok(Some(value)) if *value == call.input => Answer::Swapped(true),
                RawEnd::Ok(Some(_)) => return bad_answer(call, "true or false"),
                // Jepsen: what failed did not happen. With a mismatch told, it was seen that it could not.
                RawEnd::Failed(Some(Value::Bool(false))) => Answer::Swapped(false),
                RawEnd::Failed(_) => return Ok(None),
                RawEnd::Unknown => Answer::Swapped(true),
            };
            (Ask::Cas { from: from.clone(), to: to.clone() }, Some(output))
        }
        _ => return bad_input(call, "read, write or cas"),
    };
    Ok(Some((input, output)))
}

/// Judges a history: the object begins with nil, with what is said, or with whatever some read may have seen first.
pub(super) fn judge_all(history: &RawHistory, options: &mut Options<'_>) -> Result<Judged, Unreadable> {
    let initial = options.initial.clone();
    let models = move |key: Option<&Value>, calls: &[CallOf<Register<Value>>]| match &initial {
        Initial::Unknown => beginnings(calls).into_iter().map(Register).collect(),
        initial => vec![Register(initial.of(key).cloned().unwrap_or(Value::Nil))],
    };
    judge(models, parse, true, history, options)
}

/// What it may have held before: something that nobody names, or what was read, or swapped from, before any write had certainly happened.
fn beginnings(calls: &[CallOf<Register<Value>>]) -> Vec<Value> {
    let writes = calls.iter().filter(|c| matches!(c.output, Some(Answer::Written | Answer::Swapped(true))));
    let first = writes.map(|c| c.returned).min().unwrap_or(NEVER);
    let mut all = vec![Value::text("something else")];
    for call in calls.iter().filter(|c| c.invoked < first) {
        let value = match (&call.input, &call.output) {
            (Ask::Read, Some(Answer::Holds(value))) => value,
            (Ask::Cas { from, .. }, _) => from,
            _ => continue,
        };
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
    all
}
