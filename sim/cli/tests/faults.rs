//! Faults of plans, as the history tells them: when they fire, whom they hit, and that they end.

mod support;

use squall_etcd_model::checks::ALL as CHECKERS;
use squall_history::{ClientId, Effect, EffectChange, EffectResult, Entry, EntryKind, Event, NodeId, Observation, Party, Role, SimTime};
use squall_run::run;
use squall_scenario::plan;
use std::sync::Arc;
use support::parse;

/// The history of a short run of the cluster with these faults.
fn history(nodes: u32, faults: &str) -> Vec<Entry> {
    let source = format!(
        "format: 1\nname: x\ncluster: {{ nodes: {nodes}, snapshot_every: 100 }}\nworkloads: [ kv: {{ clients: 3, think: 10ms }} ]\n\
         duration: 6s\nliveness: {{ within: 10s }}\nfaults:\n{faults}"
    );
    let scenario = parse("x", &source).unwrap_or_else(|e| panic!("{e}"));
    let run = run(&plan(&scenario, 4), Arc::new(squall_etcd::Etcd)).unwrap();
    let verdicts = squall_judge::check_all(&squall_history::View::new(&run.history), &[], CHECKERS);
    assert!(verdicts.iter().all(|(_, v)| v.word() == "valid"), "{verdicts:?}");
    run.history
}

/// What a fault did, and when.
fn effects(history: &[Entry], id: &str) -> Vec<(SimTime, Effect)> {
    let of = |e: &Entry| match &e.what {
        EntryKind::Effect(effect) if effect.fault.id == id => Some((e.t, effect.clone())),
        _ => None,
    };
    history.iter().filter_map(of).collect()
}

fn events(history: &[Entry], event: Event) -> Vec<(SimTime, Option<NodeId>)> {
    let of = |e: &Entry| match e.what {
        EntryKind::Event { event: happened, node } if happened == event => Some((e.t, node)),
        _ => None,
    };
    history.iter().filter_map(of).collect()
}

fn ms(from: SimTime, to: SimTime) -> u64 {
    to.since(from).as_millis() as u64
}

#[test]
fn a_trigger_waits_for_its_event_counts_it_and_hits_its_subject() {
    let history = history(
        3,
        "  - { every: 1s, repeat: 4, partition: { isolate: leader, for: 950ms } }\n\
         \x20 - { id: hit, when: { event: election-started, count: 2, after: 50ms }, repeat: 2, kill: { target: subject, restart_after: 300ms } }\n",
    );
    let elections = events(&history, Event::ElectionStarted);
    let kills: Vec<_> = effects(&history, "hit").into_iter().filter(|(_, effect)| effect.result == EffectResult::Started).collect();
    assert!(!kills.is_empty() && kills.len() <= 2, "{kills:?}");
    for (nth, (at, effect)) in kills.iter().enumerate() {
        let (started, node) = elections[2 * (nth + 1) - 1];
        assert_eq!(ms(started, *at), 50, "after {started}: {effect}");
        assert_eq!((&effect.change, &effect.on[..]), (&EffectChange::Kill, &[Party::Node(node.unwrap())][..]));
    }
}

#[test]
fn a_paused_client_asks_nothing_and_goes_on_after() {
    let history = history(3, "  - { at: 2s, pause: { target: [c1, c2], for: 1500ms } }\n");
    let asked = |client: u32, from: u64, to: u64| {
        let within = |e: &&Entry| e.t >= SimTime(from * 1_000_000) && e.t < SimTime(to * 1_000_000);
        history.iter().filter(within).filter(|e| matches!(&e.what, EntryKind::Invoke { client: c, .. } if *c == ClientId(client))).count()
    };
    for client in [1, 2] {
        assert!(asked(client, 1_000, 2_000) > 10 && asked(client, 3_600, 5_000) > 10, "c{client} asks before and after");
        assert_eq!(asked(client, 2_001, 3_500), 0, "c{client} is paused");
    }
    assert!(asked(3, 2_001, 3_500) > 10, "c3 is not");
}

