//! Changes of a plan that make it say less. What does not go together afterwards is no candidate.

use crate::{
    effect::Party,
    faults,
    language::{Part, is_sound},
    model::{Bounds, Nodes, Scenario},
    target::{Chosen, Target},
    workloads::{Line, Script, Workload},
};
use squall_history::NodeId;
use std::collections::BTreeMap;

/// The operations of a plan, if they are written down.
pub(super) fn script_of(plan: &Scenario) -> Option<Script> {
    let [workload] = &plan.workloads[..] else { return None };
    workload.as_any().downcast_ref::<Script>().cloned()
}

/// The plan with these operations, by this many clients.
pub(super) fn with_script(plan: &Scenario, clients: u32, ops: Vec<Line>) -> Scenario {
    let lines = plan.service.lines().expect("only what can be written down is");
    let workloads: Vec<Box<dyn Workload>> = vec![Box::new(Script::of(lines, clients, ops))];
    Scenario { workloads, ..plan.clone() }
}

/// The scenario, if everything in it goes together.
pub(super) fn sound(candidate: Scenario) -> Option<Scenario> {
    let bounds = Bounds { nodes: Some(candidate.cluster.smallest()), clients: Some(candidate.clients()), end: Some(candidate.duration) };
    let bound: Vec<&str> = candidate.faults.iter().filter_map(|fault| fault.bind.as_deref()).collect();
    let is_bound = |target: &Target| if let Target::Chosen(Chosen::Bound(name)) = target { bound.contains(&name.as_str()) } else { true };
    let fits = candidate.faults.iter().all(|scheduled| {
        let fault = &*scheduled.fault;
        fault.is_sound() && scheduled.misfit(bounds).is_none() && faults::targets(fault).iter().all(is_bound)
    });
    (fits && is_sound(&candidate.cluster)).then_some(candidate)
}

/// The plan in a cluster of this many nodes: faults forget the nodes that are gone, and a fault of those alone goes.
pub(super) fn with_nodes(plan: &Scenario, few: u32) -> Scenario {
    let mut candidate = plan.clone();
    candidate.cluster.nodes = Nodes(vec![few]);
    if let Some(zones) = &mut candidate.cluster.network.zones {
        zones.groups.iter_mut().for_each(|group| group.retain(|party| if let Party::Node(id) = party { id.0 <= few } else { true }));
        zones.groups.retain(|group| !group.is_empty());
    }
    candidate.faults.retain_mut(|scheduled| {
        let mut is_about_somebody = true;
        scheduled.fault.parts(&mut |_, part| {
            let is_there = |id: &NodeId| id.0 <= few;
            match part {
                Part::Target(Target::Chosen(Chosen::Named(parties))) => match &mut parties[..] {
                    [Party::Node(one)] if !is_there(one) => *one = NodeId(few),
                    _ => {
                        parties.retain(|party| if let Party::Node(id) = party { is_there(id) } else { true });
                        is_about_somebody &= !parties.is_empty();
                    }
                },
                Part::Nodes(nodes) => {
                    nodes.retain(is_there);
                    is_about_somebody &= !nodes.is_empty();
                }
                Part::Groups(groups) => {
                    groups.iter_mut().for_each(|group| group.retain(is_there));
                    groups.retain(|group| !group.is_empty());
                    is_about_somebody &= !groups.is_empty();
                }
                Part::Target(_) | Part::Time(_) | Part::Span(_) | Part::Number(..) | Part::Flag(_) => {}
            }
        });
        is_about_somebody
    });
    candidate
}

/// Every argument of a fault that it can do without, one by one.
pub(super) fn optional_arguments(plan: &Scenario, i: usize) -> Vec<Scenario> {
    let with = |fault| {
        let mut candidate = plan.clone();
        candidate.faults[i].fault = fault;
        sound(candidate)
    };
    plan.faults[i].fault.leaner().into_iter().filter_map(with).collect()
}

/// `v1`, `v2` instead of `c3-117~0.1.2`.
pub(super) fn shorter_values(plan: &Scenario) -> Option<Scenario> {
    let mut script = script_of(plan)?;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut rename = |value: &mut String| {
        let next = names.len() + 1;
        *value = names.entry(value.clone()).or_insert_with(|| format!("v{next}")).clone();
    };
    for line in &mut script.ops.all {
        line.op = (script.ops.lines.renamed)(&line.op, &mut rename);
    }
    let clients = script.count();
    Some(with_script(plan, clients, script.ops.all))
}
