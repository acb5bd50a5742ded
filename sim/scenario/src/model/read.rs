//! Reading a scenario: from the tree to what is written, and from that to the typed scenario, held against what is possible.

use super::{
    cluster::Cluster,
    document::Written,
    limits::DURATION_MAX,
    loads::Workloads,
    misfit::{self, Bounds},
    names::{Names, Placed},
    phases,
    scenario::Scenario,
    schedule::ScheduledFault,
};
use crate::{
    Decoder, Service, Vocabulary,
    language::Value,
    possible::in_vain,
    vocabulary::Scope,
    yaml::{Diagnostic, Diagnostics, Kind, Node, Place, merged, parse_tree},
};
use std::{sync::Arc, time::Duration};

/// Reads a scenario, or a plan.
pub(crate) fn parse(name: &str, source: &str, vocabulary: &Vocabulary) -> Result<Scenario, Diagnostics> {
    let mut decoder = Decoder { scope: Scope { vocabulary: vocabulary.clone(), service: None }, ..Decoder::default() };
    let read = match parse_tree(source) {
        Ok(tree) => read(&mut decoder, &tree),
        Err(mistake) => decoder.wrong(mistake),
    };
    match read {
        Some(scenario) if decoder.mistakes.is_empty() => Ok(scenario),
        _ => Err(Diagnostics::new(name, source, decoder.mistakes)),
    }
}

/// The system that this document names, or the one of who names none; `None` where there is no such system.
fn service_of(tree: &Node, vocabulary: &Vocabulary) -> Option<Arc<Service>> {
    let entries = if let Kind::Map(entries) = &tree.kind { &entries[..] } else { &[] };
    let named = entries.iter().find(|(key, _)| key.kind == Kind::Scalar("system".to_string()));
    match named {
        Some((_, name)) => vocabulary.services.iter().find(|service| name.kind == Kind::Scalar(service.name.to_string())).cloned(),
        None => vocabulary.services.first().cloned(),
    }
}

fn read(d: &mut Decoder, tree: &Node) -> Option<Scenario> {
    d.scope.service = service_of(tree, &d.scope.vocabulary);
    let Some(written) = Written::read(d, tree) else {
        check_faults(d, tree);
        return None;
    };
    let bites = written.bites.clone();
    let mut scenario = assembled(d, written);
    // With its change it is a scenario, too. What is wrong with that is told once the scenario itself is right.
    if let Some(bites) = bites.filter(|_| d.mistakes.is_empty()) {
        let changed = Written::read(d, &merged(&without(tree, &["bites", "sometimes", "expect"]), bites.with.tree()));
        if let Some(changed) = changed {
            let checkers = changed.checkers.clone().unwrap_or(Names(vec![]));
            if !checkers.0.is_empty() && !checkers.0.contains(&bites.violation) {
                let text = format!("`{}` is expected to fail, but `checkers` leaves it out", bites.violation.0);
                d.mistakes.push(Diagnostic::new(bites.with.tree().place, text));
            }
            scenario.bitten = Some(Box::new(assembled(d, Written { expect: bites.expect(), ..changed })));
        }
        for mistake in &mut d.mistakes {
            mistake.message = format!("with what it bites with: {}", mistake.message);
        }
    }
    Some(scenario)
}

