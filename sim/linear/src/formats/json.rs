//! JSON: one object an event, a line each or in one array. With opaque calls (`kind`, `input`, `output`), for a model of one's own,
//! or in Jepsen's words (`f`, `value`).

use super::{ReadError, ReadOptions, apart};
use crate::raw::{Builder, Event, Odd, RawEnd, RawHistory, Type, Value};
use serde_json::Value as Json;

pub(super) fn read(text: &str, options: ReadOptions) -> Result<RawHistory, ReadError> {
    let mut builder = Builder::for_text(text);
    let bad = |line: usize| move |what: String| ReadError::Line { line, what };
    if text.trim_start().starts_with('[') {
        let all: Vec<Json> = serde_json::from_str(text).map_err(|e| bad(e.line())(e.to_string()))?;
        for (i, json) in all.iter().enumerate() {
            event(&mut builder, json, options, i).map_err(|what| ReadError::Event { event: i + 1, what })?;
        }
        let mut history = builder.finish(|i| i);
        // Where an event of an array stands is not known.
        history.remarks.iter_mut().for_each(|remark| remark.line = None);
        return Ok(history);
    }
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let json: Json = serde_json::from_str(line).map_err(|e| bad(i + 1)(e.to_string()))?;
        event(&mut builder, &json, options, i).map_err(bad(i + 1))?;
    }
    Ok(builder.finish(|i| i + 1))
}

fn event(builder: &mut Builder, json: &Json, options: ReadOptions, at: usize) -> Result<(), String> {
    if !json.is_object() {
        return Err(format!("`{json}` is no event: expected an object with \"process\" and \"type\""));
    }
    let get = |key: &str| json.get(key).map(value).transpose();
    let process = match json.get("process") {
        Some(Json::Number(n)) => Value::Int(n.as_i64().ok_or(format!("{n} is no whole number of 64 bits"))?),
        Some(Json::String(name)) if name.trim_start_matches(':') == "nemesis" => {
            builder.odd(Odd::Nemesis, at);
            return Ok(());
        }
        Some(Json::String(name)) => Value::text(name),
        _ => return Err("expected a number or a name as \"process\"".into()),
    };
    let time = json.get("time").and_then(Json::as_u64);
    let kind = json.get("type").and_then(Json::as_str).and_then(|word| Type::of(word.strip_prefix(':').unwrap_or(word)));
    let kind = kind.ok_or("expected invoke, ok, fail or info as \"type\"")?;
    if json.get("f").is_some() || json.get("value").is_some() {
        let call = json.get("f").and_then(Json::as_str).map(|f| f.strip_prefix(':').unwrap_or(f));
        let (mut key, mut value) = (get("key")?, get("value")?);
        if options.independent && key.is_none() {
            (key, value) = value.map(apart).transpose()?.map_or((None, None), |(key, value)| (key, Some(value)));
        }
        return builder.jepsen(Event { process: Some(process), kind: call, key, value, time }, kind, at);
    }
    let end = match kind {
        Type::Invoke => {
            let kind = json.get("kind").and_then(Json::as_str).ok_or("expected text as \"kind\" (or, in Jepsen's words, as \"f\")")?;
            return builder.invoke(process, kind, get("key")?, get("input")?.unwrap_or(Value::Nil), time, at);
        }
        Type::Ok => RawEnd::Ok(get("output")?),
        Type::Fail => RawEnd::Failed(get("output")?),
        Type::Info => RawEnd::Unknown,
    };
    if let (Some(open), Some(kind)) = (builder.open(&process), json.get("kind").and_then(Json::as_str))
        && &*open.kind != kind
    {
        return Err(format!("process {process} has a `{}` open (call {}), and this ends a `{kind}`", open.kind, open.id));
    }
    if builder.end(&process, end, time, at) { Ok(()) } else { Err(format!("process {process} has no call open that could end")) }
}

fn value(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(yes) => Value::Bool(*yes),
        Json::Number(n) => n.as_i64().map(Value::Int).ok_or(format!("{n} is no whole number of 64 bits"))?,
        Json::String(text) => Value::text(text),
        Json::Array(all) => Value::List(all.iter().map(value).collect::<Result<_, _>>()?),
        Json::Object(all) => {
            // A key of an object is text; one that is a number means that number.
            let key = |key: &str| key.parse().map_or_else(|_| Value::text(key), Value::Int);
            let entries: Result<Vec<_>, String> = all.iter().map(|(name, json)| Ok((key(name), value(json)?))).collect();
            Value::map(entries?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RawHistory, ReadError> {
        super::read(text, ReadOptions::default())
    }

    #[test]
    fn calls_and_mistakes() {
        let history = read(
            "{\"process\":1,\"type\":\"invoke\",\"kind\":\"cas\",\"key\":\"x\",\"input\":[1,null],\"time\":5}\n{\"process\":1,\"type\":\"ok\",\"output\":true,\"time\":9}\n",
        );
        let call = &history.unwrap().calls[0];
        assert_eq!((&*call.kind, &call.key, call.times), ("cas", &Some(Value::text("x")), (5, 9)));
        assert_eq!(call.end, RawEnd::Ok(Some(Value::Bool(true))));
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(told("{\"process\":1,\"type\":\"okay\"}"), "line 1: expected invoke, ok, fail or info as \"type\"");
        assert!(told("{\"process\":1,\"type\":\"invoke\",\"kind\":\"a\",\"input\":1.5}").starts_with("line 1: 1.5 is no"));
        assert!(told("{").starts_with("line 1: EOF"));
    }

    #[test]
    fn jepsens_words_are_read_in_lines_and_in_an_array() {
        let lines = "{\"type\":\"invoke\",\"f\":\"read\",\"value\":null,\"process\":\"a\"}\n{\"type\":\"ok\",\"f\":\"read\",\"value\":2,\"process\":\"a\"}";
        let array = format!("[{}]", lines.replace('\n', ",\n"));
        let calls = read(lines).unwrap().calls;
        assert_eq!((calls[0].process.clone(), calls[0].end.clone()), (Value::text("a"), RawEnd::Ok(Some(Value::Int(2)))));
        assert_eq!(read(&array).unwrap().calls, calls);
        let wrong = read(&array.replace("ok\",\"f\":\"read", "ok\",\"f\":\"write")).unwrap_err().to_string();
        assert_eq!(wrong, "event 2: process a has `read` (call 1) open, and this ends a `write`");
    }
}