#[test]
fn the_end_of_a_fault_takes_back_what_that_one_did_and_nothing_of_another() {
    let history = history(
        3,
        "  - { id: kill, at: 1s, kill: { target: n1, restart_after: 2s } }\n\
         \x20 - { id: again, at: 1500ms, kill: { target: n1, restart_after: 500ms } }\n\
         \x20 - { id: pause, at: 1s, pause: { target: n2, for: 1s } }\n\
         \x20 - { id: dead, at: 1200ms, pause: { target: n1, for: 2300ms } }\n\
         \x20 - { id: late, at: 3200ms, pause: { target: n1, for: 1s } }\n",
    );
    let results = |id| effects(&history, id).into_iter().map(|(at, effect)| (at.0 / 1_000_000, effect.result)).collect::<Vec<_>>();
    use EffectResult::{NoTarget, Started, Stopped};
    assert_eq!(results("kill"), [(1_000, Started), (3_000, Stopped)], "n1 is down until the end of the fault that killed it");
    assert_eq!(results("again"), [(1_500, NoTarget)]);
    assert_eq!(results("dead"), [(1_200, NoTarget)]);
    assert_eq!(results("late"), [(3_200, Started), (4_200, Stopped)]);
    let boots = |e: &Entry| matches!(e.what, EntryKind::Node { node: NodeId(1), saw: Observation::Booted { .. } });
    let booted: Vec<u64> = history.iter().filter(|e| boots(e)).map(|e| e.t.0 / 1_000_000).collect();
    assert_eq!(booted, [0, 3_000]);
    let is_still = |e: &&Entry| (SimTime(3_210_000_000)..SimTime(4_190_000_000)).contains(&e.t);
    let acts = history.iter().filter(is_still).any(|e| matches!(e.what, EntryKind::Node { node: NodeId(1), .. }));
    assert!(!acts, "it is paused for all of that time, though another pause of it would have ended at 3.5 s");
}

#[test]
fn administrators_are_obeyed() {
    let history = history(
        3,
        "  - { id: hand-over, at: 2s, transfer-leader: { to: one-follower } }\n\
         \x20 - { id: forget, at: 3s, compact: { keep: 10 } }\n\
         \x20 - { id: save, at: 4s, snapshot: { target: n2 } }\n",
    );
    for id in ["hand-over", "forget", "save"] {
        let told: Vec<EffectResult> = effects(&history, id).into_iter().map(|(_, effect)| effect.result).collect();
        assert_eq!(told, [EffectResult::Asked, EffectResult::Applied], "{id}");
    }
    let asked = effects(&history, "hand-over")[0].clone();
    let leads = |e: &Entry| match e.what {
        EntryKind::Node { node, saw: Observation::Role { role: Role::Leader, .. } } => Some((e.t, node)),
        _ => None,
    };
    let (at, leader) = history.iter().filter_map(leads).find(|(t, _)| *t > asked.0).expect("another node leads");
    let ask = EffectChange::Admin { ask: format!("transfer the leadership to {leader}"), said: None };
    assert!(ms(asked.0, at) < 1_000 && asked.1.change == ask, "{} at {at}", asked.1);
    let built = |e: &Entry| matches!(e.what, EntryKind::Node { node: NodeId(2), saw: Observation::SnapshotBuilt { .. } });
    let save = effects(&history, "save")[0].0;
    assert!(history.iter().any(|e| built(e) && e.t >= save && ms(save, e.t) < 200), "n2 wrote a snapshot when it was told to");
}

#[test]
fn a_leader_that_is_to_hand_over_to_a_dead_member_leads_on_and_serves() {
    let history = history(
        3,
        "  - { id: kill, at: 1s, kill: { target: n2 } }\n\
         \x20 - { id: hand-over, at: 3s, transfer-leader: { to: n2 } }\n",
    );
    let told: Vec<EffectResult> = effects(&history, "hand-over").into_iter().map(|(_, effect)| effect.result).collect();
    assert_eq!(told[0], EffectResult::Asked);
    let since = |t: u64| move |e: &&Entry| (SimTime(t * 1_000_000)..SimTime(5_900_000_000)).contains(&e.t);
    let roles = |e: &&Entry| matches!(e.what, EntryKind::Node { saw: Observation::Role { .. }, .. });
    assert_eq!(history.iter().filter(since(1_500)).filter(roles).count(), 0, "nobody leads but the one that led before");
    let served: Vec<SimTime> =
        history.iter().filter(since(2_900)).filter(|e| matches!(&e.what, EntryKind::Ok { .. })).map(|e| e.t).collect();
    let gap = served.windows(2).map(|two| ms(two[0], two[1])).max();
    assert!(gap.is_some_and(|gap| gap < 100), "clients waited for {gap:?} ms");
}

