//! A scenario or a plan as YAML. The one file that names serde_yaml's printer.

use crate::{
    FORMAT,
    faults::mapping,
    model::{Cluster, Expect, Heal, Scenario, When},
    values::{Probability, format_duration},
};
use serde_yaml::Value;

impl Scenario {
    /// The scenario as YAML of the same grammar.
    pub fn to_yaml_text(&self) -> String {
        let words = |list: &[String]| (!list.is_empty()).then(|| list.iter().map(|w| Value::from(w.as_str())).collect());
        let default = Scenario::default_parts();
        let liveness = mapping([
            ("heal", Some(if self.liveness.heal == Heal::All { "all" } else { "quorum" }.into())),
            ("within", Some(format_duration(self.liveness.within).into())),
        ]);
        let sometimes: Vec<String> = self.sometimes.iter().map(|e| e.name().to_string()).collect();
        let value = mapping([
            ("format", Some(FORMAT.into())),
            ("name", Some(self.name.as_str().into())),
            ("about", (!self.about.is_empty()).then(|| self.about.as_str().into())),
            ("seed", self.seed.as_deref().map(Into::into)),
            ("world_seed", self.world_seed.map(Into::into)),
            ("system", (self.system != default).then(|| self.system.as_str().into())),
            ("bugs", words(&self.bugs)),
            ("cluster", Some(cluster(&self.cluster))),
            ("workloads", Some(self.workloads.iter().map(|w| mapping([(w.kind(), Some(w.to_yaml()))])).collect())),
            ("duration", Some(format_duration(self.duration).into())),
            ("faults", (!self.faults.is_empty()).then(|| self.faults.iter().map(fault).collect())),
            ("liveness", Some(liveness)),
            ("sometimes", words(&sometimes)),
            ("expect", expect(&self.expect)),
        ]);
        serde_yaml::to_string(&value).expect("plain values have a YAML form")
    }

    fn default_parts() -> &'static str {
        "etcd"
    }
}

fn fault(scheduled: &crate::model::ScheduledFault) -> Value {
    let (key, span) = match scheduled.when {
        When::At(span) => ("at", span),
        When::Every(span) => ("every", span),
    };
    let fault = &scheduled.fault;
    mapping([("id", scheduled.id.as_deref().map(Into::into)), (key, Some(span.to_text().into())), (fault.kind(), Some(fault.to_yaml()))])
}

fn cluster(c: &Cluster) -> Value {
    let nodes: Value = match &c.nodes[..] {
        [one] => (*one).into(),
        several => several.iter().copied().collect(),
    };
    let network =
        mapping([("latency", Some(c.latency.to_text().into())), ("loss", (c.loss != Probability::NEVER).then(|| c.loss.to_text().into()))]);
    mapping([
        ("nodes", Some(nodes)),
        ("pre_vote", (!c.pre_vote).then(|| false.into())),
        ("heartbeat", Some(format_duration(c.heartbeat).into())),
        ("election_timeout", Some(c.election_timeout.to_text().into())),
        ("snapshot_every", Some(c.snapshot_every.into())),
        ("network", Some(network)),
        ("disk", Some(mapping([("sync", Some(c.sync.to_text().into()))]))),
    ])
}

fn expect(expect: &Expect) -> Option<Value> {
    match expect {
        Expect::Valid => None,
        Expect::Violation { checker, within_seeds } => {
            Some(mapping([("violation", Some(checker.as_str().into())), ("within_seeds", Some((*within_seeds).into()))]))
        }
    }
}
