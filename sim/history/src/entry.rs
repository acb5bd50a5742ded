//! The lines of a history.

use crate::{Ask, Body, ClientId, Effect, Event, Heard, NodeId, Op, OpId, Output, Saw, SimTime};
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
pub enum What<O = Op, A = Output, H = Heard> {
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
        saw: Saw,
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
pub struct Entry<O = Op, A = Output, H = Heard> {
    /// The moment, in virtual time. Never goes back along a history.
    pub t: SimTime,
    /// What happened.
    pub what: What<O, A, H>,
}

impl<O, A, H> What<O, A, H> {
    /// The same, with what belongs to the service made something else; `None` where that cannot be.
    fn map<P, B, I>(
        self,
        ask: impl FnOnce(O) -> Option<P>,
        answer: impl FnOnce(A) -> Option<B>,
        hear: impl FnOnce(H) -> Option<I>,
    ) -> Option<What<P, B, I>> {
        Some(match self {
            What::Invoke { client, op, ask: it } => What::Invoke { client, op, ask: ask(it)? },
            What::Ok { op, output, position } => What::Ok { op, output: answer(output)?, position },
            What::Heard { op, heard } => What::Heard { op, heard: hear(heard)? },
            What::Fail { op, code, why } => What::Fail { op, code, why },
            What::Info { op, why } => What::Info { op, why },
            What::Effect(effect) => What::Effect(effect),
            What::Event { event, node } => What::Event { event, node },
            What::Node { node, saw } => What::Node { node, saw },
            What::Available { max_gap, until } => What::Available { max_gap, until },
            What::Healed { within, nodes } => What::Healed { within, nodes },
            What::FinalReads => What::FinalReads,
            What::End => What::End,
        })
    }
}

impl<O: Ask, A: Body, H: Body> Entry<O, A, H> {
    /// As everybody carries it.
    pub fn untyped(self) -> Entry {
        let what = self.what.map(|ask| Some(Op::new(ask)), |answer| Some(Output::new(answer)), |heard| Some(Heard::new(heard)));
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
