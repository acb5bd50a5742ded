//! What can never happen: an event that nothing in a scenario brings about, a target that nobody is. It would be waited for in
//! vain, and the run be called valid.

use crate::{
    Decoder, Service,
    faults::{self, Family, REGISTRY},
    model::{Scenario, Vary, When},
    target::{Chosen, Target},
    yaml::{Diagnostic, Place},
};
use squall_history::{Event, Op};
use std::{collections::BTreeSet, sync::Arc};

/// What a scenario may do, and ask.
struct Possible {
    service: Arc<Service>,
    families: BTreeSet<Family>,
    kinds: BTreeSet<String>,
    asks: Vec<Op>,
    bugs: bool,
}

impl Possible {
    fn of(scenario: &Scenario) -> Possible {
        let mut kinds: BTreeSet<String> = scenario.faults.iter().map(|fault| fault.fault.kind().to_string()).collect();
        kinds.extend(scenario.swarm.iter().flat_map(|swarm| swarm.candidates()).map(|kind| kind.name.to_string()));
        let families = REGISTRY.iter().filter(|kind| kinds.contains(kind.name)).map(|kind| kind.family).collect();
        let asks = scenario.workloads.iter().flat_map(|workload| workload.asks()).collect();
        Possible { service: scenario.service.clone(), families, kinds, asks, bugs: !scenario.bugs.is_empty() || scenario.bites.is_some() }
    }

    fn fault_of(&self, families: &[Family], kinds: &[&str]) -> bool {
        families.iter().any(|family| self.families.contains(family)) || kinds.iter().any(|kind| self.kinds.contains(*kind))
    }

    /// Whether a fault may end a process. A pause does not.
    fn ends_a_process(&self) -> bool {
        let of_processes = REGISTRY.iter().filter(|kind| kind.family == Family::Process && kind.name != "pause");
        self.fault_of(&[Family::Disk, Family::Failpoint, Family::Membership, Family::Admin], &[])
            || of_processes.into_iter().any(|kind| self.kinds.contains(kind.name))
    }

    fn writes(&self) -> bool {
        self.asks.iter().any(Op::may_write)
    }

    /// Why this event can never happen; `None` where it may.
    fn never(&self, event: Event) -> Option<&'static str> {
        use Family::{Admin, Disk, Failpoint, Membership, Network};
        let (holds, why) = match event {
            Event::LeaderChanged | Event::ElectionStarted => (self.service.gives.leaders, "this system tells of no leaders"),
            Event::NodeRestarted => (self.bugs || self.ends_a_process(), "no fault ends a process"),
            Event::SnapshotBuilt | Event::LogPurged | Event::SnapshotInstalled | Event::LogTruncated => {
                (self.service.gives.durable, "this system tells of no log and no snapshots")
            }
            Event::MemberAdded | Event::MemberRemoved | Event::MembershipProposed | Event::MembershipTruncated => {
                let changes = self.fault_of(&[Membership, Admin], &[]) || self.asks.iter().any(Op::may_change_members);
                (
                    self.service.gives.admin && changes,
                    "nothing changes the members of the cluster: `grow`, `shrink`, `replace`, or a workload that does",
                )
            }
            Event::WriteDuringPartition if !self.writes() => (false, "no workload writes"),
            Event::WriteDuringPartition => (self.fault_of(&[Network], &[]), "no fault cuts the network"),
            Event::WriteAcknowledged => (self.writes(), "no workload writes"),
            Event::SpaceExceeded if !self.writes() => (false, "no workload writes"),
            Event::SpaceExceeded => (self.service.gives.durable && self.fault_of(&[Disk, Failpoint], &[]), "no fault fills a disk"),
            Event::FailpointHit => (!self.service.failpoints.is_empty() && self.fault_of(&[Failpoint], &[]), "no fault arms a failpoint"),
            Event::DiskDamaged => (self.service.gives.durable && self.fault_of(&[Disk, Membership], &["wipe"]), "no fault damages a disk"),
            Event::NodeRefused => (self.bugs || self.ends_a_process(), "no fault makes a node refuse to go on"),
            Event::Own(_) => {
                let own = self.service.events.iter().find(|own| own.event == event);
                return own.map_or(Some("this system has no such event"), |own| (own.never)(&self.asks));
            }
            Event::OutcomeUnknown => (true, ""),
        };
        (!holds).then_some(why)
    }

    /// Why nobody is ever meant by this target.
    fn nobody(&self, target: &Target) -> Option<&'static str> {
        match target {
            Target::OneFollower | Target::Chosen(Chosen::Leader | Chosen::Followers | Chosen::Follower(_))
                if !self.service.gives.leaders =>
            {
                Some("this system tells of no leaders")
            }
            Target::Chosen(Chosen::Holder(_)) => match self.service.holder {
                Some(holder) => self.never(holder.comes),
                None => Some("this system has nothing that only one client can have"),
            },
            _ => None,
        }
    }
}

