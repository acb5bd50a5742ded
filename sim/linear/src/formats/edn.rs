//! Jepsen's and Knossos' histories: EDN maps, one an event.
//!
//! `:ok` happened, `:fail` did not, `:info` may have. Events of processes that are no numbers (`:nemesis`) are passed over. Keys
//! and strings are told apart from keywords no longer once they are read.

use super::{ReadError, ReadOptions, apart};
use crate::{
    model::NEVER,
    raw::{Builder, RawCall, RawEnd, RawHistory, Value},
};
use clojure_reader::edn::{self, Edn};
use std::{fmt::Write, sync::Arc};

pub(super) fn read(text: &str, options: ReadOptions) -> Result<RawHistory, ReadError> {
    let mut builder = Builder::default();
    let mut rest = text;
    let mut line = 1;
    loop {
        if is_blank(rest) {
            return Ok(builder.finish());
        }
        let (form, after) = edn::read(rest).map_err(|e| {
            let shift = e.line.map_or(0, |l| l.saturating_sub(1));
            ReadError::Line { line: line + shift, what: format!("{e:?}") }
        })?;
        events(&form, &mut |event| one(event, &mut builder, options)).map_err(|what| ReadError::Line { line, what })?;
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
}

/// Whether nothing but blanks and comments is left.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_matches(|c: char| c.is_whitespace() || c == ',');
        line.is_empty() || line.starts_with(';')
    })
}

fn events(form: &Edn<'_>, each: &mut impl FnMut(&Edn<'_>) -> Result<(), String>) -> Result<(), String> {
    match form {
        Edn::Vector(all) | Edn::List(all) => all.iter().try_for_each(|form| events(form, each)),
        // `#jepsen.history.Op{...}`, and vectors of them.
        Edn::Tagged(_, form) => events(form, each),
        Edn::Map(_) => each(form),
        Edn::Nil => Ok(()),
        other => Err(format!("`{other}` is no event: expected a map with :process, :type, :f and :value")),
    }
}

fn one(event: &Edn<'_>, builder: &mut Builder, options: ReadOptions) -> Result<(), String> {
    let get = |key: &str| event.get(&Edn::Key(key.to_string().into())).or_else(|| event.get(&Edn::Key(format!(":{key}").into())));
    let word = |key: &str| match get(key) {
        Some(Edn::Key(word) | Edn::Symbol(word) | Edn::Str(word)) => Some(word.trim_start_matches(':').to_string()),
        _ => None,
    };
    let process = match get("process") {
        Some(Edn::Int(process)) => *process,
        Some(Edn::Key(_) | Edn::Nil) => return Ok(()),
        _ => return Err(format!("`{event}` has no :process")),
    };
    let kind = word("type").ok_or_else(|| format!("`{event}` has no :type"))?;
    let call = word("f").ok_or_else(|| format!("`{event}` has no :f"))?;
    let time = if let Some(Edn::Int(time)) = get("time") { u64::try_from(*time).ok() } else { None };
    let value = get("value").map_or(Ok(Value::Nil), value)?;
    let (key, value) = match get("key") {
        Some(key) => (Some(self::value(key)?), value),
        None if options.independent => apart(value)?,
        None => (None, value),
    };
    let end = match &*kind {
        "invoke" => {
            builder.invoke(process, &call, key, value, time);
            return Ok(());
        }
        // What was read, and what was done in a transaction, is told in the end; for others it is what was asked.
        "ok" => {
            let asked = builder.open(process).map(|c| c.input.clone());
            let answers = asked.as_ref() != Some(&value) || call == "read" || call == "get";
            RawEnd::Ok(answers.then_some(value))
        }
        "fail" => RawEnd::Failed(None),
        "info" => RawEnd::Unknown,
        other => return Err(format!("`:{other}` is no :type: expected :invoke, :ok, :fail or :info")),
    };
    match builder.end(process, end, time) {
        true => Ok(()),
        // Jepsen's own `:info` lines have no invocation.
        false if kind == "info" => Ok(()),
        false => Err(format!("process {process} has nothing open that could end")),
    }
}

fn value(form: &Edn<'_>) -> Result<Value, String> {
    Ok(match form {
        Edn::Nil => Value::Nil,
        Edn::Bool(yes) => Value::Bool(*yes),
        Edn::Int(n) => Value::Int(*n),
        Edn::Str(text) | Edn::Key(text) | Edn::Symbol(text) => Value::Text(Arc::from(&**text)),
        Edn::Char(c) => Value::text(&c.to_string()),
        Edn::Vector(all) | Edn::List(all) => Value::List(all.iter().map(value).collect::<Result<_, _>>()?),
        Edn::Set(all) => Value::List(all.iter().map(value).collect::<Result<_, _>>()?),
        Edn::Tagged(_, form) => value(form)?,
        // Maps, fractions: compared as they are written.
        other => Value::text(&other.to_string()),
    })
}

/// Writes a history as EDN, an event a line.
pub fn write(history: &RawHistory) -> String {
    let mut events: Vec<(usize, bool, &RawCall)> = Vec::new();
    for call in &history.calls {
        events.push((call.invoked, false, call));
        if call.returned != NEVER {
            events.push((call.returned, true, call));
        }
    }
    events.sort_by_key(|(at, ..)| *at);
    let mut out = String::new();
    for (_, ends, call) in events {
        let (kind, value) = match (ends, &call.end) {
            (false, _) => ("invoke", &call.input),
            (true, RawEnd::Ok(Some(value))) => ("ok", value),
            (true, RawEnd::Ok(None)) => ("ok", &call.input),
            (true, RawEnd::Failed(_)) => ("fail", &call.input),
            (true, RawEnd::Unknown) => ("info", &call.input),
        };
        let time = if ends { call.times.1 } else { call.times.0 };
        let key = call.key.as_ref().map_or(String::new(), |key| format!(", :key {}", written(key)));
        let _ =
            writeln!(out, "{{:process {}, :type :{kind}, :f :{}{key}, :value {}, :time {time}}}", call.process, call.kind, written(value));
    }
    // Those of unknown outcome, at the end: they may happen until then.
    for call in history.calls.iter().filter(|c| c.returned == NEVER) {
        let key = call.key.as_ref().map_or(String::new(), |key| format!(", :key {}", written(key)));
        let _ = writeln!(out, "{{:process {}, :type :info, :f :{}{key}, :value {}}}", call.process, call.kind, written(&call.input));
    }
    out
}

fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => {
            let mut out = String::from("\"");
            for c in text.chars() {
                match c {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\t' => out.push_str("\\t"),
                    '\r' => out.push_str("\\r"),
                    c => out.push(c),
                }
            }
            out + "\""
        }
        Value::List(all) => format!("[{}]", all.iter().map(written).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}
