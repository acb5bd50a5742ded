//! A history as it is before a model reads it: who did what, from where to where.

use crate::call::{CallId, NEVER};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use std::{collections::BTreeMap, fmt, sync::Arc};

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
    /// Several. Copies share them.
    List(Arc<[Value]>),
    /// Values by key, in order of the keys, each key once.
    Map(Arc<[(Value, Value)]>),
}

impl Value {
    /// Text.
    pub fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    /// Several.
    pub fn list(all: impl Into<Arc<[Value]>>) -> Value {
        Value::List(all.into())
    }

    /// Values by key: of a key that is there twice the last one counts.
    pub fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
        Value::Map(entries.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
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
            Value::Map(all) => {
                write!(f, "{{")?;
                for (i, (key, value)) in all.iter().enumerate() {
                    write!(f, "{}{key} {value}", if i > 0 { ", " } else { "" })?;
                }
                write!(f, "}}")
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
    /// Who: a thread, a client, a process; a number, or a name.
    pub process: Value,
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

impl RawCall {
    /// Whether it is a read that came back with nil.
    pub fn is_read_of_nil(&self) -> bool {
        matches!(&*self.kind, "read" | "get") && matches!(self.end, RawEnd::Ok(Some(Value::Nil)))
    }
}

/// A whole history, in order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawHistory {
    /// Its calls. Where a file gives them no names, the place in this list, counted from 1, is the name.
    pub calls: Vec<RawCall>,
    /// What was passed over or taken otherwise than it stands there, each with how often: nothing is, in silence.
    pub remarks: Vec<Remark>,
}

/// Something about a history that whoever reads the verdict must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What, as a sentence that begins with `count`.
    pub what: String,
    /// How often.
    pub count: u64,
    /// The line where it is first, where that is known.
    pub line: Option<usize>,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, self.what)?;
        self.line.map_or(Ok(()), |line| write!(f, " (first in line {line})"))
    }
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

/// What an event of a file says, as far as it says it.
#[derive(Default)]
pub(crate) struct Event<'t> {
    pub(crate) process: Option<Value>,
    pub(crate) kind: Option<&'t str>,
    pub(crate) key: Option<Value>,
    pub(crate) value: Option<Value>,
    pub(crate) time: Option<u64>,
}

/// How an event of a file ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Type {
    pub(crate) fn of(word: &str) -> Option<Type> {
        match word {
            "invoke" => Some(Type::Invoke),
            "ok" => Some(Type::Ok),
            "fail" => Some(Type::Fail),
            "info" => Some(Type::Info),
            _ => None,
        }
    }
}

/// What is passed over, or looks strange: the sentence behind the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Odd {
    Nemesis,
    InfoWithoutCall,
    TimesGoBack,
}

impl Odd {
    fn sentence(self) -> &'static str {
        match self {
            Odd::Nemesis => "events of :nemesis passed over: it is no client",
            Odd::InfoWithoutCall => "`:info` events of a process that has no call open passed over",
            Odd::TimesGoBack => "times go back; the order of the lines counts, not the times",
        }
    }
}

/// Puts calls together from events in time order.
#[derive(Default)]
pub(crate) struct Builder {
    calls: Vec<RawCall>,
    open: HashMap<Value, usize, FxBuildHasher>,
    kinds: Vec<Arc<str>>,
    place: usize,
    last_time: u64,
    odd: BTreeMap<Odd, (u64, usize)>,
}

impl Builder {
    /// With room for every call that a text may begin: growing a long list costs more than to count.
    pub(crate) fn for_text(text: &str) -> Builder {
        let begun = memchr::memmem::find_iter(text.as_bytes(), b"invoke").count();
        Builder { calls: Vec::with_capacity(begun.min(text.len() / 16)), ..Builder::default() }
    }

    /// Something is passed over; `at`: where, by whatever the reader counts.
    pub(crate) fn odd(&mut self, odd: Odd, at: usize) {
        self.odd.entry(odd).or_insert((0, at)).0 += 1;
    }

    fn kind(&mut self, name: &str) -> Arc<str> {
        match self.kinds.iter().find(|kind| &***kind == name) {
            Some(kind) => kind.clone(),
            None => {
                let kind: Arc<str> = name.into();
                self.kinds.push(kind.clone());
                kind
            }
        }
    }

    fn time(&mut self, time: Option<u64>, at: usize) -> u64 {
        let Some(time) = time else { return self.place as u64 };
        if time < self.last_time {
            self.odd(Odd::TimesGoBack, at);
        }
        self.last_time = self.last_time.max(time);
        time
    }

