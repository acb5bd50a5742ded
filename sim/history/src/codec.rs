//! A history as JSON lines: a header line, then a line per entry.
//!
//! The digest is the SHA-256 of exactly those bytes, so `sha256sum history.jsonl` checks it.

use crate::{Ask, Body, Entry, EntryKind, History, OpId, Untyped, legacy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
};

/// The version of the format that this build writes. Versions 1 and 2 had fewer operations, version 3 no syncs
/// and memberships of logs, version 5 no codes of failures, and its effects were sentences; all are read as they are.
pub const FORMAT: u32 = 6;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    squall_history: u32,
}

/// How a service's own data is read.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Reads a line.
    pub(crate) entry: fn(&str) -> serde_json::Result<Entry>,
    /// What failures said before they had codes ([`crate::Failure`]): a part of the sentence, and today's code.
    pub(crate) failures: &'static [(&'static str, &'static str)],
}

impl ReadError {
    /// The line that it is about, if it is about one.
    pub fn line(&self) -> Option<usize> {
        match self {
            ReadError::Line { line, .. } | ReadError::Twice { line, .. } => Some(*line),
            ReadError::Io(_) | ReadError::Newer(_) | ReadError::Empty => None,
        }
    }
}

impl Dialect {
    /// Of nobody: its data stays as it is read.
    pub const UNTYPED: Dialect = Dialect::of::<Untyped, Untyped, Untyped>(&[]);

