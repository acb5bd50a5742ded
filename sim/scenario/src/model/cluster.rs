//! The cluster: how many nodes, how consensus is set, what the network and the disks are like.

use crate::{
    Decoder, Vocabulary,
    effect::Party,
    language::{Check, Value, arguments, as_written, nothing_given, schema},
    values::{Each, Number, Probability, Span},
    yaml::{Kind, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;
use squall_history::NodeId;
use std::time::Duration;

arguments! {
    /// The cluster's make.
    pub struct Cluster, "`cluster`" {
        /// how many nodes: a number, or a choice that each seed draws one of
        nodes: Nodes = Nodes(vec![5]),
        /// whether a candidate asks before it disturbs (Ongaro's thesis, 9.6)
        pre_vote: bool = true,
        /// how often a leader tells that it lives
        heartbeat: Duration = Duration::from_millis(100),
        /// how long a follower is patient, drawn each time
        election_timeout: Each = Each(Span::millis(300, 600)),
        /// how many entries there are from one snapshot to the next
        snapshot_every: Number<1, 1_000_000> = Number(500),
        /// what links are like
        network: Network = Network::default(),
        /// what disks are like
        disk: Disk = Disk::default(),
    }
    check check
}

arguments! {
    /// What links are like.
    pub struct Network, "`network`" {
        /// the latency of every link, one way, drawn for each segment
        latency: Each = Each(Span::millis(1, 10)),
        /// how often a segment is lost; at most 90%
        loss: Probability = Probability::NEVER,
        /// where hosts are, if that makes a difference
        zones: Option<Zones>,
    }
    check |it, check| {
        if it.loss.is_nearly_always() {
            check.wrong("loss", "a loss above 90% is no link").help = Some("cut it with a partition".to_string());
        }
    }
}

arguments! {
    /// What disks are like.
    pub struct Disk, "`disk`" {
        /// how long a sync takes, drawn for each
        sync: Each = Each(Span::millis(2, 2)),
    }
}

arguments! {
    /// Hosts in several places.
    pub struct Zones, "`zones`" {
        /// who is together; who is in none of these is with the others that are in none
        groups: Vec<Vec<Party>>,
        /// how much more latency there is between two places, one way, drawn for each segment
        between: Each,
    }
    check |it, check| {
        for (i, group) in it.groups.iter().enumerate() {
            for party in group.iter().filter(|party| it.groups[..i].iter().any(|other| other.contains(party))) {
                check.wrong("groups", format!("{party} is in two zones"));
            }
        }
    }
}

fn check(it: &Cluster, check: &mut Check<'_>) {
    // Election clocks count whole milliseconds.
    let (heartbeat, low, high) = (it.heartbeat.as_millis(), it.election_timeout.0.min.as_millis(), it.election_timeout.0.max.as_millis());
    if !(1 <= heartbeat && heartbeat < low && low < high) {
        let key = if check.is_given("election_timeout") { "election_timeout" } else { "heartbeat" };
        let text = "the election timeout must be a range that begins above the heartbeat, in whole milliseconds";
        check.wrong(key, text).help = Some("for example 300ms..600ms with a heartbeat of 100ms".to_string());
    }
    if let Some(gives) = check.gives() {
        let usual = Cluster::default();
        for (key, heeded, is_usual) in [
            ("heartbeat", gives.tuning, it.heartbeat == usual.heartbeat),
            ("election_timeout", gives.tuning, it.election_timeout == usual.election_timeout),
            ("pre_vote", gives.tuning, it.pre_vote == usual.pre_vote),
            ("snapshot_every", gives.tuning, it.snapshot_every == usual.snapshot_every),
            ("disk", gives.durable, it.disk == usual.disk),
        ] {
            if !heeded && !is_usual {
                check.wrong(key, format!("this system does not heed `{key}`")).help = Some("leave it out".to_string());
            }
        }
    }
    let smallest = it.smallest();
    for party in it.network.zones.iter().flat_map(|zones| zones.groups.iter().flatten()) {
        if matches!(party, Party::Node(NodeId(id)) if *id > smallest) {
            check.wrong("network", format!("{party} is in a zone, but the cluster may have only {smallest}"));
        }
    }
}

impl Cluster {
    /// How few nodes there may be at first.
    pub fn smallest(&self) -> u32 {
        self.nodes.0.iter().min().copied().unwrap_or(1)
    }
}

macro_rules! default_is_what_nothing_says {
    ($($name:ident),*) => {
        $(
            impl Default for $name {
                fn default() -> Self {
                    nothing_given()
                }
            }
        )*
    };
}

default_is_what_nothing_says!(Cluster, Network, Disk);

/// How many nodes there are at first: each of these is a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes(pub Vec<u32>);

type Count = Number<1, 9>;

impl Value for Nodes {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        if let Kind::List(items) = &node.kind
            && !items.is_empty()
        {
            return items.iter().map(|item| Count::read(decoder, item).map(Number::small)).collect::<Option<Vec<_>>>().map(Nodes);
        }
        decoder.scalar(node, "a number of nodes from 1 to 9, a range such as 3..7, or a list", |text| {
            let (low, high) = text.split_once("..").unwrap_or((text, text));
            let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
            (low >= 1 && low <= high && high <= 9).then(|| Nodes((low..=high).collect()))
        })
    }

    fn write(&self) -> Yaml {
        match &self.0[..] {
            [one] => (*one).into(),
            several => several.iter().copied().collect(),
        }
    }

    fn form() -> String {
        "1 to 9, a range such as 3..7, or a list".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let count = Count::schema(vocabulary);
        json!({ "anyOf": [count, schema::pattern(r"^[1-9]\.\.[1-9]$"), { "type": "array", "minItems": 1, "items": count }] })
    }
}

/// Sets of nodes and clients: `[[n1, c1], [n2]]`.
impl Value for Vec<Vec<Party>> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.list(node, "`groups`")?.iter().map(|item| Value::read(decoder, item)).collect()
    }

    fn write(&self) -> Yaml {
        self.iter().map(Value::write).collect()
    }

    fn form() -> String {
        "[[n1, c1], [n2]]".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::list(&Vec::<Party>::schema(vocabulary))
    }
}
