//! Jepsen's and Knossos' histories: EDN maps, one an event.
//!
//! `:ok` happened, `:fail` did not, `:info` may have. Events of `:nemesis` are passed over, and counted; every other process is a
//! client, whether it is a number or has a name. Keywords and symbols are read as the text of their names.
//!
//! The reader is our own: it goes through a file once and puts an event's fields straight into a call, without a tree, so that a
//! history takes no longer to read than to judge.

use super::{
    ReadError, ReadOptions, apart,
    edn_atom::{atom, cut},
};
use crate::raw::{Builder, Event, Odd, RawHistory, Type, Value};
use std::sync::Arc;

/// Nothing that anybody writes is nested deeper. (A deeper file would need as much of the stack as it likes.)
const DEPTH_MAX: usize = 64;

pub(super) fn read(text: &str, options: ReadOptions) -> Result<RawHistory, ReadError> {
    let mut builder = Builder::for_text(text);
    let mut reader = Reader { text, at: 0, depth: 0, options };
    let line = |at: usize| 1 + memchr::memchr_iter(b'\n', &text.as_bytes()[..at.min(text.len())]).count();
    loop {
        reader.blanks().and_then(|()| reader.events(&mut builder)).map_err(|(at, what)| ReadError::Line { line: line(at), what })?;
        if reader.is_at_end() {
            return Ok(builder.finish(line));
        }
    }
}

/// One value, and nothing behind it but what a logger may add: an error, a comment.
pub(super) fn one_value(text: &str, options: ReadOptions) -> Result<(Option<Value>, Value), String> {
    let mut reader = Reader { text, at: 0, depth: 0, options };
    reader.keyed().map_err(|(_, what)| what)
}

