//! Several registers, read and written in transactions; all hold nil at first.
//!
//! A call is a list of steps `[read k v]` and `[write k v]`, done at once and in order; a step that reads what an earlier step
//! of the same call wrote sees that. `read` and `write` alone are transactions of one step. A read of nil is
//! always legal, as in Knossos, if the file says so.

use crate::{
    model::{Model, Nature},
    raw::{RawCall, RawEnd, Value},
    reading::{Initial, Parsed, Reads, bad_answer, bad_input},
};
use std::collections::{BTreeMap, BTreeSet};

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// What does this register hold? What was seen; `None`: nobody knows.
    Read(Value, Option<Value>),
    /// Hold this.
    Write(Value, Value),
}

/// The model: what the registers hold at first.
#[derive(Clone, Default)]
pub struct MultiRegister {
    /// Nothing, one value for all, or each its own.
    pub initial: Initial,
    /// Where only some of the registers are looked at: these. A call that writes them all overwrites the state.
    only: Option<BTreeSet<Value>>,
}

impl MultiRegister {
    /// Registers that hold this at first.
    pub fn new(initial: Initial) -> Self {
        MultiRegister { initial, only: None }
    }

    fn held<'s>(&'s self, state: &'s BTreeMap<Value, Value>, key: &Value) -> &'s Value {
        state.get(key).or_else(|| self.initial.of(Some(key))).unwrap_or(&Value::Nil)
    }
}

impl Model for MultiRegister {
    type State = BTreeMap<Value, Value>;
    /// Steps, with what they saw if the call returned.
    type Input = Vec<Step>;
    type Output = ();

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> BTreeMap<Value, Value> {
        BTreeMap::new()
    }

    fn step(&self, state: &BTreeMap<Value, Value>, input: &Vec<Step>, output: Option<&()>) -> Option<BTreeMap<Value, Value>> {
        let mut next = state.clone();
        for step in input {
            match step {
                Step::Read(key, Some(seen)) if output.is_some() && self.held(&next, key) != seen => return None,
                Step::Read(..) => {}
                Step::Write(key, value) => _ = next.insert(key.clone(), value.clone()),
            }
        }
        Some(next)
    }

    fn nature(&self, input: &Vec<Step>, output: Option<&()>) -> Nature {
        // What nobody saw answered read nothing.
        let seen = |step: &Step| output.is_some() || matches!(step, Step::Write(..));
        let input: Vec<&Step> = input.iter().filter(|step| seen(step)).collect();
        let reads = |step: &&Step| matches!(step, Step::Read(..));
        let writes = |key: &Value| input.iter().any(|step| matches!(step, Step::Write(written, _) if written == key));
        match (input.iter().all(reads), input.iter().any(reads)) {
            (true, _) => Nature::Observes,
            (_, false) if self.only.as_ref().is_some_and(|all| all.iter().all(writes)) => Nature::Overwrites,
            (_, false) => Nature::Adds,
            _ => Nature::Changes,
        }
    }

    fn of_parts(&self, kept: &BTreeSet<Value>) -> Option<Self> {
        Some(MultiRegister { initial: self.initial.clone(), only: Some(kept.clone()) })
    }

    fn goes_with(&self, gone: (&Vec<Step>, Option<&()>), other: (&Vec<Step>, Option<&()>)) -> bool {
        let left = |key: &Value, seen: &Value| gone.0.iter().any(|s| matches!(s, Step::Write(k, v) if k == key && v == seen));
        other.0.iter().any(|step| matches!(step, Step::Read(key, Some(seen)) if left(key, seen)))
    }

    fn parts(&self, input: &Vec<Step>, _: Option<&()>) -> Option<Vec<Value>> {
        Some(input.iter().map(|(Step::Read(key, _) | Step::Write(key, _))| key.clone()).collect())
    }

