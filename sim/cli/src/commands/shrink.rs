//! `squall shrink`: the smallest plan that still fails in the same way.
//!
//! A candidate is taken when the same checker fails with the same kind of witness, and not by the luck of
//! one world seed: the plan is made steadier on the way, and whatever is taken then must fail under as many
//! of eight world seeds, less one.

use crate::{
    Exit, Systems,
    failure::Failure,
    session::{Judged, load, run_once},
};
use squall_history::stream;
use squall_judge::Verdict;
use squall_report::fingerprint;
use squall_scenario::{
    Expect, Plan,
    shrink::{Oracle, Weight, shrink},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A report directory, or a plan
    plan: PathBuf,
    /// CPU-seconds that it may take
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    budget: u64,
    /// How many candidates are tried side by side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    jobs: u64,
    /// Where the small plan goes (plan.min.yaml beside the plan)
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Args {
    /// The defaults, for one directory.
    pub(crate) fn of(plan: PathBuf) -> Args {
        Args { plan, budget: 60, jobs: 2, out: None }
    }
}

/// How many world seeds candidates are held against.
const TRIALS: usize = 12;

/// How many world seeds say how lucky a plan has to be.
const FRESH: u64 = 20;

/// What a plan fails by: the checker, and its kind of witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) checker: &'static str,
    kind: &'static str,
}

impl Wanted {
    fn is_in(&self, judged: &Judged) -> bool {
        judged.report.verdicts.iter().any(|(name, v)| matches!(v, Verdict::Invalid(w) if *name == self.checker && w.kind == self.kind))
    }
}

/// A panic or a crash of a candidate is not the failure that is looked for.
fn fails(plan: &Plan, world_seed: u64, wanted: &Wanted, systems: &Systems) -> (bool, f64) {
    run_once(&plan.with_world_seed(world_seed), systems).map_or((false, 0.0), |judged| (wanted.is_in(&judged), judged.report.cpu_s))
}

struct Runner<'s> {
    systems: &'s Systems,
    wanted: Wanted,
    /// The plan's own world seed first.
    worlds: Vec<u64>,
    /// Under how many of them a candidate must fail. While one is enough, only the plan's own counts.
    need: usize,
    /// What was tried: a candidate's text and what was needed of it; and under how many it failed.
    tried: BTreeMap<(String, usize), usize>,
    runs: u64,
    spent: f64,
    budget: f64,
    jobs: usize,
    interrupted: &'s AtomicBool,
}

/// What a candidate came to: under how many world seeds it failed, after how many runs, at what cost.
#[derive(Clone, Copy, Default)]
struct Tally {
    failed: usize,
    runs: u64,
    cpu: f64,
}

impl Runner<'_> {
    /// Runs a candidate under one world seed after the other, until it is clear whether it fails under
    /// `need` of `of`; or under all of them, if `count` is asked for.
    fn judge(&self, candidate: &Plan, need: usize, of: usize, count: bool) -> Tally {
        let mut judged = Tally::default();
        for (i, world) in self.worlds.iter().take(of).enumerate() {
            if judged.failed + (of - i) < need || (judged.failed >= need && !count) {
                break;
            }
            let (yes, cost) = fails(candidate, *world, &self.wanted, self.systems);
            judged = Tally { failed: judged.failed + usize::from(yes), runs: judged.runs + 1, cpu: judged.cpu + cost };
        }
        judged
    }

    fn judge_all(&mut self, candidates: &[Plan], need: usize, of: usize, count: bool) -> Vec<usize> {
        let texts: Vec<String> = candidates.iter().map(|candidate| candidate.to_yaml_text()).collect();
        let me = &*self;
        let judged = in_parallel(&candidates.iter().zip(&texts).collect::<Vec<_>>(), self.jobs, |(candidate, text)| {
            let key = ((*text).clone(), need + 100 * usize::from(count));
            match me.tried.get(&key) {
                Some(failed) => Tally { failed: *failed, ..Tally::default() },
                None => me.judge(candidate, need, of, count),
            }
        });
        for (text, judged) in texts.into_iter().zip(&judged) {
            self.tried.insert((text, need + 100 * usize::from(count)), judged.failed);
            self.runs += judged.runs;
            self.spent += judged.cpu;
        }
        judged.into_iter().map(|j| j.failed).collect()
    }
}

