//! The typed scenario, decoded from the tree.

use crate::{
    FORMAT,
    faults::{self, Fault},
    values::{self, Probability, Span},
    workloads::{self, Workload},
    yaml::{Decoder, Diagnostic, Diagnostics, Fields, Node, parse_tree},
};
use squall_history::Event;
use std::time::Duration;

/// What a person writes; with nothing left to chance, a plan.
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
    /// What must be true after the faults.
    pub liveness: Liveness,
    /// What must happen now and then, over a sweep.
    pub sometimes: Vec<Event>,
    /// What the run is expected to show.
    pub expect: Expect,
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
    /// How long a disk's sync takes, drawn per sync.
    pub sync: Span,
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
            sync: Span::millis(2, 2),
        }
    }
}

impl Cluster {
    /// The number of nodes of a plan.
    pub fn size(&self) -> u32 {
        self.nodes[0]
    }
}

/// When a fault starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, so long after the start.
    At(Span),
    /// Again and again: from one start to the next.
    Every(Span),
}

/// A fault and its time.
#[derive(Clone, Debug)]
pub struct ScheduledFault {
    /// Names it: the label of its random stream.
    pub id: Option<String>,
    /// When.
    pub when: When,
    /// What.
    pub fault: Box<dyn Fault>,
}

/// A fault of a plan: at one time, with a name.
#[derive(Clone, Debug)]
pub struct PlannedFault {
    /// Its name, unique in the plan.
    pub id: String,
    /// When it fires.
    pub at: Duration,
    /// What it does.
    pub fault: Box<dyn Fault>,
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

pub(crate) fn parse(name: &str, source: &str) -> Result<Scenario, Diagnostics> {
    let mut decoder = Decoder::default();
    let decoded = match parse_tree(source) {
        Ok(tree) => decode(&mut decoder, &tree),
        Err(mistake) => decoder.wrong(mistake),
    };
    match decoded {
        Some(scenario) if decoder.mistakes.is_empty() => Ok(scenario),
        _ => Err(Diagnostics::new(name, source, decoder.mistakes)),
    }
}

fn decode(d: &mut Decoder, tree: &Node) -> Option<Scenario> {
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
    let system = fields.take("system").and_then(|n| d.text(n, "a system's name")).unwrap_or("etcd").to_string();
    let bugs = fields.take("bugs").map_or(Some(vec![]), |n| {
        let items = d.list(n, "`bugs`")?;
        items.iter().map(|item| d.text(item, "a planted bug's name").map(str::to_string)).collect()
    });
    let cluster = fields.take("cluster").map_or(Some(Cluster::default()), |n| decode_cluster(d, n));
    let workloads = fields.need(d, "workloads").and_then(|n| {
        let items = d.list(n, "`workloads`")?;
        let all: Vec<Option<Box<dyn Workload>>> = items.iter().map(|item| decode_workload(d, item)).collect();
        if items.is_empty() {
            return d.wrong(Diagnostic::new(n.place, "without a workload there is nothing to check"));
        }
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    let duration = fields.need(d, "duration").and_then(|n| values::duration(d, n));
    let faults = fields.take("faults").map_or(Some(vec![]), |n| {
        let items = d.list(n, "`faults`")?;
        let all: Vec<Option<ScheduledFault>> = items.iter().map(|item| decode_fault(d, item, cluster.as_ref())).collect();
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    let liveness =
        fields.take("liveness").map_or(Some(Liveness { heal: Heal::All, within: Duration::from_secs(10) }), |n| decode_liveness(d, n));
    let sometimes = fields.take("sometimes").map_or(Some(vec![]), |n| {
        let words: Vec<(&str, Event)> = Event::ALL.iter().map(|e| (e.name(), *e)).collect();
        let items = d.list(n, "`sometimes`")?;
        let all: Vec<Option<Event>> = items.iter().map(|item| d.word(item, "an event", &words)).collect();
        all.into_iter().collect::<Option<Vec<_>>>()
    });
    let expect = fields.take("expect").map_or(Some(Expect::Valid), |n| decode_expect(d, n));
    // It names a directory later on.
    let seed =
        fields.take("seed").and_then(|n| d.scalar(n, "a seed of letters, digits and dashes", |t| is_plain(t).then(|| t.to_string())));
    let world_seed = fields.take("world_seed").and_then(|n| values::number(d, n, 0, u64::MAX));
    unique_ids(d, faults.as_deref().unwrap_or_default(), tree);
    fields.done(d);
    format?;
    Some(Scenario {
        name: name?,
        about,
        system,
        bugs: bugs?,
        cluster: cluster?,
        workloads: workloads?,
        duration: duration?,
        faults: faults?,
        liveness: liveness?,
        sometimes: sometimes?,
        expect: expect?,
        seed,
        world_seed,
    })
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 80 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn unique_ids(d: &mut Decoder, faults: &[ScheduledFault], tree: &Node) {
    let mut seen = std::collections::BTreeSet::new();
    for id in faults.iter().filter_map(|f| f.id.as_ref()) {
        if !seen.insert(id) {
            d.mistakes.push(Diagnostic::new(tree.place, format!("two faults have the id `{id}`")));
        }
    }
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
    if let Some(heartbeat) = fields.take("heartbeat").and_then(|n| values::duration(d, n)) {
        cluster.heartbeat = heartbeat;
    }
    if let Some(node) = fields.take("election_timeout")
        && let Some(span) = values::span(d, node)
    {
        cluster.election_timeout = span;
        if span.min <= cluster.heartbeat || span.is_fixed() {
            let text = "the election timeout must be a range that begins above the heartbeat";
            d.mistakes.push(Diagnostic::new(node.place, text).help("for example 300ms..600ms with a heartbeat of 100ms"));
        }
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

fn decode_workload(d: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    let mut fields = d.fields(node, "a workload")?;
    let names: Vec<&'static str> = workloads::REGISTRY.iter().map(|k| k.name).collect();
    let (name, node) = fields.one_of(d, &names)?;
    let kind = workloads::REGISTRY.iter().find(|k| k.name == name).expect("found by its name");
    let workload = (kind.decode)(d, node);
    fields.done(d);
    workload
}

fn decode_fault(d: &mut Decoder, node: &Node, cluster: Option<&Cluster>) -> Option<ScheduledFault> {
    let mut fields = d.fields(node, "a fault")?;
    let id = fields.take("id").and_then(|n| d.text(n, "an id")).map(str::to_string);
    let when = fields.one_of(d, &["at", "every"]).and_then(|(key, n)| {
        let span = values::span(d, n)?;
        match key {
            "at" => Some(When::At(span)),
            _ if span.min.is_zero() => d.wrong(Diagnostic::new(n.place, "`every` needs a time above zero")),
            _ => Some(When::Every(span)),
        }
    });
    let fault = decode_kind(d, &mut fields);
    let place = fields.place;
    fields.done(d);
    let fault = fault?;
    let smallest = cluster.and_then(|c| c.nodes.iter().min().copied()).unwrap_or(u32::MAX);
    if let Some(stranger) = fault.named().iter().find(|n| n.0 > smallest) {
        let text = format!("this fault names {stranger}, but the cluster may have only {smallest} nodes");
        return d.wrong(Diagnostic::new(place, text));
    }
    if smallest != u32::MAX && fault.least_nodes() > smallest {
        let text = format!("this fault needs {} nodes, but the cluster may have only {smallest}", fault.least_nodes());
        return d.wrong(Diagnostic::new(place, text));
    }
    Some(ScheduledFault { id, when: when?, fault })
}

fn decode_kind(d: &mut Decoder, fields: &mut Fields<'_>) -> Option<Box<dyn Fault>> {
    let names: Vec<&'static str> = faults::REGISTRY.iter().map(|k| k.name).collect();
    let (name, node) = match fields.one_of(d, &names) {
        Some(found) => found,
        None => {
            // The stranger is named already; not once more as an unknown key.
            while let Some((name, _)) = fields.first_left() {
                fields.forget(name);
            }
            return None;
        }
    };
    let kind = faults::REGISTRY.iter().find(|k| k.name == name).expect("found by its name");
    (kind.decode)(d, node)
}

fn decode_liveness(d: &mut Decoder, node: &Node) -> Option<Liveness> {
    let mut fields = d.fields(node, "`liveness`")?;
    let heal =
        fields.take("heal").map_or(Some(Heal::All), |n| d.word(n, "what is healed", &[("all", Heal::All), ("quorum", Heal::Quorum)]));
    let within = fields.need(d, "within").and_then(|n| values::duration(d, n));
    fields.done(d);
    Some(Liveness { heal: heal?, within: within? })
}

fn decode_expect(d: &mut Decoder, node: &Node) -> Option<Expect> {
    if let crate::yaml::Kind::Scalar(_) = node.kind {
        d.word(node, "what is expected (`valid`, or a mapping with `violation`)", &[("valid", ())])?;
        return Some(Expect::Valid);
    }
    let mut fields = d.fields(node, "`expect`")?;
    let checker = fields.need(d, "violation").and_then(|n| d.text(n, "a checker's name")).map(str::to_string);
    let within_seeds = fields.take("within_seeds").map_or(Some(100), |n| values::number(d, n, 1, 1_000_000));
    fields.done(d);
    Some(Expect::Violation { checker: checker?, within_seeds: within_seeds? })
}
