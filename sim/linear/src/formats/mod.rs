//! Files with histories: Jepsen's `history.edn`, `history.txt` and `jepsen.log`, Knossos' EDN, porcupine's two log formats, and JSON.

mod edn;
mod edn_atom;
mod edn_writer;
mod json;
mod line;

use crate::raw::{RawHistory, Value};
use crate::reading::Initial;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `INFO  jepsen.util - PROCESS :invoke|:ok|:fail|:info :CALL VALUE`: Jepsen's logs, with or without times. In the old ones, as in
    /// porcupine's test data, `:fail :cas` is an observed mismatch, and a read of `nil` saw nothing there.
    JepsenLog,
    /// `PROCESS :invoke|:ok|:fail|:info :CALL VALUE`: Jepsen's `history.txt`.
    JepsenText,
    /// One EDN map for each event, or a vector of them: `{:process 0, :type :invoke, :f :read, :value nil}`; with a `:key`,
    /// as porcupine's key-value logs have it. `:fail` says that it did not happen.
    Edn,
    /// One JSON object a line, or one array of them: `{"process":0,"type":"invoke","kind":"read","key":"x","input":null}`, then
    /// `{"process":0,"type":"ok","output":5}`, `fail` or `info`; or with `f` and `value`, as in EDN.
    Json,
}

impl Format {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Format::JepsenLog => "jepsen-log",
            Format::JepsenText => "jepsen-text",
            Format::Edn => "edn",
            Format::Json => "json",
        }
    }
}

/// How to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Values are `[key value]`, as of jepsen.independent.
    pub independent: bool,
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A line makes no sense.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// An event of an array makes no sense.
    #[error("event {event}: {what}")]
    Event {
        /// Counted from 1.
        event: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// Nothing is in it.
    #[error("there is no event in it")]
    Empty,
    /// It has events, and none of a client.
    #[error("there is no call of a client in it: {0}")]
    NoCalls(String),
    /// It is none of the formats.
    #[error("this is no history: its first line is none of Jepsen's or porcupine's logs, EDN, or JSON")]
    Unknown,
}

/// The format of a text, by its beginning.
pub fn guess(text: &str) -> Option<Format> {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(';'));
    let first = lines.next()?;
    if line::is_plain(first) {
        return Some(Format::JepsenText);
    }
    // `[{"type": ...` is JSON; `[{:type ...` and `[#jepsen...` are EDN.
    let mut inner = first.strip_prefix('[').unwrap_or(first).trim_start();
    if inner.is_empty() {
        inner = lines.next().unwrap_or_default();
    }
    if inner.strip_prefix('{').is_some_and(|inside| inside.trim_start().starts_with('"') && inside.contains("\":") || inside.is_empty()) {
        return Some(Format::Json);
    }
    if ["{", "[", "(", "#"].iter().any(|c| first.starts_with(c)) {
        return Some(Format::Edn);
    }
    first.contains("jepsen").then_some(Format::JepsenLog)
}

/// Reads a history, in whichever format it is. What is passed over is in its remarks.
///
/// # Errors
/// With the line, where it makes no sense; and where nothing is left to judge.
pub fn read(text: &str, options: ReadOptions) -> Result<(Format, RawHistory), ReadError> {
    let format = guess(text).ok_or(if text.trim().is_empty() { ReadError::Empty } else { ReadError::Unknown })?;
    let history = match format {
        Format::JepsenLog => line::read(text, options, true)?,
        Format::JepsenText => line::read(text, options, false)?,
        Format::Edn => edn::read(text, options)?,
        Format::Json => json::read(text, options)?,
    };
    if !history.calls.is_empty() {
        return Ok((format, history));
    }
    let remarks: Vec<String> = history.remarks.iter().map(ToString::to_string).collect();
    Err(if remarks.is_empty() { ReadError::Empty } else { ReadError::NoCalls(remarks.join("; ")) })
}

/// What an object holds at first, as people write it: `unknown`, a value, or values by key, `x=0,y=0`.
///
/// # Errors
/// When it is none of these.
pub fn initial(text: &str) -> Result<Initial, String> {
    let value = |text: &str| edn::one_value(text, ReadOptions::default()).map(|(_, value)| value);
    match text.trim() {
        "" => Err("it is empty".into()),
        "unknown" => Ok(Initial::Unknown),
        text if text.contains('=') => {
            let each = text.split(',').map(|pair| {
                let (key, held) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no KEY=VALUE"))?;
                Ok((value(key)?, value(held)?))
            });
            each.collect::<Result<_, String>>().map(Initial::Keys)
        }
        text => value(text).map(Initial::Value),
    }
}

pub use edn_writer::write as write_edn;

/// A pair `[key value]`, taken apart.
fn apart(value: Value) -> Result<(Option<Value>, Value), String> {
    match value {
        Value::List(pair) if pair.len() == 2 => {
            let mut pair = pair.iter();
            Ok((pair.next().cloned(), pair.next().cloned().unwrap_or(Value::Nil)))
        }
        Value::Nil => Ok((None, Value::Nil)),
        other => Err(format!("`{other}` is no `[key value]`, as --independent says that it is")),
    }
}
