//! One plan, run and judged once.

use crate::{Systems, failure::Failure};
use squall_history::{Entry, EntryKind, History, ReadError, View, read_jsonl};
use squall_judge::{Checker, judge, violations_so_far};
use squall_report::{Judging, RunReport};
use squall_run::{ContinueFn, Pack, Run, service};
use squall_scenario::{Expect, Plan, Scenario, Vocabulary};
use std::{
    fs,
    io::BufReader,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

impl Systems {
    /// The system of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<dyn Pack>, Failure> {
        self.0.iter().find(|s| s.name() == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|s| s.name()).collect();
            Failure::Usage(format!("there is no system `{name}`; there are {}", names.join(", ")))
        })
    }

    /// The names that a scenario may use.
    pub(crate) fn vocabulary(&self) -> Vocabulary {
        Vocabulary { services: self.0.iter().map(|pack| Arc::new(service(&**pack))).collect() }
    }

    /// Reads a history of any of them, and says of which it is: of the first that knows its operations.
    pub(crate) fn read(&self, path: &Path) -> Result<(History, Arc<dyn Pack>), Failure> {
        let mut furthest: Option<ReadError> = None;
        for pack in &self.0 {
            match Systems::read_as(path, &**pack)? {
                Ok(history) => return Ok((history, pack.clone())),
                // What came furthest knew most of it.
                Err(e) if furthest.as_ref().is_none_or(|other| other.line() < e.line()) => furthest = Some(e),
                Err(_) => {}
            }
        }
        let why = furthest.map_or("there is no system that could have written it".to_string(), |e| e.to_string());
        Err(Failure::Usage(format!("{}: {why}", path.display())))
    }

    /// The same of this system.
    pub(crate) fn read_as(path: &Path, pack: &dyn Pack) -> Result<Result<History, ReadError>, Failure> {
        let file = fs::File::open(path).map_err(Failure::io(path))?;
        Ok(read_jsonl(BufReader::new(file), pack.dialect()))
    }

    /// Every checker, and what it promises, each once.
    pub(crate) fn checkers(&self) -> Vec<(&'static str, &'static str)> {
        let own = self.0.iter().flat_map(|pack| pack.checkers());
        let mut all: Vec<(&str, &str)> = Vec::new();
        for checker in own.chain(squall_judge::GENERAL) {
            if !all.iter().any(|(name, _)| *name == checker.name) {
                all.push((checker.name, checker.about));
            }
        }
        all
    }

    pub(crate) fn all(&self) -> &[Arc<dyn Pack>] {
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
    let parsed = squall_scenario::parse(&path.display().to_string(), &source, &systems.vocabulary());
    let mut scenario = parsed.map_err(|d| Failure::Scenario(Box::new(d)))?;
    for bug in bugs {
        if !scenario.service.bugs.iter().any(|known| known.name == bug) {
            let known = scenario.service.bugs.iter().map(|known| known.name).collect();
            return Err(Failure::Run(squall_run::RunError::NoSuchBug { name: bug.clone(), known }));
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

/// The checkers at whose first violation a run is stopped; empty: all of them.
pub(crate) type StopAt = Vec<String>;

/// Those that a plan's verdict hangs on.
pub(crate) fn decisive(plan: &Plan) -> StopAt {
    match &plan.expect {
        Expect::Violation { checker, .. } => vec![checker.clone()],
        Expect::Valid => plan.checkers.clone(),
    }
}

/// Judges a history while it is made, in a thread of its own: what it does must not be seen in the simulation.
struct Monitor {
    thread: std::thread::JoinHandle<Duration>,
}

impl Monitor {
    /// It, and what the world asks whether to go on. It ends when that is dropped.
    fn start(stop_at: StopAt, own: &'static [Checker]) -> (Monitor, ContinueFn) {
        let (tell, told) = mpsc::channel::<Vec<Entry>>();
        let (say, said) = mpsc::channel::<bool>();
        let thread = std::thread::spawn(move || {
            let cpu = squall_run::cpu_clock();
            let (mut history, mut finals) = (Vec::new(), false);
            while let Ok(more) = told.recv() {
                finals |= more.iter().any(|entry| entry.what == EntryKind::FinalReads);
                history.extend(more);
                if say.send(finals || violations_so_far(&View::new(&history), &stop_at, own).is_empty()).is_err() {
                    break;
                }
            }
            cpu.elapsed()
        });
        // Should it panic, the run goes on to its end, and is judged there.
        let go_on: ContinueFn = Box::new(move |more: &[Entry]| tell.send(more.to_vec()).is_err() || said.recv().unwrap_or(true));
        (Monitor { thread }, go_on)
    }

    /// The CPU time that it took.
    fn end(self) -> Duration {
        self.thread.join().unwrap_or_default()
    }
}

/// Runs a plan and judges it.
pub(crate) fn run_once(plan: &Plan, systems: &Systems) -> Result<Judged, Failure> {
    run_until(plan, None, systems)
}

/// The same, but no longer than needed. What is stopped is the same run, up to there.
pub(crate) fn run_until(plan: &Plan, stop_at: Option<StopAt>, systems: &Systems) -> Result<Judged, Failure> {
    let judging = std::panic::AssertUnwindSafe(|| run_and_judge(plan, stop_at, systems));
    std::panic::catch_unwind(judging)
        .unwrap_or_else(|_| Err(Failure::Run(squall_run::RunError::Harness("a checker or a report panicked".to_string()))))
}

fn run_and_judge(plan: &Plan, stop_at: Option<StopAt>, systems: &Systems) -> Result<Judged, Failure> {
    let pack = systems.get(&plan.system)?;
    let own = pack.checkers();
    let (monitor, go_on) = stop_at.map(|stop_at| Monitor::start(stop_at, own)).unzip();
    let run = squall_run::run_while(plan, pack, go_on)?;
    let looked_on = monitor.map_or(Duration::ZERO, Monitor::end);
    let judging = squall_run::cpu_clock();
    let seed = plan.seed.clone().unwrap_or_default();
    let judged_by =
        Judging { scenario: &plan.name, seed: &seed, nodes: plan.nodes(), sometimes: &plan.sometimes, canary: plan.expect.checker() };
    let mut judged = judge(&run.history, &plan.checkers, own);
    if run.overflowed {
        judged.is_cut_off();
    }
    if run.stopped {
        judged.is_stopped();
    }
    let mut report = RunReport::of(&judged_by, judged, &run.history, &run.digest);
    let checking = judging.elapsed() + looked_on;
    report.checking_s = checking.as_secs_f64();
    report.cpu_s = (run.cpu + checking).as_secs_f64();
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