#[test]
fn a_rolling_restart_takes_one_node_at_a_time_and_a_crash_loop_the_same_one() {
    let history = history(
        3,
        "  - { id: roll, at: 1s, rolling-restart: { order: leader-last, down: 200ms, gap: 300ms } }\n\
         \x20 - { id: loop, at: 4s, crash-loop: { target: n2, up: 300ms, down: 100ms, for: 1s } }\n",
    );
    let roll = effects(&history, "roll");
    let (mut down, mut order) = (0, Vec::new());
    for (_, effect) in &roll {
        down += if effect.begins_something() { 1 } else { -1 };
        assert!((0..=1).contains(&down), "{roll:?}");
        if effect.begins_something() {
            order.push(effect.on[0]);
        }
    }
    let leads = |e: &Entry| match e.what {
        EntryKind::Node { node, saw: Observation::Role { role: Role::Leader, .. } } if e.t < SimTime(1_000_000_000) => Some(node),
        _ => None,
    };
    let leader = history.iter().filter_map(leads).next_back().unwrap();
    assert_eq!((order.len(), order[2]), (3, Party::Node(leader)), "the leader goes last: {order:?}");
    let is_kill = |effect: &Effect| effect.change == EffectChange::Kill && effect.on == [Party::Node(NodeId(2))];
    let kills = effects(&history, "loop").into_iter().filter(|(_, effect)| effect.begins_something() && is_kill(effect));
    assert_eq!(kills.count(), 3, "at 4.0, 4.4 and 4.8 s");
}

#[test]
fn a_replica_that_is_still_booting_is_waited_for_and_a_dead_minority_is_not() {
    // Booted by the heal itself, a moment before the end.
    let history = history(3, "  - { at: 5900ms, kill: { target: n1, power_loss: true } }\n");
    let told: Vec<NodeId> = history
        .iter()
        .filter_map(|e| if let EntryKind::Node { node, saw: Observation::Final { .. } } = e.what { Some(node) } else { None })
        .collect();
    assert_eq!(told, [NodeId(1), NodeId(2), NodeId(3)]);

    let source = "format: 1\nname: x\ncluster: { nodes: 5 }\nworkloads: [ kv: { clients: 3, think: 10ms } ]\nduration: 3s\n\
                  faults: [ { at: 1s, kill: { target: [n1, n2, n3] } } ]\nliveness: { heal: quorum, within: 10s }\n";
    let run = run(&plan(&parse("x", source).unwrap(), 1), Arc::new(squall_etcd::Etcd)).unwrap();
    let healed = run.history.iter().find_map(|e| if let EntryKind::Healed { nodes, .. } = &e.what { Some(nodes.clone()) } else { None });
    assert_eq!(healed.unwrap(), [3, 4, 5].map(NodeId), "a quorum, and a minority stays dead");
    let verdicts = squall_judge::check_all(&squall_history::View::new(&run.history), &[], CHECKERS);
    assert!(verdicts.iter().all(|(_, v)| v.word() == "valid"), "{verdicts:?}");
}

#[test]
fn a_fault_that_finds_nobody_is_said() {
    // At the very start nobody leads, and no event has a subject.
    let history = history(
        3,
        "  - { id: too-early, at: 0s, kill: { target: leader, restart_after: 1s } }\n  - { at: 2s, pause: { target: leader, for: 1s } }\n",
    );
    let judging = squall_report::Judging { scenario: "x", seed: "4", nodes: 3, sometimes: &[], canary: None };
    let report = squall_report::RunReport::of(&judging, squall_judge::judge(&history, &[], CHECKERS), &history, "");
    assert_eq!(report.facts.missed.iter().map(|fault| fault.id.as_str()).collect::<Vec<_>>(), ["too-early"]);
    let text = squall_report::Format::TEXT.run(&report, &history).unwrap();
    assert!(text.contains("1 fired; these did nothing: too-early"), "{text}");
}

