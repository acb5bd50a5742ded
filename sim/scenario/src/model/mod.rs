//! The typed scenario, and how it is read from the tree.

mod cluster;
mod demands;
mod names;
mod phases;
mod schedule;
mod swarm;

pub use cluster::{Cluster, Disk, Network, Nodes, Zones};
pub use demands::{Available, Bites, Expect, Heal, Liveness};
pub(crate) use schedule::Bounds;
pub use schedule::{PlannedFault, ScheduledFault, Start, Trigger, Wait, When};
pub use swarm::{Pick, Swarm, Vary};

use crate::{
    FORMAT, Service, Vocabulary,
    language::{Argument, Value, arguments, arguments_of, as_written, schema},
    possible::in_vain,
    values::{Number, format_duration},
    workloads::{Workload, WorkloadKind},
    yaml::{Decoder, Diagnostic, Diagnostics, Kind, Node, Place, merged, parse_tree},
};
use names::{BugName, CheckerName, Name, Names, OfPlans, Placed, Prose, Several, SystemName};
use phases::Phase;
use serde_json::{Map, Value as Json, json};
use serde_yaml::{Mapping, Value as Yaml};
use squall_history::Event;
use std::{sync::Arc, time::Duration};

/// What a person writes. Under a seed it becomes a [`crate::Plan`].
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Which system under test.
    pub system: String,
    /// What that has.
    pub service: Arc<Service>,
    /// Whether the system is named, or the one of who names none.
    pub(crate) names_system: bool,
    /// The planted bugs that are on, by name.
    pub bugs: Vec<String>,
    /// The cluster.
    pub cluster: Cluster,
    /// What clients ask, all at once.
    pub workloads: Vec<Box<dyn Workload>>,
    /// How long faults may happen.
    pub duration: Duration,
    /// What goes wrong.
    pub faults: Vec<ScheduledFault>,
    /// What goes wrong besides, at random. A plan has none: it is drawn.
    pub swarm: Option<Swarm>,
    /// Whether faults may destroy what a quorum needs: otherwise a minority's disks are damaged at the most.
    pub allow_data_loss: bool,
    /// The faults that a plan leaves out for that.
    pub dropped: Vec<String>,
    /// What must be true after the faults.
    pub liveness: Liveness,
    /// How long the system may be out of service while faults happen, if that is demanded.
    pub available: Option<Available>,
    /// The checkers that judge; empty: every one that applies.
    pub checkers: Vec<String>,
    /// What must happen now and then, over a sweep.
    pub sometimes: Vec<Event>,
    /// What the run is expected to show.
    pub expect: Expect,
    /// With which change it must fail, and by whom.
    pub bites: Option<Bites>,
    /// The scenario with that change.
    pub bitten: Option<Box<Scenario>>,
    /// Where a plan came from; provenance, not proof.
    pub seed: Option<String>,
    /// The key of the world's draws; a plan has it.
    pub world_seed: Option<u64>,
}

/// Each client has a host of its own.
const CLIENTS_MAX: u32 = 200;

/// No run is longer.
const DURATION_MAX: Duration = Duration::from_secs(3600);

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format(u64);

impl Value for Format {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let Number(format) = Number::<1, { u64::MAX }>::read(decoder, node)?;
        if format > FORMAT {
            let text = format!("format {format} is newer than {FORMAT}, the newest that this squall reads");
            return decoder.wrong(Diagnostic::new(node.place, text).help("use a newer squall"));
        }
        Some(Format(format))
    }

    fn write(&self) -> Yaml {
        self.0.into()
    }

    fn form() -> String {
        FORMAT.to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "const": FORMAT })
    }
}

