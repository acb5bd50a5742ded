//! A history file straight into columns: for histories that are too long to be kept whole.
//!
//! The lines that long histories are made of (gets, puts, swaps, deletes, and their answers) are read as the codec writes
//! them, byte by byte; every other line by the codec itself.

use super::{
    log::{DoesNotFit, Kind, Log, NONE, Row},
    quick::{ReplayFailure, witness},
};
use crate::checks::out_of_model::OutOfModel;
use crate::ops::{Entry, EntryKind, Op, OpEnd};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use squall_linear::{StreamingVerdict, frontier::Watchdog};
use std::io::{self, Read};

/// A history, as far as it was read.
pub struct Columns {
    log: Log,
    /// Operations without an end: the places of their rows.
    open: HashMap<u64, u32, FxBuildHasher>,
    /// Ranges and transactions without an end, and their floors.
    open_large: HashMap<u64, (Op, u64), FxBuildHasher>,
    floor: u64,
    ended: bool,
}

/// Reads a history. `None` when it holds what does not fit into columns, or is no history.
///
/// # Errors
/// When the bytes cannot be had.
pub fn read_columns(mut input: impl Read) -> io::Result<Option<Columns>> {
    let mut columns = Columns { log: Log::default(), open: HashMap::default(), open_large: HashMap::default(), floor: 0, ended: false };
    let mut buffer = vec![0u8; 1 << 18];
    let (mut filled, mut first) = (0, true);
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
        let got = input.read(&mut buffer[filled..])?;
        filled += got;
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[from..filled]) {
            let line = &buffer[from..from + length];
            from += length + 1;
            if std::mem::take(&mut first) {
                if !line.starts_with(b"{\"squall_history\":") {
                    return Ok(None);
                }
            } else if columns.line(line).is_err() {
                return Ok(None);
            }
        }
        buffer.copy_within(from..filled, 0);
        filled -= from;
        if got == 0 {
            break;
        }
    }
    // Without a header, or without the end of its last line.
    if filled > 0 || first {
        return Ok(None);
    }
    Ok(columns.finish().ok())
}

