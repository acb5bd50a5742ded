//! The facts of a run, folded once over its history: how operations ended and how long they took, what happened, what was done, how
//! the cluster recovered.

use crate::{ClientId, Entry, EntryKind, Event, FaultRef, NodeId, Observation, OpId, Role, SimTime};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How operations ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpCounts {
    /// They happened.
    pub ok: u64,
    /// They certainly did not.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

/// How long successful operations took, in virtual milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: f64,
    /// Of a hundred, ninety-nine took no longer.
    pub p99: f64,
}

/// How a cluster recovers. Virtual seconds, each list in order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// Each time that nobody led, after the first leader: how long. One that lasted to the end is in it.
    pub leaderless: Vec<f64>,
    /// From the heal to the first write that was asked for after it and acknowledged; `None`: there was none.
    pub first_write: Option<f64>,
    /// For each client, the longest time between two answers that said ok, or from its first question to its first one.
    pub longest_gaps: Vec<f64>,
}

/// What a history says of its run, apart from verdicts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// How operations ended.
    pub ops: OpCounts,
    /// How long successful operations took.
    pub latency: Latency,
    /// How often each event happened.
    pub events: BTreeMap<Event, u64>,
    /// The faults that did something, and how many effects of each did.
    pub faults: BTreeMap<FaultRef, u64>,
    /// The faults that fired and did nothing: they matched no target, or what they waited for never happened, or they were spared.
    pub missed: BTreeSet<FaultRef>,
    /// For how many virtual seconds no running node led, from the first leader to the heal.
    pub leaderless_s: f64,
    /// How it recovered.
    pub recovery: Recovery,
    /// Virtual seconds, from the start to the last entry.
    pub sim_s: f64,
}

impl Facts {
    /// What a history says.
    pub fn of(history: &[Entry]) -> Facts {
        let mut fold = Fold::default();
        history.iter().for_each(|entry| fold.take(entry));
        fold.end()
    }
}

/// An operation that was asked.
struct Asked {
    client: ClientId,
    at: SimTime,
    writes: bool,
}

#[derive(Default)]
struct Fold {
    facts: Facts,
    now: SimTime,
    asked: BTreeMap<OpId, Asked>,
    took: Vec<Duration>,
    leader: Option<NodeId>,
    /// Since when nobody leads.
    since: Option<SimTime>,
    leaderless: Duration,
    healed: Option<SimTime>,
    /// For each client, its last answer that said ok, and the longest time between two.
    last: BTreeMap<ClientId, (SimTime, Duration)>,
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

impl Fold {
    fn take(&mut self, entry: &Entry) {
        let now = entry.t;
        self.now = now;
        match &entry.what {
            EntryKind::Event { event, .. } => *self.facts.events.entry(*event).or_default() += 1,
            EntryKind::Effect(effect) if effect.did_something() && !effect.fault.is_heal() => {
                *self.facts.faults.entry(effect.fault.clone()).or_default() += 1;
            }
            EntryKind::Effect(effect) if effect.did_nothing() => _ = self.facts.missed.insert(effect.fault.clone()),
            EntryKind::Node { node, saw } => self.of_node(now, *node, saw),
            EntryKind::Healed { .. } => self.of_heal(now),
            EntryKind::Invoke { client, op, ask } => {
                self.last.entry(*client).or_insert((now, Duration::ZERO));
                self.asked.insert(*op, Asked { client: *client, at: now, writes: ask.may_write() });
                self.facts.ops.info += 1;
            }
            EntryKind::Ok { op, .. } => self.of_answer(now, *op),
            EntryKind::Fail { op, .. } if self.asked.remove(op).is_some() => {
                self.facts.ops.info -= 1;
                self.facts.ops.fail += 1;
            }
            _ => {}
        }
    }

