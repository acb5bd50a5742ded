//! What every writer shows.

use crate::recovery::Recovery;
use serde::{Deserialize, Serialize};
use squall_checker::{Judgement, Verdict, check_all, merge};
use squall_history::{Entry, Event, FaultRef, NodeId, OpEnd, Role, Saw, SimTime, View, What};
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

/// What a report says of the plan that was run.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'p> {
    /// The scenario's name.
    pub scenario: &'p str,
    /// The seed that it was planned with.
    pub seed: &'p str,
    /// How many nodes.
    pub nodes: u32,
    /// What must happen sometimes.
    pub sometimes: &'p [Event],
    /// The checkers that judge; empty: every one that applies.
    pub checkers: &'p [String],
    /// The checker that is expected to fail, if one is.
    pub canary: Option<&'p str>,
}

/// One run, judged.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The scenario's name.
    pub scenario: String,
    /// The seed that it was planned with.
    pub seed: String,
    /// How many nodes.
    pub nodes: u32,
    /// Each checker's verdict.
    pub verdicts: Vec<(&'static str, Verdict)>,
    /// How often each event happened.
    pub events: BTreeMap<Event, u64>,
    /// The events that the scenario says must happen sometimes.
    pub sometimes: Vec<Event>,
    /// The faults that did something, and how many effects of each did.
    pub faults: BTreeMap<FaultRef, u64>,
    /// The faults that fired and did nothing: they found nobody, or nobody came where they waited, or they were not to be done.
    pub missed: BTreeSet<FaultRef>,
    /// How operations ended.
    pub ops: OpCounts,
    /// The run's digest.
    pub digest: String,
    /// Virtual seconds.
    pub sim_s: f64,
    /// CPU seconds, checkers included.
    pub cpu_s: f64,
    /// The process' peak memory in MiB.
    pub rss_mb: f64,
    /// The command that runs it again.
    pub replay: Option<String>,
    /// How long successful operations took.
    pub latency: Latency,
    /// For how many virtual seconds no running node led, before the heal.
    pub leaderless_s: f64,
    /// How it recovered.
    pub recovery: Recovery,
    /// Of the CPU seconds, how many the checkers took.
    pub checking_s: f64,
    /// The checker that the scenario expects to fail, if it does.
    pub canary: Option<String>,
    /// Pictures of the violations, one for each checker that found one.
    pub pictures: Vec<String>,
}

impl RunReport {
    /// Judges a history.
    pub fn judge(plan: &Judging<'_>, history: &[Entry], digest: &str) -> RunReport {
        let view = View::new(history);
        let verdicts = check_all(&view, plan.checkers);
        let mut ops = OpCounts::default();
        let mut took = Vec::new();
        for op in view.ops() {
            match op.end {
                OpEnd::Ok(at, _) => {
                    ops.ok += 1;
                    took.push(at.since(op.invoked));
                }
                OpEnd::Fail(_) => ops.fail += 1,
                OpEnd::Open => ops.info += 1,
            }
        }
        let (mut events, mut faults, mut missed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for entry in history {
            match &entry.what {
                What::Event { event, .. } => *events.entry(*event).or_default() += 1,
                What::Effect(effect) if effect.did_something() && !effect.fault.is_heal() => {
                    *faults.entry(effect.fault.clone()).or_default() += 1;
                }
                What::Effect(effect) if effect.did_nothing() => _ = missed.insert(effect.fault.clone()),
                _ => {}
            }
        }
        let pictures = verdicts
            .iter()
            .filter_map(|(_, v)| if let Verdict::Invalid(witness) = v { crate::timeline::picture(history, witness) } else { None })
            .collect();
        RunReport {
            scenario: plan.scenario.to_string(),
            seed: plan.seed.to_string(),
            nodes: plan.nodes,
            verdicts,
            events,
            sometimes: plan.sometimes.to_vec(),
            missed: missed.into_iter().filter(|fault| !faults.contains_key(fault)).collect(),
            faults,
            ops,
            digest: digest.to_string(),
            sim_s: history.last().map_or(0.0, |e| e.t.as_secs_f64()),
            cpu_s: 0.0,
            rss_mb: 0.0,
            replay: None,
            canary: plan.canary.map(str::to_string),
            latency: latency(took),
            leaderless_s: leaderless(history).as_secs_f64(),
            recovery: Recovery::of(history),
            checking_s: 0.0,
            pictures,
        }
    }

    /// The worst verdict.
    pub fn verdict(&self) -> Judgement {
        merge(self.verdicts.iter().map(|(_, v)| v))
    }

    /// The checkers that found a violation.
    pub fn violated(&self) -> Vec<&'static str> {
        self.verdicts.iter().filter(|(_, v)| matches!(v, Verdict::Invalid(_))).map(|(name, _)| *name).collect()
    }
}

fn latency(mut took: Vec<Duration>) -> Latency {
    took.sort_unstable();
    let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).map_or(0.0, Duration::as_secs_f64);
    Latency { p50: at(50) * 1e3, p99: at(99) * 1e3 }
}

/// How long nobody led, from the first leader to the heal.
fn leaderless(history: &[Entry]) -> Duration {
    let (mut leader, mut since, mut total): (Option<NodeId>, Option<SimTime>, Duration) = (None, None, Duration::ZERO);
    for entry in history {
        match &entry.what {
            What::Node { node, saw: Saw::Role { role: Role::Leader, .. } } => {
                leader = Some(*node);
                if let Some(since) = since.take() {
                    total += entry.t.since(since);
                }
            }
            What::Node { node, saw: Saw::Stopped | Saw::Role { .. } } if leader == Some(*node) => {
                leader = None;
                since = Some(entry.t);
            }
            What::Healed { .. } => return total + since.map_or(Duration::ZERO, |since| entry.t.since(since)),
            _ => {}
        }
    }
    total
}
