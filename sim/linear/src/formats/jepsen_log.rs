//! Jepsen's log of one register, as porcupine's test data has it.
//!
//! ```text
//! INFO  jepsen.util - 4 :invoke :cas [1 2]
//! INFO  jepsen.util - 4 :fail :cas [1 2]
//! ```

use super::ReadError;
use crate::raw::{Builder, RawEnd, RawHistory, Value};

pub(super) fn read(text: &str) -> Result<RawHistory, ReadError> {
    let mut builder = Builder::default();
    for (i, line) in text.lines().enumerate() {
        let bad = |what: String| ReadError::Line { line: i + 1, what };
        let Some((head, rest)) = line.split_once(" - ") else { continue };
        if !head.contains("jepsen.util") {
            continue;
        }
        let mut words = rest.split_whitespace();
        let (Some(process), Some(kind), Some(call)) = (words.next(), words.next(), words.next()) else { continue };
        // Other lines of the same logger: `{:type :info ...}`, the nemesis.
        let Ok(process) = process.parse::<i64>() else { continue };
        let call = call.trim_start_matches(':');
        let rest = words.collect::<Vec<_>>().join(" ");
        let value = || value(&rest).ok_or_else(|| bad(format!("`{rest}` is no value: expected a number, nil or [from to]")));
        let told = match kind {
            ":invoke" => {
                builder.invoke(process, call, None, value()?, None);
                continue;
            }
            ":ok" => match call {
                "read" => RawEnd::Ok(Some(value()?)),
                _ => RawEnd::Ok(None),
            },
            // It came back and said that the value was another one.
            ":fail" if call == "cas" => RawEnd::Failed(Some(Value::Bool(false))),
            ":fail" => RawEnd::Failed(None),
            ":info" => RawEnd::Unknown,
            other => return Err(bad(format!("`{other}`: expected :invoke, :ok, :fail or :info"))),
        };
        if !builder.end(process, told, None) {
            return Err(bad(format!("process {process} has nothing open that could end")));
        }
    }
    Ok(builder.finish())
}

fn value(text: &str) -> Option<Value> {
    if text == "nil" || text.starts_with(':') {
        return Some(Value::Nil);
    }
    if let Some(pair) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return pair.split_whitespace().map(value).collect::<Option<Vec<_>>>().map(Value::List);
    }
    text.parse().ok().map(Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NEVER;

    const LOG: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
                       INFO  jepsen.util - 0\t:info\t:write\t:timed-out\nINFO  jepsen.util - 1\t:ok\t:read\t1\n\
                       INFO  jepsen.util - 2\t:invoke\t:cas\t[0 3]\nINFO  jepsen.util - 2\t:fail\t:cas\t[0 3]\n";

    #[test]
    fn calls_and_their_ends() {
        let calls = read(LOG).unwrap().calls;
        assert_eq!((calls[0].end.clone(), calls[0].returned), (RawEnd::Unknown, NEVER));
        assert_eq!(calls[1].end, RawEnd::Ok(Some(Value::Int(1))));
        assert_eq!(calls[2].input, Value::List(vec![Value::Int(0), Value::Int(3)]));
        assert_eq!(calls[2].end, RawEnd::Failed(Some(Value::Bool(false))));
    }

    #[test]
    fn mistakes_have_their_line() {
        let told = |log: &str| read(log).unwrap_err().to_string();
        assert_eq!(told("INFO  jepsen.util - 0 :ok :read 1"), "line 1: process 0 has nothing open that could end");
        assert_eq!(told("\nINFO  jepsen.util - 0 :invoke :write x"), "line 2: `x` is no value: expected a number, nil or [from to]");
    }
}
