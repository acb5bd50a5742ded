//! What a checker may see of a history: everything but the effects.

use crate::{Change, ClientId, Entry, Heard, KeyValue, NodeId, Op, OpId, Output, Saw, SimTime, What, spread};
use std::{cell::OnceCell, collections::BTreeMap};

/// How an operation ended, as far as the client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpEnd {
    /// It happened before this moment, with this answer.
    Ok(SimTime, Output),
    /// It certainly did not happen.
    Fail(SimTime),
    /// Unknown, or never answered: it may happen at any time after its invocation.
    Open,
}

/// One operation, from its invocation to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedOp {
    /// Its id.
    pub id: OpId,
    /// Who asked.
    pub client: ClientId,
    /// What was asked.
    pub ask: Op,
    /// When.
    pub invoked: SimTime,
    /// Where in the history it was invoked (entry ordinal): breaks ties of time.
    pub invoked_at: usize,
    /// Where in the history it was answered; `usize::MAX` while open.
    pub ended_at: usize,
    /// How it ended.
    pub end: OpEnd,
    /// The revision that its answer carried, if any.
    pub revision: Option<u64>,
}

impl CompletedOp {
    /// Its answer, if it happened for certain.
    pub fn output(&self) -> Option<&Output> {
        if let OpEnd::Ok(_, output) = &self.end { Some(output) } else { None }
    }

    /// What it changed for certain, or may have changed: nothing when it failed.
    pub fn changes(&self) -> Vec<Change<'_>> {
        match &self.end {
            OpEnd::Ok(_, output) => self.ask.changes(Some(output)),
            OpEnd::Fail(_) => vec![],
            OpEnd::Open => self.ask.changes(None),
        }
    }
}

/// What the answer of a deletion or of reads in a transaction showed.
fn shown(op: &CompletedOp) -> Vec<Shown> {
    let OpEnd::Ok(at, output) = &op.end else { return vec![] };
    let one = |seen_at: Option<u64>, kvs: &Vec<KeyValue>| Shown { op: op.id, at: *at, seen_at, kvs: kvs.clone() };
    let before = op.revision.map(|revision| revision.saturating_sub(1));
    match (&op.ask, output) {
        (Op::DeleteRange { .. }, Output::Removed { kvs, .. }) => vec![one(before, kvs)],
        (Op::Reads { reads, put, .. }, Output::ReadAll { ranges }) => {
            let now = if put.is_some() { before } else { op.revision };
            reads.iter().zip(ranges).map(|(read, kvs)| one(read.at.or(now), kvs)).collect()
        }
        _ => vec![],
    }
}

/// A history without its effects: the only thing that a checker is given.
pub struct View<'h> {
    entries: &'h [Entry],
    /// Put together when somebody asks for them first.
    ops: OnceCell<Operations>,
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

impl<'h> View<'h> {
    /// The view of a history.
    pub fn new(entries: &'h [Entry]) -> View<'h> {
        View { entries, ops: OnceCell::new() }
    }

    /// Every line but the effects, with its ordinal.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &'h Entry)> + use<'h> {
        self.entries.iter().enumerate().filter(|(_, e)| !matches!(e.what, What::Effect(_)))
    }

    /// What nodes were seen to do, in order.
    pub fn observations(&self) -> impl Iterator<Item = (SimTime, NodeId, &'h Saw)> + use<'h> {
        self.entries.iter().filter_map(|e| match &e.what {
            What::Node { node, saw } => Some((e.t, *node, saw)),
            _ => None,
        })
    }

    /// Everything that was asked, in order.
    pub fn asks(&self) -> impl Iterator<Item = &'h Op> + use<'h> {
        self.entries.iter().filter_map(|e| if let What::Invoke { ask, .. } = &e.what { Some(ask) } else { None })
    }

    /// What clients heard while an operation lasted, in order: where in the history, when, in which
    /// operation, what.
    pub fn heard(&self) -> impl Iterator<Item = (usize, SimTime, OpId, &'h Heard)> + use<'h> {
        self.entries.iter().enumerate().filter_map(|(at, e)| match &e.what {
            What::Heard { op, heard } => Some((at, e.t, *op, heard)),
            _ => None,
        })
    }

    /// The last membership that was told: the nodes of the run that vote, and that only learn. `None`
    /// where nobody told of any.
    pub fn members(&self) -> Option<(&'h [NodeId], &'h [NodeId])> {
        let told = self.observations().filter_map(|(_, _, saw)| match saw {
            Saw::Members { index, voters, learners } => Some((*index, (&voters[..], &learners[..]))),
            _ => None,
        });
        told.max_by_key(|(index, _)| *index).map(|(_, members)| members)
    }

    /// Whether the run came to its end in good order.
    pub fn ended(&self) -> bool {
        matches!(self.entries.last(), Some(Entry { what: What::End, .. }))
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
            let mut all = self.put_together();
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

    fn put_together(&self) -> Vec<CompletedOp> {
        let mut ops: Vec<CompletedOp> = Vec::new();
        let mut open: BTreeMap<OpId, usize> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let (id, end, revision) = match &entry.what {
                What::Invoke { client, op, ask } => {
                    open.insert(*op, ops.len());
                    ops.push(CompletedOp {
                        id: *op,
                        client: *client,
                        ask: ask.clone(),
                        invoked: entry.t,
                        invoked_at: at,
                        ended_at: usize::MAX,
                        end: OpEnd::Open,
                        revision: None,
                    });
                    continue;
                }
                What::Ok { op, output, revision } => (op, OpEnd::Ok(entry.t, output.clone()), *revision),
                What::Fail { op, .. } => (op, OpEnd::Fail(entry.t), None),
                What::Info { op, .. } => (op, OpEnd::Open, None),
                What::Heard { .. }
                | What::Available { .. }
                | What::Effect(_)
                | What::Event { .. }
                | What::Node { .. }
                | What::Healed { .. }
                | What::FinalReads
                | What::End => {
                    continue;
                }
            };
            if let Some(&slot) = open.get(id) {
                if end != OpEnd::Open {
                    ops[slot].ended_at = at;
                }
                ops[slot].end = end;
                ops[slot].revision = revision;
            }
        }
        ops
    }
}