/// Where something else is wrong, faults are held against what can be read of the rest: mistakes are told at once.
fn check_faults(d: &mut Decoder, tree: &Node) {
    let Kind::Map(entries) = &tree.kind else { return };
    let get = |key: &str| entries.iter().find(|(name, _)| name.kind == Kind::Scalar(key.to_string())).map(|(_, node)| node);
    let mut aside = Decoder { scope: d.scope.clone(), ..Decoder::default() };
    let cluster = get("cluster").map_or(Some(Cluster::default()), |node| Cluster::read(&mut aside, node));
    let workloads = get("workloads").and_then(|node| Workloads::read(&mut aside, node));
    let clients = workloads.map(|workloads| workloads.0.iter().map(|workload| workload.clients()).sum());
    let end = get("duration").and_then(|node| Duration::read(&mut aside, node));
    let Some(Kind::List(items)) = get("faults").map(|node| &node.kind) else { return };
    let mut read = |item: &Node| Some(Placed { place: item.place, it: ScheduledFault::read(&mut aside, item)? });
    let faults: Vec<Placed<ScheduledFault>> = items.iter().filter_map(&mut read).collect();
    misfit::check(d, &faults, Bounds { nodes: cluster.map(|cluster| cluster.smallest()), clients, end });
    // One that cannot be read may be the one that has the name.
    if faults.len() == items.len() && get("phases").is_none() {
        let faults: Vec<(Place, ScheduledFault)> = faults.into_iter().map(|placed| (placed.place, placed.it)).collect();
        misfit::check_names(d, &faults, get("world_seed").is_some());
    }
}

/// A mapping without these keys.
fn without(tree: &Node, keys: &[&str]) -> Node {
    let mut tree = tree.clone();
    if let Kind::Map(entries) = &mut tree.kind {
        entries.retain(|(key, _)| !matches!(&key.kind, Kind::Scalar(text) if keys.contains(&text.as_str())));
    }
    tree
}

/// The scenario that is written so; what does not go together is noted.
fn assembled(d: &mut Decoder, written: Written) -> Scenario {
    let service = d.scope.service.clone().unwrap_or_else(|| Arc::new(Service::unknown()));
    let workloads = written.workloads.0;
    let clients = workloads.iter().map(|workload| workload.clients()).sum();
    let bounds = Bounds { nodes: Some(written.cluster.smallest()), clients: Some(clients), end: None };
    let (of_phases, mut placed) = match &written.phases {
        Some(phases) => phases::laid_out(d, &phases.0, bounds),
        None => (Duration::ZERO, vec![]),
    };
    let duration = written.duration.unwrap_or(of_phases);
    // How long it takes may be what is wrong.
    let end = Some(duration).filter(|end| (!end.is_zero() || written.duration.is_some()) && *end <= DURATION_MAX);
    misfit::check(d, &written.faults.0, Bounds { end, ..bounds });
    let own = written.faults.0.into_iter().map(|Placed { place, it }| (place, it));
    placed = own.chain(placed).collect();
    misfit::check_names(d, &placed, written.world_seed.0.is_some());
    let (fault_places, faults): (Vec<Place>, Vec<ScheduledFault>) = placed.into_iter().unzip();
    let sometimes_places: Vec<Place> = written.sometimes.0.iter().map(|event| event.place).collect();
    let swarm_place = written.swarm.as_ref().map(|swarm| swarm.place);
    let scenario = Scenario {
        name: written.name.0,
        about: written.about.0,
        system: written.system.as_ref().map_or(service.name, |system| &system.0).to_string(),
        names_system: written.system.is_some(),
        service,
        bugs: written.bugs.0.into_iter().map(|bug| bug.0).collect(),
        cluster: written.cluster,
        workloads,
        duration,
        faults,
        swarm: written.swarm.map(|placed| placed.it),
        allow_data_loss: written.allow_data_loss,
        dropped: written.dropped.0.map_or(vec![], |lines| lines.0),
        liveness: written.liveness,
        available: written.available,
        checkers: written.checkers.map_or(vec![], |names| names.0.into_iter().map(|name| name.0).collect()),
        sometimes: written.sometimes.into_values(),
        expect: written.expect,
        bites: written.bites,
        bitten: None,
        seed: written.seed.0.map(|seed| seed.0),
        world_seed: written.world_seed.0.map(|seed| seed.0),
    };
    // Of a system that nobody knows it is not known what can happen.
    if d.scope.service.is_some() {
        in_vain(d, &scenario, swarm_place, &sometimes_places, &fault_places);
    }
    scenario
}