impl Oracle for Runner<'_> {
    fn first(&mut self, candidates: &[Plan]) -> Option<usize> {
        let of = if self.need == 1 { 1 } else { self.worlds.len() };
        for (piece, chunk) in candidates.chunks(self.jobs).enumerate() {
            if self.is_spent() {
                return None;
            }
            let failed = self.judge_all(chunk, self.need, of, false);
            if let Some(at) = failed.iter().position(|failed| *failed >= self.need) {
                return Some(piece * self.jobs + at);
            }
        }
        None
    }

    fn width(&self) -> usize {
        self.jobs
    }

    fn is_spent(&self) -> bool {
        self.spent >= self.budget || self.interrupted.load(Ordering::Relaxed)
    }

    fn scores(&mut self, candidates: &[Plan], beat: usize) -> Vec<usize> {
        let mut scores = Vec::new();
        for chunk in candidates.chunks(self.jobs) {
            match self.is_spent() {
                true => scores.extend(chunk.iter().map(|_| 0)),
                false => scores.extend(self.judge_all(chunk, beat + 1, self.worlds.len(), true)),
            }
        }
        scores
    }

    fn trials(&self) -> usize {
        self.worlds.len()
    }

    fn demand(&mut self, score: usize) {
        self.need = score;
    }
}

/// The plan of a report directory, or the plan itself.
pub(crate) fn plan_path(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("plan.yaml") } else { path.to_path_buf() }
}

pub(crate) fn load_plan(path: &Path, systems: &Systems) -> Result<Plan, Failure> {
    let scenario = load(path, &[], systems)?.scenario;
    let no_plan = |why| format!("{} is a scenario, not a plan ({why}): `squall run` it, or `squall plan` it first", path.display());
    Plan::try_from(scenario).map_err(|why| Failure::Usage(no_plan(why)))
}

/// What the run fails by: what its scenario expects if that is among it, else the most telling.
pub(crate) fn wanted(plan: &Plan, judged: &Judged) -> Option<(Wanted, squall_history::SimTime)> {
    let broken = || judged.report.verdicts.iter().filter_map(|(name, v)| if let Verdict::Invalid(w) = v { Some((*name, w)) } else { None });
    let expected = if let Expect::Violation { checker, .. } = &plan.expect { Some(checker.as_str()) } else { None };
    let telling = fingerprint(&judged.report.verdicts);
    let chosen = broken()
        .find(|(name, _)| Some(*name) == expected)
        .or_else(|| broken().find(|(name, w)| telling.as_deref() == Some(format!("{name}/{}", w.kind).as_str())))?;
    Some((Wanted { checker: chosen.0, kind: chosen.1.kind }, chosen.1.at))
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    shrink_until(args, systems, crate::interrupt::interrupted())
}