    /// That of a service with these operations, answers and things that are heard. `failures`: what its failures said before they had
    /// codes, a part of the sentence and the code.
    pub const fn of<O, A, H>(failures: &'static [(&'static str, &'static str)]) -> Dialect
    where
        O: Ask + for<'de> Deserialize<'de>,
        A: Body + for<'de> Deserialize<'de>,
        H: Body + for<'de> Deserialize<'de>,
    {
        Dialect { entry: |line| serde_json::from_str::<Entry<O, A, H>>(line).map(Entry::untyped), failures }
    }
}

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes could not be had.
    #[error("cannot read the history: {0}")]
    Io(#[from] io::Error),
    /// A line is not what this format says.
    #[error("line {line} is not a history entry: {source}")]
    Line {
        /// counted from 1
        line: usize,
        /// what the JSON reader says
        source: serde_json::Error,
    },
    /// An operation is asked, or ends, for the second time.
    #[error("line {line} contradicts an earlier one: {op} {what} before")]
    Twice {
        /// counted from 1
        line: usize,
        /// which operation
        op: OpId,
        /// `was asked` or `ended`
        what: &'static str,
    },
    /// Written by a newer build.
    #[error("this history has format {0}, newer than {FORMAT}, the newest that this build reads: use a newer squall")]
    Newer(u32),
    /// The file has no header.
    #[error("the history is empty: its first line must be the header")]
    Empty,
}

/// One entry as its line, without the newline.
pub fn to_line(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("an entry always has a JSON form")
}

/// Writes a history as JSON lines.
///
/// # Errors
/// When it cannot be written.
pub fn write_jsonl<E: Serialize>(history: impl IntoIterator<Item = E>, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Header { squall_history: FORMAT })?;
    out.write_all(b"\n")?;
    for entry in history {
        serde_json::to_writer(&mut *out, &entry)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The SHA-256 of the history's JSON lines, as 64 hexadecimal digits.
pub fn digest_of(history: &[Entry]) -> String {
    struct Hashing {
        sha: Sha256,
        buffer: Vec<u8>,
    }
    impl Write for Hashing {
        #[inline]
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.write_all(data)?;
            Ok(data.len())
        }
        // A line is written in many small pieces.
        #[inline(always)]
        fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
            self.buffer.extend_from_slice(data);
            if self.buffer.len() >= 1 << 16 {
                self.flush()?;
            }
            Ok(())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.sha.update(&self.buffer);
            self.buffer.clear();
            Ok(())
        }
    }
    let mut out = Hashing { sha: Sha256::new(), buffer: Vec::with_capacity(1 << 17) };
    write_jsonl(history, &mut out).expect("hashing does not fail");
    out.flush().expect("hashing does not fail");
    out.sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads a history back. What belongs to its service is in this dialect.
///
/// # Errors
/// When the bytes cannot be had, or are no history of this version or an older one.
pub fn read_jsonl(input: impl BufRead, dialect: Dialect) -> Result<History, ReadError> {
    let mut history = History::new();
    let mut version = None;
    // The operations that were asked, and whether they ended.
    let mut asked: BTreeMap<OpId, bool> = BTreeMap::new();
    for (i, line) in input.lines().enumerate() {
        let line = line?;
        let at = |source| ReadError::Line { line: i + 1, source };
        let Some(version) = version else {
            let header: Header = serde_json::from_str(&line).map_err(at)?;
            if header.squall_history > FORMAT {
                return Err(ReadError::Newer(header.squall_history));
            }
            version = Some(header.squall_history);
            continue;
        };
        let entry = (dialect.entry)(&line).map_err(at)?;
        let twice = match &entry.what {
            EntryKind::Invoke { op, .. } => asked.insert(*op, false).map(|_| (*op, "was asked")),
            EntryKind::Ok { op, .. } | EntryKind::Fail { op, .. } | EntryKind::Info { op, .. } => {
                let ended = asked.get_mut(op).is_some_and(|ended| std::mem::replace(ended, true));
                ended.then_some((*op, "ended"))
            }
            _ => None,
        };
        if let Some((op, what)) = twice {
            return Err(ReadError::Twice { line: i + 1, op, what });
        }
        history.push(if version < legacy::DATA_SINCE { legacy::upgraded(entry, dialect.failures) } else { entry });
    }
    if version.is_some() { Ok(history) } else { Err(ReadError::Empty) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientId, EntryKind, NodeId, Observation, OpId, SimTime, Untyped};
    use serde_json::json;

    fn sample() -> History {
        let get = Untyped(json!({ "get": { "key": "k</script>\"\n" } }));
        let got = Untyped(json!({ "got": { "value": null } }));
        vec![
            Entry { t: SimTime(0), what: EntryKind::Node { node: NodeId(1), saw: Observation::Stopped } },
            Entry { t: SimTime(5), what: EntryKind::Invoke { client: ClientId(2), op: OpId(1), ask: get.into() } },
            Entry { t: SimTime(9), what: EntryKind::Ok { op: OpId(1), output: got.into(), position: Some(4) } },
            Entry { t: SimTime(9), what: EntryKind::End },
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        write_jsonl(sample(), &mut bytes).unwrap();
        assert_eq!(read_jsonl(&bytes[..], Dialect::UNTYPED).unwrap(), sample());
    }

    #[test]
    fn the_digest_is_the_sha256_of_the_file() {
        let mut bytes = Vec::new();
        write_jsonl(sample(), &mut bytes).unwrap();
        let expect: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest_of(&sample()), expect);
        assert_ne!(digest_of(&sample()), digest_of(&sample()[1..]));
    }

    #[test]
    fn older_versions_are_read_with_their_sentences_as_data() {
        let lines = [
            r#"{"t":1,"what":{"fail":{"op":3,"why":"OutOfRange: etcdserver: mvcc: required revision has been compacted"}}}"#,
            r#"{"t":2,"what":{"effect":{"fault":"kill-12","phase":"start","text":"kill n2"}}}"#,
            r#"{"t":3,"what":{"effect":{"fault":"mine","phase":"once","text":"kill: nobody to do it to"}}}"#,
            r#"{"t":4,"what":{"effect":{"fault":"failpoint-1","phase":"stop","text":"n1: x is a seam like any other again; it was hit 0 times"}}}"#,
        ];
        let text = format!("{{\"squall_history\":5}}\n{}\n", lines.join("\n"));
        let dialect = Dialect::of::<Untyped, Untyped, Untyped>(&[("has been compacted", "compacted")]);
        let history = read_jsonl(text.as_bytes(), dialect).unwrap();
        let EntryKind::Fail { code, .. } = &history[0].what else { panic!() };
        assert_eq!(code, "compacted");
        let effects: Vec<String> = history[1..]
            .iter()
            .map(|entry| {
                let EntryKind::Effect(effect) = &entry.what else { panic!() };
                assert!(effect.fault.id != "kill-12" || effect.concerns(crate::Party::Node(NodeId(2))), "{effect:?}");
                format!("{} {:?} {effect}", effect.fault.kind, effect.result)
            })
            .collect();
        assert_eq!(effects[..2], ["kill Started kill n2", "mine NoTarget kill: nobody to do it to"]);
        assert!(effects[2].starts_with("failpoint NotHit"), "{effects:?}");
        // Written anew, they are of today's version, and the same.
        let mut bytes = Vec::new();
        write_jsonl(&history, &mut bytes).unwrap();
        assert_eq!(read_jsonl(&bytes[..], Dialect::UNTYPED).unwrap(), history);
    }

    #[test]
    fn an_operation_is_asked_once_and_ends_once() {
        let (ask, ok) = (r#"{"t":1,"what":{"invoke":{"client":1,"op":1,"ask":"get"}}}"#, r#"{"t":2,"what":{"ok":{"op":1,"output":"a"}}}"#);
        let info = r#"{"t":3,"what":{"info":{"op":1,"why":""}}}"#;
        let read = |lines: &[&str]| {
            let text = format!("{{\"squall_history\":6}}\n{}\n", lines.join("\n"));
            read_jsonl(text.as_bytes(), Dialect::UNTYPED).map_err(|e| e.to_string())
        };
        assert_eq!(read(&[ask, ok]).unwrap().len(), 2);
        assert_eq!(read(&[ask, ok, info]).unwrap_err(), "line 4 contradicts an earlier one: op1 ended before");
        assert_eq!(read(&[ask, ok, ask]).unwrap_err(), "line 4 contradicts an earlier one: op1 was asked before");
    }

    #[test]
    fn bad_input_is_refused_with_its_line() {
        let bad = b"{\"squall_history\":1}\n{\"t\":1,\"what\":\"end\"}\n{\"t\":1}\n";
        assert!(read_jsonl(&bad[..], Dialect::UNTYPED).unwrap_err().to_string().starts_with("line 3 "));
        assert!(matches!(read_jsonl(&b"{\"squall_history\":9}\n"[..], Dialect::UNTYPED), Err(ReadError::Newer(9))));
        assert!(matches!(read_jsonl(&b""[..], Dialect::UNTYPED), Err(ReadError::Empty)));
    }
}
