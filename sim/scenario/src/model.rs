//! The typed scenario, decoded from the tree.

use crate::{
    FORMAT,
    effect::Party,
    faults::{self, Family, Fault},
    plan::FAULTS_MAX,
    possible::{Gives, in_vain},
    target::{Chosen, Target},
    values::{self, Probability, Span},
    workloads::{self, Workload},
    yaml::{Decoder, Diagnostic, Diagnostics, Fields, Node, parse_tree},
};
use squall_history::{Event, Subject, Until};
use std::time::Duration;

/// What a person writes. Under a seed it becomes a [`crate::Plan`].
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Which system under test.
    pub system: String,
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
    /// Where a plan came from; provenance, not proof.
    pub seed: Option<String>,
    /// The key of the world's draws; a plan has it.
    pub world_seed: Option<u64>,
}

/// The cluster's make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How many nodes; a plan has one number, a scenario may have a choice of several.
    pub nodes: Vec<u32>,
    /// Ask before disturbing (Raft thesis 9.6).
    pub pre_vote: bool,
    /// How often a leader tells that it lives.
    pub heartbeat: Duration,
    /// A follower's patience is drawn from here.
    pub election_timeout: Span,
    /// A snapshot every so many entries.
    pub snapshot_every: u64,
    /// One-way latency of every link, drawn per segment.
    pub latency: Span,
    /// How often a segment is lost.
    pub loss: Probability,
    /// Where hosts are, if that makes a difference.
    pub zones: Option<Zones>,
    /// How long a disk's sync takes, drawn per sync.
    pub sync: Span,
}

/// Hosts in several places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    /// Who is together. Who is in none of these is with the others that are in none.
    pub groups: Vec<Vec<Party>>,
    /// So much more one-way latency between two places, drawn for each segment.
    pub between: Span,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            nodes: vec![5],
            pre_vote: true,
            heartbeat: Duration::from_millis(100),
            election_timeout: Span::millis(300, 600),
            snapshot_every: 500,
            latency: Span::millis(1, 10),
            loss: Probability::NEVER,
            zones: None,
            sync: Span::millis(2, 2),
        }
    }
}

/// When a fault starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, so long after the start.
    At(Duration),
    /// Once, at a random moment.
    Between(Span),
    /// Again and again, from one start to the next; at most so many times.
    Every {
        /// From one start to the next.
        gap: Span,
        /// How many times at the most.
        repeat: Option<u32>,
        /// Only between these moments.
        within: Option<Span>,
    },
    /// After something happened.
    On(Trigger),
}

/// "So long after this happened for the so-manyth time."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What is waited for.
    pub event: Event,
    /// How many times it must happen, for each firing.
    pub count: u32,
    /// How long after the last of those.
    pub after: Span,
    /// How many firings at the most.
    pub repeat: u32,
    /// What happens outside of these moments does not count.
    pub within: Option<Span>,
}

/// A fault and its time.
#[derive(Clone, Debug)]
pub struct ScheduledFault {
    /// Names it: the label of its random stream.
    pub id: Option<String>,
    /// What later faults call those that it was done to.
    pub bind: Option<String>,
    /// When.
    pub when: When,
    /// What.
    pub fault: Box<dyn Fault>,
}

/// When a planned fault fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this time.
    At(Duration),
    /// After something happened.
    On(Trigger),
}

/// A fault of a plan: at one time, with a name.
#[derive(Clone, Debug)]
pub struct PlannedFault {
    /// Its name, unique in the plan.
    pub id: String,
    /// What later faults call those that it was done to.
    pub bind: Option<String>,
    /// When it fires.
    pub start: Start,
    /// What it does.
    pub fault: Box<dyn Fault>,
}

/// A random mix of faults: each seed turns some kinds off altogether and weights the rest wildly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swarm {
    /// How many kinds, at the least and at the most.
    pub pick: (u32, u32),
    /// Out of these families; empty: all.
    pub families: Vec<Family>,
    /// Out of these kinds; empty: all.
    pub kinds: Vec<String>,
    /// What else each seed draws, instead of what the scenario says.
    pub vary: Vec<Vary>,
}

/// What a swarm may draw beside faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vary {
    /// How many nodes there are: from the smallest number that the scenario has up to 7.
    Size,
    /// Election timeouts and heartbeats, how often there are snapshots, how long syncs take.
    Timeouts,
    /// The latency of links.
    Latency,
    /// How many keys each workload has: how much clients are in each other's way.
    Keys,
    /// How many clients each workload has.
    Clients,
    /// Whether everything is healed, or a minority stays dead.
    Heal,
}

impl Vary {
    /// All, by the names that people write.
    pub const WORDS: &'static [(&'static str, Vary)] = &[
        ("size", Vary::Size),
        ("timeouts", Vary::Timeouts),
        ("latency", Vary::Latency),
        ("keys", Vary::Keys),
        ("clients", Vary::Clients),
        ("heal", Vary::Heal),
    ];

    /// That name.
    pub fn name(self) -> &'static str {
        Vary::WORDS.iter().find(|(_, v)| *v == self).expect("each has a name").0
    }
}