impl Columns {
    /// Looks for a witness, as long as it may.
    pub fn decide(&self, go_on: Watchdog<'_>) -> StreamingVerdict {
        match witness(&self.log, &OutOfModel::default(), 0, go_on) {
            Ok(_) => StreamingVerdict::Valid { ops: self.log.rows.len(), ended: self.ended },
            Err(ReplayFailure::Stopped(at)) => StreamingVerdict::Stopped { ops: self.log.rows.len(), at },
            Err(_) => StreamingVerdict::Undecided,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), DoesNotFit> {
        self.ended = false;
        match self.quickly(line) {
            Some(done) => done,
            None => self.slowly(line),
        }
    }

    /// `None` when it is not one of the lines that are read here.
    fn quickly(&mut self, line: &[u8]) -> Option<Result<(), DoesNotFit>> {
        let mut at = Cursor(line);
        at.word(b"{\"t\":")?;
        at.number()?;
        at.word(b",\"what\":{\"")?;
        if at.word(b"ok\":{\"op\":").is_some() {
            let id = at.number()?;
            at.word(b",\"output\":")?;
            let row = *self.open.get(&id)?;
            let kind = self.log.rows[row as usize].kind;
            let (value, yes, changed) = if at.word(b"\"done\"").is_some() && kind == Kind::Put {
                (None, true, true)
            } else if at.word(b"{\"got\":{\"value\":").is_some() && kind == Kind::Get {
                let held = at.text_or_null()?;
                at.word(b"}}")?;
                let value = match held {
                    None => NONE,
                    Some(held) => match self.log.values.id(held) {
                        Some(value) => value,
                        None => return Some(Err(DoesNotFit)),
                    },
                };
                (Some(value), true, false)
            } else if at.word(b"{\"swapped\":{\"yes\":").is_some() && kind == Kind::Swap {
                let yes = at.word(b"true}}").is_some() || at.word(b"false}}").map(|()| false)?;
                (None, yes, yes)
            } else if at.word(b"{\"deleted\":{\"count\":").is_some() && kind == Kind::Delete {
                let count = at.number().filter(|count| *count < 2)?;
                at.word(b"}}")?;
                (None, count == 1, count == 1)
            } else {
                return None;
            };
            at.word(b",\"revision\":")?;
            let revision = at.number().filter(|revision| *revision > 0)?;
            at.end(b"}}}")?;
            self.open.remove(&id);
            let row = &mut self.log.rows[row as usize];
            row.value = value.unwrap_or(row.value);
            (row.yes, row.changed, row.revision) = (yes, changed, revision);
            self.seen(revision);
            return Some(Ok(()));
        }
        at.word(b"invoke\":{\"client\":")?;
        at.number()?;
        at.word(b",\"op\":")?;
        let id = at.number()?;
        at.word(b",\"ask\":{\"")?;
        let kind = [(&b"get"[..], Kind::Get), (b"put", Kind::Put), (b"cas", Kind::Swap), (b"delete", Kind::Delete)];
        let kind = kind.into_iter().find_map(|(word, kind)| at.word(word).map(|()| kind))?;
        at.word(b"\":{\"key\":\"")?;
        let key = at.text()?;
        let expect = if kind == Kind::Swap {
            at.word(b",\"expect\":")?;
            at.text_or_null()?
        } else {
            None
        };
        let value = if matches!(kind, Kind::Swap | Kind::Put) {
            at.word(b",\"value\":\"")?;
            Some(at.text()?)
        } else {
            None
        };
        at.end(b"}}}}}")?;
        Some(self.invoke(id, kind, key, expect, value))
    }

    fn invoke(&mut self, id: u64, kind: Kind, key: &[u8], expect: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), DoesNotFit> {
        let mut number = |text: Option<&[u8]>| text.map_or(Some(NONE), |text| self.log.values.id(text)).ok_or(DoesNotFit);
        let (extra, value) = (number(expect)?, number(value)?);
        let key = self.log.keys.id(key).ok_or(DoesNotFit)?;
        if self.log.rows.len() >= NONE as usize {
            return Err(DoesNotFit);
        }
        self.open.insert(id, self.log.rows.len() as u32);
        self.log.rows.push(Row { revision: 0, floor: self.floor, key, value, extra, kind, yes: true, changed: false });
        Ok(())
    }

    fn seen(&mut self, revision: u64) {
        self.floor = self.floor.max(revision);
        self.log.last = self.log.last.max(revision);
    }

    /// As the codec reads it.
    fn slowly(&mut self, line: &[u8]) -> Result<(), DoesNotFit> {
        let entry: Entry = serde_json::from_slice(line).map_err(|_| DoesNotFit)?;
        match entry.what {
            EntryKind::Invoke { op, ask, .. } => {
                match &ask {
                    Op::Get { key } => self.invoke(op.0, Kind::Get, key.as_bytes(), None, None)?,
                    Op::Put { key, value } => self.invoke(op.0, Kind::Put, key.as_bytes(), None, Some(value.as_bytes()))?,
                    Op::Delete { key } => self.invoke(op.0, Kind::Delete, key.as_bytes(), None, None)?,
                    Op::Cas { key, expect, value } => {
                        self.invoke(op.0, Kind::Swap, key.as_bytes(), expect.as_ref().map(String::as_bytes), Some(value.as_bytes()))?;
                    }
                    Op::Range { .. } | Op::Txn { .. } => _ = self.open_large.insert(op.0, (ask, self.floor)),
                    // These are told key by key, of keys that are known at the end.
                    Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => return Err(DoesNotFit),
                    // Leases and lines take revisions of their own.
                    Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => return Err(DoesNotFit),
                }
            }
            EntryKind::Ok { op, output, position: revision } => {
                if let Some((ask, floor)) = self.open_large.remove(&op.0) {
                    self.log.push(&ask, &OpEnd::Ok(entry.t, output), revision, floor)?;
                } else {
                    let row = self.open.remove(&op.0).ok_or(DoesNotFit)?;
                    let row = std::mem::replace(&mut self.log.rows[row as usize], dropped());
                    // What it was is told again, as an operation, and put at the end.
                    let ask = self.ask_of(&row);
                    self.log.push(&ask, &OpEnd::Ok(entry.t, output), revision, row.floor)?;
                }
                self.seen(revision.ok_or(DoesNotFit)?);
            }
            EntryKind::Fail { op, .. } => {
                if self.open_large.remove(&op.0).is_none() {
                    let row = self.open.remove(&op.0).ok_or(DoesNotFit)?;
                    self.log.rows[row as usize] = dropped();
                }
            }
            EntryKind::Info { op, .. } => {
                if let Some((ask, floor)) = self.open_large.remove(&op.0) {
                    self.log.push(&ask, &OpEnd::Open, None, floor)?;
                } else {
                    self.open.remove(&op.0);
                }
            }
            EntryKind::End => self.ended = true,
            EntryKind::Heard { .. } | EntryKind::Effect(_) | EntryKind::Event { .. } | EntryKind::Node { .. } => {}
            EntryKind::Available { .. } | EntryKind::Healed { .. } | EntryKind::FinalReads => {}
        }
        Ok(())
    }

    fn ask_of(&self, row: &Row) -> Op {
        let text = |id: u32| if id == NONE { None } else { Some(self.log.values.text(id)) };
        let key = self.log.keys.text(row.key);
        match row.kind {
            Kind::Put => Op::Put { key, value: text(row.value).unwrap_or_default() },
            Kind::Swap => Op::Cas { key, expect: text(row.extra), value: text(row.value).unwrap_or_default() },
            Kind::Delete => Op::Delete { key },
            Kind::Get | Kind::Range | Kind::Txn => Op::Get { key },
        }
    }

    fn finish(mut self) -> Result<Columns, DoesNotFit> {
        for (_, (ask, floor)) in std::mem::take(&mut self.open_large) {
            self.log.push(&ask, &OpEnd::Open, None, floor)?;
        }
        Ok(self)
    }
}

/// What stands for an operation that did not happen: a get that nobody answered.
fn dropped() -> Row {
    Row { revision: 0, floor: 0, key: 0, value: NONE, extra: NONE, kind: Kind::Get, yes: true, changed: false }
}

/// What is left of a line.
struct Cursor<'l>(&'l [u8]);

