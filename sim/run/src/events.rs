//! Named service_events, derived from what is recorded.

use crate::service_events::ServiceEvents;
use squall_effect::{Party, budget::Configurations};
use squall_history::{ClientId, DiskHealth, EntryKind, Event, Failure, NodeId, Observation, OpId, Role, Subject};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct EventDeriver {
    /// What the service finds.
    own: Box<dyn ServiceEvents>,
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

impl EventDeriver {
    /// Of a history in which the service finds this.
    pub(crate) fn new(own: Box<dyn ServiceEvents>) -> EventDeriver {
        EventDeriver {
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
    pub(crate) fn derive(&mut self, what: &EntryKind, link_is_cut: bool) -> Vec<Derived> {
        if let EntryKind::Node { node, saw } = what {
            self.configurations.observe(*node, saw);
        }
        // What the judge asks for in the end is no happening of the run.
        self.over |= matches!(what, EntryKind::FinalReads);
        if self.over {
            return vec![];
        }
        let client = match what {
            EntryKind::Invoke { op, client, .. } => {
                self.asking.insert(*op, *client);
                Some(*client)
            }
            EntryKind::Ok { op, .. } | EntryKind::Fail { op, .. } | EntryKind::Info { op, .. } => self.asking.remove(op),
            EntryKind::Heard { op, .. } => self.asking.get(op).copied(),
            _ => None,
        };
        let mut all = Vec::new();
        if let (EntryKind::Ok { op, .. }, Some(client)) = (what, client)
            && self.open_writes.contains(op)
        {
            let told = !std::mem::replace(&mut self.was_acknowledged, true);
            all.push(Derived { event: Event::WriteAcknowledged, subject: Some(Party::Client(client)), told });
        }
        if let EntryKind::Node { node, saw } = what
            && self.loses_membership(*node, saw)
        {
            all.push(Derived::told(Event::MembershipTruncated, Some(Party::Node(*node))));
        }
        let own = self.own.of(what, client).map(|event| (event, None));
        let general = self.one(what, link_is_cut);
        // An answer is one happening: what the service makes of it, or else what any would. All else may be both.
        let found = match what {
            EntryKind::Invoke { .. } | EntryKind::Ok { .. } | EntryKind::Heard { .. } => [own.or(general), None],
            EntryKind::Fail { .. } => [general.or(own), None],
            _ => [general, own],
        };
        for (event, node) in found.into_iter().flatten() {
            let node = node.or(if let EntryKind::Node { node, .. } = what { Some(*node) } else { None });
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
    fn one(&mut self, what: &EntryKind, link_is_cut: bool) -> Option<(Event, Option<NodeId>)> {
        match what {
            EntryKind::Invoke { op, ask, .. } => {
                if ask.may_write() {
                    self.open_writes.insert(*op);
                }
                None
            }
            EntryKind::Ok { op, .. } => {
                let wrote = self.open_writes.remove(op);
                (wrote && link_is_cut).then_some((Event::WriteDuringPartition, None))
            }
            EntryKind::Heard { .. } => None,
            EntryKind::Fail { op, code, .. } => {
                let wrote = self.open_writes.remove(op);
                (wrote && code == Failure::NO_SPACE).then_some((Event::SpaceExceeded, None))
            }
            EntryKind::Info { .. } => Some((Event::OutcomeUnknown, None)),
            EntryKind::Node { saw: Observation::Members { index, voters, learners }, .. } => self.of_members(*index, voters, learners),
            EntryKind::Node { node, saw } => self.of_node(*node, saw).map(|event| (event, Some(*node))),
            EntryKind::Available { .. }
            | EntryKind::Effect(_)
            | EntryKind::Event { .. }
            | EntryKind::Healed { .. }
            | EntryKind::FinalReads
            | EntryKind::End => None,
        }
    }

    /// Whether this removes a membership from the node's log.
    fn loses_membership(&mut self, node: NodeId, saw: &Observation) -> bool {
        match saw {
            Observation::Membership { index, .. } => _ = self.in_logs.entry(node).or_default().insert(*index),
            // What is still there is told again.
            Observation::Booted { .. } => _ = self.in_logs.remove(&node),
            Observation::Truncate { after } => {
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

    fn of_node(&mut self, node: NodeId, saw: &Observation) -> Option<Event> {
        match saw {
            Observation::Booted { incarnation, .. } => (*incarnation > 1).then_some(Event::NodeRestarted),
            Observation::Stopped => {
                self.leader = self.leader.filter(|leader| *leader != node);
                None
            }
            Observation::Role { role: Role::Leader, .. } => {
                self.leader = Some(node);
                self.leaders += 1;
                (self.leaders > 1).then_some(Event::LeaderChanged)
            }
            // Before the first leader everybody stands for election: nobody who waits for an election means that.
            Observation::Role { role: Role::Candidate, .. } => (self.leaders > 0).then_some(Event::ElectionStarted),
            Observation::Role { role: Role::Follower | Role::Learner, .. } => None,
            Observation::Membership { .. } => (self.leader == Some(node)).then_some(Event::MembershipProposed),
            Observation::Truncate { .. } => Some(Event::LogTruncated),
            Observation::Purge { .. } => Some(Event::LogPurged),
            Observation::SnapshotBuilt { .. } => Some(Event::SnapshotBuilt),
            Observation::SnapshotInstalled { .. } => Some(Event::SnapshotInstalled),
            Observation::Refused { .. } => Some(Event::NodeRefused),
            Observation::Failpoint { .. } => Some(Event::FailpointHit),
            Observation::Disk { disk: DiskHealth::Damaged } => Some(Event::DiskDamaged),
            Observation::Panicked { .. }
            | Observation::Vote { .. }
            | Observation::Append { .. }
            | Observation::Commit { .. }
            | Observation::Apply { .. }
            | Observation::Restored { .. }
            | Observation::Members { .. }
            | Observation::Synced { .. }
            | Observation::Forgot { .. }
            | Observation::ClockBound { .. }
            | Observation::Disk { .. }
            | Observation::Reached { .. }
            | Observation::State { .. }
            | Observation::Final { .. } => None,
        }
    }
}