impl Swarm {
    /// The kinds that it picks from.
    pub fn candidates(&self) -> Vec<&'static faults::FaultKind> {
        let family = |kind: &faults::FaultKind| self.families.is_empty() || self.families.contains(&kind.family);
        let named = |kind: &faults::FaultKind| self.kinds.is_empty() || self.kinds.iter().any(|k| k == kind.name);
        faults::REGISTRY.iter().filter(|kind| family(kind) && named(kind)).collect()
    }
}

/// How long the system may be out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// The longest time without a successful operation.
    pub max_gap: Duration,
    /// Up to when that is demanded.
    pub until: Until,
}

/// The names that a scenario may use, where they are not this crate's own: see [`crate::parse_within`].
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Systems under test.
    pub systems: Vec<String>,
    /// Planted bugs.
    pub bugs: Vec<String>,
    /// Checkers.
    pub checkers: Vec<String>,
    /// What each system has, in the order of `systems`: what can never happen under it is a mistake. Nothing is held against one
    /// that is left out.
    pub gives: Vec<Gives>,
}

/// What is mended at the end of the faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heal {
    /// Everything.
    All,
    /// The network, and enough nodes for a quorum; a minority stays dead.
    Quorum,
}

/// After the faults, the system must serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// What is mended.
    pub heal: Heal,
    /// Every client must be served within this time.
    pub within: Duration,
}

/// What a run is expected to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No violation.
    Valid,
    /// A violation that this checker finds, within so many seeds.
    Violation {
        /// The checker's name.
        checker: String,
        /// How many seeds it may take.
        within_seeds: u64,
    },
}

impl Expect {
    /// The checker that is to find a violation; `None` where none is expected.
    pub fn checker(&self) -> Option<&str> {
        match self {
            Expect::Valid => None,
            Expect::Violation { checker, .. } => Some(checker),
        }
    }
}

/// What a scenario is worth: with this change it must fail.
#[derive(Clone, Debug, PartialEq)]
pub struct Bites {
    /// Parts of a scenario that take the place of its own: a planted bug, a setting.
    pub with: serde_yaml::Value,
    /// The checker that must find it.
    pub checker: String,
    /// How many seeds it may take.
    pub within_seeds: u64,
}

pub(crate) fn parse(name: &str, source: &str, vocabulary: Option<&Vocabulary>) -> Result<Scenario, Diagnostics> {
    let mut decoder = Decoder::default();
    let decoded = match parse_tree(source) {
        Ok(tree) => decode(&mut decoder, &tree, vocabulary),
        Err(mistake) => decoder.wrong(mistake),
    };
    match decoded {
        Some(mut scenario) if decoder.mistakes.is_empty() => {
            if let Some(bites) = &mut scenario.bites {
                let whole: serde_yaml::Value = serde_yaml::from_str(source).expect("what was decoded is YAML");
                bites.with = whole["bites"]["with"].clone();
            }
            Ok(scenario)
        }
        _ => Err(Diagnostics::new(name, source, decoder.mistakes)),
    }
}