impl<'l> Cursor<'l> {
    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    fn end(&mut self, word: &[u8]) -> Option<()> {
        (self.0 == word).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 19 {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        Some(number.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
    }

    /// Up to the quote; `None` when something is escaped.
    fn text(&mut self) -> Option<&'l [u8]> {
        let end = self.0.iter().position(|b| matches!(b, b'"' | b'\\'))?;
        if self.0[end] == b'\\' {
            return None;
        }
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    fn text_or_null(&mut self) -> Option<Option<&'l [u8]>> {
        match self.word(b"null") {
            Some(()) => Some(None),
            None => {
                self.word(b"\"")?;
                self.text().map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Output;
    use crate::{
        checks::{ALL, Verdict, generate},
        ops::untyped,
    };
    use squall_history::{View, write_jsonl};
    use squall_judge::check_all;

    fn spec(seed: u64, unknown_per_mille: u64) -> generate::Spec {
        generate::Spec { ops: 2_000, clients: 7, keys: 9, unknown_per_mille, ranges_per_mille: 20, seed }
    }

    fn go(history: &[Entry]) -> StreamingVerdict {
        let mut bytes = Vec::new();
        write_jsonl(untyped(history), &mut bytes).unwrap();
        read_columns(&bytes[..]).unwrap().map_or(StreamingVerdict::Undecided, |columns| columns.decide(&mut squall_linear::unlimited))
    }

    #[test]
    fn columns_say_what_the_checker_says() {
        let mut decided = 0;
        for seed in 0..60 {
            let mut history: Vec<Entry> = generate::generate(spec(seed, seed * 5)).collect();
            if seed % 3 == 2 {
                // A stale answer.
                let gets = history.iter_mut().filter_map(|e| match &mut e.what {
                    EntryKind::Ok { output: Output::Got { value: Some(value) }, .. } => Some(value),
                    _ => None,
                });
                *gets.last().unwrap() = "v1".into();
            }
            let told = check_all(&View::new(&untyped(&history)), &["linearizable".to_string()], ALL).remove(0).1;
            match go(&history) {
                StreamingVerdict::Valid { ended, .. } => {
                    assert!(ended && told == Verdict::Valid, "seed {seed}: {told:?}");
                    decided += 1;
                }
                StreamingVerdict::Stopped { .. } => panic!("nobody stops it"),
                StreamingVerdict::Undecided => assert!(seed % 3 == 2 || told != Verdict::Valid, "seed {seed}: the columns miss it"),
            }
        }
        assert_eq!(decided, 40);
    }

    #[test]
    fn what_does_not_fit_is_left_to_others() {
        let undecided = |text: &str| {
            let columns = read_columns(text.as_bytes()).unwrap();
            assert!(columns.is_none_or(|columns| columns.decide(&mut squall_linear::unlimited) == StreamingVerdict::Undecided), "{text}");
        };
        let head = "{\"squall_history\":3}\n";
        undecided("");
        undecided("{\"t\":1}\n");
        undecided(&format!("{head}{{\"t\":1,\"what\":\"end\"}}"));
        undecided(&format!(
            "{head}{{\"t\":1,\"what\":{{\"invoke\":{{\"client\":1,\"op\":1,\"ask\":{{\"hello\":{{\"name\":\"a\"}}}}}}}}}}\n"
        ));
        undecided(&format!(
            "{head}{{\"t\":1,\"what\":{{\"invoke\":{{\"client\":1,\"op\":1,\"ask\":{{\"get\":{{\"key\":\"a\"}}}}}}}}}}\n{{\"t\":2,\"what\":{{\"ok\":{{\"op\":1,\"output\":{{\"got\":{{\"value\":\"x\"}}}},\"revision\":1}}}}}}\n"
        ));
    }
}