impl Value for Box<dyn Workload> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut fields = decoder.fields(node, "a workload")?;
        let kinds: Vec<&'static WorkloadKind> = decoder.services().iter().flat_map(|service| service.workloads).collect();
        let mut names: Vec<&'static str> = kinds.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        names.sort_by_key(|name| kinds.iter().position(|kind| kind.name == *name));
        let known = decoder.mistakes.len();
        let found = fields.one_of(decoder, &names);
        if let (None, Some((name, _)), Some(mistake)) = (&found, fields.first_left(), decoder.mistakes.get(known).cloned()) {
            let of = |service: &Service| service.workloads.iter().map(|kind| kind.name).collect();
            decoder.mistakes[known] = decoder.elsewhere(name, false, of).map_or(mistake.clone(), |help| mistake.help(help));
        }
        let (name, node) = found?;
        let kind = kinds.into_iter().find(|kind| kind.name == name).expect("found by its name");
        let workload = (kind.read)(decoder, node);
        fields.done(decoder);
        workload
    }

    fn write(&self) -> Yaml {
        [(Yaml::from(self.kind()), self.to_yaml())].into_iter().collect::<Mapping>().into()
    }

    fn form() -> String {
        "a workload".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let mut workload = Map::new();
        for kind in vocabulary.services.iter().flat_map(|service| service.workloads) {
            let mut value = (kind.schema)(vocabulary);
            value["description"] = kind.about().into();
            match workload.get_mut(kind.name) {
                // Two systems have one of this name.
                Some(other) => *other = json!({ "anyOf": [other.take(), value] }),
                None => _ = workload.insert(kind.name.to_string(), value),
            }
        }
        let names: Vec<String> = workload.keys().cloned().collect();
        let mut workload = schema::closed(workload, &[]);
        workload["allOf"] = json!([schema::one_of(names.iter().map(String::as_str))]);
        workload
    }
}

arguments! {
    /// A scenario, as it is written.
    pub(crate) struct Written, "a scenario" {
        /// the version of the language
        format: Format,
        /// it names reports
        name: Name,
        /// one sentence, for whoever finds it red at night
        about: Prose = Prose(String::new()),
        /// the seed that a plan came from
        seed: OfPlans<Name>,
        /// the key of the world's draws
        world_seed: OfPlans<Number<0, { u64::MAX }>>,
        /// the system under test (`squall list systems`); without it, the first of them
        system: Option<SystemName>,
        /// planted bugs that are on: see the end
        bugs: Names<BugName>,
        /// what the cluster is made of
        cluster: Cluster = Cluster::default(),
        /// what clients ask, all at once
        workloads: Workloads,
        /// how long faults may happen, and load goes on; not with `phases`, of which each has its own
        duration: Option<Duration>,
        /// what goes wrong, and when
        faults: Several<ScheduledFault>,
        /// parts of the run, one after the other, each with its faults and its load
        phases: Option<Several<Phase>>,
        /// faults that each seed draws
        swarm: Option<Placed<Swarm>>,
        /// the faults that a plan leaves out
        dropped: OfPlans<Lines>,
        /// whether faults may destroy what a quorum needs. Else a minority's disks are damaged at the most: what a plan left out for
        /// that is in its `dropped`, what the run spared is in its report
        allow_data_loss: bool = false,
        /// what must be true after the faults
        liveness: Liveness = Liveness::default(),
        /// how long the system may be out of service
        available: Option<Available>,
        /// which judge; without it, every one that applies
        checkers: Option<Names<CheckerName>>,
        /// events that must happen over a sweep of 20 seeds or more; a scenario in which they never do is vacuous, and says so
        sometimes: Several<Event>,
        /// what the run is expected to show
        expect: Expect,
        /// with which change it must fail, and by whom
        bites: Option<Bites>,
    }
    check |it, check| {
        let clients: u32 = it.workloads.0.iter().map(|workload| workload.clients()).sum();
        if clients > CLIENTS_MAX {
            check.wrong("", format!("{clients} clients in all workloads; there may be {CLIENTS_MAX}"));
        }
        match (&it.phases, it.duration) {
            (Some(_), Some(_)) => {
                check.wrong("duration", "with `phases`, each has its own `duration`, and the run takes all of them");
            }
            // A key that nobody knows may have been meant for it.
            (None, None) if !check.has_strangers() => _ = check.wrong("", "a scenario needs the key `duration`"),
            (Some(phases), None) if phases.0.is_empty() => _ = check.wrong("phases", "a run without a phase"),
            _ => {}
        }
        let (key, whole) = match &it.phases {
            Some(phases) => ("phases", phases.0.iter().map(|phase| phase.it.duration).sum()),
            None => ("duration", it.duration.unwrap_or_default()),
        };
        let told = it.phases.iter().flat_map(|phases| &phases.0).any(|phase| phase.it.duration > DURATION_MAX);
        if whole > DURATION_MAX && !told {
            check.wrong(key, "a run of more than an hour").help = Some("run more seeds instead".to_string());
        }
        if let Some(last) = it.workloads.0.iter().filter_map(|w| w.last_at()).max().filter(|last| *last >= whole)
            && (it.duration.is_some() || it.phases.is_some())
        {
            let (last, end) = (format_duration(last), format_duration(whole));
            check.wrong("", format!("a script asks at {last}, but faults and load end at {end}"));
        }
        if it.swarm.is_some() && it.cluster.nodes.0.contains(&1) {
            check.wrong("swarm", "a swarm needs at least two nodes");
        }
        if it.checkers.as_ref().is_some_and(|checkers| checkers.0.is_empty()) {
            check.wrong("checkers", "without a checker nothing is judged").help = Some("leave `checkers` out for all of them".to_string());
        }
        if let (Expect::Violation { checker, .. }, Some(list)) = (&it.expect, &it.checkers)
            && !list.0.is_empty()
            && !list.0.contains(&CheckerName(checker.clone()))
        {
            check.wrong("expect", format!("`{checker}` is expected to fail, but `checkers` leaves it out"));
        }
    }
}

