//! A scenario or a plan as YAML that a person likes to read: see [`super::yaml::emit`].

use crate::{
    FORMAT,
    faults::mapping,
    model::{Available, Cluster, Expect, Heal, Scenario, Swarm, Trigger, When},
    values::{Probability, format_duration},
    yaml::emit,
};
use serde_yaml::Value;
use squall_history::Until;

impl Scenario {
    /// The scenario as YAML of the same grammar.
    pub fn to_yaml_text(&self) -> String {
        emit(&self.to_value())
    }

    pub(crate) fn to_value(&self) -> Value {
        let words = |list: &[String]| (!list.is_empty()).then(|| list.iter().map(|w| Value::from(w.as_str())).collect());
        let default = Scenario::default_parts();
        let liveness = mapping([
            ("heal", Some(if self.liveness.heal == Heal::All { "all" } else { "quorum" }.into())),
            ("within", Some(format_duration(self.liveness.within).into())),
        ]);
        let sometimes: Vec<String> = self.sometimes.iter().map(|e| e.name().to_string()).collect();
        mapping([
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
            ("swarm", self.swarm.as_ref().map(swarm)),
            ("dropped", (!self.dropped.is_empty()).then(|| self.dropped.iter().cloned().collect())),
            ("allow_data_loss", self.allow_data_loss.then(|| true.into())),
            ("liveness", Some(liveness)),
            ("available", self.available.as_ref().map(available)),
            ("checkers", words(&self.checkers)),
            ("sometimes", words(&sometimes)),
            ("expect", expect(&self.expect)),
            (
                "bites",
                self.bites.as_ref().map(|b| {
                    mapping([
                        ("with", Some(b.with.clone())),
                        ("violation", Some(b.checker.as_str().into())),
                        ("within_seeds", Some(b.within_seeds.into())),
                    ])
                }),
            ),
        ])
    }

    fn default_parts() -> &'static str {
        "etcd"
    }
}

fn fault(scheduled: &crate::model::ScheduledFault) -> Value {
    let (key, when, repeat, within): (_, Value, _, _) = match scheduled.when {
        When::At(at) => ("at", format_duration(at).into(), None, None),
        When::Between(span) => ("between", span.to_text().into(), None, None),
        When::Every { gap, repeat, within } => ("every", gap.to_text().into(), repeat, within),
        When::On(trigger) => ("when", trigger_value(&trigger), Some(trigger.repeat).filter(|n| *n > 1), trigger.within),
    };
    let fault = &scheduled.fault;
    let (kind, value) = match crate::faults::keys(fault.kind()) {
        (group, Some(kind)) => (group, mapping([(kind, Some(fault.to_yaml()))])),
        (kind, None) => (kind, fault.to_yaml()),
    };
    mapping([
        ("id", scheduled.id.as_deref().map(Into::into)),
        ("as", scheduled.bind.as_deref().map(Into::into)),
        (key, Some(when)),
        ("within", within.map(|span| span.to_text().into())),
        ("repeat", repeat.map(Into::into)),
        (kind, Some(value)),
    ])
}

fn trigger_value(trigger: &Trigger) -> Value {
    mapping([
        ("event", Some(trigger.event.name().into())),
        ("count", (trigger.count > 1).then(|| trigger.count.into())),
        ("after", (!trigger.after.max.is_zero()).then(|| trigger.after.to_text().into())),
    ])
}

fn swarm(swarm: &Swarm) -> Value {
    let (low, high) = swarm.pick;
    let list = |words: Vec<&str>| (!words.is_empty()).then(|| words.into_iter().map(Value::from).collect());
    mapping([
        ("pick", Some(if low == high { low.into() } else { format!("{low}..{high}").into() })),
        ("families", list(swarm.families.iter().map(|f| f.name()).collect())),
        ("kinds", list(swarm.kinds.iter().map(String::as_str).collect())),
        ("vary", list(swarm.vary.iter().map(|v| v.name()).collect())),
    ])
}

fn available(available: &Available) -> Value {
    let during = if available.until == Until::Heal { "faults" } else { "run" };
    mapping([("max_gap", Some(format_duration(available.max_gap).into())), ("during", Some(during.into()))])
}

fn cluster(c: &Cluster) -> Value {
    let nodes: Value = match &c.nodes[..] {
        [one] => (*one).into(),
        several => several.iter().copied().collect(),
    };
    let zones = c.zones.as_ref().map(|zones| {
        let group = |group: &Vec<crate::effect::Party>| group.iter().map(|p| Value::from(p.to_string())).collect::<Value>();
        mapping([("groups", Some(zones.groups.iter().map(group).collect())), ("between", Some(zones.between.to_text().into()))])
    });
    let network = mapping([
        ("latency", Some(c.latency.to_text().into())),
        ("loss", (c.loss != Probability::NEVER).then(|| c.loss.to_text().into())),
        ("zones", zones),
    ]);
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