/// Why faults of this family can do nothing to a system.
pub(crate) fn idle(family: Family, service: &Service) -> Option<&'static str> {
    match family {
        Family::Admin | Family::Membership if !service.gives.admin => Some("this system has no administration"),
        Family::Failpoint if service.failpoints.is_empty() => Some("this system has no failpoints"),
        Family::Disk if !service.gives.durable => Some("this system writes nothing to its disk"),
        _ => None,
    }
}

/// What is waited for, or aimed at, and can never be.
pub(crate) fn in_vain(d: &mut Decoder, scenario: &Scenario, swarm: Option<Place>, sometimes: &[Place], places: &[Place]) {
    let possible = Possible::of(scenario);
    let mut wrong = |place: &Place, what: String, why: &str| {
        d.mistakes.push(Diagnostic::new(*place, format!("{what}: {why}")).help("leave it out, or add what it needs"));
    };
    // Of a plan these are what is asked of all seeds of the scenario that it is one of.
    let is_plan = scenario.world_seed.is_some();
    for (node, event) in sometimes.iter().zip(&scenario.sometimes).filter(|_| !is_plan) {
        if let Some(why) = possible.never(*event) {
            wrong(node, format!("`{}` can never happen here", event.name()), why);
        }
    }
    for (place, fault) in places.iter().zip(&scenario.faults) {
        let waited_for = if let When::On(trigger) = &fault.when { Some(trigger.event) } else { None };
        if let Some((event, why)) = waited_for.and_then(|event| Some((event, possible.never(event)?))) {
            wrong(place, format!("it waits for `{}`, which can never happen here", event.name()), why);
        }
        if let Some(why) = faults::targets(&*fault.fault).iter().find_map(|target| possible.nobody(target)) {
            wrong(place, "its target can never match here".to_string(), why);
        }
        let family = REGISTRY.iter().find(|known| known.name == fault.fault.kind()).map(|known| known.family);
        if let Some(why) = family.and_then(|family| idle(family, &scenario.service)) {
            wrong(place, format!("`{}` can do nothing here", fault.fault.kind()), why);
        }
    }
    if let (Some(swarm), Some(place)) = (&scenario.swarm, swarm) {
        let whys: Vec<Option<&str>> = swarm.candidates().iter().map(|kind| idle(kind.family, &scenario.service)).collect();
        if let Some(Some(why)) = whys.first().filter(|_| whys.iter().all(Option::is_some)) {
            wrong(&place, "no fault of this swarm can do anything here".to_string(), why);
        }
        let gives = scenario.service.gives;
        if swarm.vary.0.contains(&Vary::Timeouts) && !gives.tuning && !gives.durable {
            wrong(&place, "`vary: [timeouts]` varies nothing here".to_string(), "this system heeds none of them");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Gives,
        testing::{parse, service},
    };

    /// What is possible under the tests' system, were it to give this.
    fn possible(workloads: &str, faults: &str, gives: Gives) -> Possible {
        let text = format!("format: 1\nname: x\nduration: 5s\ncluster: {{ nodes: 3 }}\nworkloads: [{workloads}]\nfaults: [{faults}]\n");
        let mut scenario = parse("x.yaml", &text).unwrap_or_else(|why| panic!("{why}"));
        let failpoints = if gives == Gives::NOTHING { &[] } else { service().failpoints };
        scenario.service = Arc::new(Service { gives, failpoints, ..service() });
        Possible::of(&scenario)
    }

    fn never(workloads: &str, faults: &str, gives: Gives) -> Vec<&'static str> {
        let possible = possible(workloads, faults, gives);
        let all = Event::ALL.iter().copied().chain(possible.service.events.iter().map(|own| own.event));
        all.filter(|event| possible.never(*event).is_some()).map(|event| event.name()).collect()
    }

    #[test]
    fn what_can_never_happen_and_what_may() {
        let reads = "notes: { clients: 1, write: false }";
        let bare = never(reads, "", Gives::EVERYTHING);
        let expect = "node-restarted membership-proposed membership-truncated member-added member-removed write-during-partition write-acknowledged space-exceeded failpoint-hit disk-damaged \
                      node-refused note-kept";
        assert_eq!(bare.join(" "), expect);
        let all = "notes: { clients: 1 }";
        let faults = "{ at: 1s, partition: { isolate: one, for: 1s } }, { at: 1s, disk: { full: { target: one, for: 1s } } }, { at: 1s, grow: {} }, \
                      { at: 2s, failpoint: { target: one, point: before-sync, action: kill, for: 1s } }";
        assert_eq!(never(all, faults, Gives::EVERYTHING), Vec::<&str>::new());
        let expect = "leader-changed election-started snapshot-built snapshot-installed log-truncated membership-proposed membership-truncated log-purged member-added member-removed \
                      space-exceeded failpoint-hit disk-damaged";
        assert_eq!(never(all, faults, Gives::NOTHING).join(" "), expect);
        assert!(never(reads, "{ at: 1s, pause: { target: one, for: 1s } }", Gives::EVERYTHING).contains(&"node-restarted"));
        // One thing each.
        for (workloads, faults, event) in [
            (all, "", "write-acknowledged"),
            (all, "", "note-kept"),
            (reads, "{ at: 1s, kill: { target: one } }", "node-restarted"),
            (reads, "{ at: 1s, grow: {} }", "member-added"),
            (reads, "{ at: 1s, wipe: { target: one } }", "disk-damaged"),
        ] {
            assert!(!never(workloads, faults, Gives::EVERYTHING).contains(&event), "{workloads} {faults} {event}");
        }
    }

    #[test]
    fn nobody_and_nothing_under_a_system_that_has_less() {
        let reads = "notes: { clients: 1, write: false }";
        let (all, none) = (possible(reads, "", Gives::EVERYTHING), possible(reads, "", Gives::NOTHING));
        let keeper = Target::Chosen(Chosen::Holder("keeper"));
        for (target, here, there) in [(Target::LEADER, true, false), (Target::One, true, true), (keeper, false, false)] {
            assert_eq!((all.nobody(&target).is_none(), none.nobody(&target).is_none()), (here, there), "{target:?}");
        }
        for (family, there) in [
            (Family::Admin, false),
            (Family::Membership, false),
            (Family::Failpoint, false),
            (Family::Disk, false),
            (Family::Network, true),
        ] {
            assert_eq!((idle(family, &all.service), idle(family, &none.service).is_none()), (None, there), "{family:?}");
        }
    }

    #[test]
    fn what_a_system_does_not_heed_is_refused() {
        let refused = |cluster: &str, more: &str, gives: Gives| {
            let text = format!("format: 1\nname: x\nduration: 5s\ncluster: {{ {cluster} }}\nworkloads: [{{ notes: {{}} }}]\n{more}");
            let service = Service { gives, failpoints: &[], ..service() };
            crate::parse("x.yaml", &text, &crate::Vocabulary { services: vec![Arc::new(service)] }).err().map(|why| why.to_string())
        };
        for (cluster, key) in [
            ("heartbeat: 200ms", "heartbeat"),
            ("election_timeout: 1s..2s", "election_timeout"),
            ("pre_vote: false", "pre_vote"),
            ("snapshot_every: 7", "snapshot_every"),
            ("disk: { sync: 9ms }", "disk"),
        ] {
            let said = refused(cluster, "", Gives::NOTHING).unwrap_or_else(|| panic!("{cluster} is taken"));
            assert!(said.contains(&format!("this system does not heed `{key}`")), "{said}");
            assert_eq!(refused(cluster, "", Gives::EVERYTHING), None);
        }
        // What is the default asks for nothing.
        assert_eq!(refused("nodes: 3, heartbeat: 100ms, pre_vote: true", "", Gives::NOTHING), None);
        let swarm = "swarm: { families: [network], vary: [timeouts] }\n";
        assert!(refused("nodes: 3", swarm, Gives::NOTHING).is_some_and(|why| why.contains("varies nothing here")));
        assert_eq!(refused("nodes: 3", swarm, Gives { durable: true, ..Gives::NOTHING }), None);
    }

    #[test]
    fn a_swarm_of_which_no_fault_can_do_anything_is_refused() {
        let refused = |families: &str, service: Service| {
            let text = format!("format: 1\nname: x\nduration: 5s\nworkloads: [{{ notes: {{}} }}]\nswarm: {{ families: {families} }}\n");
            crate::parse("x.yaml", &text, &crate::Vocabulary { services: vec![Arc::new(service)] }).err().map(|why| why.to_string())
        };
        let less = || Service { gives: Gives::NOTHING, failpoints: &[], ..service() };
        assert!(refused("[failpoint, disk]", less()).is_some_and(|why| why.contains("no fault of this swarm can do anything here")));
        assert_eq!((refused("[failpoint, network]", less()), refused("[failpoint, disk]", service())), (None, None));
    }
}
