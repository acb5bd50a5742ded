//! A history as it is before a model reads it: who did what, from where to where.

use crate::model::{CallId, NEVER};
use std::{fmt, sync::Arc};

/// A value of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// Nothing: an absent key, an empty register.
    Nil,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// Text.
    Text(Arc<str>),
    /// Several.
    List(Vec<Value>),
}

impl Value {
    /// Text.
    pub fn text(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => write!(f, "nil"),
            Value::Bool(yes) => write!(f, "{yes}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Text(text) => match text.char_indices().nth(60) {
                None => write!(f, "{text}"),
                Some((at, _)) => write!(f, "{}… ({} bytes)", &text[..at], text.len()),
            },
            Value::List(all) => {
                write!(f, "[")?;
                for (i, value) in all.iter().enumerate() {
                    write!(f, "{}{value}", if i > 0 { " " } else { "" })?;
                }
                write!(f, "]")
            }
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawEnd {
    /// It happened. `None`: what it answered is not known, and does not matter.
    Ok(Option<Value>),
    /// It came back refused. A model says what that means: most often, that it did not happen.
    Failed(Option<Value>),
    /// Nobody knows, or it never came back.
    Unknown,
}

/// One call, as a file tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCall {
    /// Its name: no two calls of a history have the same.
    pub id: CallId,
    /// Who: a thread, a client, a process.
    pub process: i64,
    /// What: `read`, `write`, `cas`, `append`, `enqueue`, ...
    pub kind: Arc<str>,
    /// Of which object, where there are several.
    pub key: Option<Value>,
    /// With what.
    pub input: Value,
    /// How it ended.
    pub end: RawEnd,
    /// Where in the file it was invoked, and where it returned; `NEVER`.
    pub invoked: usize,
    /// Where it returned.
    pub returned: usize,
    /// When, in nanoseconds, where the file tells; else the same as the places.
    pub times: (u64, u64),
}

/// A whole history, in order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawHistory {
    /// Its calls. Where a file gives them no names, the place in this list, counted from 1, is the name.
    pub calls: Vec<RawCall>,
}

impl RawHistory {
    /// The call of this name.
    pub fn call(&self, id: CallId) -> Option<&RawCall> {
        let named = |call: &&RawCall| call.id == id;
        let by_place = usize::try_from(id.0).ok().and_then(|n| self.calls.get(n.wrapping_sub(1))).filter(named);
        // Mostly they ascend.
        let ascending = || self.calls.binary_search_by_key(&id.0, |call| call.id.0).ok().and_then(|n| self.calls.get(n));
        by_place.or_else(ascending).or_else(|| self.calls.iter().find(named))
    }
}

/// Puts calls together from lines in time order.
#[derive(Default)]
pub(crate) struct Builder {
    calls: Vec<RawCall>,
    open: std::collections::BTreeMap<i64, usize>,
    place: usize,
}

impl Builder {
    pub(crate) fn invoke(&mut self, process: i64, kind: &str, key: Option<Value>, input: Value, time: Option<u64>) {
        let at = self.place;
        self.place += 1;
        // A process that asks again without an answer gave the last one up.
        self.open.insert(process, self.calls.len());
        let time = time.unwrap_or(at as u64);
        let kind = match self.calls.iter().rev().take(8).find(|c| &*c.kind == kind) {
            Some(call) => call.kind.clone(),
            None => kind.into(),
        };
        let id = CallId(self.calls.len() as u64 + 1);
        self.calls.push(RawCall {
            id,
            process,
            kind,
            key,
            input,
            end: RawEnd::Unknown,
            invoked: at,
            returned: NEVER,
            times: (time, u64::MAX),
        });
    }

    /// The call that a process has open.
    pub(crate) fn open(&self, process: i64) -> Option<&RawCall> {
        self.open.get(&process).map(|i| &self.calls[*i])
    }

    /// False when the process has nothing open.
    pub(crate) fn end(&mut self, process: i64, end: RawEnd, time: Option<u64>) -> bool {
        let at = self.place;
        self.place += 1;
        let Some(i) = self.open.remove(&process) else { return false };
        let call = &mut self.calls[i];
        if end != RawEnd::Unknown {
            call.returned = at;
            call.times.1 = time.unwrap_or(at as u64);
        }
        call.end = end;
        true
    }

    pub(crate) fn finish(self) -> RawHistory {
        RawHistory { calls: self.calls }
    }
}
