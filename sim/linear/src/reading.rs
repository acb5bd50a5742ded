//! How a model reads the calls of a file.

use crate::raw::{RawCall, RawEnd, Value};

/// What a read of nil says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// There was nothing.
    NilIsSeen,
    /// Nobody knows what there was: always legal (Knossos' models).
    NilIsUnknown,
}

/// What an object holds at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Initial {
    /// What its model says: nothing.
    #[default]
    Default,
    /// This, every key.
    Value(Value),
    /// This, by key; the others what their model says.
    Keys(Vec<(Value, Value)>),
    /// Nobody knows: the history is a part of one.
    Unknown,
}

impl Initial {
    /// What a key holds at first, if that is known and not what the model says.
    pub fn of(&self, key: Option<&Value>) -> Option<&Value> {
        match self {
            Initial::Default | Initial::Unknown => None,
            Initial::Value(value) => Some(value),
            Initial::Keys(all) => all.iter().find(|(name, _)| Some(name) == key).map(|(_, value)| value),
        }
    }
}

/// A call as a model reads it: what is asked, and what was answered; `None` when it did not happen.
pub type Parsed<I, O> = Result<Option<(I, Option<O>)>, Unreadable>;

/// A call that a model cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{kind}` by process {process}: {what}")]
pub struct Unreadable {
    /// What it does.
    pub kind: String,
    /// Who asked.
    pub process: Value,
    /// What is wrong.
    pub what: String,
}

/// "Expects this as input."
pub fn bad_input<T>(call: &RawCall, expects: &str) -> Result<T, Unreadable> {
    let what = format!("with `{}`; this model takes {expects}", call.input);
    Err(Unreadable { kind: call.kind.to_string(), process: call.process.clone(), what })
}

/// "Expects this as an answer."
pub fn bad_answer<T>(call: &RawCall, expects: &str) -> Result<T, Unreadable> {
    let answer = match &call.end {
        RawEnd::Ok(Some(value)) => format!("answered with `{value}`"),
        RawEnd::Ok(None) => "answered with nothing".to_string(),
        RawEnd::Failed(Some(why)) => format!("refused with `{why}`"),
        RawEnd::Failed(None) => "refused".to_string(),
        RawEnd::Unknown => "not answered".to_string(),
    };
    let what = format!("{answer}; this model takes {expects}");
    Err(Unreadable { kind: call.kind.to_string(), process: call.process.clone(), what })
}