/// How many operations were asked between two moments, in seconds.
fn asked(history: &[Entry], from: u64, to: u64) -> usize {
    let inside = |e: &&Entry| (from * 1_000_000_000..to * 1_000_000_000).contains(&e.t.0);
    history.iter().filter(inside).filter(|e| matches!(e.what, EntryKind::Invoke { .. })).count()
}

fn run_valid(source: &str) -> Vec<Entry> {
    let scenario = parse("x", source).unwrap_or_else(|e| panic!("{e}"));
    let run = run(&plan(&scenario, 4), Arc::new(squall_etcd::Etcd)).unwrap();
    let verdicts = squall_judge::check_all(&squall_history::View::new(&run.history), &[], CHECKERS);
    assert!(verdicts.iter().all(|(_, v)| v.word() == "valid"), "{verdicts:?}");
    run.history
}

#[test]
fn clients_rush_or_ask_for_nothing_and_phases_say_when() {
    let history = run_valid(
        "format: 1\nname: x\ncluster: { nodes: 3 }\nworkloads: [ kv: { clients: 3, think: 100ms } ]\nphases:\n\
         \x20 - { name: calm, duration: 2s }\n\
         \x20 - { name: rush, duration: 2s, load: { times: 10 }, faults: [ { id: late, at: 1s, pause: { target: n1, for: 100ms } } ] }\n\
         \x20 - { name: silence, duration: 3s, load: idle }\n",
    );
    let (calm, rush, silence) = (asked(&history, 0, 2), asked(&history, 2, 4), asked(&history, 5, 7));
    assert!(rush > 3 * calm && calm > 20, "calm {calm}, rush {rush}");
    assert_eq!(silence, 0);
    assert_eq!(effects(&history, "late")[0].0, SimTime(3_000_000_000) + std::time::Duration::from_nanos(50), "the phase's second");
}

#[test]
fn what_did_nothing_does_not_count_as_fired_and_an_id_counts_under_its_kind() {
    let history = history(
        3,
        "  - { id: down, at: 1s, kill: { target: n1, restart_after: 2s } }\n\
         \x20 - { id: again, at: 2s, kill: { target: n1 } }\n\
         \x20 - { id: asleep, at: 2s, pause: { target: n1, for: 200ms } }\n\
         \x20 - { id: away, at: 2s, snapshot: { target: n1 } }\n\
         \x20 - { id: never, at: 4s, failpoint: { point: during-snapshot-install, target: n2, action: kill, for: 1s } }\n",
    );
    let judging = squall_report::Judging { scenario: "x", seed: "4", nodes: 3, sometimes: &[], canary: None };
    let report = squall_report::RunReport::of(&judging, squall_judge::judge(&history, &[], CHECKERS), &history, "");
    assert_eq!(report.facts.faults.keys().map(|fault| fault.id.as_str()).collect::<Vec<_>>(), ["down"]);
    assert_eq!(report.facts.missed.iter().map(|fault| fault.id.as_str()).collect::<Vec<_>>(), ["again", "asleep", "away", "never"]);
    let record = squall_report::Record::of(&report, None);
    assert_eq!((record.faults["kill"], record.named["down"]), (1, 1));
}

#[test]
fn a_binding_is_whom_the_other_fault_was_done_to() {
    let history = history(
        5,
        "  - { id: first, at: 2s, as: victim, pause: { target: leader, for: 1s } }\n\
         \x20 - { id: second, at: 4s, kill: { target: { as: victim }, restart_after: 300ms } }\n\
         \x20 - { id: too-early, at: 1ms, as: nobody, pause: { target: leader, for: 1s } }\n\
         \x20 - { id: unbound, at: 1s, kill: { target: { as: nobody } } }\n",
    );
    let (first, second) = (&effects(&history, "first")[0].1, &effects(&history, "second")[0].1);
    assert_eq!((&first.on, first.on.len()), (&second.on, 1));
    assert_eq!(effects(&history, "unbound")[0].1.result, EffectResult::NoTarget);
}