/// Where, and what is wrong there.
type Wrong = (usize, String);

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    options: ReadOptions,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\n' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// Whether a token ends before this.
fn ends(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';')
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn wrong<T>(&self, what: impl Into<String>) -> Result<T, Wrong> {
        Err((self.at, what.into()))
    }

    /// Blanks, comments, and forms that are discarded.
    fn blanks(&mut self) -> Result<(), Wrong> {
        loop {
            match self.peek() {
                Some(byte) if is_blank(byte) => self.at += 1,
                Some(b';') => {
                    let rest = &self.text.as_bytes()[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                Some(b'#') if self.text.as_bytes().get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.skip()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The next byte that is no blank, without taking it.
    fn next(&mut self) -> Result<u8, Wrong> {
        self.blanks()?;
        self.peek().map_or_else(|| self.wrong("it ends in the middle of a form: a bracket or a value is missing"), Ok)
    }

    fn token(&mut self) -> &'t str {
        let bytes = &self.text.as_bytes()[self.at..];
        let length = bytes.iter().position(|byte| ends(*byte)).unwrap_or(bytes.len());
        let token = &self.text[self.at..self.at + length];
        self.at += length;
        token
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth == DEPTH_MAX {
            return self.wrong(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        self.depth += 1;
        let read = inner(self)?;
        self.depth -= 1;
        Ok(read)
    }

    /// The events of a form: a map is one; lists, vectors and tagged forms hold some.
    fn events(&mut self, builder: &mut Builder) -> Result<(), Wrong> {
        match self.peek() {
            None => Ok(()),
            Some(b'{') => self.event(builder),
            Some(open @ (b'[' | b'(')) => {
                let close = if open == b'[' { b']' } else { b')' };
                self.at += 1;
                self.deeper(|reader| {
                    while reader.next()? != close {
                        reader.events(builder)?;
                    }
                    reader.at += 1;
                    Ok(())
                })
            }
            // `#jepsen.history.Op{...}`, and vectors of them.
            Some(b'#') if self.text.as_bytes().get(self.at + 1).is_some_and(u8::is_ascii_alphabetic) => {
                self.token();
                self.next()?;
                self.deeper(|reader| reader.events(builder))
            }
            Some(_) => {
                let at = self.at;
                match self.value()? {
                    Value::Nil => Ok(()),
                    value => Err((at, format!("`{value}` is no event: expected a map with :process, :type, :f and :value"))),
                }
            }
        }
    }

    fn event(&mut self, builder: &mut Builder) -> Result<(), Wrong> {
        let at = self.at;
        self.at += 1;
        let (mut event, mut kind, mut nemesis) = (Event::default(), None, false);
        while self.next()? != b'}' {
            let name = if self.peek() == Some(b':') { Some(self.token()) } else { None };
            let Some(name) = name else {
                self.skip()?;
                self.next()?;
                self.skip()?;
                continue;
            };
            let first = self.next()?;
            match name {
                ":process" => match first {
                    b':' => match &self.token()[1..] {
                        "nemesis" => nemesis = true,
                        name => event.process = Some(Value::text(name)),
                    },
                    _ => match self.value()? {
                        Value::Nil => nemesis = true,
                        Value::Text(name) if &*name == "nemesis" => nemesis = true,
                        process @ (Value::Int(_) | Value::Text(_)) => event.process = Some(process),
                        other => return Err((at, format!("`{other}` is no :process: expected a number or a name"))),
                    },
                },
                ":type" => {
                    let word = self.word()?;
                    let Some(known) = Type::of(word) else {
                        return Err((at, format!("`:{word}` is no :type: expected :invoke, :ok, :fail or :info")));
                    };
                    kind = Some(known);
                }
                ":f" => {
                    let word = self.word()?;
                    event.kind = (word != "nil").then_some(word);
                }
                ":value" => {
                    let (key, value) = self.keyed()?;
                    event.key = key.or(event.key);
                    event.value = Some(value);
                }
                ":key" => event.key = Some(self.value()?),
                ":time" => match self.value()? {
                    Value::Int(time) => event.time = u64::try_from(time).ok(),
                    _ => event.time = None,
                },
                _ => self.skip()?,
            }
        }
        self.at += 1;
        if nemesis {
            builder.odd(Odd::Nemesis, at);
            return Ok(());
        }
        let told = |what: String| (at, format!("{what}, in `{}`", cut(&self.text[at..self.at])));
        let kind = kind.ok_or_else(|| told("it has no :type".into()))?;
        builder.jepsen(event, kind, at).map_err(told)
    }

    /// A keyword, a symbol or a string, as its text.
    fn word(&mut self) -> Result<&'t str, Wrong> {
        match self.peek() {
            Some(b'"') => {
                let from = self.at + 1;
                let length =
                    memchr::memchr(b'"', &self.text.as_bytes()[from..]).map_or_else(|| self.wrong("a string without an end"), Ok)?;
                self.at = from + length + 1;
                Ok(&self.text[from..from + length])
            }
            _ => {
                let token = self.token();
                if token.is_empty() {
                    return self.wrong("a word is expected here");
                }
                Ok(token.strip_prefix(':').unwrap_or(token))
            }
        }
    }

    /// A value that may be of one key among several, as jepsen.independent tells it.
    fn keyed(&mut self) -> Result<(Option<Value>, Value), Wrong> {
        self.blanks()?;
        let at = self.at;
        let tagged = self.text[self.at..].starts_with("#jepsen.independent");
        if tagged {
            self.token();
            self.next()?;
            if !self.options.independent {
                return Err((
                    at,
                    "its values are `[key value]` of jepsen.independent: give --independent to judge each key by itself".into(),
                ));
            }
        }
        let value = self.value()?;
        if !self.options.independent {
            return Ok((None, value));
        }
        // As a record it is a map.
        if let (true, Value::Map(fields)) = (tagged, &value) {
            let field = |name: &str| fields.iter().find(|(key, _)| *key == Value::text(name)).map(|(_, value)| value.clone());
            return Ok((field("key"), field("value").unwrap_or(Value::Nil)));
        }
        apart(value).map_err(|what| (at, what))
    }

    fn value(&mut self) -> Result<Value, Wrong> {
        Ok(match self.next()? {
            b'"' => Value::Text(self.string()?),
            b'[' => {
                self.at += 1;
                Value::list(self.items(b']')?)
            }
            b'(' => {
                self.at += 1;
                Value::list(self.items(b')')?)
            }
            b'{' => {
                self.at += 1;
                let at = self.at;
                let all = self.items(b'}')?;
                if all.len() % 2 == 1 {
                    return Err((at, "a map has a key without a value".into()));
                }
                let mut all = all.into_iter();
                Value::map(std::iter::from_fn(|| all.next().zip(all.next())))
            }
            b'#' => match self.text.as_bytes().get(self.at + 1) {
                Some(b'{') => {
                    self.at += 2;
                    let mut all = self.items(b'}')?;
                    all.sort_unstable();
                    all.dedup();
                    Value::list(all)
                }
                Some(b'#') => Value::text(self.token()),
                _ => {
                    self.token();
                    self.deeper(Reader::value)?
                }
            },
            b'\\' => {
                let from = self.at;
                self.at += 1;
                let first = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
                self.at += first;
                self.token();
                Value::text(&self.text[from + 1..self.at])
            }
            byte @ (b')' | b']' | b'}') => return self.wrong(format!("a `{}` that closes nothing", byte as char)),
            _ => {
                let at = self.at;
                atom(self.token()).map_err(|what| (at, what))?
            }
        })
    }

    fn items(&mut self, close: u8) -> Result<Vec<Value>, Wrong> {
        self.deeper(|reader| {
            let mut all = Vec::new();
            while reader.next()? != close {
                all.push(reader.value()?);
            }
            reader.at += 1;
            Ok(all)
        })
    }

    fn string(&mut self) -> Result<Arc<str>, Wrong> {
        let from = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = from;
        loop {
            match memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
                None => return self.wrong("a string without an end"),
                Some(n) if bytes[at + n] == b'\\' => at += n + 2,
                Some(n) => {
                    at += n;
                    break;
                }
            }
        }
        let text = &self.text[from..at];
        self.at = at + 1;
        if !text.contains('\\') {
            return Ok(text.into());
        }
        let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars());
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let c = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some(c) => out.push(c),
                None => {}
            }
        }
        Ok(out.into())
    }

    /// A form that nobody wants.
    fn skip(&mut self) -> Result<(), Wrong> {
        match self.next()? {
            b'"' => {
                let bytes = self.text.as_bytes();
                let mut at = self.at + 1;
                loop {
                    match memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
                        None => return self.wrong("a string without an end"),
                        Some(n) if bytes[at + n] == b'\\' => at += n + 2,
                        Some(n) => {
                            self.at = at + n + 1;
                            return Ok(());
                        }
                    }
                }
            }
            b'[' | b'(' | b'{' | b'#' | b'\\' | b')' | b']' | b'}' => self.value().map(drop),
            _ => {
                self.token();
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::RawEnd;

    fn told(text: &str) -> String {
        read(text, ReadOptions::default()).map_or_else(|e| e.to_string(), |history| format!("{history:?}"))
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        #[rustfmt::skip]
        let rows: &[(&str, Value)] = &[
            ("nil", Value::Nil), ("true", Value::Bool(true)), ("-7", Value::Int(-7)), ("+7", Value::Int(7)), ("0xa0", Value::Int(160)),
            ("5N", Value::Int(5)), ("2.50", Value::text("2.50")), ("1/2", Value::text("1/2")), (":a/b", Value::text("a/b")), ("sym", Value::text("sym")),
            ("\"a\\n\\\"b\\u0041\"", Value::text("a\n\"bA")), ("\\x", Value::text("x")), ("\\space", Value::text("space")),
            ("[1 [2] ()]", Value::list(vec![Value::Int(1), Value::list(vec![Value::Int(2)]), Value::list(vec![])])),
            ("#{3 1 1}", Value::list(vec![Value::Int(1), Value::Int(3)])),
            ("{1 2, 0 5}", Value::map([(Value::Int(0), Value::Int(5)), (Value::Int(1), Value::Int(2))])),
            ("#inst \"2020\"", Value::text("2020")), ("#_ {gone 1} 4 ; behind", Value::Int(4)), ("-", Value::text("-")),
        ];
        for (text, expect) in rows {
            assert_eq!(one_value(text, ReadOptions::default()).unwrap().1, *expect, "{text}");
        }
        for (text, why) in [
            ("[1", "it ends in the middle of a form"),
            (")", "a `)` that closes nothing"),
            ("{1}", "a map has a key without a value"),
            ("\"a", "a string without an end"),
            (&"[".repeat(70), "it is nested more than 64 deep"),
        ] {
            let error = one_value(text, ReadOptions::default()).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn mistakes_have_their_line_and_nothing_is_passed_over_in_silence() {
        let event = |rest: &str| format!("{{:process 0, :type {rest}}}\n");
        let begins = event(":invoke, :f :write, :value 1");
        let cases = [
            (event(":okay, :f :read"), "line 1: `:okay` is no :type: expected :invoke, :ok, :fail or :info"),
            (format!("{begins}{begins}"), "line 2: process 0 begins `write` while its `write` (call 1) is open: end that one first"),
            (
                format!("{begins}{}", event(":ok, :f :read, :value 9")),
                "line 2: process 0 has `write 1` (call 1) open, and this ends a `read`",
            ),
            (
                format!("{begins}{}", event(":ok, :f :write, :value 2")),
                "line 2: process 0 asked for `write 1` (call 1), and 2 is acknowledged",
            ),
            (event(":ok, :f :read, :value 9"), "line 1: process 0 has no call open that could end"),
            (event(":invoke, :value 9"), "line 1: it has no :f, and what a call does must be told where it begins"),
            ("\n{:type :ok}".into(), "line 2: it has no :process"),
            ("5".into(), "line 1: `5` is no event"),
            (
                event(":invoke, :f :write, :value #jepsen.independent/tuple [1 5]"),
                "line 1: its values are `[key value]` of jepsen.independent",
            ),
        ];
        for (text, expect) in cases {
            assert!(told(&text).starts_with(expect), "{text}{}", told(&text));
        }
        let text = "{:process :nemesis, :type :info, :f :start}\n{:process :w, :type :invoke, :f :write, :value 1, :time 9}\n\
                    {:process :w, :type :ok, :value 1, :time 7}\n{:process \"x\", :type :info, :f :read}\n";
        let history = read(text, ReadOptions::default()).unwrap();
        assert_eq!((history.calls.len(), history.calls[0].end.clone()), (1, RawEnd::Ok(None)), "a completion needs no :f");
        let remarks: Vec<String> = history.remarks.iter().map(ToString::to_string).collect();
        assert_eq!(
            remarks,
            [
                "1 events of :nemesis passed over: it is no client (first in line 1)",
                "1 `:info` events of a process that has no call open passed over (first in line 4)",
                "1 times go back; the order of the lines counts, not the times (first in line 3)",
            ]
        );
    }

    #[test]
    fn independent_values_are_taken_apart_whichever_way_they_are_written() {
        for pair in ["[1 5]", "#jepsen.independent/tuple [1 5]", "#jepsen.independent.Tuple{:key 1, :value 5}"] {
            let text = format!("{{:process 0, :type :invoke, :f :write, :value {pair}}}");
            let history = read(&text, ReadOptions { independent: true }).unwrap();
            assert_eq!((history.calls[0].key.clone(), history.calls[0].input.clone()), (Some(Value::Int(1)), Value::Int(5)), "{pair}");
        }
    }
}
