//! What every writer shows.

use squall_history::{Entry, Event, Facts};
use squall_judge::{Judged, Judgement, Verdict, merge};

/// What a report says of the plan that was run.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'p> {
    /// The scenario's name.
    pub scenario: &'p str,
    /// The seed that it was planned with.
    pub seed: &'p str,
    /// How many nodes.
    pub nodes: u32,
    /// What must happen sometimes.
    pub sometimes: &'p [Event],
    /// The checker that is expected to fail, if one is.
    pub canary: Option<&'p str>,
}

/// One run, judged: what every writer shows.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The scenario's name.
    pub scenario: String,
    /// The seed that it was planned with.
    pub seed: String,
    /// How many nodes.
    pub nodes: u32,
    /// Each checker's verdict.
    pub verdicts: Vec<(&'static str, Verdict)>,
    /// What its history says besides.
    pub facts: Facts,
    /// The events that the scenario says must happen sometimes.
    pub sometimes: Vec<Event>,
    /// The run's digest.
    pub digest: String,
    /// CPU seconds, checkers included.
    pub cpu_s: f64,
    /// The process' peak memory in MiB.
    pub rss_mb: f64,
    /// The command that runs it again.
    pub replay: Option<String>,
    /// Of the CPU seconds, how many the checkers took.
    pub checking_s: f64,
    /// The checker that the scenario expects to fail, if it does.
    pub canary: Option<String>,
    /// Pictures of the violations, one for each checker that found one.
    pub pictures: Vec<String>,
}

impl RunReport {
    /// What is shown of a history that was judged so.
    pub fn of(plan: &Judging<'_>, judged: Judged, history: &[Entry], digest: &str) -> RunReport {
        let Judged { verdicts, facts } = judged;
        let picture =
            |verdict: &Verdict| if let Verdict::Invalid(witness) = verdict { crate::picture::picture(history, witness) } else { None };
        RunReport {
            scenario: plan.scenario.to_string(),
            seed: plan.seed.to_string(),
            nodes: plan.nodes,
            pictures: verdicts.iter().filter_map(|(_, verdict)| picture(verdict)).collect(),
            verdicts,
            facts,
            sometimes: plan.sometimes.to_vec(),
            digest: digest.to_string(),
            cpu_s: 0.0,
            rss_mb: 0.0,
            replay: None,
            canary: plan.canary.map(str::to_string),
            checking_s: 0.0,
        }
    }

    /// The worst verdict.
    pub fn verdict(&self) -> Judgement {
        merge(self.verdicts.iter().map(|(_, v)| v))
    }

    /// The checkers that found a violation.
    pub fn violated(&self) -> Vec<&'static str> {
        self.verdicts.iter().filter(|(_, v)| matches!(v, Verdict::Invalid(_))).map(|(name, _)| *name).collect()
    }
}
