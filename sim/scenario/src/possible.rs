//! What can never happen: an event that nothing in a scenario brings about, a target that nobody is. It would be waited for in
//! vain, and the run be called valid.

use crate::{
    faults::{Family, REGISTRY},
    model::{Scenario, When},
    target::Target,
};
use squall_history::{Event, LineOp, Op};
use std::collections::BTreeSet;

/// What a system has, besides clients that are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gives {
    /// Nodes tell who leads.
    pub leaders: bool,
    /// It takes an administrator's requests, and members may come and go.
    pub admin: bool,
    /// Its code has seams where faults can be armed.
    pub failpoints: bool,
    /// It writes to its disk, a log and snapshots.
    pub durable: bool,
}

impl Gives {
    /// All of it.
    pub const EVERYTHING: Gives = Gives { leaders: true, admin: true, failpoints: true, durable: true };
    /// Nothing of it.
    pub const NOTHING: Gives = Gives { leaders: false, admin: false, failpoints: false, durable: false };
}

/// What a scenario may do, and ask.
pub(crate) struct Possible {
    gives: Gives,
    families: BTreeSet<Family>,
    kinds: BTreeSet<String>,
    asks: Vec<Op>,
    bugs: bool,
}

impl Possible {
    pub(crate) fn of(scenario: &Scenario, gives: Gives) -> Possible {
        let mut kinds: BTreeSet<String> = scenario.faults.iter().map(|fault| fault.fault.kind().to_string()).collect();
        kinds.extend(scenario.swarm.iter().flat_map(|swarm| swarm.candidates()).map(|kind| kind.name.to_string()));
        let families = REGISTRY.iter().filter(|kind| kinds.contains(kind.name)).map(|kind| kind.family).collect();
        let asks = scenario.workloads.iter().flat_map(|workload| workload.asks()).collect();
        Possible { gives, families, kinds, asks, bugs: !scenario.bugs.is_empty() || scenario.bites.is_some() }
    }

    fn fault_of(&self, families: &[Family], kinds: &[&str]) -> bool {
        families.iter().any(|family| self.families.contains(family)) || kinds.iter().any(|kind| self.kinds.contains(*kind))
    }

    fn writes(&self) -> bool {
        self.asks.iter().any(Op::may_write)
    }

    fn asks(&self, which: impl Fn(&Op) -> bool) -> bool {
        self.asks.iter().any(which)
    }

    /// Why this event can never happen; `None` where it may.
    pub(crate) fn never(&self, event: Event) -> Option<&'static str> {
        use Family::{Admin, Disk, Failpoint, Membership, Network, Process};
        let line = |which: fn(&LineOp) -> bool| self.asks(move |op| matches!(op, Op::Line(ask) if which(ask)));
        let (holds, why) = match event {
            Event::LeaderChanged | Event::ElectionStarted => (self.gives.leaders, "this system tells of no leaders"),
            Event::NodeRestarted => {
                (self.bugs || self.fault_of(&[Process, Disk, Failpoint, Membership, Admin], &[]), "no fault ends a process")
            }
            Event::SnapshotBuilt | Event::LogPurged | Event::SnapshotInstalled | Event::LogTruncated => {
                (self.gives.durable, "this system tells of no log and no snapshots")
            }
            Event::MemberAdded | Event::MemberRemoved => {
                let changes = self.fault_of(&[Membership, Admin], &[]) || self.asks(|op| matches!(op, Op::Member(_)));
                (
                    self.gives.admin && changes,
                    "nobody changes who belongs to the cluster: `grow`, `shrink`, `replace`, or the workload membership",
                )
            }
            Event::WriteDuringPartition if !self.writes() => (false, "no workload writes"),
            Event::WriteDuringPartition => (self.fault_of(&[Network], &[]), "no fault cuts the network"),
            Event::WriteAcknowledged => (self.writes(), "no workload writes"),
            Event::SpaceExceeded if !self.writes() => (false, "no workload writes"),
            Event::SpaceExceeded => (self.gives.durable && self.fault_of(&[Disk, Failpoint], &[]), "no fault fills a disk"),
            Event::FailpointHit => (self.gives.failpoints && self.fault_of(&[Failpoint], &[]), "no fault arms a failpoint"),
            Event::DiskDamaged => (self.gives.durable && self.fault_of(&[Disk, Membership], &["wipe"]), "no fault damages a disk"),
            Event::NodeRefused => {
                (self.bugs || self.fault_of(&[Disk, Failpoint, Process, Membership, Admin], &[]), "no fault makes a node refuse to go on")
            }
            Event::WatchEvent if !self.writes() => (false, "no workload writes"),
            Event::WatchEvent | Event::WatchResumed | Event::WatchCompacted => {
                (self.asks(|op| matches!(op, Op::Watch { .. })), "no workload watches")
            }
            Event::LeaseExpired => (self.asks(|op| matches!(op, Op::Lease(_) | Op::Line(_))), "no workload has leases"),
            Event::LockAcquired => (line(|ask| matches!(ask, LineOp::Acquire { .. })), "no workload takes locks, or stands for election"),
            Event::WorkRefused => (line(|ask| matches!(ask, LineOp::Work { fenced: true, .. })), "no workload does fenced work"),
            Event::OutcomeUnknown => (true, ""),
        };
        (!holds).then_some(why)
    }

    /// Why nobody is ever meant by this target.
    pub(crate) fn nobody(&self, target: &Target) -> Option<&'static str> {
        match target {
            Target::Leader | Target::Followers | Target::OneFollower | Target::Follower(_) if !self.gives.leaders => {
                Some("this system tells of no leaders")
            }
            Target::LeaseHolder => self.never(Event::LockAcquired),
            _ => None,
        }
    }

    /// Why this kind of fault can do nothing.
    pub(crate) fn idle(&self, kind: &str) -> Option<&'static str> {
        match REGISTRY.iter().find(|known| known.name == kind)?.family {
            Family::Admin | Family::Membership if !self.gives.admin => Some("this system has no administration"),
            Family::Failpoint if !self.gives.failpoints => Some("this system has no failpoints"),
            Family::Disk if !self.gives.durable => Some("this system writes nothing to its disk"),
            _ => None,
        }
    }
}

/// The event that a fault waits for.
pub(crate) fn waits_for(when: &When) -> Option<Event> {
    if let When::On(trigger) = when { Some(trigger.event) } else { None }
}
