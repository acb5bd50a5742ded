//! One run in a few numbers: what a sweep keeps of each seed, and what `--json` prints.

use crate::RunReport;
use serde::{Deserialize, Serialize};
use squall_history::{Latency, OpCounts, Recovery};
use squall_judge::{Judgement, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the record's format. In 1, `met` was false of every run of a canary that was not caught.
pub const FORMAT: u32 = 2;

/// How a run ended, as far as a sweep can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It was judged: valid.
    Valid,
    /// It was judged, and some checker could not decide.
    Unknown,
    /// It was judged: a promise was broken.
    Invalid,
    /// Its process died without a verdict: a bug of the harness.
    Crashed,
    /// It took longer than `--timeout`.
    TimedOut,
    /// It took more memory than `--memory-limit`.
    OutOfMemory,
    /// The same plan gave two different runs.
    NonDeterministic,
}

impl Ending {
    /// How a judged run ended.
    pub fn of(r: &RunReport) -> Ending {
        match r.verdict() {
            Judgement::Valid => Ending::Valid,
            Judgement::Invalid => Ending::Invalid,
            Judgement::Unknown => Ending::Unknown,
        }
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Ending::Valid => "valid",
            Ending::Unknown => "unknown",
            Ending::Invalid => "invalid",
            Ending::Crashed => "crashed",
            Ending::TimedOut => "timed-out",
            Ending::OutOfMemory => "out-of-memory",
            Ending::NonDeterministic => "non-deterministic",
        }
    }
}

/// What a run means to whoever asked for it. The one place where that is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is as it should be. Of a canary: nothing is found yet, and another seed may.
    Met,
    /// The canary's checker has found it.
    Caught,
    /// It is a failure.
    Failed,
}