/// Workloads, at least one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workloads(Vec<Box<dyn Workload>>);

impl Value for Workloads {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let items = decoder.list(node, "`workloads`")?;
        let all: Vec<Option<Box<dyn Workload>>> = items.iter().map(|item| Value::read(decoder, item)).collect();
        if items.is_empty() {
            return decoder.wrong(Diagnostic::new(node.place, "without a workload there is nothing to check"));
        }
        all.into_iter().collect::<Option<Vec<_>>>().map(Workloads)
    }

    fn write(&self) -> Yaml {
        self.0.iter().map(Value::write).collect()
    }

    fn form() -> String {
        "a list of workloads".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "items": Box::<dyn Workload>::schema(vocabulary) })
    }
}

/// Lines of text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lines(Vec<String>);

impl Value for Lines {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let items = decoder.list(node, "`dropped`")?;
        let all: Vec<Option<String>> = items.iter().map(|item| decoder.text(item, "what was left out").map(str::to_string)).collect();
        all.into_iter().collect::<Option<Vec<_>>>().map(Lines)
    }

    fn write(&self) -> Yaml {
        self.0.iter().map(|line| Yaml::from(line.as_str())).collect()
    }

    fn form() -> String {
        "a list of lines".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "items": { "type": "string" } })
    }
}

