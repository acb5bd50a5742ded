//! Variations of a plan that may fail under more world seeds: by role instead of by name, with wider
//! windows, again and again. In order of how little they change.

use super::{from_value, round_all, script_of, with_script};
use crate::{
    model::Scenario,
    values::{Span, format_duration, parse_duration},
    workloads::Script,
};
use serde_yaml::{Mapping, Value};
use std::time::Duration;

/// More faults than this are not varied one by one.
const FAULTS_MAX: usize = 6;

/// A variation adds no more operations than this.
const OPS_MAX: usize = 8;

/// Every variation, each of one thing.
pub(super) fn steadier(plan: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    if plan.faults.len() <= FAULTS_MAX {
        (0..plan.faults.len()).for_each(|i| all.extend(roles(plan, i)));
    }
    all.extend(windows(plan));
    all.extend(more_operations(plan));
    if plan.faults.len() <= FAULTS_MAX {
        for i in 0..plan.faults.len() {
            all.extend(durations(plan, i));
            all.extend(moments(plan, i));
            all.extend(triggers(plan, i));
            all.extend(again(plan, i));
        }
    }
    all
}

fn role(word: &str) -> Value {
    match word.strip_prefix("follower-") {
        Some(n) => {
            let mut map = Mapping::new();
            map.insert("follower".into(), n.parse::<u32>().expect("a number of ours").into());
            map.into()
        }
        None => word.into(),
    }
}

const ROLES: [&str; 5] = ["leader", "followers", "follower-1", "follower-2", "all"];

/// The plan with its `i`th fault's arguments changed.
fn with_arguments(plan: &Scenario, i: usize, change: impl FnOnce(&mut Mapping)) -> Option<Scenario> {
    let mut value = plan.to_value();
    let kind = plan.faults[i].fault.kind();
    match &mut value["faults"][i][kind] {
        Value::Mapping(arguments) => change(arguments),
        _ => return None,
    }
    from_value(&value)
}

fn roles(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let Value::Mapping(arguments) = plan.faults[i].fault.to_yaml() else { return vec![] };
    let mut all = Vec::new();
    for key in ["isolate", "target", "to"].into_iter().filter(|key| arguments.contains_key(*key)) {
        all.extend(ROLES.iter().filter_map(|word| with_arguments(plan, i, |a| _ = a.insert(key.into(), role(word)))));
    }
    if plan.faults[i].fault.kind() == "partition" {
        for (who, direction) in [("leader", None), ("follower-1", None), ("leader", Some("from")), ("leader", Some("to"))] {
            let reshaped = with_arguments(plan, i, |a| {
                ["isolate", "shape", "groups", "cut", "direction", "links"].iter().for_each(|key| _ = a.remove(*key));
                a.insert("isolate".into(), role(who));
                if let Some(direction) = direction {
                    a.insert("direction".into(), direction.into());
                }
            });
            all.extend(reshaped);
        }
    }
    all
}

/// Slower disks and links: what must be hit lasts longer.
fn windows(plan: &Scenario) -> Vec<Scenario> {
    let c = &plan.cluster;
    let (disk, network) = (Span::millis(20, 60), Span::millis(10, 50));
    let variants = [
        crate::Cluster { sync: disk, ..c.clone() },
        crate::Cluster { latency: network, ..c.clone() },
        crate::Cluster { sync: disk, latency: network, ..c.clone() },
        crate::Cluster { snapshot_every: 20, ..c.clone() },
        crate::Cluster { snapshot_every: 20, sync: disk, ..c.clone() },
    ];
    variants.into_iter().filter(|v| v != c).map(|cluster| Scenario { cluster, ..plan.clone() }).collect()
}

/// The same operations again, a little later; by the same client or by another.
fn more_operations(plan: &Scenario) -> Vec<Scenario> {
    let Some(script) = script_of(plan) else { return vec![] };
    let mut all = Vec::new();
    for (times, later, clients) in [(2, 20, 1), (2, 60, 1), (2, 5, 2), (3, 30, 2), (4, 50, 2), (4, 150, 1)] {
        if script.ops.is_empty() || script.ops.len() * times > OPS_MAX {
            continue;
        }
        let mut more = Script { clients: script.clients.max(clients), ops: vec![] };
        for turn in 0..times {
            for line in &script.ops {
                let mut line = line.clone();
                line.at += Duration::from_millis(later) * turn as u32;
                if clients > 1 {
                    line.client = (line.client - 1 + turn as u32) % more.clients + 1;
                }
                more.ops.push(line);
            }
        }
        more.ops.retain(|line| line.at < plan.duration);
        all.push(with_script(plan, more));
    }
    all
}

fn durations(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let Value::Mapping(arguments) = plan.faults[i].fault.to_yaml() else { return vec![] };
    let mut all = Vec::new();
    for (key, value) in &arguments {
        let Some(now) = value.as_str().and_then(parse_duration) else { continue };
        for new in [now * 2, now * 4, now / 2, now / 8, Duration::from_millis(300)] {
            all.extend(with_arguments(plan, i, |a| {
                let mut text = Value::from(format_duration(new));
                round_all(&mut text, Duration::from_millis(1));
                a.insert(key.clone(), text);
            }));
        }
    }
    if !arguments.contains_key("power_loss") && arguments.contains_key("restart_after") {
        all.extend(with_arguments(plan, i, |a| _ = a.insert("power_loss".into(), true.into())));
    }
    all
}

fn moments(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let crate::When::At(at) = plan.faults[i].when else { return vec![] };
    let mut all = Vec::new();
    for by in [20, 60, 150, 400] {
        let by = Duration::from_millis(by);
        for at in [at + by, at.saturating_sub(by)] {
            let mut moved = plan.clone();
            moved.faults[i].when = crate::When::At(at);
            moved.duration = moved.duration.max(at + Duration::from_millis(100));
            all.push(moved);
        }
    }
    all
}

/// The same fault once more, a little later.
fn again(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let crate::When::At(at) = plan.faults[i].when else { return vec![] };
    let once_more = |by: u64| {
        let mut twice = plan.clone();
        let mut fault = plan.faults[i].clone();
        let later = at + plan.faults[i].fault.lasts() + Duration::from_millis(by);
        let taken = |id: &str| plan.faults.iter().any(|f| f.id.as_deref() == Some(id));
        let id = (2..).map(|n| format!("{}-{n}", fault.fault.kind())).find(|id| !taken(id));
        (fault.when, fault.id) = (crate::When::At(later), id);
        twice.faults.insert(i + 1, fault);
        twice.duration = twice.duration.max(later + Duration::from_millis(500));
        twice
    };
    [300, 1_000].into_iter().map(once_more).collect()
}

/// Whenever something happens, instead of once.
fn triggers(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let mut all = Vec::new();
    for event in ["election-started", "node-restarted", "leader-changed", "snapshot-built", "log-truncated"] {
        for target in [None, Some("subject"), Some("leader")] {
            let mut value = plan.to_value();
            let kind = plan.faults[i].fault.kind();
            let Value::Mapping(fault) = &mut value["faults"][i] else { continue };
            fault.remove("at");
            let mut when = Mapping::new();
            when.insert("event".into(), event.into());
            fault.insert("when".into(), when.into());
            fault.insert("repeat".into(), 20.into());
            if let Some(target) = target {
                let Some(Value::Mapping(arguments)) = fault.get_mut(kind) else { continue };
                let Some(key) = ["target", "isolate"].into_iter().find(|key| arguments.contains_key(*key)) else { continue };
                arguments.insert(key.into(), target.into());
            }
            all.extend(from_value(&value));
        }
    }
    all
}