    /// A call begins.
    ///
    /// # Errors
    /// When its process has one open: it cannot wait for two.
    pub(crate) fn invoke(
        &mut self,
        process: Value,
        kind: &str,
        key: Option<Value>,
        input: Value,
        time: Option<u64>,
        at: usize,
    ) -> Result<(), String> {
        let begun = self.time(time, at);
        let place = self.place;
        self.place += 1;
        if let Some(before) = self.open.insert(process.clone(), self.calls.len()) {
            let before = &self.calls[before];
            return Err(format!(
                "process {process} begins `{kind}` while its `{}` (call {}) is open: end that one first, with ok, fail or info",
                before.kind, before.id
            ));
        }
        let (id, kind) = (CallId(self.calls.len() as u64 + 1), self.kind(kind));
        let times = (begun, u64::MAX);
        self.calls.push(RawCall { id, process, kind, key, input, end: RawEnd::Unknown, invoked: place, returned: NEVER, times });
        Ok(())
    }

    /// The call that a process has open.
    pub(crate) fn open(&self, process: &Value) -> Option<&RawCall> {
        self.open.get(process).map(|i| &self.calls[*i])
    }

    /// False when the process has nothing open.
    pub(crate) fn end(&mut self, process: &Value, end: RawEnd, time: Option<u64>, at: usize) -> bool {
        let ended = self.time(time, at);
        let place = self.place;
        self.place += 1;
        let Some(i) = self.open.remove(process) else { return false };
        let call = &mut self.calls[i];
        if end != RawEnd::Unknown {
            call.returned = place;
            call.times.1 = ended;
        }
        call.end = end;
        true
    }

    /// An event in Jepsen's words: `value` is what was asked, or what was answered.
    ///
    /// # Errors
    /// When it cannot be: a process that asks twice, an end of nothing, an end of something else.
    pub(crate) fn jepsen(&mut self, event: Event<'_>, kind: Type, at: usize) -> Result<(), String> {
        let process = event.process.ok_or("it has no :process")?;
        if kind == Type::Invoke {
            let call = event.kind.ok_or("it has no :f, and what a call does must be told where it begins")?;
            return self.invoke(process, call, event.key, event.value.unwrap_or(Value::Nil), event.time, at);
        }
        let Some(open) = self.open(&process) else {
            if kind == Type::Info {
                self.odd(Odd::InfoWithoutCall, at);
                return Ok(());
            }
            return Err(format!("process {process} has no call open that could end"));
        };
        let asked = || format!("`{}{}` (call {})", open.kind, shown(&open.input), open.id);
        if let Some(call) = event.kind.filter(|call| *call != &*open.kind) {
            return Err(format!("process {process} has {} open, and this ends a `{call}`", asked()));
        }
        if let (Some(theirs), Some(ours)) = (&event.key, &open.key)
            && theirs != ours
        {
            return Err(format!("process {process} has {} of key {ours} open, and this ends one of key {theirs}", asked()));
        }
        let end = match kind {
            Type::Info => RawEnd::Unknown,
            // A swap that failed is told apart by whoever tells why.
            Type::Fail => RawEnd::Failed(None),
            Type::Ok | Type::Invoke => {
                let value = event.value.unwrap_or(Value::Nil);
                let answers = answers(&open.kind);
                match () {
                    () if answers => RawEnd::Ok(Some(value)),
                    // What was asked, once more.
                    () if value == open.input => RawEnd::Ok(None),
                    () if value == Value::Nil || matches!(value, Value::Bool(_)) || !changes(&open.kind) => RawEnd::Ok(Some(value)),
                    () => return Err(format!("process {process} asked for {}, and{} is acknowledged", asked(), shown(&value))),
                }
            }
        };
        self.end(&process, end, event.time, at);
        Ok(())
    }

    /// The history. `line` tells where something is, by what the reader counted.
    pub(crate) fn finish(self, line: impl Fn(usize) -> usize) -> RawHistory {
        let remarks =
            self.odd.iter().map(|(odd, (count, at))| Remark { what: odd.sentence().to_string(), count: *count, line: Some(line(*at)) });
        let mut remarks: Vec<Remark> = remarks.collect();
        if !self.calls.is_empty() && !self.calls.iter().any(|call| matches!(call.end, RawEnd::Ok(_))) {
            let what = "calls, and not one of them was acknowledged: whatever the system did, this history allows it".to_string();
            remarks.push(Remark { what, count: self.calls.len() as u64, line: None });
        }
        RawHistory { calls: self.calls, remarks }
    }
}

fn shown(value: &Value) -> String {
    if *value == Value::Nil { String::new() } else { format!(" {value}") }
}

/// Whether the value at the end of such a call is an answer, whatever was asked.
fn answers(kind: &str) -> bool {
    matches!(kind, "read" | "get" | "dequeue" | "drain" | "pop" | "poll" | "txn" | "generate")
}

/// Whether such a call is told to have done what it was asked, and nothing else.
fn changes(kind: &str) -> bool {
    matches!(kind, "write" | "put" | "add" | "remove" | "enqueue" | "push" | "append" | "cas" | "transfer" | "insert" | "offer")
}