impl Meaning {
    /// `canary`: whether its scenario expects a violation, and if so, whether the checker that it names found one.
    pub fn of(ending: Ending, canary: Option<bool>) -> Meaning {
        match (ending, canary) {
            // Without a verdict nobody was caught, and nothing was met.
            (Ending::Crashed | Ending::TimedOut | Ending::OutOfMemory | Ending::NonDeterministic, _) => Meaning::Failed,
            (Ending::Valid | Ending::Unknown | Ending::Invalid, Some(true)) => Meaning::Caught,
            (Ending::Valid | Ending::Unknown | Ending::Invalid, Some(false)) => Meaning::Met,
            (Ending::Valid, None) => Meaning::Met,
            (Ending::Unknown | Ending::Invalid, None) => Meaning::Failed,
        }
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed that it was planned with; of a plan, the one that it came from.
    pub seed: String,
    /// How it ended.
    pub verdict: Ending,
    /// Whether this run is no failure. A canary's run that finds nothing is none: what counts is that one of its seeds does.
    pub met: bool,
    /// Of a canary: the checker that is to find it, and whether it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Each checker's word.
    pub checkers: BTreeMap<String, String>,
    /// Why, of each checker that did not say `valid`.
    #[serde(default)]
    pub reasons: BTreeMap<String, String>,
    /// What makes two failures the same bug: the most telling checker, and its kind of witness.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// How often each event that the scenario names under `sometimes` happened.
    pub sometimes: BTreeMap<String, u64>,
    /// How often each event happened.
    #[serde(default)]
    pub events: BTreeMap<String, u64>,
    /// How many faults of each kind did something.
    #[serde(default)]
    pub faults: BTreeMap<String, u64>,
    /// How many of those that have an id of their own did something, by that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<String, u64>,
    /// The faults that fired and did nothing, by the id of their own or their kind.
    #[serde(default)]
    pub missed: Vec<String>,
    /// The history's SHA-256.
    pub digest: String,
    /// How many nodes.
    #[serde(default)]
    pub nodes: u32,
    /// Virtual seconds.
    pub sim_s: f64,
    /// CPU-seconds, checkers included.
    pub cpu_s: f64,
    /// The process' peak memory, in MiB.
    pub rss_mb: f64,
    /// How operations ended.
    pub ops: OpCounts,
    /// How long they took.
    #[serde(default)]
    pub latency_ms: Latency,
    /// Virtual seconds without a leader.
    #[serde(default)]
    pub leaderless_s: f64,
    /// How it recovered.
    #[serde(default)]
    pub recovery: Recovery,
    /// Where plan, history and verdict were kept, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// What a canary's run was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The checker that is to find a violation.
    pub checker: String,
    /// Whether it did.
    pub caught: bool,
}

fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

/// The most telling checker first: what breaks inside is nearer to the cause than what clients see of it.
const TELLING: &[&str] = &["raft", "replicas-equal", "linearizable", "durable", "no-panic", "liveness", "available"];

/// `liveness/not-served`.
pub fn fingerprint(verdicts: &[(&'static str, Verdict)]) -> Option<String> {
    // What other services promise stands where what clients see does.
    let rank = |name: &str| TELLING.iter().position(|t| *t == name).unwrap_or(3);
    let broken = verdicts.iter().filter_map(|(name, v)| if let Verdict::Invalid(witness) = v { Some((*name, witness.kind)) } else { None });
    broken.min_by_key(|(name, _)| rank(name)).map(|(name, kind)| format!("{name}/{kind}"))
}

impl Record {
    /// The record of a judged run; `canary`: the checker that its scenario expects to fail.
    pub fn of(r: &RunReport, canary: Option<&str>) -> Record {
        let reason = |v: &Verdict| match v {
            Verdict::Valid => None,
            Verdict::Unknown(why) => Some(why.clone()),
            Verdict::Invalid(witness) => Some(witness.summary.clone()),
        };
        let (mut faults, mut named): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
        for fault in r.facts.faults.keys() {
            *faults.entry(fault.kind.clone()).or_default() += 1;
            if fault.name() != fault.kind {
                *named.entry(fault.name().to_string()).or_default() += 1;
            }
        }
        let verdict = Ending::of(r);
        let canary = canary.map(|checker| Canary { checker: checker.to_string(), caught: r.violated().contains(&checker) });
        Record {
            format: FORMAT,
            scenario: r.scenario.clone(),
            seed: r.seed.clone(),
            verdict,
            met: Meaning::of(verdict, canary.as_ref().map(|c| c.caught)) != Meaning::Failed,
            canary,
            checkers: r.verdicts.iter().map(|(name, v)| ((*name).to_string(), v.word().to_string())).collect(),
            reasons: r.verdicts.iter().filter_map(|(name, v)| Some(((*name).to_string(), reason(v)?))).collect(),
            fingerprint: fingerprint(&r.verdicts),
            sometimes: r.sometimes.iter().map(|e| (e.name().to_string(), r.facts.events.get(e).copied().unwrap_or(0))).collect(),
            events: r.facts.events.iter().map(|(e, n)| (e.name().to_string(), *n)).collect(),
            faults,
            named,
            missed: r.facts.missed.iter().map(|fault| fault.name().to_string()).collect::<BTreeSet<_>>().into_iter().collect(),
            digest: r.digest.clone(),
            nodes: r.nodes,
            sim_s: rounded(r.facts.sim_s),
            cpu_s: rounded(r.cpu_s),
            rss_mb: rounded(r.rss_mb),
            ops: r.facts.ops,
            latency_ms: Latency { p50: rounded(r.facts.latency.p50), p99: rounded(r.facts.latency.p99) },
            leaderless_s: rounded(r.facts.leaderless_s),
            recovery: r.facts.recovery.clone(),
            kept: None,
        }
    }

    /// Whether a fault of this name (an id of its own, or a kind) did something.
    pub fn did(&self, name: &str) -> bool {
        self.faults.contains_key(name) || self.named.contains_key(name)
    }

    /// The record of a run that came to no verdict.
    pub fn of_no_run(scenario: &str, seed: &str, verdict: Ending, why: String) -> Record {
        Record {
            format: FORMAT,
            scenario: scenario.to_string(),
            seed: seed.to_string(),
            verdict,
            met: false,
            canary: None,
            checkers: BTreeMap::new(),
            reasons: BTreeMap::from([("harness".to_string(), why)]),
            fingerprint: Some(format!("harness/{}", verdict.word())),
            sometimes: BTreeMap::new(),
            events: BTreeMap::new(),
            faults: BTreeMap::new(),
            named: BTreeMap::new(),
            missed: vec![],
            digest: String::new(),
            nodes: 0,
            sim_s: 0.0,
            cpu_s: 0.0,
            rss_mb: 0.0,
            ops: OpCounts::default(),
            latency_ms: Latency::default(),
            leaderless_s: 0.0,
            recovery: Recovery::default(),
            kept: None,
        }
    }

    /// What it means to the sweep.
    pub fn meaning(&self) -> Meaning {
        Meaning::of(self.verdict, self.canary.as_ref().map(|c| c.caught))
    }

    /// Why, as the checker says that the fingerprint names.
    pub fn main_reason(&self) -> &str {
        let checker = self.fingerprint.as_ref().and_then(|f| f.split('/').next());
        let reason = checker.and_then(|checker| self.reasons.get(checker)).or_else(|| self.reasons.values().next());
        reason.map_or("", String::as_str)
    }

    /// The record as one line of JSON.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a record always has a JSON form")
    }
}
