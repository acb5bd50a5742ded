//! Files with histories: porcupine's two log formats, Jepsen's and Knossos' EDN, and JSON lines.

mod edn;
mod jepsen_log;
mod json;

use crate::raw::{RawHistory, Value};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `INFO  jepsen.util - PROCESS :invoke|:ok|:fail|:info :read|:write|:cas VALUE`: Jepsen's logs of a register, as in
    /// porcupine's test data. `:fail :cas` is an observed mismatch; a read of `nil` saw nothing there.
    JepsenLog,
    /// One EDN map for each event, or a vector of them: `{:process 0, :type :invoke, :f :read, :value nil}`; with a `:key`,
    /// as porcupine's key-value logs have it. `:fail` says that it did not happen.
    Edn,
    /// One JSON object a line: `{"process":0,"type":"invoke","kind":"read","key":"x","input":null}`, then
    /// `{"process":0,"type":"ok","output":5}`, `fail` or `info`.
    JsonLines,
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
    /// Nothing is in it.
    #[error("there is no event in it")]
    Empty,
    /// It is none of the formats.
    #[error("this is no history: its first line is none of porcupine's or Jepsen's logs, EDN, or JSON lines")]
    Unknown,
}

/// The format of a text, by its beginning.
pub fn guess(text: &str) -> Option<Format> {
    let first = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with(';'))?;
    if first.starts_with("{\"") {
        return Some(Format::JsonLines);
    }
    if ["{", "[", "(", "#"].iter().any(|c| first.starts_with(c)) {
        return Some(Format::Edn);
    }
    first.contains("jepsen").then_some(Format::JepsenLog)
}

/// Reads a history, in whichever format it is.
///
/// # Errors
/// With the line.
pub fn read(text: &str, options: ReadOptions) -> Result<(Format, RawHistory), ReadError> {
    let format = guess(text).ok_or(if text.trim().is_empty() { ReadError::Empty } else { ReadError::Unknown })?;
    let history = match format {
        Format::JepsenLog => jepsen_log::read(text)?,
        Format::Edn => edn::read(text, options)?,
        Format::JsonLines => json::read(text)?,
    };
    if history.calls.is_empty() { Err(ReadError::Empty) } else { Ok((format, history)) }
}

pub use edn::write as write_edn;

/// A pair `[key value]`, taken apart.
fn apart(value: Value) -> Result<(Option<Value>, Value), String> {
    match value {
        Value::List(pair) if pair.len() == 2 => {
            let mut pair = pair.into_iter();
            Ok((pair.next(), pair.next().unwrap_or(Value::Nil)))
        }
        Value::Nil => Ok((None, Value::Nil)),
        other => Err(format!("`{other}` is no `[key value]`, as --independent says that it is")),
    }
}