#[test]
fn the_lease_holder_and_the_subject_of_a_lock_are_clients() {
    let history = run_valid(
        "format: 1\nname: x\ncluster: { nodes: 3 }\nworkloads: [ lock: { clients: 3, ttl: 2 } ]\nduration: 6s\nfaults:\n\
         \x20 - { id: holder, when: { event: lock-acquired, count: 2 }, pause: { target: lease-holder, for: 500ms } }\n\
         \x20 - { id: subject, when: { event: lock-acquired, count: 2 }, clock: { jump: { target: subject, by: -6s } } }\n",
    );
    let (holder, subject) = (&effects(&history, "holder")[0].1, &effects(&history, "subject")[0].1);
    assert!(matches!(holder.on[..], [Party::Client(_)]) && holder.on == subject.on, "{holder}; {subject}");
}

#[test]
fn every_failpoint_is_somewhere_on_the_way() {
    for point in squall_run::Pack::failpoints(&squall_etcd::Etcd) {
        // A snapshot is installed by who was away for long enough.
        let history = run_valid(&format!(
            "format: 1\nname: x\ncluster: {{ nodes: 3, snapshot_every: 40 }}\n\
             workloads: [ kv: {{ clients: 4, think: 5ms, large: 30% }}, watch: {{ clients: 1 }}, lease: {{ clients: 3, ttl: 1 }} ]\nduration: 6s\nfaults:\n\
             \x20 - {{ id: hit, at: 10ms, failpoint: {{ point: {}, target: all, action: delay, by: 1ms, for: 5900ms }} }}\n\
             \x20 - {{ at: 1s, kill: {{ target: n1, restart_after: 2s }} }}\n\
             \x20 - {{ at: 4s, compact: {{ keep: 10 }} }}\n",
            point.name
        ));
        assert!(!events(&history, Event::FailpointHit).is_empty(), "{} is never passed", point.name);
    }
}

#[test]
fn who_dies_at_a_failpoint_dies_there_and_comes_back_when_it_is_said() {
    for (action, loses_power) in [("kill", false), ("power-loss", true)] {
        let history = history(
            3,
            &format!(
                "  - {{ id: hit, at: 2s, failpoint: {{ point: after-log-sync, target: leader, action: {action}, skip: 3, for: 2s, restart_after: 700ms }} }}\n"
            ),
        );
        let (at, node) = events(&history, Event::FailpointHit)[0];
        let node = node.unwrap();
        let saw = |wanted: fn(&Observation) -> bool| {
            let of = |e: &Entry| {
                matches!(&e.what, EntryKind::Node { node: who, saw } if *who == node && e.t >= at && wanted(saw)).then_some(e.t)
            };
            history.iter().find_map(of).unwrap()
        };
        assert_eq!(ms(at, saw(|s| matches!(s, Observation::Stopped))), 0, "{loses_power}");
        assert_eq!(ms(at, saw(|s| matches!(s, Observation::Booted { .. }))), 700);
    }
}

#[test]
fn a_full_disk_stops_writes_and_not_reads_and_recovers() {
    let history = run_valid(
        "format: 1\nname: x\ncluster: { nodes: 3, snapshot_every: 5000 }\nworkloads:\n\
         \x20 - kv: { clients: 6, keys: 6, think: 2ms, mix: { put: 1 }, large: 80% }\n\
         \x20 - kv: { clients: 2, keys: 6, think: 10ms, mix: { get: 1 } }\n\
         duration: 8s\nfaults:\n  - { id: full, at: 1s, disk: { full: { target: all, for: 4s } } }\n",
    );
    let refused = events(&history, Event::SpaceExceeded);
    assert!(refused.len() > 3, "{}", refused.len());
    let mut asks = std::collections::BTreeMap::new();
    let (mut reads_while_full, mut writes_after) = (0, 0);
    for entry in &history {
        match &entry.what {
            EntryKind::Invoke { op, ask, .. } => _ = asks.insert(*op, ask.may_write()),
            EntryKind::Ok { op, .. } => match asks[op] {
                false if refused[5].0 < entry.t && entry.t.0 < 5_000_000_000 => reads_while_full += 1,
                true if entry.t.0 > 6_000_000_000 => writes_after += 1,
                _ => {}
            },
            _ => {}
        }
    }
    assert!(reads_while_full > 20 && writes_after > 20, "{reads_while_full} reads while full, {writes_after} writes after");
}

