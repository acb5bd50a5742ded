//! One plan, run and judged once.

use crate::{Systems, failure::Failure};
use squall_env::Bug;
use squall_report::{Judging, RunReport};
use squall_scenario::{Scenario, Vocabulary};
use squall_world::{Run, System};
use std::{fs, path::Path, sync::Arc};

impl Systems {
    /// The system of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<dyn System>, Failure> {
        self.0.iter().find(|s| s.name() == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|s| s.name()).collect();
            Failure::Usage(format!("there is no system `{name}`; there are {}", names.join(", ")))
        })
    }

    /// The names that a scenario may use.
    pub(crate) fn vocabulary(&self) -> Vocabulary {
        Vocabulary {
            systems: self.0.iter().map(|s| s.name().to_string()).collect(),
            bugs: Bug::ALL.iter().map(|b| b.name().to_string()).collect(),
            checkers: squall_checker::REGISTRY.iter().map(|c| c.name.to_string()).collect(),
        }
    }

    pub(crate) fn all(&self) -> &[Arc<dyn System>] {
        &self.0
    }
}

/// A scenario or a plan, with the text that it was read from.
pub(crate) struct Loaded {
    pub(crate) scenario: Scenario,
    pub(crate) source: String,
}

/// Reads a scenario or a plan, and switches these bugs on in it.
pub(crate) fn load(path: &Path, bugs: &[String], systems: &Systems) -> Result<Loaded, Failure> {
    let source = fs::read_to_string(path).map_err(Failure::io(path))?;
    let parsed = squall_scenario::parse_within(&path.display().to_string(), &source, &systems.vocabulary());
    let mut scenario = parsed.map_err(|d| Failure::Scenario(Box::new(d)))?;
    for bug in bugs {
        if Bug::from_name(bug).is_none() {
            return Err(Failure::Run(squall_world::RunError::NoSuchBug(bug.clone())));
        }
        if !scenario.bugs.contains(bug) {
            scenario.bugs.push(bug.clone());
        }
    }
    Ok(Loaded { scenario, source })
}

/// A run and what is thought of it.
pub(crate) struct Judged {
    pub(crate) run: Run,
    pub(crate) report: RunReport,
}

/// Runs a plan and judges it.
pub(crate) fn run_once(plan: &Scenario, systems: &Systems) -> Result<Judged, Failure> {
    let judging = std::panic::AssertUnwindSafe(|| run_and_judge(plan, systems));
    std::panic::catch_unwind(judging)
        .unwrap_or_else(|_| Err(Failure::Run(squall_world::RunError::Harness("a checker or a report panicked".to_string()))))
}

fn run_and_judge(plan: &Scenario, systems: &Systems) -> Result<Judged, Failure> {
    let run = squall_world::run(plan, systems.get(&plan.system)?)?;
    let judging = squall_world::cpu_clock();
    let seed = plan.seed.clone().unwrap_or_default();
    let judged_by =
        Judging { scenario: &plan.name, seed: &seed, nodes: plan.cluster.size(), sometimes: &plan.sometimes, checkers: &plan.checkers };
    let mut report = RunReport::judge(&judged_by, &run.history, &run.digest);
    if run.overflowed {
        report.verdicts.push(("history", squall_checker::Verdict::Unknown("the history had to be cut off: it was too long".into())));
    }
    report.checking_s = judging.elapsed().as_secs_f64();
    report.cpu_s = (run.cpu + judging.elapsed()).as_secs_f64();
    report.rss_mb = peak_rss_mb();
    Ok(Judged { run, report })
}

/// The process' peak resident memory in MiB; 0 where the system does not say.
pub(crate) fn peak_rss_mb() -> f64 {
    status_kb("VmHWM:") / 1024.0
}

/// The process' resident memory now, in MiB.
pub(crate) fn rss_mb() -> f64 {
    status_kb("VmRSS:") / 1024.0
}

fn status_kb(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0.0)
}
