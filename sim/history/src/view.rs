//! What a checker may see of a history: everything but the effects.

use crate::{ClientId, Entry, EntryKind, NodeId, Observation, Op, OpId, Output, SimTime, StreamEvent};
use std::{
    any::Any,
    cell::OnceCell,
    collections::BTreeMap,
    fmt::{Debug, Formatter},
};

/// How an operation ended, as far as the client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpEnd<A = Output> {
    /// It happened before this moment, with this answer.
    Ok(SimTime, A),
    /// It certainly did not happen.
    Fail(SimTime),
    /// Unknown, or never answered: it may happen at any time after its invocation.
    Open,
}

/// One operation, from its invocation to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedOp<O = Op, A = Output> {
    /// Its id.
    pub id: OpId,
    /// Who asked.
    pub client: ClientId,
    /// What was asked.
    pub ask: O,
    /// When.
    pub invoked: SimTime,
    /// Where in the history it was invoked (entry ordinal): breaks ties of time.
    pub invoked_at: usize,
    /// Where in the history it was answered; `usize::MAX` while open.
    pub ended_at: usize,
    /// How it ended.
    pub end: OpEnd<A>,
    /// The position that its answer told, if any.
    pub position: Option<u64>,
}

impl<O, A> CompletedOp<O, A> {
    /// Its answer, if it happened for certain.
    pub fn output(&self) -> Option<&A> {
        if let OpEnd::Ok(_, output) = &self.end { Some(output) } else { None }
    }
}

/// A history without its effects: the only thing that a checker is given.
pub struct View<'h, O = Op, A = Output, H = StreamEvent> {
    entries: &'h [Entry<O, A, H>],
    /// Put together when somebody asks for them first.
    ops: OnceCell<Vec<CompletedOp<O, A>>>,
    /// The history as its service's pack knows it.
    of_pack: OnceCell<Box<dyn Any + Send>>,
}

impl<O: Debug, A: Debug, H: Debug> Debug for View<'_, O, A, H> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.entries.fmt(f)
    }
}

impl View<'_> {
    /// What a pack makes of this history, without its effects. It is made once, and asked for by each of its checkers.
    ///
    /// # Panics
    /// When two packs judge one history.
    pub fn once<T: Send + 'static>(&self, make: impl FnOnce(&mut dyn Iterator<Item = &Entry>) -> T) -> &T {
        let make = || make(&mut self.entries().map(|(_, entry)| entry));
        self.of_pack.get_or_init(|| Box::new(make())).downcast_ref().expect("one pack judges a history")
    }
}

impl<'h, O: Clone, A: Clone + PartialEq, H> View<'h, O, A, H> {
    /// The view of a history.
    pub fn new(entries: &'h [Entry<O, A, H>]) -> View<'h, O, A, H> {
        View { entries, ops: OnceCell::new(), of_pack: OnceCell::new() }
    }

    /// Every line but the effects, with its ordinal.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &'h Entry<O, A, H>)> + use<'h, O, A, H> {
        self.entries.iter().enumerate().filter(|(_, e)| !matches!(e.what, EntryKind::Effect(_)))
    }

    /// What nodes were seen to do, in order.
    pub fn observations(&self) -> impl Iterator<Item = (SimTime, NodeId, &'h Observation)> + use<'h, O, A, H> {
        self.entries.iter().filter_map(|e| match &e.what {
            EntryKind::Node { node, saw } => Some((e.t, *node, saw)),
            _ => None,
        })
    }

    /// Everything that was asked, in order.
    pub fn asks(&self) -> impl Iterator<Item = &'h O> + use<'h, O, A, H> {
        self.entries.iter().filter_map(|e| if let EntryKind::Invoke { ask, .. } = &e.what { Some(ask) } else { None })
    }

    /// What clients heard while an operation lasted, in order: where in the history, when, in which
    /// operation, what.
    pub fn heard(&self) -> impl Iterator<Item = (usize, SimTime, OpId, &'h H)> + use<'h, O, A, H> {
        self.entries.iter().enumerate().filter_map(|(at, e)| match &e.what {
            EntryKind::Heard { op, heard } => Some((at, e.t, *op, heard)),
            _ => None,
        })
    }

    /// The last membership that was told: the nodes of the run that vote, and that only learn. `None`
    /// where nobody told of any.
    pub fn members(&self) -> Option<(&'h [NodeId], &'h [NodeId])> {
        let told = self.observations().filter_map(|(_, _, saw)| match saw {
            Observation::Members { index, voters, learners } => Some((*index, (&voters[..], &learners[..]))),
            _ => None,
        });
        told.max_by_key(|(index, _)| *index).map(|(_, members)| members)
    }

    /// Whether the run came to its end in good order.
    pub fn ended(&self) -> bool {
        matches!(self.entries.last(), Some(Entry { what: EntryKind::End, .. }))
    }

    /// Every operation with its end, in order of invocation.
    pub fn ops(&self) -> &[CompletedOp<O, A>] {
        self.ops.get_or_init(|| self.put_together())
    }

    fn put_together(&self) -> Vec<CompletedOp<O, A>> {
        let mut ops: Vec<CompletedOp<O, A>> = Vec::new();
        let mut open: BTreeMap<OpId, usize> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let (id, end, position) = match &entry.what {
                EntryKind::Invoke { client, op, ask } => {
                    open.insert(*op, ops.len());
                    ops.push(CompletedOp {
                        id: *op,
                        client: *client,
                        ask: ask.clone(),
                        invoked: entry.t,
                        invoked_at: at,
                        ended_at: usize::MAX,
                        end: OpEnd::Open,
                        position: None,
                    });
                    continue;
                }
                EntryKind::Ok { op, output, position } => (op, OpEnd::Ok(entry.t, output.clone()), *position),
                EntryKind::Fail { op, .. } => (op, OpEnd::Fail(entry.t), None),
                EntryKind::Info { op, .. } => (op, OpEnd::Open, None),
                EntryKind::Heard { .. }
                | EntryKind::Available { .. }
                | EntryKind::Effect(_)
                | EntryKind::Event { .. }
                | EntryKind::Node { .. }
                | EntryKind::Healed { .. }
                | EntryKind::FinalReads
                | EntryKind::End => {
                    continue;
                }
            };
            // It ends once.
            if let Some(slot) = open.remove(id) {
                if end != OpEnd::Open {
                    ops[slot].ended_at = at;
                }
                ops[slot].end = end;
                ops[slot].position = position;
            }
        }
        ops
    }
}
