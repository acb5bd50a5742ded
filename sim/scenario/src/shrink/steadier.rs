//! Variations of a plan that may fail under more world seeds: by role instead of by name, with wider
//! windows, again and again. In order of how little they change.

use super::{
    edits::{script_of, sound, with_script},
    times::round,
};
use crate::{
    faults::Fault,
    language::Part,
    model::{Disk, Network, Scenario, Trigger, When},
    target::{Chosen, Target},
    values::{Each, Number, Span},
};
use squall_history::Event;
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

const ROLES: [Target; 5] =
    [Target::LEADER, Target::FOLLOWERS, Target::Chosen(Chosen::Follower(1)), Target::Chosen(Chosen::Follower(2)), Target::All];

/// Whose targets are said by role, by their keys.
const TARGETS: [&str; 3] = ["isolate", "target", "to"];

/// The plan with another fault in place of its `i`th one.
fn with_fault(plan: &Scenario, i: usize, fault: Box<dyn Fault>) -> Option<Scenario> {
    let mut candidate = plan.clone();
    candidate.faults[i].fault = fault;
    sound(candidate)
}

/// The plan with its `i`th fault's parts changed.
fn with_parts(plan: &Scenario, i: usize, mut change: impl FnMut(&'static str, Part<'_>)) -> Option<Scenario> {
    let mut fault = plan.faults[i].fault.clone();
    fault.parts(&mut change);
    (*fault != *plan.faults[i].fault).then(|| with_fault(plan, i, fault)).flatten()
}

/// The plan with the targets of its `i`th fault said so.
fn with_target(plan: &Scenario, i: usize, role: &Target) -> Option<Scenario> {
    with_parts(plan, i, |key, part| {
        if let Part::Target(target) = part
            && TARGETS.contains(&key)
        {
            *target = role.clone();
        }
    })
}

fn roles(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let alternatives = plan.faults[i].fault.alternatives().into_iter().filter_map(|fault| with_fault(plan, i, fault));
    ROLES.iter().filter_map(|role| with_target(plan, i, role)).chain(alternatives).collect()
}

/// Slower disks and links: what must be hit lasts longer.
fn windows(plan: &Scenario) -> Vec<Scenario> {
    let c = &plan.cluster;
    let disk = Disk { sync: Each(Span::millis(20, 60)) };
    let network = Network { latency: Each(Span::millis(10, 50)), ..c.network.clone() };
    let variants = [
        crate::Cluster { disk: disk.clone(), ..c.clone() },
        crate::Cluster { network: network.clone(), ..c.clone() },
        crate::Cluster { disk: disk.clone(), network, ..c.clone() },
        crate::Cluster { snapshot_every: Number(20), ..c.clone() },
        crate::Cluster { snapshot_every: Number(20), disk, ..c.clone() },
    ];
    variants.into_iter().filter(|v| v != c).map(|cluster| Scenario { cluster, ..plan.clone() }).collect()
}

/// The same operations again, a little later; by the same client or by another.
fn more_operations(plan: &Scenario) -> Vec<Scenario> {
    let Some(script) = script_of(plan) else { return vec![] };
    let mut all = Vec::new();
    for (times, later, clients) in [(2, 20, 1), (2, 60, 1), (2, 5, 2), (3, 30, 2), (4, 50, 2), (4, 150, 1)] {
        if script.ops.all.is_empty() || script.ops.all.len() * times > OPS_MAX {
            continue;
        }
        let all_clients = script.count().max(clients);
        let mut ops = Vec::new();
        for turn in 0..times {
            for line in &script.ops.all {
                let mut line = line.clone();
                line.at += Duration::from_millis(later) * turn as u32;
                if clients > 1 {
                    line.client = (line.client - 1 + turn as u32) % all_clients + 1;
                }
                ops.push(line);
            }
        }
        ops.retain(|line| line.at < plan.duration);
        all.push(with_script(plan, all_clients, ops));
    }
    all
}

/// A fault's times, one by one, longer and shorter; and the plug pulled, where a process is killed.
fn durations(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let is_fixed = |span: &Span| span.is_fixed();
    let mut times = Vec::new();
    plan.faults[i].fault.clone().parts(&mut |_, part| match part {
        Part::Time(time) => times.push(*time),
        Part::Span(span) if is_fixed(span) => times.push(span.min),
        _ => {}
    });
    let mut all = Vec::new();
    for (which, now) in times.into_iter().enumerate() {
        for new in [now * 2, now * 4, now / 2, now / 8, Duration::from_millis(300)] {
            let new = round(new, Duration::from_millis(1));
            let mut at = 0;
            all.extend(with_parts(plan, i, |_, part| {
                let mut set = |time: &mut dyn FnMut(Duration)| {
                    if at == which {
                        time(new);
                    }
                    at += 1;
                };
                match part {
                    Part::Time(time) => set(&mut |new| *time = new),
                    Part::Span(span) if is_fixed(span) => set(&mut |new| *span = Span::fixed(new)),
                    _ => {}
                }
            }));
        }
    }
    all.extend(with_parts(plan, i, |key, part| {
        if let Part::Flag(flag) = part
            && key == "power_loss"
        {
            *flag = true;
        }
    }));
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
        let later =
            at + plan.faults[i].fault.planned().map_or(Duration::ZERO, |planned| planned.max_duration()) + Duration::from_millis(by);
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
    for event in [Event::ElectionStarted, Event::NodeRestarted, Event::LeaderChanged, Event::SnapshotBuilt, Event::LogTruncated] {
        for role in [None, Some(Target::SUBJECT), Some(Target::LEADER)] {
            let mut candidate = plan.clone();
            let scheduled = &mut candidate.faults[i];
            scheduled.when = When::On(Trigger { event, count: 1, after: Span::fixed(Duration::ZERO), repeat: 20, within: None });
            if let Some(role) = role {
                let mut is_changed = false;
                scheduled.fault.parts(&mut |key, part| {
                    if let Part::Target(target) = part
                        && ["target", "isolate"].contains(&key)
                    {
                        *target = role.clone();
                        is_changed = true;
                    }
                });
                if !is_changed {
                    continue;
                }
            }
            all.extend(sound(candidate));
        }
    }
    all
}