/// The same, until somebody interrupts it: what was found so far is written then.
pub(crate) fn shrink_until(args: &Args, systems: &Systems, interrupted: &AtomicBool) -> Result<Exit, Failure> {
    if args.out.is_none() && !args.plan.is_dir() && args.plan.file_name().is_none_or(|name| name != "plan.yaml") {
        // Beside a scenario it would be found by sweeps, under the same name.
        return Err(Failure::Usage(format!("{} is not in a report directory: say --out where the small plan goes", args.plan.display())));
    }
    let path = plan_path(&args.plan);
    let plan = load_plan(&path, systems)?;
    let judged = run_once(&plan, systems)?;
    let Some((wanted, at)) = wanted(&plan, &judged) else {
        return Err(Failure::Usage(format!("{} does not fail: there is nothing to shrink", path.display())));
    };
    let own = plan.world_seed();
    let fresh = |i: u64| stream(i, "a fresh world seed").bits() >> 1;
    let mut runner = Runner {
        systems,
        wanted: wanted.clone(),
        worlds: std::iter::once(own).chain((1_001..).take(TRIALS - 1).map(fresh)).collect(),
        need: 1,
        tried: BTreeMap::new(),
        runs: 1,
        spent: judged.report.cpu_s,
        budget: args.budget as f64,
        jobs: args.jobs as usize,
        interrupted,
    };
    let mut small = shrink(&plan, &judged.run.history, at, &mut runner);
    let (runs, spent, stopped) = (runner.runs, runner.spent, runner.is_spent());
    // Its own world seed must be one under which it fails.
    let worlds = runner.worlds.clone();
    let seeds = worlds.into_iter().find(|world| fails(&small, *world, &wanted, systems).0);
    small = small.with_world_seed(seeds.unwrap_or(own));
    // Whoever interrupts it waits for no more runs.
    let was_interrupted = interrupted.load(Ordering::Relaxed);
    let luck: Option<Vec<bool>> = (!was_interrupted).then(|| {
        in_parallel(&(1..=FRESH).map(fresh).collect::<Vec<_>>(), args.jobs as usize, |world| fails(&small, *world, &wanted, systems).0)
    });
    let lucky = luck.map_or("it was not tried how many".to_string(), |luck| luck.iter().filter(|failed| **failed).count().to_string());

    let out = args.out.clone().unwrap_or_else(|| path.with_file_name("plan.min.yaml"));
    let (before, after) = (Weight::of(&plan), Weight::of(&small));
    let text = format!("{}{}", comments(&plan, &wanted, &judged, &lucky), small.to_yaml_text());
    let partial = out.with_extension("partial");
    fs::write(&partial, text).and_then(|()| fs::rename(&partial, &out)).map_err(Failure::io(&out))?;
    println!("{}/{}: {} -> {}", wanted.checker, wanted.kind, say(&before), say(&after));
    println!(
        "{lucky} of {FRESH} fresh world seeds fail too; {runs} runs, {spent:.1} CPU-seconds{}",
        match (was_interrupted, stopped) {
            (true, _) => " (interrupted: this is what was found so far)",
            (false, true) => " (the budget is spent)",
            (false, false) => "",
        }
    );
    println!("{} replay {}", squall_report::program(), out.display());
    Ok(if was_interrupted { Exit::Interrupted } else { Exit::Ok })
}

fn in_parallel<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut results = Vec::new();
    for chunk in items.chunks(jobs.max(1)) {
        let done: Vec<R> = std::thread::scope(|scope| {
            let running: Vec<_> = chunk.iter().map(|item| scope.spawn(|| work(item))).collect();
            running.into_iter().map(|r| r.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        results.extend(done);
    }
    results
}

fn say(w: &Weight) -> String {
    let s = |n: usize| if n == 1 { "" } else { "s" };
    let ops = w.ops.map_or("generated operations".to_string(), |n| format!("{n} operation{}", s(n)));
    format!(
        "{} fault{}, {} client{}, {ops}, {} node{}, {}",
        w.faults,
        s(w.faults),
        w.clients,
        s(w.clients as usize),
        w.nodes,
        s(w.nodes as usize),
        squall_scenario::format_duration(w.duration)
    )
}

/// What a reader wants to know before the YAML.
fn comments(plan: &Plan, wanted: &Wanted, judged: &Judged, lucky: &str) -> String {
    let summary = judged.report.verdicts.iter().find_map(|(name, v)| match v {
        Verdict::Invalid(w) if *name == wanted.checker => Some(w.summary.clone()),
        _ => None,
    });
    let seed = plan.seed.as_deref().unwrap_or("?");
    let flat: String = summary.unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    let mut text = format!("# Shrunk from `{}`, seed {seed}: it fails by {}/{}.\n", plan.name, wanted.checker, wanted.kind);
    text.push_str(&format!("# There: {flat}\n"));
    text.push_str(&format!("# {lucky} of {FRESH} fresh world seeds fail in the same way (world_seed is one that does).\n"));
    text
}