fn decode(d: &mut Decoder, tree: &Node, vocabulary: Option<&Vocabulary>) -> Option<Scenario> {
    let mut fields = d.fields(tree, "a scenario")?;
    let format = fields.need(d, "format").and_then(|n| {
        let format = values::number(d, n, 1, u64::MAX)?;
        if format > FORMAT {
            let text = format!("format {format} is newer than {FORMAT}, the newest that this squall reads");
            return d.wrong(Diagnostic::new(n.place, text).help("use a newer squall"));
        }
        Some(format)
    });
    let name =
        fields.need(d, "name").and_then(|n| d.scalar(n, "a name of letters, digits and dashes", |t| is_plain(t).then(|| t.to_string())));
    let about = fields.take("about").and_then(|n| d.text(n, "a sentence")).unwrap_or_default().to_string();
    let system =
        fields.take("system").map_or(Some("etcd".to_string()), |n| known(d, n, "a system under test", vocabulary.map(|v| &v.systems)));
    let bugs = fields.take("bugs").map_or(Some(vec![]), |n| names(d, n, "`bugs`", "a planted bug", vocabulary.map(|v| &v.bugs)));
    let cluster = fields.take("cluster").map_or(Some(Cluster::default()), |n| decode_cluster(d, n));
    let workloads = fields.need(d, "workloads").and_then(|n| {
        let items = d.list(n, "`workloads`")?;
        let all: Vec<Option<Box<dyn Workload>>> = items.iter().map(|item| decode_workload(d, item)).collect();
        if items.is_empty() {
            return d.wrong(Diagnostic::new(n.place, "without a workload there is nothing to check"));
        }
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    if let (Some(workloads), place) = (&workloads, fields.place) {
        let clients: u32 = workloads.iter().map(|w| w.clients()).sum();
        if clients > CLIENTS_MAX {
            d.mistakes.push(Diagnostic::new(place, format!("{clients} clients in all workloads; there may be {CLIENTS_MAX}")));
        }
    }
    let phases_node = fields.take("phases");
    let phases =
        phases_node.map(|n| decode_phases(d, n, cluster.as_ref(), workloads.as_ref().map(|w| w.iter().map(|w| w.clients()).sum())));
    let duration_node = if phases_node.is_some() { fields.take("duration") } else { fields.need(d, "duration") };
    if let (Some(node), Some(_)) = (duration_node, phases_node) {
        d.mistakes.push(Diagnostic::new(node.place, "with `phases`, each has its own `duration`, and the run takes all of them"));
    }
    let sum = phases.as_ref().and_then(|p| p.as_ref()).map(|phases| phases.iter().map(|p| p.duration).sum::<Duration>());
    if let (Some(node), Some(_)) = (phases_node, sum.filter(|sum| *sum > DURATION_MAX)) {
        d.mistakes.push(Diagnostic::new(node.place, "a run of more than an hour").help("run more seeds instead"));
    }
    let duration = duration_node.map(|n| {
        let duration = values::duration(d, n)?;
        if duration > DURATION_MAX {
            return d.wrong(Diagnostic::new(n.place, "a run of more than an hour").help("run more seeds instead"));
        }
        Some(duration)
    });
    let duration = match phases_node {
        Some(_) => sum,
        None => duration.flatten(),
    };
    let faults_node = fields.take("faults");
    let mut fault_items: Vec<&Node> = vec![];
    let faults = faults_node.or(phases_node).map_or(Some(vec![]), |_| {
        let items = faults_node.map_or(Some(&[][..]), |n| d.list(n, "`faults`"))?;
        let clients = workloads.as_ref().map(|w| w.iter().map(|w| w.clients()).sum());
        let mut all: Vec<Option<ScheduledFault>> =
            items.iter().map(|item| decode_fault(d, item, cluster.as_ref(), clients, duration)).collect();
        let mut items: Vec<&Node> = items.iter().collect();
        if let Some(phases) = &phases {
            // A mistake in one of them is told already.
            let of_phases: Vec<&(&Node, ScheduledFault)> = phases.as_ref()?.iter().flat_map(|p| &p.faults).collect();
            items.extend(of_phases.iter().map(|(item, _)| *item));
            all.extend(of_phases.iter().map(|(_, fault)| Some(fault.clone())));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (item, fault) in items.iter().zip(&all) {
            if let Some(ScheduledFault { id: Some(id), .. }) = fault
                && !seen.insert(id)
            {
                d.mistakes.push(Diagnostic::new(item.place, format!("two faults have the id `{id}`")));
            }
        }
        let bound: Vec<&str> = all.iter().flatten().filter_map(|fault| fault.bind.as_deref()).collect();
        for (item, fault) in items.iter().zip(&all) {
            for target in fault.iter().flat_map(|fault| fault.fault.targets()) {
                if let Target::Chosen(Chosen::Bound(name)) = target
                    && !bound.contains(&name.as_str())
                {
                    d.mistakes.push(
                        Diagnostic::new(item.place, format!("no fault has `as: {name}`"))
                            .help("put it beside `id` and `at` of the other fault"),
                    );
                }
            }
        }
        fault_items = items;
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    if let (Some(workloads), Some(duration)) = (&workloads, duration)
        && let Some(last) = workloads.iter().filter_map(|w| w.last_at()).max().filter(|last| *last >= duration)
    {
        let message = format!("a script asks at {}, but faults and load end at {}", text(last), text(duration));
        d.mistakes.push(Diagnostic::new(fields.place, message));
    }
    let swarm = match fields.take("swarm") {
        None => Some(None),
        Some(n) => decode_swarm(d, n, cluster.as_ref()).map(Some),
    };
    let dropped = fields.take_of_plans("dropped").map_or(Some(vec![]), |n| {
        let all: Vec<Option<String>> =
            d.list(n, "`dropped`")?.iter().map(|item| d.text(item, "what was left out").map(str::to_string)).collect();
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    let allow_data_loss = fields.take("allow_data_loss").map_or(Some(false), |n| d.flag(n));
    let liveness =
        fields.take("liveness").map_or(Some(Liveness { heal: Heal::All, within: Duration::from_secs(10) }), |n| decode_liveness(d, n));
    let available = match fields.take("available") {
        None => Some(None),
        Some(n) => decode_available(d, n).map(Some),
    };
    let checkers_node = fields.take("checkers");
    let checkers = checkers_node.map_or(Some(vec![]), |n| {
        let list = names(d, n, "`checkers`", "a checker", vocabulary.map(|v| &v.checkers))?;
        if list.is_empty() {
            return d.wrong(Diagnostic::new(n.place, "without a checker nothing is judged").help("leave `checkers` out for all of them"));
        }
        Some(list)
    });
    let mut sometimes_items: Vec<&Node> = vec![];
    let sometimes = fields.take("sometimes").map_or(Some(vec![]), |n| {
        let words = event_words();
        let items = d.list(n, "`sometimes`")?;
        sometimes_items = items.iter().collect();
        let all: Vec<Option<Event>> = items.iter().map(|item| d.word(item, "an event", &words)).collect();
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    let expect = fields.take("expect").map_or(Some(Expect::Valid), |n| {
        let expect = decode_expect(d, n, vocabulary.map(|v| &v.checkers))?;
        if let (Expect::Violation { checker, .. }, Some(list)) = (&expect, &checkers)
            && !list.is_empty()
            && !list.contains(checker)
        {
            return d.wrong(Diagnostic::new(n.place, format!("`{checker}` is expected to fail, but `checkers` leaves it out")));
        }
        Some(expect)
    });
    let bites = fields.take("bites").map_or(Some(None), |n| decode_bites(d, n, vocabulary.map(|v| &v.checkers)).map(Some));
    // It names a directory later on.
    let seed = fields
        .take_of_plans("seed")
        .and_then(|n| d.scalar(n, "a seed of letters, digits and dashes", |t| is_plain(t).then(|| t.to_string())));
    let world_seed = fields.take_of_plans("world_seed").and_then(|n| values::number(d, n, 0, u64::MAX));
    fields.done(d);
    format?;
    let scenario = Scenario {
        name: name?,
        about,
        system: system?,
        bugs: bugs?,
        cluster: cluster?,
        workloads: workloads?,
        duration: duration?,
        faults: faults?,
        swarm: swarm?,
        allow_data_loss: allow_data_loss?,
        dropped: dropped?,
        liveness: liveness?,
        available: available?,
        checkers: checkers?,
        sometimes: sometimes?,
        expect: expect?,
        bites: bites?,
        seed,
        world_seed,
    };
    let gives = vocabulary.and_then(|v| v.gives.get(v.systems.iter().position(|system| *system == scenario.system)?));
    if let Some(gives) = gives {
        in_vain(d, &scenario, *gives, &sometimes_items, &fault_items);
    }
    Some(scenario)
}

/// Each client has a host of its own.
const CLIENTS_MAX: u32 = 200;

/// No run is longer.
const DURATION_MAX: Duration = Duration::from_secs(3600);

/// A name, held against those that there are, if that is known.
fn known(d: &mut Decoder, node: &Node, what: &str, names: Option<&Vec<String>>) -> Option<String> {
    match names {
        None => d.text(node, what).map(str::to_string),
        Some(names) => {
            let words: Vec<(&str, usize)> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
            d.word(node, what, &words).map(|i| names[i].clone())
        }
    }
}

fn names(d: &mut Decoder, node: &Node, list: &'static str, what: &str, known_names: Option<&Vec<String>>) -> Option<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for item in d.list(node, list)? {
        let name = known(d, item, what, known_names)?;
        if all.contains(&name) {
            return d.wrong(Diagnostic::new(item.place, format!("`{name}` is named twice")));
        }
        all.push(name);
    }
    Some(all)
}

fn text(d: Duration) -> String {
    values::format_duration(d)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 80 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn decode_cluster(d: &mut Decoder, node: &Node) -> Option<Cluster> {
    let mut fields = d.fields(node, "`cluster`")?;
    let mut cluster = Cluster::default();
    if let Some(node) = fields.take("nodes") {
        cluster.nodes = match &node.kind {
            crate::yaml::Kind::List(items) if !items.is_empty() => {
                items.iter().map(|item| values::number(d, item, 1, 9).map(|n| n as u32)).collect::<Option<Vec<_>>>()?
            }
            _ => d.scalar(node, "a number of nodes from 1 to 9, a range such as 3..7, or a list", |text| {
                let (low, high) = text.split_once("..").unwrap_or((text, text));
                let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
                (low >= 1 && low <= high && high <= 9).then(|| (low..=high).collect())
            })?,
        };
    }
    if let Some(on) = fields.take("pre_vote").and_then(|n| d.flag(n)) {
        cluster.pre_vote = on;
    }
    let mut timing = fields.take("heartbeat");
    if let Some(heartbeat) = timing.and_then(|n| values::duration(d, n)) {
        cluster.heartbeat = heartbeat;
    }
    if let Some(node) = fields.take("election_timeout")
        && let Some(span) = values::span(d, node)
    {
        cluster.election_timeout = span;
        timing = Some(node);
    }
    // Raft's clocks count whole milliseconds.
    let ms = |d: Duration| d.as_millis();
    let (low, high) = (ms(cluster.election_timeout.min), ms(cluster.election_timeout.max));
    if let Some(node) = timing
        && !(1 <= ms(cluster.heartbeat) && ms(cluster.heartbeat) < low && low < high)
    {
        let text = "the election timeout must be a range that begins above the heartbeat, in whole milliseconds";
        d.mistakes.push(Diagnostic::new(node.place, text).help("for example 300ms..600ms with a heartbeat of 100ms"));
    }
    if let Some(every) = fields.take("snapshot_every").and_then(|n| values::number(d, n, 1, 1_000_000)) {
        cluster.snapshot_every = every;
    }
    if let Some(mut network) = fields.take("network").and_then(|n| d.fields(n, "`network`")) {
        if let Some(latency) = network.take("latency").and_then(|n| values::span(d, n)) {
            cluster.latency = latency;
        }
        if let Some(node) = network.take("loss")
            && let Some(loss) = values::probability(d, node)
        {
            cluster.loss = loss;
            if u64::from(loss.numerator) * 10 > u64::from(loss.denominator) * 9 {
                d.mistakes.push(Diagnostic::new(node.place, "a loss above 90% is no link").help("cut it with a partition"));
            }
        }
        if let Some(node) = network.take("zones") {
            cluster.zones = decode_zones(d, node, cluster.nodes.iter().min().copied().unwrap_or(1));
        }
        network.done(d);
    }
    if let Some(mut disk) = fields.take("disk").and_then(|n| d.fields(n, "`disk`")) {
        if let Some(sync) = disk.take("sync").and_then(|n| values::span(d, n)) {
            cluster.sync = sync;
        }
        disk.done(d);
    }
    fields.done(d);
    Some(cluster)
}

fn decode_zones(d: &mut Decoder, node: &Node, smallest: u32) -> Option<Zones> {
    let mut fields = d.fields(node, "`zones`")?;
    let groups = fields.need(d, "groups").and_then(|n| {
        let mut groups: Vec<Vec<Party>> = Vec::new();
        for item in d.list(n, "`groups`")? {
            let group = crate::target::parties(d, item)?;
            for party in &group {
                if groups.iter().any(|other| other.contains(party)) {
                    return d.wrong(Diagnostic::new(item.place, format!("{party} is in two zones")));
                }
                if matches!(party, Party::Node(id) if id.0 > smallest) {
                    return d.wrong(Diagnostic::new(item.place, format!("{party} is in a zone, but the cluster may have only {smallest}")));
                }
            }
            groups.push(group);
        }
        Some(groups)
    });
    let between = fields.need(d, "between").and_then(|n| values::span(d, n));
    fields.done(d);
    Some(Zones { groups: groups?, between: between? })
}

fn decode_workload(d: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    let mut fields = d.fields(node, "a workload")?;
    let names: Vec<&'static str> = workloads::REGISTRY.iter().map(|k| k.name).collect();
    let (name, node) = fields.one_of(d, &names)?;
    let kind = workloads::REGISTRY.iter().find(|k| k.name == name).expect("found by its name");
    let workload = (kind.decode)(d, node);
    fields.done(d);
    workload
}

/// A part of the run.
struct Phase<'n> {
    duration: Duration,
    /// Where each is written, and what it is; times are the run's.
    faults: Vec<(&'n Node, ScheduledFault)>,
}

fn decode_phases<'n>(d: &mut Decoder, node: &'n Node, cluster: Option<&Cluster>, clients: Option<u32>) -> Option<Vec<Phase<'n>>> {
    let items = d.list(node, "`phases`")?;
    let (mut start, mut phases) = (Duration::ZERO, Vec::new());
    for item in items {
        let phase = decode_phase(d, item, start, cluster, clients);
        start += phase.as_ref().map_or(Duration::ZERO, |p| p.duration);
        phases.push(phase);
    }
    if items.is_empty() {
        return d.wrong(Diagnostic::new(node.place, "a run without a phase"));
    }
    phases.into_iter().collect()
}

fn decode_phase<'n>(
    d: &mut Decoder,
    node: &'n Node,
    start: Duration,
    cluster: Option<&Cluster>,
    clients: Option<u32>,
) -> Option<Phase<'n>> {
    let mut fields = d.fields(node, "a phase")?;
    // For whoever reads it.
    if let Some(name) = fields.take("name") {
        d.text(name, "a name");
    }
    let duration = fields.need(d, "duration").and_then(|n| match values::duration(d, n)? {
        duration if duration.is_zero() || duration > DURATION_MAX => {
            d.wrong(Diagnostic::new(n.place, "a phase takes some time, and an hour at the most"))
        }
        duration => Some(duration),
    });
    let load_node = fields.take("load");
    let load = load_node.map_or(Some(None), |n| match &n.kind {
        crate::yaml::Kind::Map(_) => {
            let mut fields = d.fields(n, "the load of a phase")?;
            let times = fields.need(d, "times").and_then(|n| values::number(d, n, 2, 100));
            fields.done(d);
            times.map(|times| Some(times as u32))
        }
        _ => d.word(n, "the load of a phase (`idle`, `normal`, or a mapping with `times`)", &[("idle", Some(0)), ("normal", None)]),
    });
    let mut faults = Vec::new();
    if let (Some(node), Some(Some(times)), Some(duration)) = (load_node, load, duration) {
        let fault = faults::load(times, duration);
        faults.push(Some((node, ScheduledFault { id: None, bind: None, when: When::At(start), fault })));
    }
    if let Some(items) = fields.take("faults").and_then(|n| d.list(n, "`faults`")) {
        for item in items {
            let fault = decode_fault(d, item, cluster, clients, duration);
            faults.push(fault.zip(duration).map(|(fault, duration)| (item, fault.in_phase(start, start + duration))));
        }
    }
    fields.done(d);
    load?;
    Some(Phase { duration: duration?, faults: faults.into_iter().collect::<Option<Vec<_>>>()? })
}

impl ScheduledFault {
    /// The same, in a phase from `start` to `end` of the run.
    fn in_phase(mut self, start: Duration, end: Duration) -> ScheduledFault {
        let shifted = |span: Span| Span { min: start + span.min, max: start + span.max };
        let bounded = |within: Option<Span>| Some(within.map_or(Span { min: start, max: end }, shifted));
        self.when = match self.when {
            When::At(at) => When::At(start + at),
            When::Between(span) => When::Between(shifted(span)),
            When::Every { gap, repeat, within } => When::Every { gap, repeat, within: bounded(within) },
            When::On(trigger) => When::On(Trigger { within: bounded(trigger.within), ..trigger }),
        };
        self
    }
}

fn decode_fault(
    d: &mut Decoder,
    node: &Node,
    cluster: Option<&Cluster>,
    clients: Option<u32>,
    duration: Option<Duration>,
) -> Option<ScheduledFault> {
    let mut fields = d.fields(node, "a fault")?;
    let id = match fields.take("id") {
        None => Some(None),
        // A plan may put a number behind it.
        Some(n) => d.scalar(n, "an id of letters, digits and dashes", |t| is_plain(t).then(|| t.to_string())).and_then(|id| {
            let room = 60;
            match id.len() > room && fields.peek("every").is_some() {
                true => {
                    d.wrong(Diagnostic::new(n.place, format!("an id of more than {room} characters, for what happens again and again")))
                }
                false => Some(Some(id)),
            }
        }),
    };
    let bind = fields
        .take("as")
        .map_or(Some(None), |n| d.scalar(n, "a name of letters, digits and dashes", |t| is_plain(t).then(|| t.to_string())).map(Some));
    let repeat_node = fields.take("repeat");
    let repeat = match repeat_node {
        None => Some(None),
        Some(n) => values::number(d, n, 1, 10_000).map(|n| Some(n as u32)),
    };
    let within_node = fields.take("within");
    let within = within_node.map_or(Some(None), |n| values::span(d, n).map(Some));
    let when = fields.one_of(d, &["at", "every", "between", "when"]).and_then(|(key, n)| match key {
        "at" => {
            let text = if let crate::yaml::Kind::Scalar(text) = &n.kind { text.as_str() } else { "" };
            if text.contains("..") {
                return d.wrong(Diagnostic::new(n.place, "`at` is one moment").help(format!("a random moment is `between: {text}`")));
            }
            values::duration(d, n).map(When::At)
        }
        "between" => values::span(d, n).map(When::Between),
        "every" => match values::span(d, n)? {
            span if span.min.is_zero() => d.wrong(Diagnostic::new(n.place, "`every` needs a time above zero")),
            gap => Some(When::Every { gap, repeat: repeat?, within: within? }),
        },
        _ => decode_trigger(d, n, repeat.flatten()).map(|trigger| When::On(Trigger { within: within.flatten(), ..trigger })),
    });
    if let (Some(node), Some(When::At(_) | When::Between(_))) = (within_node, when) {
        d.mistakes.push(Diagnostic::new(node.place, "`within` needs `every` or `when`"));
    }
    if let (Some(node), Some(Some(within)), Some(duration)) = (within_node, within, duration)
        && (within.min == within.max || within.max > duration)
    {
        d.mistakes.push(
            Diagnostic::new(node.place, "`within` is a range such as 5s..10s, before the end of the faults")
                .help("both ends are told from the start"),
        );
    }
    if let (Some(node), Some(When::At(_) | When::Between(_))) = (repeat_node, when) {
        d.mistakes.push(Diagnostic::new(node.place, "`repeat` needs `every` or `when`: this happens once"));
    }
    let fault = decode_kind(d, &mut fields);
    let place = fields.place;
    fields.done(d);
    let (fault, when) = (fault?, when?);
    let earliest = match when {
        When::At(at) => at,
        When::Between(span) => span.min,
        When::Every { gap, within, .. } => gap.min + within.map_or(Duration::ZERO, |w| w.min),
        When::On(trigger) => trigger.after.min + trigger.within.map_or(Duration::ZERO, |w| w.min),
    };
    if let Some(duration) = duration.filter(|duration| earliest >= *duration) {
        let text = format!("this never happens: it is due at {} at the earliest, and faults end at {}", text(earliest), text(duration));
        return d.wrong(Diagnostic::new(place, text));
    }
    if let (When::Between(span) | When::On(Trigger { after: span, .. }), Some(duration)) = (when, duration)
        && span.max > duration
    {
        let text = format!("this may never happen: it is due at {} at the latest, and faults end at {}", text(span.max), text(duration));
        return d.wrong(Diagnostic::new(place, text));
    }
    if let (When::Every { gap, repeat, .. }, Some(duration)) = (when, duration) {
        let most = (duration.as_nanos() / gap.min.as_nanos().max(1)).min(u128::from(repeat.unwrap_or(u32::MAX)));
        if most > FAULTS_MAX as u128 {
            return d.wrong(Diagnostic::new(place, format!("up to {most} of this fault; a plan has at most {FAULTS_MAX}")));
        }
    }
    for target in fault.targets() {
        if let (Target::SomeClients(n), Some(clients)) = (target, clients)
            && *n > clients
        {
            return d.wrong(Diagnostic::new(place, format!("this fault needs {n} clients, but the workloads have only {clients}")));
        }
    }
    let smallest = cluster.and_then(|c| c.nodes.iter().min().copied()).unwrap_or(u32::MAX);
    for party in fault.named() {
        let (there, of) = match party {
            Party::Node(id) => (id.0 <= smallest, smallest),
            Party::Client(id) => (clients.is_none_or(|n| id.0 <= n), clients.unwrap_or(0)),
        };
        if !there {
            let what = if matches!(party, Party::Node(_)) { "the cluster may have only" } else { "the workloads have only" };
            return d.wrong(Diagnostic::new(place, format!("this fault names {party}, but {what} {of}")));
        }
    }
    if smallest != u32::MAX && fault.least_nodes() > smallest {
        let text = format!("this fault needs {} nodes, but the cluster may have only {smallest}", fault.least_nodes());
        return d.wrong(Diagnostic::new(place, text));
    }
    if fault.targets().contains(&&Target::SUBJECT) {
        match when {
            When::On(Trigger { event, .. }) => match (event.subject(), fault.takes_clients()) {
                (Some(Subject::Node), _) | (Some(Subject::Client), true) => {}
                (Some(Subject::Client), false) => {
                    return d.wrong(Diagnostic::new(place, format!("`{}` is about a client, and this is done to nodes", event.name())));
                }
                (None, _) => {
                    return d.wrong(Diagnostic::new(place, format!("`{}` is about nobody, so it has no `subject`", event.name())));
                }
            },
            When::At(_) | When::Between(_) | When::Every { .. } => {
                return d.wrong(Diagnostic::new(place, "`subject` is whom an event is about: it needs `when`"));
            }
        }
    }
    Some(ScheduledFault { id: id?, bind: bind?, when, fault })
}

fn event_words() -> Vec<(&'static str, Event)> {
    Event::ALL.iter().map(|e| (e.name(), *e)).collect()
}

fn decode_trigger(d: &mut Decoder, node: &Node, repeat: Option<u32>) -> Option<Trigger> {
    let mut fields = d.fields(node, "`when`")?;
    let event = fields.need(d, "event").and_then(|n| d.word(n, "an event", &event_words()));
    let count = fields.take("count").map_or(Some(1), |n| values::number(d, n, 1, 1_000_000));
    let after = fields.take("after").map_or(Some(Span::fixed(Duration::ZERO)), |n| values::span(d, n));
    fields.done(d);
    Some(Trigger { event: event?, count: count? as u32, after: after?, repeat: repeat.unwrap_or(1), within: None })
}

fn decode_swarm(d: &mut Decoder, node: &Node, cluster: Option<&Cluster>) -> Option<Swarm> {
    let mut fields = d.fields(node, "`swarm`")?;
    let pick = fields.take("pick").map_or(Some((1, 4)), |n| {
        d.scalar(n, "how many kinds of faults: a number, or a range such as 1..4", |text| {
            let (low, high) = text.split_once("..").unwrap_or((text, text));
            let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
            (low >= 1 && low <= high).then_some((low, high))
        })
    });
    let families = fields.take("families").map_or(Some(vec![]), |n| {
        let words: Vec<(&str, Family)> = Family::ALL.iter().map(|f| (f.name(), *f)).collect();
        let items = d.list(n, "`families`")?;
        let all: Vec<Option<Family>> = items.iter().map(|item| d.word(item, "a family of faults", &words)).collect();
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    let kinds = fields.take("kinds").map_or(Some(vec![]), |n| {
        let all: Vec<String> = faults::REGISTRY.iter().map(|k| k.name.to_string()).collect();
        names(d, n, "`kinds`", "a kind of fault", Some(&all))
    });
    let vary = fields.take("vary").map_or(Some(vec![]), |n| {
        let items = d.list(n, "`vary`")?;
        let all: Vec<Option<Vary>> = items.iter().map(|item| d.word(item, "what a swarm may vary", Vary::WORDS)).collect();
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    let place = fields.place;
    fields.done(d);
    let swarm = Swarm { pick: pick?, families: families?, kinds: kinds?, vary: vary? };
    if swarm.candidates().is_empty() {
        return d.wrong(Diagnostic::new(place, "no kind of fault is of these families and of these kinds"));
    }
    if cluster.is_some_and(|c| c.nodes.contains(&1)) {
        return d.wrong(Diagnostic::new(place, "a swarm needs at least two nodes"));
    }
    Some(swarm)
}

fn decode_available(d: &mut Decoder, node: &Node) -> Option<Available> {
    let mut fields = d.fields(node, "`available`")?;
    let max_gap = fields.need(d, "max_gap").and_then(|n| values::duration(d, n));
    let words = [("faults", Until::Heal), ("run", Until::FinalReads)];
    let until = fields.take("during").map_or(Some(Until::Heal), |n| d.word(n, "a part of the run", &words));
    fields.done(d);
    Some(Available { max_gap: max_gap?, until: until? })
}

fn decode_kind(d: &mut Decoder, fields: &mut Fields<'_>) -> Option<Box<dyn Fault>> {
    let mut names: Vec<&'static str> = faults::REGISTRY.iter().map(|k| k.keys().0).collect();
    names.dedup();
    let (name, node) = match fields.one_of(d, &names) {
        Some(found) => found,
        None => {
            // A kind that stands below another key.
            let below = |name: &str| match faults::REGISTRY.iter().map(|kind| kind.keys()).find(|keys| keys.1 == Some(name)) {
                Some((group, _)) => Some(group),
                None => faults::CUTS.contains(&name).then_some("partition"),
            };
            if let Some((name, place, group)) = fields.first_left().and_then(|(name, place)| Some((name, place, below(name)?)))
                && let Some(mistake) = d.mistakes.last_mut()
            {
                (mistake.place, mistake.help) = (place, Some(format!("write `{group}: {{ {name}: ... }}`")));
            }
            // The stranger is named already; not once more as an unknown key.
            while let Some((name, _)) = fields.first_left() {
                fields.forget(name);
            }
            return None;
        }
    };
    let of_group: Vec<&'static str> = faults::REGISTRY.iter().filter(|k| k.keys().0 == name).filter_map(|k| k.keys().1).collect();
    if of_group.is_empty() {
        let kind = faults::REGISTRY.iter().find(|k| k.name == name).expect("found by its name");
        return (kind.decode)(d, node);
    }
    let mut group = d.fields(node, "a group of faults")?;
    let found = group.one_of(d, &of_group);
    let fault = found.and_then(|(kind, node)| {
        let kind = faults::REGISTRY.iter().find(|k| k.keys() == (name, Some(kind))).expect("found by its name");
        (kind.decode)(d, node)
    });
    if found.is_some() {
        group.done(d);
    }
    fault
}

fn decode_liveness(d: &mut Decoder, node: &Node) -> Option<Liveness> {
    let mut fields = d.fields(node, "`liveness`")?;
    let heal =
        fields.take("heal").map_or(Some(Heal::All), |n| d.word(n, "what is healed", &[("all", Heal::All), ("quorum", Heal::Quorum)]));
    let within = fields.need(d, "within").and_then(|n| values::duration(d, n));
    fields.done(d);
    Some(Liveness { heal: heal?, within: within? })
}

fn decode_bites(d: &mut Decoder, node: &Node, checkers: Option<&Vec<String>>) -> Option<Bites> {
    let mut fields = d.fields(node, "`bites`")?;
    let with = fields.need(d, "with").and_then(|n| match n.kind {
        crate::yaml::Kind::Map(_) => Some(()),
        _ => d.wrong(Diagnostic::new(n.place, "`with` is a part of a scenario").help("for example `with: { bugs: [stale-read] }`")),
    });
    let checker = fields.need(d, "violation").and_then(|n| known(d, n, "a checker", checkers));
    let within_seeds = fields.take("within_seeds").map_or(Some(20), |n| values::number(d, n, 1, 1_000_000));
    fields.done(d);
    with?;
    // Whoever reads the source fills it in.
    Some(Bites { with: serde_yaml::Value::Null, checker: checker?, within_seeds: within_seeds? })
}

fn decode_expect(d: &mut Decoder, node: &Node, checkers: Option<&Vec<String>>) -> Option<Expect> {
    if let crate::yaml::Kind::Scalar(_) = node.kind {
        d.word(node, "what is expected (`valid`, or a mapping with `violation`)", &[("valid", ())])?;
        return Some(Expect::Valid);
    }
    let mut fields = d.fields(node, "`expect`")?;
    let checker = fields.need(d, "violation").and_then(|n| known(d, n, "a checker", checkers));
    let within_seeds = fields.take("within_seeds").map_or(Some(100), |n| values::number(d, n, 1, 1_000_000));
    fields.done(d);
    Some(Expect::Violation { checker: checker?, within_seeds: within_seeds? })
}
