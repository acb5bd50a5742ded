//! Mistakes are shown where they are, all at once, with what would be accepted.
//!
//! The corpus has a case for every rule of the grammar and every semantic check. None is forgotten: the
//! messages are read off the sources, and each must be in the snapshot.

use squall_run::service;
use squall_scenario::{
    Gives, Named, Service, Vocabulary, parse,
    workloads::{Script, WorkloadKind},
};
use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

/// A scenario without a mistake, which uses much of the language.
const GOOD: &str = "\
format: 1
name: good
system: etcd
bugs: [stale-read]
cluster: { nodes: 3, heartbeat: 100ms, election_timeout: 300ms..600ms, network: { latency: 1ms, loss: 1% } }
workloads:
  - register: { clients: 2, mix: { get: 1 } }
  - kv: { clients: 2, large: 1/8 }
  - script: { clients: 2, ops: [ { at: 1s, put: { key: k, value: v } }, { client: 2, at: 2s, get: k } ] }
duration: 10s
faults:
  - id: cut-off
    at: 3s
    partition: { isolate: leader, for: 1s }
  - every: 2s..3s
    kill: { target: one, power_loss: true }
  - when: { event: leader-changed, count: 2 }
    pause: { target: subject, for: 1s }
swarm: { pick: 1..2, families: [network], kinds: [delay] }
liveness: { heal: all, within: 5s }
available: { max_gap: 3s, during: faults }
checkers: [raft, linearizable]
sometimes: [leader-changed]
expect: valid
";

fn vocabulary() -> Vocabulary {
    let etcd = service(&squall_etcd::Etcd);
    let few = |all: Vec<Named>| all.into_iter().filter(|bug| ["stale-read", "forget-vote"].contains(&bug.name)).collect();
    let etcd = Service { bugs: few(etcd.bugs.clone()), checkers: vec!["linearizable", "raft", "durable"], ..etcd };
    let less = Service { name: "primary-backup", gives: Gives::NOTHING, ..etcd.clone() };
    const SCRIPT: &[WorkloadKind] = &[WorkloadKind::of::<Script>()];
    let bare = Service { name: "bare", workloads: SCRIPT, bugs: vec![], failpoints: &[], ..less.clone() };
    Vocabulary { services: [etcd, less, bare].map(Arc::new).into() }
}

