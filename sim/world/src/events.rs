//! Named happenings, derived from what is recorded.

use squall_history::{Event, NodeId, OpId, Role, Saw, What};
use std::collections::BTreeSet;

#[derive(Default)]
pub(crate) struct Deriver {
    leader: Option<NodeId>,
    leaders: u64,
    open_writes: BTreeSet<OpId>,
}

impl Deriver {
    /// Who was last seen to become leader, and still runs.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The event that this line is, if it is one.
    pub(crate) fn derive(&mut self, what: &What, link_is_cut: bool) -> Option<(Event, Option<NodeId>)> {
        match what {
            What::Invoke { op, ask, .. } => {
                if ask.may_write() {
                    self.open_writes.insert(*op);
                }
                None
            }
            What::Ok { op, .. } => (self.open_writes.remove(op) && link_is_cut).then_some((Event::WriteDuringPartition, None)),
            What::Fail { op, .. } => {
                self.open_writes.remove(op);
                None
            }
            What::Info { .. } => Some((Event::OutcomeUnknown, None)),
            What::Node { node, saw } => self.of_node(*node, saw).map(|event| (event, Some(*node))),
            What::Available { .. } | What::Effect { .. } | What::Event { .. } | What::Healed { .. } | What::FinalReads | What::End => None,
        }
    }

    fn of_node(&mut self, node: NodeId, saw: &Saw) -> Option<Event> {
        match saw {
            Saw::Booted { incarnation, .. } => (*incarnation > 1).then_some(Event::NodeRestarted),
            Saw::Stopped => {
                self.leader = self.leader.filter(|leader| *leader != node);
                None
            }
            Saw::Role { role: Role::Leader, .. } => {
                self.leader = Some(node);
                self.leaders += 1;
                (self.leaders > 1).then_some(Event::LeaderChanged)
            }
            // Before the first leader everybody stands for election: nobody who waits for an election means that.
            Saw::Role { role: Role::Candidate, .. } => (self.leaders > 0).then_some(Event::ElectionStarted),
            Saw::Role { role: Role::Follower | Role::Learner, .. } => None,
            Saw::Truncate { .. } => Some(Event::LogTruncated),
            Saw::Purge { .. } => Some(Event::LogPurged),
            Saw::SnapshotBuilt { .. } => Some(Event::SnapshotBuilt),
            Saw::SnapshotInstalled { .. } => Some(Event::SnapshotInstalled),
            Saw::Refused { .. }
            | Saw::Panicked { .. }
            | Saw::Vote { .. }
            | Saw::Append { .. }
            | Saw::Commit { .. }
            | Saw::Apply { .. }
            | Saw::Restored { .. }
            | Saw::Final { .. } => None,
        }
    }
}
