//! Faults of plans, as the history tells them: when they fire, whom they hit, and that they end.

use squall_history::{ClientId, EffectPhase, Entry, Event, NodeId, Role, Saw, SimTime, What};
use squall_scenario::{parse, plan};
use squall_world::run;
use std::sync::Arc;

/// The history of a short run of the cluster with these faults.
fn history(nodes: u32, faults: &str) -> Vec<Entry> {
    let source = format!(
        "format: 1\nname: x\ncluster: {{ nodes: {nodes}, snapshot_every: 100 }}\nworkloads: [ kv: {{ clients: 3, think: 10ms }} ]\n\
         duration: 6s\nliveness: {{ within: 10s }}\nfaults:\n{faults}"
    );
    let scenario = parse("x", &source).unwrap_or_else(|e| panic!("{e}"));
    let run = run(&plan(&scenario, 4), Arc::new(squall_adapters::Etcd)).unwrap();
    let verdicts = squall_checker::check_all(&squall_history::View::new(&run.history), &[]);
    assert!(verdicts.iter().all(|(_, v)| v.word() == "valid"), "{verdicts:?}");
    run.history
}

/// What a fault did: when, and the text.
fn effects(history: &[Entry], id: &str) -> Vec<(SimTime, EffectPhase, String)> {
    let of = |e: &Entry| match &e.what {
        What::Effect { fault, phase, text } if fault == id => Some((e.t, *phase, text.clone())),
        _ => None,
    };
    history.iter().filter_map(of).collect()
}

fn events(history: &[Entry], event: Event) -> Vec<(SimTime, Option<NodeId>)> {
    let of = |e: &Entry| match e.what {
        What::Event { event: happened, node } if happened == event => Some((e.t, node)),
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
    let kills: Vec<_> = effects(&history, "hit").into_iter().filter(|(_, phase, _)| *phase == EffectPhase::Start).collect();
    assert!(!kills.is_empty() && kills.len() <= 2, "{kills:?}");
    for (nth, (at, _, text)) in kills.iter().enumerate() {
        let (started, node) = elections[2 * (nth + 1) - 1];
        assert_eq!(ms(started, *at), 50, "after {started}: {text}");
        assert!(text.starts_with(&format!("kill {}", node.unwrap())), "{text}, not {node:?}");
    }
}

#[test]
fn a_paused_client_asks_nothing_and_goes_on_after() {
    let history = history(3, "  - { at: 2s, pause: { target: [c1, c2], for: 1500ms } }\n");
    let asked = |client: u32, from: u64, to: u64| {
        let within = |e: &&Entry| e.t >= SimTime(from * 1_000_000) && e.t < SimTime(to * 1_000_000);
        history.iter().filter(within).filter(|e| matches!(&e.what, What::Invoke { client: c, .. } if *c == ClientId(client))).count()
    };
    for client in [1, 2] {
        assert!(asked(client, 1_000, 2_000) > 10 && asked(client, 3_600, 5_000) > 10, "c{client} asks before and after");
        assert_eq!(asked(client, 2_001, 3_500), 0, "c{client} is paused");
    }
    assert!(asked(3, 2_001, 3_500) > 10, "c3 is not");
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
        let told = effects(&history, id);
        assert!(told.last().unwrap().2.ends_with(": done"), "{id}: {told:?}");
    }
    let asked = effects(&history, "hand-over")[0].clone();
    let leads = |e: &Entry| match e.what {
        What::Node { node, saw: Saw::Role { role: Role::Leader, .. } } => Some((e.t, node)),
        _ => None,
    };
    let (at, leader) = history.iter().filter_map(leads).find(|(t, _)| *t > asked.0).expect("another node leads");
    assert!(ms(asked.0, at) < 1_000 && asked.2.ends_with(&format!("to {leader}")), "{} at {at}", asked.2);
    let built = |e: &Entry| matches!(e.what, What::Node { node: NodeId(2), saw: Saw::SnapshotBuilt { .. } });
    let save = effects(&history, "save")[0].0;
    assert!(history.iter().any(|e| built(e) && e.t >= save && ms(save, e.t) < 200), "n2 wrote a snapshot when it was told to");
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
    for (_, phase, text) in &roll {
        down += if *phase == EffectPhase::Start { 1 } else { -1 };
        assert!((0..=1).contains(&down), "{roll:?}");
        if *phase == EffectPhase::Start {
            order.push(text.split(' ').nth(1).unwrap().to_string());
        }
    }
    let leads = |e: &Entry| match e.what {
        What::Node { node, saw: Saw::Role { role: Role::Leader, .. } } if e.t < SimTime(1_000_000_000) => Some(node),
        _ => None,
    };
    let leader = history.iter().filter_map(leads).next_back().unwrap();
    assert_eq!((order.len(), order[2].as_str()), (3, leader.to_string().as_str()), "the leader goes last: {order:?}");
    let kills =
        effects(&history, "loop").iter().filter(|(_, phase, text)| *phase == EffectPhase::Start && text.starts_with("kill n2")).count();
    assert_eq!(kills, 3, "at 4.0, 4.4 and 4.8 s");
}

#[test]
fn a_replica_that_is_still_booting_is_waited_for_and_a_dead_minority_is_not() {
    // Booted by the heal itself, a moment before the end.
    let history = history(3, "  - { at: 5900ms, kill: { target: n1, power_loss: true } }\n");
    let told: Vec<NodeId> =
        history.iter().filter_map(|e| if let What::Node { node, saw: Saw::Final { .. } } = e.what { Some(node) } else { None }).collect();
    assert_eq!(told, [NodeId(1), NodeId(2), NodeId(3)]);

    let source = "format: 1\nname: x\ncluster: { nodes: 5 }\nworkloads: [ kv: { clients: 3, think: 10ms } ]\nduration: 3s\n\
                  faults: [ { at: 1s, kill: { target: [n1, n2, n3] } } ]\nliveness: { heal: quorum, within: 10s }\n";
    let run = run(&plan(&parse("x", source).unwrap(), 1), Arc::new(squall_adapters::Etcd)).unwrap();
    let healed = run.history.iter().find_map(|e| if let What::Healed { nodes, .. } = &e.what { Some(nodes.clone()) } else { None });
    assert_eq!(healed.unwrap(), [3, 4, 5].map(NodeId), "a quorum, and a minority stays dead");
    let verdicts = squall_checker::check_all(&squall_history::View::new(&run.history), &[]);
    assert!(verdicts.iter().all(|(_, v)| v.word() == "valid"), "{verdicts:?}");
}

#[test]
fn a_fault_that_finds_nobody_is_said() {
    // At the very start nobody leads, and no event has a subject.
    let history = history(
        3,
        "  - { id: too-early, at: 0s, kill: { target: leader, restart_after: 1s } }\n  - { at: 2s, pause: { target: leader, for: 1s } }\n",
    );
    let judging = squall_report::Judging { scenario: "x", seed: "4", nodes: 3, sometimes: &[], checkers: &[] };
    let report = squall_report::RunReport::judge(&judging, &history, "");
    assert_eq!(report.missed.iter().collect::<Vec<_>>(), ["too-early"]);
    let text = squall_report::text(&report);
    assert!(text.contains("1 fired; these found nobody to do it to: too-early"), "{text}");
}
