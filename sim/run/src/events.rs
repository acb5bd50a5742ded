//! Named happenings, derived from what is recorded.

use crate::happenings::Happenings;
use squall_effect::{Party, budget::Configurations};
use squall_history::{ClientId, DiskHealth, Event, Failure, NodeId, OpId, Role, Saw, Subject, What};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Deriver {
    /// What the service finds.
    own: Box<dyn Happenings>,
    leader: Option<NodeId>,
    leaders: u64,
    open_writes: BTreeSet<OpId>,
    /// The last membership that was told, and its index.
    members: Option<(u64, BTreeSet<NodeId>)>,
    voters: BTreeSet<NodeId>,
    configurations: Configurations,
    asking: BTreeMap<OpId, ClientId>,
    was_acknowledged: bool,
    over: bool,
    /// Where in each node's log there are memberships.
    in_logs: BTreeMap<NodeId, BTreeSet<u64>>,
}

/// A named happening, whom it is about, and whether the history is told.
pub(crate) struct Derived {
    pub(crate) event: Event,
    pub(crate) subject: Option<Party>,
    pub(crate) told: bool,
}

impl Derived {
    fn told(event: Event, subject: Option<Party>) -> Derived {
        Derived { event, subject, told: true }
    }
}

impl Deriver {
    /// Of a history in which the service finds this.
    pub(crate) fn new(own: Box<dyn Happenings>) -> Deriver {
        Deriver {
            own,
            leader: None,
            leaders: 0,
            open_writes: BTreeSet::new(),
            members: None,
            voters: BTreeSet::new(),
            configurations: Configurations::default(),
            asking: BTreeMap::new(),
            was_acknowledged: false,
            over: false,
            in_logs: BTreeMap::new(),
        }
    }

    /// The client that has what only one of them can have, as far as it knows.
    pub(crate) fn holder(&self) -> Option<ClientId> {
        self.own.holder()
    }

    /// Who was last seen to become leader, and still runs.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The events that this line is.
    pub(crate) fn derive(&mut self, what: &What, link_is_cut: bool) -> Vec<Derived> {
        if let What::Node { node, saw } = what {
            self.configurations.observe(*node, saw);
        }
        // What the judge asks for in the end is no happening of the run.
        self.over |= matches!(what, What::FinalReads);
        if self.over {
            return vec![];
        }
        let client = match what {
            What::Invoke { op, client, .. } => {
                self.asking.insert(*op, *client);
                Some(*client)
            }
            What::Ok { op, .. } | What::Fail { op, .. } | What::Info { op, .. } => self.asking.remove(op),
            What::Heard { op, .. } => self.asking.get(op).copied(),
            _ => None,
        };
        let mut all = Vec::new();
        if let (What::Ok { op, .. }, Some(client)) = (what, client)
            && self.open_writes.contains(op)
        {
            let told = !std::mem::replace(&mut self.was_acknowledged, true);
            all.push(Derived { event: Event::WriteAcknowledged, subject: Some(Party::Client(client)), told });
        }
        if let What::Node { node, saw } = what
            && self.loses_membership(*node, saw)
        {
            all.push(Derived::told(Event::MembershipTruncated, Some(Party::Node(*node))));
        }
        let own = self.own.of(what, client).map(|event| (event, None));
        let general = self.one(what, link_is_cut);
        // An answer is one happening: what the service makes of it, or else what any would. All else may be both.
        let found = match what {
            What::Invoke { .. } | What::Ok { .. } | What::Heard { .. } => [own.or(general), None],
            What::Fail { .. } => [general.or(own), None],
            _ => [general, own],
        };
        for (event, node) in found.into_iter().flatten() {
            let node = node.or(if let What::Node { node, .. } = what { Some(*node) } else { None });
            let subject = match event.subject() {
                Some(Subject::Node) => node.map(Party::Node),
                Some(Subject::Client) => client.map(Party::Client),
                None => None,
            };
            all.push(Derived::told(event, subject));
        }
        all
    }

    /// The event that it would be in any service.
    fn one(&mut self, what: &What, link_is_cut: bool) -> Option<(Event, Option<NodeId>)> {
        match what {
            What::Invoke { op, ask, .. } => {
                if ask.may_write() {
                    self.open_writes.insert(*op);
                }
                None
            }
            What::Ok { op, .. } => {
                let wrote = self.open_writes.remove(op);
                (wrote && link_is_cut).then_some((Event::WriteDuringPartition, None))
            }
            What::Heard { .. } => None,
            What::Fail { op, code, .. } => {
                let wrote = self.open_writes.remove(op);
                (wrote && code == Failure::NO_SPACE).then_some((Event::SpaceExceeded, None))
            }
            What::Info { .. } => Some((Event::OutcomeUnknown, None)),
            What::Node { saw: Saw::Members { index, voters, learners }, .. } => self.of_members(*index, voters, learners),
            What::Node { node, saw } => self.of_node(*node, saw).map(|event| (event, Some(*node))),
            What::Available { .. } | What::Effect(_) | What::Event { .. } | What::Healed { .. } | What::FinalReads | What::End => None,
        }
    }

    /// Whether this removes a membership from the node's log.
    fn loses_membership(&mut self, node: NodeId, saw: &Saw) -> bool {
        match saw {
            Saw::Membership { index, .. } => _ = self.in_logs.entry(node).or_default().insert(*index),
            // What is still there is told again.
            Saw::Booted { .. } => _ = self.in_logs.remove(&node),
            Saw::Truncate { after } => {
                let from = after.map_or(0, |after| after + 1);
                return self.in_logs.get_mut(&node).is_some_and(|indexes| !indexes.split_off(&from).is_empty());
            }
            _ => {}
        }
        false
    }

    /// The members that were told last.
    pub(crate) fn members(&self) -> Option<&BTreeSet<NodeId>> {
        self.members.as_ref().map(|(_, members)| members)
    }

    /// Those of them that vote.
    pub(crate) fn voters(&self) -> &BTreeSet<NodeId> {
        &self.voters
    }

    /// The configurations that are in force, or may come to be.
    pub(crate) fn configurations(&self) -> &Configurations {
        &self.configurations
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
            Saw::Membership { .. } => (self.leader == Some(node)).then_some(Event::MembershipProposed),
            Saw::Truncate { .. } => Some(Event::LogTruncated),
            Saw::Purge { .. } => Some(Event::LogPurged),
            Saw::SnapshotBuilt { .. } => Some(Event::SnapshotBuilt),
            Saw::SnapshotInstalled { .. } => Some(Event::SnapshotInstalled),
            Saw::Refused { .. } => Some(Event::NodeRefused),
            Saw::Failpoint { .. } => Some(Event::FailpointHit),
            Saw::Disk { disk: DiskHealth::Damaged } => Some(Event::DiskDamaged),
            Saw::Panicked { .. }
            | Saw::Vote { .. }
            | Saw::Append { .. }
            | Saw::Commit { .. }
            | Saw::Apply { .. }
            | Saw::Restored { .. }
            | Saw::Members { .. }
            | Saw::Synced { .. }
            | Saw::Forgot { .. }
            | Saw::ClockBound { .. }
            | Saw::Disk { .. }
            | Saw::Final { .. } => None,
        }
    }
}
