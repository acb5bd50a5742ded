//! The lines of a history.

use crate::{Ask, Body, ClientId, Effect, Event, NodeId, Observation, Op, OpId, Output, SimTime, StreamEvent};
use serde::{Deserialize, Serialize};

/// Up to when a promise holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// While faults may happen.
    Heal,
    /// Up to the final reads.
    FinalReads,
}

/// What one line says. What a service's clients ask, are answered and hear is of the types of its pack, or of those that carry any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind<O = Op, A = Output, H = StreamEvent> {
    /// A client asked.
    Invoke {
        /// Who asked.
        client: ClientId,
        /// The id of the operation.
        op: OpId,
        /// What is asked.
        ask: O,
    },
    /// It happened, and this is the answer; `position` where the system has one order of all changes.
    Ok {
        /// Which operation.
        op: OpId,
        /// The answer.
        output: A,
        /// Its position in the order of all changes.
        #[serde(default, rename = "revision", skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
    },
    /// While it lasts, its client heard this.
    Heard {
        /// Which operation.
        op: OpId,
        /// What was heard.
        heard: H,
    },
    /// It certainly did not happen: why, as a word that can be compared, and in the words of whoever refused it.
    Fail {
        /// Which operation.
        op: OpId,
        /// As a word that can be compared.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        code: String,
        /// In the words of whoever said so.
        why: String,
    },
    /// Nobody knows.
    Info {
        /// Which operation.
        op: OpId,
        /// In the words of whoever said so.
        why: String,
    },
    /// The world did something: checkers do not see it.
    Effect(Effect),
    /// A named happening, and the node it is about.
    Event {
        /// Which event.
        event: Event,
        /// The node that it is about, if it is about one.
        node: Option<NodeId>,
    },
    /// A node was seen to do something.
    Node {
        /// Which node.
        node: NodeId,
        /// What it was seen to do.
        saw: Observation,
    },
    /// It is promised that no time longer than this passes without a successful operation: from the
    /// first one to the heal, or to the end of the load.
    Available {
        /// In nanoseconds.
        max_gap: u64,
        /// How long the promise holds.
        until: Until,
    },
    /// Faults are over; within this many nanoseconds the system must serve every client again.
    /// `nodes` are those that run from here on.
    Healed {
        /// In nanoseconds.
        within: u64,
        /// Who runs from here on.
        nodes: Vec<NodeId>,
    },
    /// Reads after this line are the final reads: one for each key that was ever asked for.
    FinalReads,
    /// The run ended in good order. Without this line the history is a part of one.
    End,
}

/// One line: when, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<O = Op, A = Output, H = StreamEvent> {
    /// The moment, in virtual time. Never goes back along a history.
    pub t: SimTime,
    /// What happened.
    pub what: EntryKind<O, A, H>,
}

impl<O, A, H> EntryKind<O, A, H> {
    /// The same, with what belongs to the service made something else; `None` where that cannot be.
    fn map<P, B, I>(
        self,
        ask: impl FnOnce(O) -> Option<P>,
        answer: impl FnOnce(A) -> Option<B>,
        hear: impl FnOnce(H) -> Option<I>,
    ) -> Option<EntryKind<P, B, I>> {
        Some(match self {
            EntryKind::Invoke { client, op, ask: it } => EntryKind::Invoke { client, op, ask: ask(it)? },
            EntryKind::Ok { op, output, position } => EntryKind::Ok { op, output: answer(output)?, position },
            EntryKind::Heard { op, heard } => EntryKind::Heard { op, heard: hear(heard)? },
            EntryKind::Fail { op, code, why } => EntryKind::Fail { op, code, why },
            EntryKind::Info { op, why } => EntryKind::Info { op, why },
            EntryKind::Effect(effect) => EntryKind::Effect(effect),
            EntryKind::Event { event, node } => EntryKind::Event { event, node },
            EntryKind::Node { node, saw } => EntryKind::Node { node, saw },
            EntryKind::Available { max_gap, until } => EntryKind::Available { max_gap, until },
            EntryKind::Healed { within, nodes } => EntryKind::Healed { within, nodes },
            EntryKind::FinalReads => EntryKind::FinalReads,
            EntryKind::End => EntryKind::End,
        })
    }
}

impl<O: Ask, A: Body, H: Body> Entry<O, A, H> {
    /// As everybody carries it.
    pub fn untyped(self) -> Entry {
        let what = self.what.map(|ask| Some(Op::new(ask)), |answer| Some(Output::new(answer)), |heard| Some(StreamEvent::new(heard)));
        Entry { t: self.t, what: what.expect("each has an untyped form") }
    }
}

impl Entry {
    /// As a service's pack knows it; `None` where it is another service's.
    pub fn typed<O: Ask + Clone, A: Body + Clone, H: Body + Clone>(&self) -> Option<Entry<O, A, H>> {
        let what = self.what.clone().map(|ask| ask.get().cloned(), |answer| answer.get().cloned(), |heard| heard.get().cloned());
        Some(Entry { t: self.t, what: what? })
    }
}

/// One total order of entries.
pub type History = Vec<Entry>;
