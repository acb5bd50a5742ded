//! Named happenings, derived from what is recorded.

use squall_history::{Event, Heard, LeaseOutput, LineOutput, NodeId, Op, OpId, Output, Role, Saw, What};
use std::collections::BTreeSet;

#[derive(Default)]
pub(crate) struct Deriver {
    leader: Option<NodeId>,
    leaders: u64,
    open_writes: BTreeSet<OpId>,
    /// Watches that begin in the past.
    resumed: BTreeSet<OpId>,
    /// The last membership that was told, and its index.
    members: Option<(u64, BTreeSet<NodeId>)>,
    voters: BTreeSet<NodeId>,
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
                if matches!(ask, Op::Watch { from: Some(_), .. }) {
                    self.resumed.insert(*op);
                }
                None
            }
            What::Ok { op, output, .. } => {
                let wrote = self.open_writes.remove(op);
                let told = match output {
                    Output::Lease(LeaseOutput::Renewed { ttl: 0 } | LeaseOutput::Left { ttl: -1, .. }) => Some(Event::LeaseExpired),
                    Output::Line(LineOutput::Held { .. }) => Some(Event::LockAcquired),
                    Output::Line(LineOutput::Worked { yes: false }) => Some(Event::WorkRefused),
                    _ => (wrote && link_is_cut).then_some(Event::WriteDuringPartition),
                };
                told.map(|event| (event, None))
            }
            What::Heard { op, heard } => match heard {
                Heard::Created { .. } => self.resumed.remove(op).then_some((Event::WatchResumed, None)),
                Heard::Events { .. } => Some((Event::WatchEvent, None)),
                Heard::Canceled { compacted, .. } => (*compacted > 0).then_some((Event::WatchCompacted, None)),
                Heard::Progress { .. } | Heard::Leader { .. } => None,
            },
            What::Fail { op, .. } => {
                self.open_writes.remove(op);
                None
            }
            What::Info { .. } => Some((Event::OutcomeUnknown, None)),
            What::Node { saw: Saw::Members { index, voters, learners }, .. } => self.of_members(*index, voters, learners),
            What::Node { node, saw } => self.of_node(*node, saw).map(|event| (event, Some(*node))),
            What::Available { .. } | What::Effect { .. } | What::Event { .. } | What::Healed { .. } | What::FinalReads | What::End => None,
        }
    }

    /// The members that were told last.
    pub(crate) fn members(&self) -> Option<&BTreeSet<NodeId>> {
        self.members.as_ref().map(|(_, members)| members)
    }

    /// Those of them that vote.
    pub(crate) fn voters(&self) -> &BTreeSet<NodeId> {
        &self.voters
    }

    /// Several nodes tell of each membership; the first one counts.
    fn of_members(&mut self, index: u64, voters: &[NodeId], learners: &[NodeId]) -> Option<(Event, Option<NodeId>)> {
        let now: BTreeSet<NodeId> = voters.iter().chain(learners).copied().collect();
        let Some((known, before)) = &self.members else {
            self.members = Some((index, now));
            self.voters = voters.iter().copied().collect();
            return None;
        };
        if index <= *known {
            return None;
        }
        let added = now.difference(before).next().map(|node| (Event::MemberAdded, Some(*node)));
        let event = added.or_else(|| before.difference(&now).next().map(|node| (Event::MemberRemoved, Some(*node))));
        self.members = Some((index, now));
        self.voters = voters.iter().copied().collect();
        event
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
            | Saw::Members { .. }
            | Saw::ClockBound { .. }
            | Saw::Disk { .. }
            | Saw::Final { .. } => None,
        }
    }
}
