//! A history of this service without its effects, as checkers look at it.

use super::{CompletedOp, Entry, KeyValue, Op, OpEnd, OpId, Output, SimTime, StreamEvent, spread};
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

type Plain<'h> = squall_history::View<'h, Op, Output, StreamEvent>;

/// A history without its effects. What it tells besides operations is told as [`squall_history::View`] does.
pub struct View<'h> {
    plain: Plain<'h>,
    /// Put together when somebody asks for them first.
    ops: Arc<OnceLock<Operations>>,
}

impl<'h> Deref for View<'h> {
    type Target = Plain<'h>;

    fn deref(&self) -> &Plain<'h> {
        &self.plain
    }
}

/// A history that everybody carries, as this pack knows it. Made once for all checkers.
struct Known {
    /// `None`: it is another service's.
    entries: Option<Vec<Entry>>,
    ops: Arc<OnceLock<Operations>>,
}

#[derive(Default)]
struct Operations {
    all: Vec<CompletedOp>,
    as_of: Vec<CompletedOp>,
    shown: Vec<Shown>,
}

/// Keys as an answer showed them that is not that of a plain range read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose answer.
    pub op: OpId,
    /// When it was answered.
    pub at: SimTime,
    /// Of which revision, at the latest.
    pub seen_at: Option<u64>,
    /// The keys, in order.
    pub kvs: Vec<KeyValue>,
}

/// What the answer of a deletion or of reads in a transaction showed.
fn shown(op: &CompletedOp) -> Vec<Shown> {
    let OpEnd::Ok(at, output) = &op.end else { return vec![] };
    let one = |seen_at: Option<u64>, kvs: &Vec<KeyValue>| Shown { op: op.id, at: *at, seen_at, kvs: kvs.clone() };
    let before = op.position.map(|revision| revision.saturating_sub(1));
    match (&op.ask, output) {
        (Op::DeleteRange { .. }, Output::Removed { kvs, .. }) => vec![one(before, kvs)],
        (Op::Reads { reads, put, .. }, Output::ReadAll { ranges }) => {
            let now = if put.is_some() { before } else { op.position };
            reads.iter().zip(ranges).map(|(read, kvs)| one(read.at.or(now), kvs)).collect()
        }
        _ => vec![],
    }
}

impl<'h> View<'h> {
    /// The view of a history.
    pub fn new(entries: &'h [Entry]) -> View<'h> {
        View { plain: Plain::new(entries), ops: Arc::default() }
    }

    /// What this says of the history that is viewed there; `None` where it is another service's.
    pub fn of<R>(view: &squall_history::View<'_>, say: impl FnOnce(&View<'_>) -> R) -> Option<R> {
        let known = view.once(|entries| Known { entries: entries.map(|entry| entry.typed()).collect(), ops: Arc::default() });
        let entries = known.entries.as_deref()?;
        Some(say(&View { plain: Plain::new(entries), ops: known.ops.clone() }))
    }

    /// Every operation with its end, in order of invocation. The deletion of a range is told as a transaction of gets and deletes, reads
    /// in one transaction as a range read or a put; the rest of those is in [`View::as_of`].
    pub fn ops(&self) -> &[CompletedOp] {
        &self.operations().all
    }

    /// Reads of one revision that are a part of an operation, or that may be old: each as a range read of the past. Those that may
    /// be old count as invoked at the beginning.
    pub fn as_of(&self) -> &[CompletedOp] {
        &self.operations().as_of
    }

    /// What answers showed of keys that [`View::ops`] tells without its revisions.
    pub fn shown(&self) -> &[Shown] {
        &self.operations().shown
    }

    fn operations(&self) -> &Operations {
        self.ops.get_or_init(|| {
            let mut all = self.plain.ops().to_vec();
            let ranges = |op: &CompletedOp| matches!(op.ask, Op::DeleteRange { .. } | Op::Reads { .. });
            if !all.iter().any(ranges) {
                return Operations { all, ..Operations::default() };
            }
            let keys = spread::keys_of(&all);
            let as_of = all.iter().flat_map(spread::as_of).collect();
            let shown = all.iter().flat_map(shown).collect();
            all.iter_mut().for_each(|op| spread::key_by_key(op, &keys));
            Operations { all, as_of, shown }
        })
    }
}