/// Reads a scenario, or a plan.
pub(crate) fn parse(name: &str, source: &str, vocabulary: &Vocabulary) -> Result<Scenario, Diagnostics> {
    let mut decoder = Decoder { vocabulary: vocabulary.clone(), ..Decoder::default() };
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
    d.service = service_of(tree, &d.vocabulary);
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
    let mut aside = Decoder { vocabulary: d.vocabulary.clone(), service: d.service.clone(), ..Decoder::default() };
    let cluster = get("cluster").map_or(Some(Cluster::default()), |node| Cluster::read(&mut aside, node));
    let workloads = get("workloads").and_then(|node| Workloads::read(&mut aside, node));
    let clients = workloads.map(|workloads| workloads.0.iter().map(|workload| workload.clients()).sum());
    let end = get("duration").and_then(|node| Duration::read(&mut aside, node));
    let Some(Kind::List(items)) = get("faults").map(|node| &node.kind) else { return };
    let mut read = |item: &Node| Some(Placed { place: item.place, it: ScheduledFault::read(&mut aside, item)? });
    let faults: Vec<Placed<ScheduledFault>> = items.iter().filter_map(&mut read).collect();
    schedule::check(d, &faults, Bounds { nodes: cluster.map(|cluster| cluster.smallest()), clients, end });
    // One that cannot be read may be the one that has the name.
    if faults.len() == items.len() && get("phases").is_none() {
        schedule::check_names(d, &faults.into_iter().map(|placed| (placed.place, placed.it)).collect::<Vec<_>>());
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
    let service = d.service.clone().unwrap_or_else(|| Arc::new(Service::unknown()));
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
    schedule::check(d, &written.faults.0, Bounds { end, ..bounds });
    let own = written.faults.0.into_iter().map(|Placed { place, it }| (place, it));
    placed = own.chain(placed).collect();
    schedule::check_names(d, &placed);
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
    if d.service.is_some() {
        in_vain(d, &scenario, swarm_place, &sometimes_places, &fault_places);
    }
    scenario
}

impl Scenario {
    /// As it is written.
    pub(crate) fn to_value(&self) -> Yaml {
        let named = |id: &String| Name(id.clone());
        let placed = |place: Place| move |it: &ScheduledFault| Placed { place, it: it.clone() };
        let place = Place { line: 1, column: 1, length: 1 };
        let checkers: Vec<CheckerName> = self.checkers.iter().cloned().map(CheckerName).collect();
        let written = Written {
            format: Format(FORMAT),
            name: Name(self.name.clone()),
            about: Prose(self.about.clone()),
            seed: OfPlans(self.seed.as_ref().map(named)),
            world_seed: OfPlans(self.world_seed.map(Number)),
            system: self.names_system.then(|| SystemName(self.system.clone())),
            bugs: Names(self.bugs.iter().cloned().map(BugName).collect()),
            cluster: self.cluster.clone(),
            workloads: Workloads(self.workloads.clone()),
            duration: Some(self.duration),
            faults: Several(self.faults.iter().map(placed(place)).collect()),
            phases: None,
            swarm: self.swarm.clone().map(|it| Placed { place, it }),
            dropped: OfPlans((!self.dropped.is_empty()).then(|| Lines(self.dropped.clone()))),
            allow_data_loss: self.allow_data_loss,
            liveness: self.liveness.clone(),
            available: self.available.clone(),
            checkers: (!checkers.is_empty()).then_some(Names(checkers)),
            sometimes: Several(self.sometimes.iter().map(|it| Placed { place, it: *it }).collect()),
            expect: self.expect.clone(),
            bites: self.bites.clone(),
        };
        written.write()
    }

    /// The scenario as YAML of the same grammar.
    pub fn to_yaml_text(&self) -> String {
        crate::yaml::emit(&self.to_value())
    }
}

/// The schema of a scenario.
pub(crate) fn scenario_schema(vocabulary: &Vocabulary) -> Json {
    let mut schema = Written::schema(vocabulary);
    schema["oneOf"] = json!([{ "required": ["duration"] }, { "required": ["phases"] }]);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "a squall scenario".into();
    schema
}

/// The parts of a scenario, for the reference.
pub(crate) fn parts() -> Vec<(&'static str, Vec<Argument>)> {
    vec![
        ("", arguments_of::<Written>()),
        ("cluster", arguments_of::<Cluster>()),
        ("cluster.network", arguments_of::<Network>()),
        ("cluster.network.zones", arguments_of::<Zones>()),
        ("cluster.disk", arguments_of::<Disk>()),
        ("phases", arguments_of::<Phase>()),
        ("swarm", arguments_of::<Swarm>()),
        ("liveness", arguments_of::<Liveness>()),
        ("available", arguments_of::<Available>()),
        ("expect", arguments_of::<demands::Violation>()),
        ("bites", arguments_of::<Bites>()),
    ]
}