    fn of_node(&mut self, now: SimTime, node: NodeId, saw: &Observation) {
        match saw {
            Observation::Role { role: Role::Leader, .. } => {
                self.leader = Some(node);
                if let Some(since) = self.since.take() {
                    self.facts.recovery.leaderless.push(seconds(now.since(since)));
                    if self.healed.is_none() {
                        self.leaderless += now.since(since);
                    }
                }
            }
            Observation::Stopped | Observation::Role { .. } if self.leader == Some(node) => {
                self.leader = None;
                self.since = Some(now);
            }
            _ => {}
        }
    }

    fn of_heal(&mut self, now: SimTime) {
        if self.healed.is_none() {
            self.leaderless += self.since.map_or(Duration::ZERO, |since| now.since(since));
        }
        self.healed = Some(now);
    }

    fn of_answer(&mut self, now: SimTime, op: OpId) {
        let Some(Asked { client, at, writes }) = self.asked.remove(&op) else { return };
        self.facts.ops.info -= 1;
        self.facts.ops.ok += 1;
        self.took.push(now.since(at));
        if let Some((before, longest)) = self.last.get_mut(&client) {
            *longest = (*longest).max(now.since(*before));
            *before = now;
        }
        let recovery = &mut self.facts.recovery;
        if let Some(healed) = self.healed.filter(|healed| writes && at >= *healed && recovery.first_write.is_none()) {
            recovery.first_write = Some(seconds(now.since(healed)));
        }
    }

    fn end(mut self) -> Facts {
        let (now, facts) = (self.now, &mut self.facts);
        facts.recovery.leaderless.extend(self.since.map(|since| seconds(now.since(since))));
        facts.recovery.longest_gaps = self.last.into_values().map(|(_, longest)| seconds(longest)).collect();
        facts.leaderless_s = self.leaderless.as_secs_f64();
        facts.latency = latency(self.took);
        facts.missed.retain(|fault| !facts.faults.contains_key(fault));
        facts.sim_s = now.as_secs_f64();
        self.facts
    }
}

fn latency(mut took: Vec<Duration>) -> Latency {
    took.sort_unstable();
    let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).map_or(0.0, Duration::as_secs_f64);
    Latency { p50: at(50) * 1e3, p99: at(99) * 1e3 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Untyped;
    use serde_json::json;

    #[test]
    fn gaps_and_elections_are_measured_and_operations_counted() {
        let leads = |node| EntryKind::Node { node: NodeId(node), saw: Observation::Role { term: 1, role: Role::Leader, leader: None } };
        let ask = |op, client| EntryKind::Invoke { client: ClientId(client), op: OpId(op), ask: Untyped(json!("put")).into() };
        let ok = |op| EntryKind::Ok { op: OpId(op), output: Untyped(json!("done")).into(), position: None };
        let lines = [
            (0, leads(1)),
            (1, ask(1, 1)),
            (2, ok(1)),
            (3, EntryKind::Node { node: NodeId(1), saw: Observation::Stopped }),
            (4, ask(2, 1)),
            (7, leads(2)),
            (8, ok(2)),
            (9, EntryKind::Healed { within: 0, nodes: vec![] }),
            (10, ask(3, 2)),
            (10, ask(4, 3)),
            (11, EntryKind::Fail { op: OpId(4), code: "refused".into(), why: String::new() }),
            (12, ok(3)),
            (13, EntryKind::Node { node: NodeId(2), saw: Observation::Stopped }),
            (14, ask(5, 1)),
            (15, EntryKind::End),
        ];
        let history: Vec<Entry> = lines.into_iter().map(|(t, what)| Entry { t: SimTime(t * 1_000_000_000), what }).collect();
        let facts = Facts::of(&history);
        assert_eq!(facts.recovery, Recovery { leaderless: vec![4.0, 2.0], first_write: Some(3.0), longest_gaps: vec![6.0, 2.0, 0.0] });
        assert_eq!(facts.ops, OpCounts { ok: 3, fail: 1, info: 1 });
        assert_eq!((facts.leaderless_s, facts.sim_s, facts.latency), (4.0, 15.0, Latency { p50: 2000.0, p99: 4000.0 }));
    }
}
