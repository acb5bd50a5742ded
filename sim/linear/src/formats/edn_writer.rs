//! Histories as EDN.

use crate::{
    call::NEVER,
    raw::{RawCall, RawEnd, RawHistory, Value},
};
use std::fmt::Write;

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
        let (process, value) = (written(&call.process), written(value));
        let _ = writeln!(out, "{{:process {process}, :type :{kind}, :f :{}{key}, :value {value}, :time {time}}}", call.kind);
    }
    // Those of unknown outcome, at the end: they may happen until then.
    for call in history.calls.iter().filter(|c| c.returned == NEVER) {
        let key = call.key.as_ref().map_or(String::new(), |key| format!(", :key {}", written(key)));
        let (process, value) = (written(&call.process), written(&call.input));
        let _ = writeln!(out, "{{:process {process}, :type :info, :f :{}{key}, :value {value}}}", call.kind);
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
        Value::Map(all) => {
            let entry = |(key, value): &(Value, Value)| format!("{} {}", written(key), written(value));
            format!("{{{}}}", all.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
