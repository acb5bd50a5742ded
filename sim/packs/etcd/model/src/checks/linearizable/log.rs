//! A history of keys and values with revisions, in columns: small, and quick to walk.
//!
//! Keys and values are numbers, each text once. Of the order in time only one thing is kept: for each operation the highest
//! revision that anybody had been told before it was invoked, its *floor*. What is to be in order of revision respects real
//! time if, and only if, no operation lies below its floor, and none that changed something lies on it.

use crate::ops::{Act, CompletedOp, Op, OpEnd, Output};
use hashbrown::{HashTable, hash_table::Entry};
use rustc_hash::FxHasher;
use std::hash::Hasher;

use super::store::modified;

/// "Nothing": an absent key.
pub(super) const NONE: u32 = u32::MAX;

/// Texts by number.
#[derive(Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    ids: HashTable<u32>,
}

impl Strings {
    fn span(ends: &[u32], id: u32) -> std::ops::Range<usize> {
        let from = if id == 0 { 0 } else { ends[id as usize - 1] };
        from as usize..ends[id as usize] as usize
    }

    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        &self.bytes[Self::span(&self.ends, id)]
    }

    pub(super) fn text(&self, id: u32) -> String {
        String::from_utf8_lossy(self.bytes(id)).into_owned()
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of a text; `None` when there is more text than numbers have room for.
    pub(super) fn id(&mut self, text: &[u8]) -> Option<u32> {
        let hash = |text: &[u8]| {
            let mut hasher = FxHasher::default();
            hasher.write(text);
            hasher.finish()
        };
        let (bytes, ends) = (&mut self.bytes, &mut self.ends);
        let known = self.ids.entry(hash(text), |id| bytes[Self::span(ends, *id)] == *text, |id| hash(&bytes[Self::span(ends, *id)]));
        match known {
            Entry::Occupied(id) => Some(*id.get()),
            Entry::Vacant(slot) => {
                let end = u32::try_from(bytes.len() + text.len()).ok()?;
                let id = ends.len() as u32;
                bytes.extend_from_slice(text);
                ends.push(end);
                slot.insert(id);
                Some(id)
            }
        }
    }
}

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `value`: what was seen.
    Get,
    /// `value`: what is written.
    Put,
    /// `extra`: what is expected; `value`: what is written then.
    Swap,
    Delete,
    /// `key`: the number of its prefix; `extra`: its place in `ranges`.
    Range,
    /// `extra`: its place in `txns`.
    Txn,
}

/// One operation. Of those without an answer only writes are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The revision that its answer carries; 0: it has none.
    pub(super) revision: u64,
    pub(super) floor: u64,
    pub(super) key: u32,
    pub(super) value: u32,
    pub(super) extra: u32,
    pub(super) kind: Kind,
    /// Of a swap, a delete or a txn: whether it says that it did what it was to do.
    pub(super) yes: bool,
    /// Whether it says that it changed something.
    pub(super) changed: bool,
}

/// What a range showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) key: u32,
    pub(super) value: u32,
    /// 0 where it is not told.
    pub(super) written: u64,
}

/// A range: what it showed, and of which revision.
#[derive(Clone, Debug)]
pub(super) struct Ranged {
    pub(super) at: Option<u64>,
    pub(super) shown: std::ops::Range<u32>,
}

/// A step of a transaction, and what it answered: for a get what it saw, for a delete 1 or 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) key: u32,
    pub(super) value: u32,
    pub(super) answer: u32,
}

/// A transaction.
#[derive(Clone, Debug)]
pub(super) struct Txn {
    pub(super) compare: Vec<(u32, u32)>,
    pub(super) then: Vec<Step>,
    pub(super) otherwise: Vec<Step>,
}

/// The whole history.
#[derive(Default)]
pub struct Log {
    pub(super) keys: Strings,
    pub(super) values: Strings,
    pub(super) prefixes: Strings,
    pub(super) rows: Vec<Row>,
    /// For each row, the place of its operation in the list that it was made of; empty when it was made of none.
    pub(super) places: Vec<u32>,
    pub(super) ranges: Vec<Ranged>,
    pub(super) shown: Vec<Shown>,
    pub(super) txns: Vec<Txn>,
    /// The highest revision that an answer told.
    pub(super) last: u64,
}

/// It does not fit into columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoesNotFit;

impl Log {
    pub(super) fn value(&mut self, held: Option<&str>) -> Result<u32, DoesNotFit> {
        held.map_or(Ok(NONE), |held| self.values.id(held.as_bytes()).ok_or(DoesNotFit))
    }

    pub(super) fn key(&mut self, key: &str) -> Result<u32, DoesNotFit> {
        self.keys.id(key.as_bytes()).ok_or(DoesNotFit)
    }

    /// The log of operations on keys and values of which every answered one carries a revision, in order of invocation.
    pub(super) fn of(ops: &[CompletedOp]) -> Result<Log, DoesNotFit> {
        let mut log = Log::default();
        let mut ends: Vec<(usize, u64)> = ops.iter().filter_map(|op| Some((op.ended_at, op.position?))).collect();
        ends.sort_unstable();
        let (mut next, mut floor) = (0, 0);
        for (place, op) in ops.iter().enumerate() {
            while let Some((_, revision)) = ends.get(next).filter(|(end, _)| *end < op.invoked_at) {
                floor = floor.max(*revision);
                next += 1;
            }
            let rows = log.rows.len();
            log.push(&op.ask, &op.end, op.position, floor)?;
            if log.rows.len() > rows {
                log.places.push(place as u32);
            }
        }
        Ok(log)
    }