/// One edit of [`GOOD`] each: what is replaced, and by what.
const CASES: &[(&str, &str)] = &[
    // The document.
    ("format: 1", "- 1\n- 2\n#"),
    ("format: 1", "format: [1"),
    ("format: 1", "format: 1\n---\nformat: 1"),
    ("format: 1", "format: &a 1"),
    ("format: 1", "format: !!int 1"),
    ("name: good", "name: *a"),
    ("name: good", "name: good\nname: again"),
    ("name: good", "? [a, b]\n: c\nname: good"),
    // Words of others, and kinds without their group.
    ("    kill: { target: one, power_loss: true }", "    crash: { target: one }"),
    ("    kill: { target: one, power_loss: true }", "    isolate: leader"),
    ("    kill: { target: one, power_loss: true }", "    slow: { target: one }"),
    // What can never be.
    ("sometimes: [leader-changed]", "sometimes: [leader-changed, lock-acquired]"),
    ("sometimes: [leader-changed]", "sometimes: [watch-event]"),
    ("swarm: { pick: 1..2, families: [network], kinds: [delay] }", "sometimes: [disk-damaged, failpoint-hit]"),
    ("partition: { isolate: leader, for: 1s }", "pause: { target: lease-holder, for: 1s }"),
    ("system: etcd", "system: primary-backup"),
    ("system: etcd", "system: bare"),
    ("system: etcd\nbugs: [stale-read]", "system: bare\nbugs: [no-such]"),
    (
        "system: etcd\nbugs: [stale-read]\ncluster: { nodes: 3, heartbeat: 100ms, election_timeout: 300ms..600ms, network: { latency: 1ms, loss: 1% } }\nworkloads:\n  - register: { clients: 2, mix: { get: 1 } }\n  - kv: { clients: 2, large: 1/8 }\n  - script: { clients: 2, ops: [ { at: 1s, put: { key: k, value: v } }, { client: 2, at: 2s, get: k } ] }\nduration: 10s\nfaults:\n  - id: cut-off\n    at: 3s\n    partition: { isolate: leader, for: 1s }",
        "system: primary-backup\nbugs: [stale-read]\ncluster: { nodes: 3, heartbeat: 100ms, election_timeout: 300ms..600ms, network: { latency: 1ms, loss: 1% } }\nworkloads:\n  - register: { clients: 2, mix: { get: 1 } }\n  - kv: { clients: 2, large: 1/8 }\n  - script: { clients: 2, ops: [ { at: 1s, put: { key: k, value: v } }, { client: 2, at: 2s, get: k } ] }\nduration: 10s\nfaults:\n  - id: cut-off\n    at: 3s\n    compact: {}",
    ),
    // What a scenario bites with is one, too.
    ("expect: valid", "bites: { with: { duration: 1s }, violation: raft }"),
    ("checkers: [raft, linearizable]", "checkers: [raft]\nbites: { with: { bugs: [stale-read] }, violation: linearizable }"),
    // The other workloads and faults.
    ("partition: { isolate: leader, for: 1s }", "partition: { groups: [], for: 1s }"),
    ("register: { clients: 2, mix: { get: 1 } }", "txn: []"),
    ("register: { clients: 2, mix: { get: 1 } }", "watch: []"),
    ("register: { clients: 2, mix: { get: 1 } }", "watch: { lasts: 1m, prefix: [a], progress: maybe }"),
    ("register: { clients: 2, mix: { get: 1 } }", "lease: []"),
    ("register: { clients: 2, mix: { get: 1 } }", "lease: { ttl: 0, think: soon }"),
    ("register: { clients: 2, mix: { get: 1 } }", "lock: []"),
    ("register: { clients: 2, mix: { get: 1 } }", "lock: { names: 21, fenced: perhaps }"),
    ("register: { clients: 2, mix: { get: 1 } }", "election: []"),
    ("register: { clients: 2, mix: { get: 1 } }", "membership: []"),
    ("register: { clients: 2, mix: { get: 1 } }", "hello: []"),
    ("partition: { isolate: leader, for: 1s }", "grow: 3"),
    ("partition: { isolate: leader, for: 1s }", "grow: { nodes: 9 }"),
    ("partition: { isolate: leader, for: 1s }", "shrink: {}"),
    ("partition: { isolate: leader, for: 1s }", "replace: { target: clients }"),
    ("partition: { isolate: leader, for: 1s }", "defragment: 3"),
    ("partition: { isolate: leader, for: 1s }", "flap: 3"),
    ("partition: { isolate: leader, for: 1s }", "flap: { target: one, down: 1us, up: 1s, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { slow: 3 }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { slow: { target: one, latency: soon } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: 3"),
    ("partition: { isolate: leader, for: 1s }", "clock: {}"),
    ("partition: { isolate: leader, for: 1s }", "clock: { jum: { target: one, by: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { jump: { target: one, by: 1s }, leap: { target: one, by: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { jump: 3 }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { jump: { target: one, by: soon } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { jump: { target: c1, by: 6s..-6s } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { drift: { target: one, rate: fast, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { drift: { target: one, rate: -11%..1%, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { strobe: { target: one, by: 1s, period: 10us, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { leap: { target: one, by: -1s } }"),
    ("partition: { isolate: leader, for: 1s }", "clock: { reset: {} }"),
    // The top level.
    ("format: 1\n", ""),
    ("format: 1", "format: 0"),
    ("format: 1", "format: 2"),
    ("name: good\n", ""),
    ("name: good", "name: not good"),
    ("name: good", "name: good\nabout: [a]"),
    ("name: good", "name: good\nseed: ../../etc"),
    ("name: good", "name: good\nworld_seed: -1"),
    ("name: good", "name: good\nnaem: x"),
    ("name: good", "name: good\non: x"),
    ("system: etcd", "system: etdc"),
    ("[stale-read]", "stale-read"),
    ("[stale-read]", "[stale-reed]"),
    ("[stale-read]", "[stale-read, stale-read]"),
    ("duration: 10s\n", ""),
    ("duration: 10s", "duration: 10"),
    ("duration: 10s", "duration: { s: 10 }"),
    ("duration: 10s", "duration: 2h"),
    // The cluster.
    ("cluster: {", "cluster: [1] #"),
    ("nodes: 3", "nodes: 0"),
    ("nodes: 3", "nodes: 5..3"),
    ("nodes: 3", "nodes: [3, 12]"),
    ("nodes: 3", "nodes: 3, pre_vote: maybe"),
    ("nodes: 3", "nodes: 3, pre_vot: true"),
    ("nodes: 3", "nodes: 3, snapshot_every: 0"),
    ("nodes: 3", "nodes: 3, disk: { sync: fast }"),
    ("nodes: 3", "nodes: 3, disk: 3ms"),
    ("nodes: 3", "nodes: 3, disk: { sink: 3ms }"),
    ("heartbeat: 100ms", "heartbeat: -1s"),
    ("300ms..600ms", "600ms..300ms"),
    ("300ms..600ms", "300ms"),
    ("300ms..600ms", "50ms..600ms"),
    ("300ms..600ms", "300ms..300500us"),
    ("heartbeat: 100ms, election_timeout: 300ms..600ms", "heartbeat: 800ms"),
    ("heartbeat: 100ms", "heartbeat: 0s"),
    ("latency: 1ms", "latency: { min: 1ms }"),
    ("loss: 1%", "loss: 0.01"),
    ("loss: 1%", "loss: 95%"),
    ("loss: 1%", "loss: 3/2"),
    ("network: {", "network: [] } #"),
    // Workloads.
    ("workloads:\n", "workloads: []\nfaulds:\n"),
    ("  - register: { clients: 2, mix: { get: 1 } }", "  - registre: {}"),
    ("  - register: { clients: 2, mix: { get: 1 } }", "  - register: {}\n    kv: {}"),
    ("  - register: { clients: 2, mix: { get: 1 } }", "  - register: {}\n    clients: 3"),
    ("  - register: { clients: 2, mix: { get: 1 } }", "  - register: 3"),
    ("  - register: { clients: 2, mix: { get: 1 } }", "  - register"),
    ("register: { clients: 2", "register: { clients: 0"),
    ("register: { clients: 2", "register: { clients: 200"),
    ("register: { clients: 2", "register: { keys: 0"),
    ("register: { clients: 2", "register: { think: 1s, rate: 5/s"),
    ("register: { clients: 2", "register: { rate: 0/s"),
    ("register: { clients: 2", "register: { think: soon"),
    ("register: { clients: 2", "register: { seed: x"),
    ("mix: { get: 1 }", "mix: { get: 0 }"),
    ("mix: { get: 1 }", "mix: { got: 1 }"),
    ("mix: { get: 1 }", "mix: [get]"),
    ("mix: { get: 1 }", "mix: { get: 1001 }"),
    ("kv: { clients: 2", "kv: { keys: 1001"),
    ("kv: { clients: 2", "kv: [] #"),
    ("large: 1/8", "large: often"),
    ("script: { clients: 2", "script: { clients: 1"),
    ("script: { clients: 2", "script: { clients: 0"),
    ("script: {", "script: [] #"),
    ("ops: [ {", "ops: [ 3, {"),
    ("ops: [ { at: 1s, put: { key: k, value: v } }, { client: 2, at: 2s, get: k } ]", "ops: 3"),
    ("at: 1s, put: { key: k, value: v }", "put: { key: k, value: v }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1, get: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, get: k, put: { key: k, value: v }"),
    ("at: 1s, put: { key: k, value: v }", "client: 0, at: 1s, get: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, get: ''"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, delete-range: { from: b, to: a }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, delete-range: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, compact: 0"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, reads: { of: [] }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, reads: { serializable: true }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, reads: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, reads: { of: [k] }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, reads: { of: [{ prefix: k }], put: { key: k, value: v }, serializable: true }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, put: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, put: { value: v }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, put: { key: k }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, put: { key: k, value: [v] }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, range: [k]"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, past: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, past: { prefix: k }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, past: { revision: 2 }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, past: { prefix: k, revision: 0 }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, cas: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, cas: { key: k, expect: [a], value: v }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, txn: k"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, txn: { compare: k, then: k, else: [ k ] }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, txn: { compare: [ { holds: v }, 3 ], then: [ {}, { get: k, delete: k } ] }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, txn: { compare: [] }"),
    ("at: 1s, put: { key: k, value: v }", "at: 1s, txn: { then: [ { put: { key: k, value: v } }, { delete: k } ] }"),
    // Faults: when.
    ("  - id: cut-off", "  - 3\n  - id: cut-off"),
    ("faults:\n", "faults: 3\nfoults:\n"),
    ("id: cut-off", "id: cut off"),
    ("every: 2s..3s", "id: cut-off\n    every: 2s..3s"),
    ("    at: 3s\n", ""),
    ("    at: 3s\n", "    att: 3s\n"),
    ("at: 3s", "at: 3s..4s"),
    ("at: 3s", "at: -3s"),
    ("at: 3s", "at: 30s"),
    ("every: 2s..3s", "every: 60s"),
    ("every: 2s..3s", "between: 4s..11s"),
    ("event: leader-changed, count: 2", "event: leader-changed, after: 1s..11s"),
    ("every: 2s..3s", "every: 1us"),
    ("event: leader-changed, count: 2", "event: leader-changed, after: 60s"),
    ("at: 2s, get: k", "at: 1h, get: k"),
    ("every: 2s..3s", "id: a123456789012345678901234567890123456789012345678901234567890\n    every: 2s..3s"),
    ("target: subject, for: 1s", "target: { clients: 50 }, for: 1s"),
    ("isolate: leader, for: 1s", "isolate: all, for: 1s"),
    ("at: 3s", "at: 3s\n    every: 2s"),
    ("at: 3s", "at: 3s\n    repeat: 2"),
    ("at: 3s", "between: 4s..3s"),
    ("every: 2s..3s", "every: 0s"),
    ("every: 2s..3s", "every: 2s\n    repeat: 0"),
    ("when: { event: leader-changed, count: 2 }", "when: leader-changed"),
    ("event: leader-changed, count: 2", "count: 2"),
    ("event: leader-changed, count: 2", "event: leader-change"),
    ("event: leader-changed, count: 2", "event: leader-changed, count: 0"),
    ("event: leader-changed, count: 2", "event: leader-changed, after: later"),
    ("event: leader-changed, count: 2", "event: write-during-partition"),
    ("event: leader-changed, count: 2 }\n    pause: { target: subject, for: 1s }", "event: lock-acquired }\n    kill: { target: subject }"),
    ("target: one, power_loss: true", "target: subject"),
    // Faults: whom.
    ("target: one, power_loss: true", "target: leder"),
    ("target: one, power_loss: true", "target: n9"),
    ("target: one, power_loss: true", "target: [n1, n1]"),
    ("target: one, power_loss: true", "target: []"),
    ("target: one, power_loss: true", "target: [n1, x1]"),
    ("target: one, power_loss: true", "target: { fixed: 0 }"),
    ("target: one, power_loss: true", "target: { fixed: 9 }"),
    ("target: one, power_loss: true", "target: { some: 2 }"),
    ("target: one, power_loss: true", "target: c1"),
    ("target: one, power_loss: true", "power_loss: true"),
    ("target: one, power_loss: true", "target: one, power_loss: yes"),
    ("target: one, power_loss: true", "target: one, restart_after: x"),
    ("target: subject, for: 1s", "target: c9, for: 1s"),
    ("target: subject, for: 1s", "target: subject"),
    ("nodes: 3", "nodes: 1"),
    // Faults: each kind.
    ("partition: { isolate: leader, for: 1s }", "partiton: { isolate: leader, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "partition: 1s"),
    ("partition: { isolate: leader, for: 1s }", "kill: 1s"),
    ("partition: { isolate: leader, for: 1s }", "pause: 1s"),
    ("partition: { isolate: leader, for: 1s }", "restart: 1s"),
    ("partition: { isolate: leader, for: 1s }", "restart: {}"),
    ("partition: { isolate: leader, for: 1s }", "rolling-restart: 1s"),
    ("partition: { isolate: leader, for: 1s }", "crash-loop: 1s"),
    ("partition: { isolate: leader, for: 1s }", "delay: 1s"),
    ("partition: { isolate: leader, for: 1s }", "loss: 1s"),
    ("partition: { isolate: leader, for: 1s }", "bandwidth: 1s"),
    ("partition: { isolate: leader, for: 1s }", "reset-connections: 1s"),
    ("partition: { isolate: leader, for: 1s }", "refuse: 1s"),
    ("partition: { isolate: leader, for: 1s }", "refuse: {}"),
    ("partition: { isolate: leader, for: 1s }", "transfer-leader: n1"),
    ("partition: { isolate: leader, for: 1s }", "compact: 3"),
    ("partition: { isolate: leader, for: 1s }", "compact: { keep: all }"),
    ("partition: { isolate: leader, for: 1s }", "snapshot: n1"),
    ("partition: { isolate: leader, for: 1s }", "snapshot: {}"),
    ("isolate: leader, for: 1s", "isolate: leader"),
    ("isolate: leader, for: 1s", "for: 1s"),
    ("isolate: leader, for: 1s", "isolate: c1, for: 1s"),
    ("isolate: leader, for: 1s", "isolate: leader, shape: halves, for: 1s"),
    ("isolate: leader, for: 1s", "shape: thirds, for: 1s"),
    ("isolate: leader, for: 1s", "shape: majorities-ring, for: 1s"),
    ("isolate: leader, for: 1s", "groups: n1, for: 1s"),
    ("isolate: leader, for: 1s", "groups: [n1], for: 1s"),
    ("isolate: leader, for: 1s", "groups: [[n1], [n2], [n3]], direction: to, for: 1s"),
    ("isolate: leader, for: 1s", "isolate: leader, direction: left, for: 1s"),
    ("isolate: leader, for: 1s", "isolate: leader, links: some, for: 1s"),
    ("isolate: leader, for: 1s", "cut: leader, for: 1s"),
    ("isolate: leader, for: 1s", "cut: [], for: 1s"),
    ("isolate: leader, for: 1s", "cut: [leader], for: 1s"),
    ("isolate: leader, for: 1s", "cut: [[leader]], for: 1s"),
    ("isolate: leader, for: 1s", "cut: [[leader, n2]], links: all, for: 1s"),
    ("isolate: leader, for: 1s", "cut: [[n1, n1]], for: 1s"),
    ("isolate: leader, for: 1s", "cut: [[n1, n2], [clients, c1]], for: 1s"),
    ("partition: { isolate: leader, for: 1s }", "delay: { target: clients, links: all, by: 10ms, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "delay: { target: all, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "loss: { target: all, rate: 95%, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "loss: { target: all, rate: x, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "bandwidth: { target: all, limit: 64kB, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "rolling-restart: { order: backwards }"),
    ("partition: { isolate: leader, for: 1s }", "rolling-restart: { order: [n1, n7] }"),
    ("partition: { isolate: leader, for: 1s }", "crash-loop: { target: one, up: 0s, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "disk: 3"),
    ("partition: { isolate: leader, for: 1s }", "disk: { slow: 3 }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { full: { target: n1, leaves: 3, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { io-error: { target: n1, fails: sync, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { io-error: { target: n1, fails: [], for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { io-error: { target: n1, fails: [sink], for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { io-error: { target: n1, fails: [sync, sync], for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { io-error: { target: n1, errno: EIOO, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { misdirect: { target: n1, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { bitflip: 3 }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { bitflip: { target: n1, bits: 0 } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { bitflip: { target: n1, files: 'a b' } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { truncate: { target: n1, bytes: 4k } }"),
    ("partition: { isolate: leader, for: 1s }", "disk: { lose-unsynced: {} }"),
    ("partition: { isolate: leader, for: 1s }", "wipe: n1"),
    ("partition: { isolate: leader, for: 1s }", "corrupt: { target: all, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "corrupt: 3"),
    ("partition: { isolate: leader, for: 1s }", "reorder: 3"),
    ("partition: { isolate: leader, for: 1s }", "reorder: { target: all, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "duplicate: { target: c1, rate: 10%, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "duplicate: { target: all, rate: 10%, links: all, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "duplicate: 3"),
    ("partition: { isolate: leader, for: 1s }", "load: 3"),
    ("partition: { isolate: leader, for: 1s }", "load: { spike: 3 }"),
    ("partition: { isolate: leader, for: 1s }", "load: { spike: { times: 1, for: 1s } }"),
    ("partition: { isolate: leader, for: 1s }", "load: { idle: {} }"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: 3"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: { target: n1, action: kill, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: { point: before-lunch, target: n1, action: kill, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: { point: before-vote, target: n1, action: explode, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: { point: before-vote, target: n1, action: pause, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: { point: before-vote, target: n1, action: kill, by: 1s, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: { point: before-vote, target: n1, action: kill, errno: EIO, for: 1s }"),
    ("partition: { isolate: leader, for: 1s }", "failpoint: { point: before-apply, target: n1, action: error, for: 1s }"),
    (
        "partition: { isolate: leader, for: 1s }",
        "failpoint: { point: before-vote, target: n1, action: delay, by: 1s, restart_after: 1s, for: 1s }",
    ),
    ("partition: { isolate: leader, for: 1s }", "kill: { target: { as: nobody } }"),
    (
        "    partition: { isolate: leader, for: 1s }",
        "    kill: { target: { as: late } }\n  - at: 8s\n    as: late\n    kill: { target: leader }",
    ),
    ("partition: { isolate: leader, for: 1s }", "kill: { target: { as: [x] } }"),
    ("partition: { isolate: leader, for: 1s }", "kill: { target: lease-holder }"),
    // The rest.
    ("    at: 3s\n", "    at: 3s\n    as: a b\n"),
    ("    at: 3s\n", "    at: 3s\n    within: 1s..2s\n"),
    ("every: 2s..3s", "every: 2s\n    within: 3s"),
    ("every: 2s..3s", "every: 2s\n    within: 3s..20s"),
    ("duration: 10s\n", "duration: 10s\nphases: [ { duration: 10s } ]\n"),
    ("duration: 10s\n", "phases: 3\n"),
    ("duration: 10s\n", "phases: []\n"),
    ("duration: 10s\n", "phases: [ 3 ]\n"),
    ("duration: 10s\n", "phases: [ { name: [a], duration: 10s } ]\n"),
    ("duration: 10s\n", "phases: [ { name: a } ]\n"),
    ("duration: 10s\n", "phases: [ { duration: 0s }, { duration: 10s } ]\n"),
    ("duration: 10s\n", "phases: [ { duration: 40m }, { duration: 40m } ]\n"),
    ("duration: 10s\n", "phases: [ { duration: 10s, load: heavy } ]\n"),
    ("duration: 10s\n", "phases: [ { duration: 10s, load: { times: 1 } } ]\n"),
    ("duration: 10s\n", "phases: [ { duration: 10s, faults: 3 } ]\n"),
    ("duration: 10s\n", "phases: [ { duration: 10s, faults: [ { at: 12s, kill: { target: one } } ] } ]\n"),
    ("loss: 1%", "zones: 3"),
    ("loss: 1%", "zones: { between: 1ms }"),
    ("loss: 1%", "zones: { groups: 3, between: 1ms }"),
    ("loss: 1%", "zones: { groups: [[n1], [n1]], between: 1ms }"),
    ("loss: 1%", "zones: { groups: [[n7]], between: 1ms }"),
    ("loss: 1%", "zones: { groups: [[n1]] }"),
    ("duration: 10s\n", "duration: 10s\nallow_data_loss: maybe\n"),
    ("duration: 10s\n", "duration: 10s\ndropped: kill\n"),
    ("duration: 10s\n", "duration: 10s\ndropped: [[kill]]\n"),
    ("duration: 10s\n", "duration: 10s\nbites: stale-read\n"),
    ("duration: 10s\n", "duration: 10s\nbites: { violation: raft }\n"),
    ("duration: 10s\n", "duration: 10s\nbites: { with: stale-read, violation: raft }\n"),
    ("duration: 10s\n", "duration: 10s\nbites: { with: { bugs: [stale-read] }, violation: rafft }\n"),
    ("pick: 1..2", "vary: size"),
    ("pick: 1..2", "vary: [seize]"),
    ("swarm: {", "swarm: [] #"),
    ("pick: 1..2", "pick: 0"),
    ("families: [network]", "families: network"),
    ("families: [network]", "families: [netwrk]"),
    ("families: [network]", "families: [admin]"),
    ("kinds: [delay]", "kinds: delay"),
    ("kinds: [delay]", "kinds: [delays]"),
    ("liveness: {", "liveness: [] #"),
    ("heal: all", "heal: most"),
    (", within: 5s", ""),
    ("available: {", "available: [] #"),
    ("max_gap: 3s, ", ""),
    ("during: faults", "during: lunch"),
    ("[raft, linearizable]", "raft"),
    ("[raft, linearizable]", "[]"),
    ("[raft, linearizable]", "[rafft]"),
    ("[leader-changed]\nexpect", "leader-changed\nexpect"),
    ("sometimes: [leader-changed]", "sometimes: [leader-change]"),
    ("expect: valid", "expect: fine"),
    ("expect: valid", "expect: [valid]"),
    ("expect: valid", "expect: {}"),
    ("expect: valid", "expect: { violation: rafft }"),
    ("expect: valid", "expect: { violation: raft, within_seeds: 0 }"),
    ("expect: valid", "expect: { violation: durable }"),
];

fn shown(source: &str) -> String {
    match parse("x.yaml", source, &vocabulary()) {
        Ok(_) => "(no mistake)\n".to_string(),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

fn corpus() -> String {
    let mut text = String::new();
    for (from, to) in CASES {
        let source = GOOD.replacen(from, to, 1);
        assert_ne!(source, GOOD, "{from:?} is not there");
        let shown = shown(&source);
        assert_ne!(shown, "(no mistake)\n", "{from:?} -> {to:?} was accepted");
        text.push_str(&format!("## {from:?} -> {to:?}\n{shown}\n"));
    }
    let idle = GOOD.replacen("system: etcd\nbugs: [stale-read]", "system: primary-backup", 1).replacen(
        "families: [network], kinds: [delay]",
        "families: [disk]",
        1,
    );
    text.push_str(&format!("## a swarm of a system that has less\n{}\n", shown(&idle)));
    keep_for_others();
    let deep = format!("format: {}1{}", "[".repeat(60), "]".repeat(60));
    let long = format!("format: 1 # {}", "x".repeat(17 << 20));
    let text_of = |source: &str| shown(source).lines().take(2).map(|l| format!("{l}\n")).collect::<String>();
    for (name, source) in [("an empty file", ""), ("too deep", &deep), ("too long", &long), ("not closed", "a: [")] {
        text.push_str(&format!("## {name}\n{}\n", text_of(source)));
    }
    text
}

/// The corpus as files, for another reader of the schema (`.ci/schema`).
fn keep_for_others() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    fs::create_dir_all(&dir).unwrap();
    for (i, (from, to)) in CASES.iter().enumerate() {
        fs::write(dir.join(format!("{i:03}.yaml")), GOOD.replacen(from, to, 1)).unwrap();
    }
}

#[test]
fn every_mistake_of_the_corpus_is_shown_as_it_should_be() {
    assert_eq!(shown(GOOD), "(no mistake)\n");
    insta::assert_snapshot!(corpus());
}

#[test]
fn a_whole_file_of_mistakes_is_shown_at_once() {
    let source = GOOD
        .replacen("nodes: 3", "nodes: 3, pre_vot: true", 1)
        .replacen("duration: 10s", "duration: 10", 1)
        .replacen("event: leader-changed", "event: leader-change", 1)
        .replacen("heal: all", "heal: most", 1)
        .replacen("stale-read", "stale-reed", 1);
    let shown = shown(&source);
    for (place, expect) in [
        ("4:8", "`stale-reed` is not a planted bug"),
        ("5:22", "`cluster` has no key `pre_vot`"),
        ("10:11", "`10` is not a duration"),
        ("17:20", "`leader-change` is not an event"),
        ("20:19", "`most` is not what is healed"),
    ] {
        assert!(shown.contains(expect) && shown.contains(&format!("x.yaml:{place}\n")), "missing {place} {expect}:\n{shown}");
    }
    assert_eq!(shown.matches("did you mean").count(), 3, "{shown}");
}

/// The string literals of a source file that a diagnostic may be made of.
fn literals(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or(source);
    let mut found = Vec::new();
    // Of these the message is not the first one: `check.wrong("key", "what")`, on one line or several.
    for (at, call) in code.match_indices(".wrong(") {
        let rest = &code[at + call.len()..];
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        found.extend(rest[..end.unwrap_or(rest.len())].split('"').skip(1).step_by(2).map(str::to_string));
    }
    for call in [
        "Diagnostic::new(",
        "format!(",
        ".scalar(",
        ".word(",
        ".text(",
        ".fields(",
        ".list(",
        ".need(",
        ".wrong(",
        "known(",
        "names(",
        "list(",
    ] {
        for (at, _) in code.match_indices(call) {
            // The first literal within the call, if it is near.
            let rest: String = code[at + call.len()..].chars().take(220).collect();
            let Some((before, literal)) = rest.split_once('"') else { continue };
            if before.contains(';') || before.contains("fn ") {
                continue;
            }
            found.extend(literal.split('"').next().map(str::to_string));
        }
    }
    found
}

/// The longest piece of a format string that stands as it is.
fn fixed_part(literal: &str) -> String {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in literal.chars() {
        match c {
            '{' => {
                depth += 1;
                parts.push(String::new());
            }
            '}' => depth -= 1,
            c if depth == 0 => parts.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    parts.into_iter().max_by_key(|p| p.len()).unwrap_or_default().trim().to_string()
}

#[test]
fn no_rule_of_the_grammar_is_missing_in_the_corpus() {
    let corpus = corpus();
    let sim = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut missing = BTreeSet::new();
    let mut count = 0;
    let mut todo = vec![sim.join("scenario/src"), sim.join("packs/etcd/model/src/workloads")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "shrink" {
                    todo.push(path);
                }
                continue;
            }
            // These write; they do not read. The last one reads operations of services of one's own: its own tests show its messages.
            if ["plan.rs", "testing.rs", "schema.rs", "emit.rs", "effect.rs", "typed.rs"].contains(&name.as_str()) {
                continue;
            }
            for literal in literals(&fs::read_to_string(&path).unwrap()) {
                let part = fixed_part(&literal);
                let is_message = part.len() >= 9 && part.contains(' ');
                if is_message {
                    count += 1;
                    if !corpus.contains(&part) {
                        missing.insert(format!("{name}: {part}"));
                    }
                }
            }
        }
    }
    // The YAML reader below stands before these: it refuses an alias whose anchor was refused, and ends in
    // an error of its own where a document is not whole.
    // What a value is, in the reference.
    missing.retain(|m| !m.ends_with("a list, each") && !m.ends_with("weights of"));
    // Of a system that heeds less than this one: tested in sim/scenario/src/possible.rs.
    missing.retain(|m| !m.contains("this system does not heed"));
    for behind in ["YAML aliases", "a value is missing here", "the file ends too early", "unexpected YAML here"] {
        missing.retain(|m| !m.contains(behind));
    }
    assert!(count > 90, "only {count} messages were found: the search is broken");
    assert!(missing.is_empty(), "no case of the corpus shows:\n{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
}
