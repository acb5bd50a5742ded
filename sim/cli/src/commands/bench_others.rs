//! Other linearizability checkers, on the histories that ours is measured on: the crates porcupine-rs and todc-utils.

use porcupine_rs::{CheckResult, Model, Operation, check_operations_timeout};
use squall_linear::{NEVER, RawCall, RawEnd, RawHistory, Value};
use std::{collections::BTreeMap, time::Duration};
use todc_utils::{
    linearizability::{
        WGLChecker,
        history::{Action, History},
    },
    specifications::Specification,
};

/// A call of either of the two models, with its answer; `None`: nobody knows it.
#[derive(Clone, Debug)]
enum Op {
    Read(Option<Value>),
    Write(Value),
    Cas(Value, Value, Option<bool>),
    Append(String),
}

/// A key: absent at first, or empty where it is text that one appends to.
fn step(state: &Value, op: &Op) -> Option<Value> {
    match op {
        Op::Read(None) => Some(state.clone()),
        Op::Read(Some(seen)) => (seen == state).then(|| state.clone()),
        Op::Write(value) => Some(value.clone()),
        Op::Cas(from, to, done) => match done {
            Some(yes) if *yes != (from == state) => None,
            _ => Some(if from == state { to.clone() } else { state.clone() }),
        },
        Op::Append(text) => {
            let held = if let Value::Text(held) = state { held } else { "" };
            Some(Value::text(&format!("{held}{text}")))
        }
    }
}

/// What happened, or may have; `None`: it did not, or says nothing.
fn op(call: &RawCall) -> Option<Op> {
    let unknown = call.returned == NEVER;
    match (&*call.kind, &call.end) {
        ("read" | "get", RawEnd::Ok(Some(value))) => Some(Op::Read(Some(value.clone()))),
        ("read" | "get", _) => None,
        ("cas", end) => {
            let Value::List(pair) = &call.input else { return None };
            let done = match end {
                RawEnd::Failed(_) => Some(false),
                _ if unknown => None,
                _ => Some(true),
            };
            Some(Op::Cas(pair[0].clone(), pair[1].clone(), done))
        }
        (_, RawEnd::Failed(_)) => None,
        ("append", _) => Some(Op::Append(if let Value::Text(text) = &call.input { text.to_string() } else { String::new() })),
        _ => Some(Op::Write(call.input.clone())),
    }
}

/// Key by key: what is asked, where it began, where it ended.
fn keys(history: &RawHistory) -> Vec<(bool, Vec<(Op, usize, usize)>)> {
    let mut keys: BTreeMap<Option<&Value>, Vec<(Op, usize, usize)>> = BTreeMap::new();
    let text = history.calls.iter().any(|call| &*call.kind == "append");
    for call in &history.calls {
        if let Some(op) = op(call) {
            keys.entry(call.key.as_ref()).or_default().push((op, call.invoked, call.returned));
        }
    }
    keys.into_values().map(|calls| (text, calls)).collect()
}

#[derive(Clone)]
struct Register;
#[derive(Clone)]
struct Text;

macro_rules! model {
    ($name:ident, $init:expr) => {
        impl Model for $name {
            type State = Value;
            type Op = Op;
            type Metadata = ();
            fn init() -> Value {
                $init
            }
            fn step(state: &Value, op: &Op) -> (bool, Value) {
                step(state, op).map_or_else(|| (false, state.clone()), |next| (true, next))
            }
        }
        impl Specification for $name {
            type State = Value;
            type Operation = Op;
            fn init() -> Value {
                $init
            }
            fn apply(op: &Op, state: &Value) -> (bool, Value) {
                step(state, op).map_or_else(|| (false, state.clone()), |next| (true, next))
            }
        }
    };
}

model!(Register, Value::Nil);
model!(Text, Value::text(""));

fn porcupine<M: Model<Op = Op, Metadata = ()>>(calls: &[(Op, usize, usize)]) -> CheckResult {
    let operation = |(op, from, to): &(Op, usize, usize)| Operation::<M> {
        client_id: None,
        call_time: *from as i64,
        return_time: if *to == NEVER { i64::MAX } else { *to as i64 },
        op: op.clone(),
        metadata: None,
    };
    let history: Vec<Operation<M>> = calls.iter().map(operation).collect();
    check_operations_timeout::<M>(&history, Duration::from_secs(20))
}

fn wgl<S: Specification<Operation = Op>>(calls: &[(Op, usize, usize)]) -> bool {
    // Each call is a process of its own; those of unknown outcome return at the end.
    let mut events: Vec<(usize, usize, Action<Op>)> = Vec::new();
    for (process, (op, from, to)) in calls.iter().enumerate() {
        events.push((*from, process, Action::Call(op.clone())));
        events.push((*to, process, Action::Response(op.clone())));
    }
    events.sort_by_key(|(at, process, _)| (*at, *process));
    WGLChecker::<S>::is_linearizable(History::from_actions(events.into_iter().map(|(_, process, action)| (process, action)).collect()))
}

pub(crate) fn decide(history: &RawHistory, engine: &str) -> Result<&'static str, String> {
    for (text, calls) in keys(history) {
        let found = match (engine, text) {
            ("porcupine-rs", false) => porcupine::<Register>(&calls),
            ("porcupine-rs", true) => porcupine::<Text>(&calls),
            ("todc-utils", text) => match if text { wgl::<Text>(&calls) } else { wgl::<Register>(&calls) } {
                true => CheckResult::Ok,
                false => CheckResult::Illegal,
            },
            (other, _) => return Err(format!("there is no checker {other}")),
        };
        match found {
            CheckResult::Ok => {}
            CheckResult::Illegal => return Ok("invalid"),
            CheckResult::Unknown => return Ok("unknown"),
        }
    }
    Ok("valid")
}