    /// One operation on keys and values, and how it ended.
    pub(super) fn push(&mut self, ask: &Op, end: &OpEnd, revision: Option<u64>, floor: u64) -> Result<(), DoesNotFit> {
        let output = match (end, revision) {
            (OpEnd::Fail(_), _) => return Ok(()),
            (OpEnd::Open, _) if !ask.may_write() => return Ok(()),
            (OpEnd::Open, _) => None,
            (OpEnd::Ok(_, output), Some(revision)) if revision > 0 => Some((output, revision)),
            (OpEnd::Ok(..), _) => return Err(DoesNotFit),
        };
        let revision = output.map_or(0, |(_, revision)| revision);
        let answer = output.map(|(output, _)| output);
        let changed = answer.is_some_and(|answer| modified(ask, answer));
        let mut row = Row { revision, floor, key: 0, value: NONE, extra: NONE, kind: Kind::Get, yes: true, changed };
        match (ask, answer) {
            (Op::Get { key }, Some(Output::Got { value })) => (row.key, row.value) = (self.key(key)?, self.value(value.as_deref())?),
            (Op::Put { key, value }, Some(Output::Done) | None) => {
                (row.kind, row.key, row.value) = (Kind::Put, self.key(key)?, self.value(Some(value))?);
            }
            (Op::Cas { key, expect, value }, Some(Output::Swapped { .. }) | None) => {
                (row.kind, row.key, row.value) = (Kind::Swap, self.key(key)?, self.value(Some(value))?);
                row.extra = self.value(expect.as_deref())?;
                row.yes = matches!(answer, Some(Output::Swapped { yes: true }));
            }
            (Op::Delete { key }, Some(Output::Deleted { count: 0 | 1 }) | None) => {
                (row.kind, row.key) = (Kind::Delete, self.key(key)?);
                row.yes = matches!(answer, Some(Output::Deleted { count: 1 }));
            }
            (Op::Range { prefix, at }, Some(Output::Ranged { kvs })) => {
                let from = self.shown.len() as u32;
                for kv in kvs {
                    let (key, value) = (self.key(&kv.key)?, self.value(Some(&kv.value))?);
                    self.shown.push(Shown { key, value, written: kv.revision.unwrap_or(0) });
                }
                row.kind = Kind::Range;
                row.key = self.prefixes.id(prefix.as_bytes()).ok_or(DoesNotFit)?;
                row.extra = self.ranges.len() as u32;
                self.ranges.push(Ranged { at: *at, shown: from..u32::try_from(self.shown.len()).map_err(|_| DoesNotFit)? });
            }
            (Op::Txn { compare, then, otherwise }, answer) => {
                let (yes, results) = match answer {
                    None => (true, &[][..]),
                    Some(Output::Txn { succeeded, results }) => (*succeeded, &results[..]),
                    Some(_) => return Err(DoesNotFit),
                };
                let compare = compare.iter().map(|c| Ok((self.key(&c.key)?, self.value(c.holds.as_deref())?))).collect::<Result<_, _>>()?;
                let then = self.steps(then, if yes { results } else { &[] }, answer.is_some() && yes)?;
                let otherwise = self.steps(otherwise, if yes { &[] } else { results }, answer.is_some() && !yes)?;
                (row.kind, row.yes, row.extra) = (Kind::Txn, yes, self.txns.len() as u32);
                self.txns.push(Txn { compare, then, otherwise });
            }
            _ => return Err(DoesNotFit),
        }
        self.last = self.last.max(revision);
        self.rows.push(row);
        Ok(())
    }

    fn steps(&mut self, acts: &[Act], results: &[Output], answered: bool) -> Result<Vec<Step>, DoesNotFit> {
        if answered && results.len() != acts.len() {
            return Err(DoesNotFit);
        }
        let mut steps = Vec::with_capacity(acts.len());
        for (i, act) in acts.iter().enumerate() {
            let key = self.key(act.key())?;
            let step = match (act, results.get(i)) {
                (Act::Get { .. }, Some(Output::Got { value })) => {
                    Step { kind: Kind::Get, key, value: NONE, answer: self.value(value.as_deref())? }
                }
                (Act::Get { .. }, None) => Step { kind: Kind::Get, key, value: NONE, answer: NONE },
                (Act::Put { value, .. }, Some(Output::Done) | None) => {
                    Step { kind: Kind::Put, key, value: self.value(Some(value))?, answer: NONE }
                }
                (Act::Delete { .. }, Some(Output::Deleted { count })) => {
                    Step { kind: Kind::Delete, key, value: NONE, answer: u32::try_from(*count).map_err(|_| DoesNotFit)? }
                }
                (Act::Delete { .. }, None) => Step { kind: Kind::Delete, key, value: NONE, answer: NONE },
                _ => return Err(DoesNotFit),
            };
            steps.push(step);
        }
        Ok(steps)
    }
}
