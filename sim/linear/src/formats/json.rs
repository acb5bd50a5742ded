//! Opaque calls as JSON lines: for histories of any kind, with a model of one's own.

use super::ReadError;
use crate::raw::{Builder, RawEnd, RawHistory, Value};
use serde_json::Value as Json;

pub(super) fn read(text: &str) -> Result<RawHistory, ReadError> {
    let mut builder = Builder::default();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |what: String| ReadError::Line { line: i + 1, what };
        let json: Json = serde_json::from_str(line).map_err(|e| bad(e.to_string()))?;
        let number = |key: &str| json.get(key).and_then(Json::as_i64);
        let value = |key: &str| match json.get(key) {
            None => Ok(None),
            Some(json) => value(json).map(Some).map_err(&bad),
        };
        let process = number("process").ok_or_else(|| bad("expected a number as \"process\"".into()))?;
        let time = number("time").and_then(|t| u64::try_from(t).ok());
        let end = match json.get("type").and_then(Json::as_str) {
            Some("invoke") => {
                let kind = json.get("kind").and_then(Json::as_str).ok_or_else(|| bad("expected text as \"kind\"".into()))?;
                builder.invoke(process, kind, value("key")?, value("input")?.unwrap_or(Value::Nil), time);
                continue;
            }
            Some("ok") => RawEnd::Ok(value("output")?),
            Some("fail") => RawEnd::Failed(value("output")?),
            Some("info") => RawEnd::Unknown,
            _ => return Err(bad("expected invoke, ok, fail or info as \"type\"".into())),
        };
        if !builder.end(process, end, time) {
            return Err(bad(format!("process {process} has nothing open that could end")));
        }
    }
    Ok(builder.finish())
}

fn value(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(yes) => Value::Bool(*yes),
        Json::Number(n) => n.as_i64().map(Value::Int).ok_or(format!("{n} is no whole number of 64 bits"))?,
        Json::String(text) => Value::text(text),
        Json::Array(all) => Value::List(all.iter().map(value).collect::<Result<_, _>>()?),
        Json::Object(_) => return Err("an object is no value: use a list".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