#[test]
fn a_member_that_was_wiped_refuses_to_vote_and_can_be_replaced() {
    let history = run_valid(
        "format: 1\nname: x\ncluster: { nodes: 3 }\nworkloads: [ kv: { clients: 3, think: 10ms } ]\nduration: 8s\nfaults:\n\
         \x20 - { id: wiped, at: 2s, wipe: { target: n2, restart_after: 500ms } }\n\
         \x20 - { at: 4s, replace: { target: n2 } }\n",
    );
    let refused = events(&history, Event::NodeRefused);
    assert_eq!(refused.iter().map(|(_, node)| *node).collect::<Vec<_>>(), [Some(NodeId(2))]);
    assert_eq!(events(&history, Event::MemberRemoved).last().map(|(_, node)| *node), Some(Some(NodeId(2))));
    assert!(events(&history, Event::MemberAdded).iter().any(|(_, node)| *node == Some(NodeId(4))));
}

#[test]
fn no_more_than_a_minority_is_destroyed_unless_that_is_allowed() {
    let source = |extra: &str| {
        format!(
            "format: 1\nname: x\ncluster: {{ nodes: 3 }}\nworkloads: [ kv: {{ clients: 3, think: 10ms }} ]\nduration: 6s\n{extra}faults:\n\
             \x20 - {{ id: a, at: 2s, wipe: {{ target: n2, restart_after: 300ms }} }}\n\
             \x20 - {{ id: b, at: 3s, disk: {{ bitflip: {{ target: n3, files: wal, bits: 50, restart_after: 300ms }} }} }}\n\
             \x20 - {{ id: c, at: 4s, wipe: {{ target: leader, restart_after: 300ms }} }}\n"
        )
    };
    let planned = plan(&parse("x", &source("")).unwrap(), 1);
    assert_eq!(planned.dropped, ["b: a minority's disks are damaged at the most"]);
    assert!(planned.to_yaml_text().contains("dropped:"));
    let history = run_valid(&source(""));
    assert_eq!(effects(&history, "c")[0].1.result, EffectResult::Spared, "whom only the run knows, the run spares");
    let allowed = plan(&parse("x", &source("allow_data_loss: true\n")).unwrap(), 1);
    assert!(allowed.dropped.is_empty() && allowed.faults.len() == 3);
}

#[test]
fn hosts_of_another_zone_are_further_away() {
    let history = run_valid(
        "format: 1\nname: x\ncluster: { nodes: 3, network: { latency: 1ms..2ms, zones: { groups: [[n1, n2, n3, c1], [c2]], between: 100ms } } }\n\
         workloads: [ kv: { clients: 2, think: 50ms, mix: { get: 1 } } ]\nduration: 4s\n",
    );
    let view = squall_history::View::new(&history);
    let fastest = |client: u32| {
        let of = |op: &&squall_history::CompletedOp| op.client == ClientId(client);
        let took =
            |op: &squall_history::CompletedOp| if let squall_history::OpEnd::Ok(at, _) = op.end { Some(ms(op.invoked, at)) } else { None };
        view.ops().iter().filter(of).filter_map(took).min().unwrap()
    };
    assert!(fastest(1) < 50 && fastest(2) >= 200, "{} ms, {} ms", fastest(1), fastest(2));
}

#[test]
fn corrupted_duplicated_and_reordered_links_are_survived() {
    for fault in [
        "corrupt: { target: all, rate: 20%, links: all, for: 4s }",
        "duplicate: { target: all, rate: 100%, for: 4s }",
        "reorder: { target: all, by: 0s..300ms, links: all, for: 4s }",
    ] {
        let history = history(5, &format!("  - {{ id: bad, at: 1s, {fault} }}\n"));
        assert_eq!(effects(&history, "bad").len(), 2, "{fault}");
    }
}
