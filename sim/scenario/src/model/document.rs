//! A scenario as it is written: its keys, in order, and what does not go together.

use super::{
    cluster::{Cluster, Disk, Network, Zones},
    demands::{Available, Bites, Expect, Liveness, Violation},
    limits::{CLIENTS_MAX, DURATION_MAX},
    loads::Workloads,
    names::{BugName, CheckerName, Name, Names, OfPlans, Placed, Prose, Several, SystemName},
    phases::Phase,
    scenario::Scenario,
    schedule::ScheduledFault,
    swarm::Swarm,
};
use crate::{
    Decoder, FORMAT, Vocabulary,
    language::{Argument, Value, arguments, arguments_of, as_written},
    values::{Number, format_duration},
    yaml::{Diagnostic, Node, Place},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;
use squall_history::Event;
use std::time::Duration;

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

/// Lines of text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lines(pub(super) Vec<String>);

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
        ("expect", arguments_of::<Violation>()),
        ("bites", arguments_of::<Bites>()),
    ]
}