    fn restrict(&self, input: &Vec<Step>, output: Option<&()>, kept: &BTreeSet<Value>) -> Option<(Vec<Step>, Option<()>)> {
        let left = |step: &&Step| match step {
            Step::Read(key, _) => output.is_some() && kept.contains(key),
            Step::Write(key, _) => kept.contains(key),
        };
        let left: Vec<Step> = input.iter().filter(left).cloned().collect();
        (!left.is_empty()).then(|| (left, output.copied()))
    }

    fn show_state(&self, state: &BTreeMap<Value, Value>) -> String {
        if state.is_empty() {
            return "what it held at first".into();
        }
        state.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
    }

    fn show_call(&self, input: &Vec<Step>, output: Option<&()>) -> String {
        let show = |step: &Step| match (step, output) {
            (Step::Read(key, Some(seen)), Some(())) => format!("read {key}: {seen}"),
            (Step::Read(key, _), _) => format!("read {key}"),
            (Step::Write(key, value), _) => format!("write {key} {value}"),
        };
        input.iter().map(show).collect::<Vec<_>>().join(", ")
    }
}

fn steps(value: &Value, reads: Reads) -> Option<Vec<Step>> {
    let Value::List(all) = value else { return None };
    let step = |step: &Value| {
        let Value::List(words) = step else { return None };
        let (Value::Text(kind), key, value) = (words.first()?, words.get(1)?.clone(), words.get(2).cloned().unwrap_or(Value::Nil)) else {
            return None;
        };
        match &**kind {
            "r" | "read" if value == Value::Nil && reads == Reads::NilIsUnknown => Some(Step::Read(key, None)),
            "r" | "read" => Some(Step::Read(key, Some(value))),
            "w" | "write" => Some(Step::Write(key, value)),
            _ => None,
        }
    };
    all.iter().map(step).collect()
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Vec<Step>, ()> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    let asked = match (&*call.kind, &call.key) {
        ("read" | "get", Some(key)) => {
            let seen = if let RawEnd::Ok(Some(value)) = &call.end { Some(value.clone()) } else { None };
            return Ok(Some((vec![Step::Read(key.clone(), seen.filter(|v| *v != Value::Nil || reads == Reads::NilIsSeen))], Some(()))));
        }
        ("write" | "put", Some(key)) => return Ok(Some((vec![Step::Write(key.clone(), call.input.clone())], Some(())))),
        ("txn" | "read" | "write", _) => &call.input,
        _ => return bad_input(call, "txn, read or write"),
    };
    let seen = if let RawEnd::Ok(Some(value)) = &call.end { value } else { asked };
    match (steps(seen, reads), steps(asked, reads)) {
        (Some(steps), Some(_)) => Ok(Some((steps, Some(())))),
        (None, Some(_)) => bad_answer(call, "a list of `[read k v]` and `[write k v]`"),
        _ => bad_input(call, "a list of `[read k v]` and `[write k v]`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, CallId, refute::by_parts, unlimited};

    #[test]
    fn many_writes_at_once_of_the_same_registers_hide_no_wrong_read() {
        let write = |value: i64| vec![Step::Write(Value::Int(0), Value::Int(value)), Step::Write(Value::Int(value), Value::Int(value))];
        let read = |value| vec![Step::Read(Value::Int(0), Some(Value::Int(value)))];
        let history = |last: i64| {
            let mut all = vec![(write(1), 0, 1)];
            all.extend((2..26).map(|value| (write(value), 2, 3)));
            all.extend([(read(2), 4, 5), (read(last), 6, 7)]);
            let call = |(at, (input, invoked, returned)): (usize, (Vec<Step>, usize, usize))| {
                let place = 100 * invoked + at;
                Call { id: CallId(at as u64), input, output: Some(()), invoked: place, returned: 100 * returned + at }
            };
            all.into_iter().enumerate().map(call).collect::<Vec<_>>()
        };
        let model = MultiRegister::default();
        assert!(by_parts(&model, &history(2), &mut unlimited).is_none());
        let found = by_parts(&model, &history(1), &mut unlimited).expect("1 is overwritten by then");
        assert_eq!(found.kept, [Value::Int(0)]);
    }
}
