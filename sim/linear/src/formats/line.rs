//! Lines of Jepsen's words: `history.txt` and `jepsen.log`, which every run directory has, and older logs of one register.
//!
//! ```text
//! 0 :invoke :write 1
//! INFO  jepsen.util - 4 :invoke :cas [1 2]
//! 2021-03-04 05:06:07,089{GMT} INFO [jepsen worker 0] jepsen.util: 0 :ok :read 7
//! ```

use super::{ReadError, ReadOptions, edn};
use crate::raw::{Builder, Event, Odd, RawEnd, RawHistory, Type, Value};

/// What stands before the event, of each logger.
const LOGGERS: &[&str] = &["jepsen.util - ", "jepsen.util: ", "jepsen.core - ", "jepsen.core: "];

/// The part of a line that may be an event, and whether it is of an old log; `None`: it is of another logger.
fn event(line: &str, logged: bool) -> Option<(&str, bool)> {
    if !logged {
        return Some((line.trim(), false));
    }
    LOGGERS.iter().find_map(|logger| Some((line.split_once(logger)?.1.trim(), logger.ends_with("- "))))
}

/// Whether a line is an event without a logger: a process, a type, a call.
pub(super) fn is_plain(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some() && words.next().and_then(|kind| Type::of(kind.strip_prefix(':')?)).is_some()
}

/// A word, and what is behind it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

pub(super) fn read(text: &str, options: ReadOptions, logged: bool) -> Result<RawHistory, ReadError> {
    let mut builder = Builder::for_text(text);
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |what: String| ReadError::Line { line: i + 1, what };
        let Some((rest, old)) = event(line, logged) else { continue };
        let parts = || {
            let (process, rest) = word(rest)?;
            let (kind, rest) = word(rest)?;
            let (call, rest) = word(rest)?;
            Some((process, Type::of(kind.strip_prefix(':')?)?, call.strip_prefix(':')?, rest.trim()))
        };
        // Other lines of the same logger are about something else: `{:type :info ...}`.
        let Some((process, kind, call, rest)) = parts() else {
            let mut words = rest.split_whitespace();
            let begins = words.next().is_some_and(|process| process.parse::<i64>().is_ok());
            if let Some(kind) = words.next().filter(|kind| begins && kind.starts_with(':') && Type::of(&kind[1..]).is_none()) {
                return Err(bad(format!("`{kind}`: expected :invoke, :ok, :fail or :info")));
            }
            if logged {
                continue;
            }
            return Err(bad(format!("`{}` is no event: expected `PROCESS :invoke|:ok|:fail|:info :CALL VALUE`", line.trim())));
        };
        let process = match process.parse::<i64>() {
            Ok(n) => Value::Int(n),
            Err(_) if process == ":nemesis" => {
                builder.odd(Odd::Nemesis, i);
                continue;
            }
            Err(_) => Value::text(process.strip_prefix(':').unwrap_or(process)),
        };
        // What is behind a call that did not happen, or may have, says why; and an error may follow a value.
        let value = match kind {
            Type::Fail | Type::Info => None,
            Type::Invoke | Type::Ok => Some(value(rest, options).map_err(bad)?),
        };
        let (key, value) = value.map_or((None, None), |(key, value)| (key, Some(value)));
        // It came back and said that the value was another one: so the old logs are written. Elsewhere what failed did not happen.
        if old && kind == Type::Fail && call == "cas" && builder.open(&process).is_some_and(|open| &*open.kind == "cas") {
            builder.end(&process, RawEnd::Failed(Some(Value::Bool(false))), None, i);
            continue;
        }
        builder.jepsen(Event { process: Some(process), kind: Some(call), key, value, time: None }, kind, i).map_err(bad)?;
    }
    Ok(builder.finish(|i| i + 1))
}

fn value(text: &str, options: ReadOptions) -> Result<(Option<Value>, Value), String> {
    if text.is_empty() || text.starts_with(':') {
        return Ok((None, Value::Nil));
    }
    edn::one_value(text, options).map_err(|why| match options.independent {
        true => why,
        false => format!("`{text}` is no value: expected a number, nil or [from to]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::NEVER;

    const LOG: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
                       INFO  jepsen.util - 0\t:info\t:write\t:timed-out\nINFO  jepsen.util - 1\t:ok\t:read\t1\n\
                       INFO  jepsen.util - 2\t:invoke\t:cas\t[0 3]\nINFO  jepsen.util - 2\t:fail\t:cas\t[0 3]\n";

    fn logged(text: &str) -> Result<RawHistory, ReadError> {
        read(text, ReadOptions::default(), true)
    }

    #[test]
    fn calls_and_their_ends() {
        let calls = logged(LOG).unwrap().calls;
        assert_eq!((calls[0].end.clone(), calls[0].returned), (RawEnd::Unknown, NEVER));
        assert_eq!(calls[1].end, RawEnd::Ok(Some(Value::Int(1))));
        assert_eq!(calls[2].input, Value::list(vec![Value::Int(0), Value::Int(3)]));
        assert_eq!(calls[2].end, RawEnd::Failed(Some(Value::Bool(false))));
    }

    #[test]
    fn without_a_logger_and_with_times_it_is_the_same() {
        let plain = LOG.replace("INFO  jepsen.util - ", "");
        let now = LOG.replace("INFO  jepsen.util - ", "2021-03-04 05:06:07,089{GMT}\tINFO\t[jepsen worker 0] jepsen.util: ");
        let mut calls = logged(LOG).unwrap().calls;
        calls[2].end = RawEnd::Failed(None);
        assert_eq!(read(&plain, ReadOptions::default(), false).unwrap().calls, calls);
        assert_eq!(logged(&now).unwrap().calls, calls);
        assert!(plain.lines().all(is_plain) && !is_plain("INFO jepsen.util - 0 :ok :read 1") && !is_plain("0 1 2"));
    }

    #[test]
    fn mistakes_have_their_line() {
        let told = |log: &str| logged(log).unwrap_err().to_string();
        assert_eq!(told("INFO  jepsen.util - 0 :ok :read 1"), "line 1: process 0 has no call open that could end");
        assert_eq!(told("\nINFO  jepsen.util - 0 :invoke :write )"), "line 2: `)` is no value: expected a number, nil or [from to]");
        let plain = read("0 :invoke :write 1\nhello", ReadOptions::default(), false).unwrap_err().to_string();
        assert_eq!(plain, "line 2: `hello` is no event: expected `PROCESS :invoke|:ok|:fail|:info :CALL VALUE`");
    }
}
