//! `squall run`: a scenario under one seed or many.

use crate::{
    Exit, Systems,
    artifacts::{keep, new_directory, place, replay_command},
    commands::sweep::selected,
    failure::Failure,
    format::FormatOf,
    session::{Judged, Loaded, decisive, load, run_until},
};
use squall_history::{Entry, to_line, write_jsonl};
use squall_judge::Judgement;
use squall_report::{Ending, Format, Kind, Meaning, Record, RunReport, Runs, Sweep};
use squall_run::Run;
use squall_scenario::{Expect, Plan, Scenario, plan};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The scenario, or a plan
    scenario: PathBuf,
    /// The seed (0)
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Many seeds: A..B, B excluded. Stops at the first violation
    #[arg(long, value_parser = parse_seeds)]
    seeds: Option<std::ops::Range<u64>>,
    /// How many of the seeds run side by side
    #[arg(long, default_value_t = 1, requires = "seeds", value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: u64,
    /// Switch a planted bug on (may be given again)
    #[arg(long)]
    bug: Vec<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
pub(crate) struct Output {
    /// What to print (`squall list formats`)
    #[arg(long, value_name = "NAME", default_value = "text", value_parser = FormatOf(Kind::Run))]
    format: &'static Format,
    /// Short for --format json: one line a run
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Run each plan twice in this process: two different runs are exit code 5
    #[arg(long)]
    recheck: bool,
    /// Write the history as JSON lines to this file
    #[arg(long)]
    history: Option<PathBuf>,
    /// Where what is not valid is kept: plan, history, verdict, pictures
    #[arg(long, default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Keep the run even when it is valid
    #[arg(long)]
    keep: bool,
    /// End a run at its first violation; what only the end tells is unknown then
    #[arg(long)]
    fail_fast: bool,
}

impl Output {
    fn format(&self) -> &'static Format {
        if self.json { Format::JSON } else { self.format }
    }

    /// Says something to people: where standard output holds what programs read, beside it.
    fn say(&self, line: &str) {
        if self.format().for_people { println!("{line}") } else { eprintln!("{line}") }
    }

    fn once(&self, plan: &Plan, systems: &Systems) -> Result<Judged, Failure> {
        run_until(plan, self.fail_fast.then(|| decisive(plan)), systems)
    }
}

pub(crate) fn parse_seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("seeds are given as A..B")?;
    let number = |s: &str| s.parse::<u64>().map_err(|e| format!("{s}: {e}"));
    let (from, to) = (number(from)?, number(to)?);
    if from < to {
        Ok(from..to)
    } else {
        Err(if from == to {
            format!("{from}..{to} has no seed in it: the last one is left out")
        } else {
            format!("{from}..{to} goes back: write {to}..{from}")
        })
    }
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let Loaded { scenario, source } = load(&args.scenario, &args.bug, systems)?;
    if Plan::try_from(scenario.clone()).is_ok() && (args.seed.is_some() || args.seeds.is_some()) {
        let text = format!("{} is a plan: nothing in it is left to a seed. Run it without one", args.scenario.display());
        return Err(Failure::Usage(text));
    }
    if args.seeds.is_some() && (args.output.history.is_some() || args.output.keep) {
        return Err(Failure::Usage("--history and --keep are about one run: give --seed".to_string()));
    }
    match &args.seeds {
        Some(seeds) => many(&scenario, &source, seeds.clone(), args, systems),
        None => finish_one(&plan(&scenario, args.seed.unwrap_or(0)), Some(&source), systems, &args.output, None, Asked::AsExpected, |_| {
            Ok(None)
        })
        .map(|(exit, _)| exit),
    }
}

/// Runs one plan, shows and keeps what is to be shown and kept. `replay`: how to run it again, when
/// its plan is in a file already; `first`: what is to be said before its report. Answers the run, too.
pub(crate) fn finish_one(
    plan: &Plan,
    source: Option<&str>,
    systems: &Systems,
    output: &Output,
    replay: Option<String>,
    asked: Asked,
    first: impl FnOnce(&Run) -> Result<Option<String>, Failure>,
) -> Result<(Exit, Run), Failure> {
    let mut judged = output.once(plan, systems)?;
    // What makes the report another one than the reader takes it for is said before it.
    if let Some(line) = first(&judged.run)? {
        output.say(&format!("{line}\n"));
    }
    if let Some(path) = &output.history {
        let mut file = BufWriter::new(fs::File::create(path).map_err(Failure::io(path))?);
        write_jsonl(&judged.run.history, &mut file).and_then(|()| file.flush()).map_err(Failure::io(path))?;
    }
    judged.report.replay = replay;
    // Who runs a plan again asks whether it is valid, whatever its scenario expects.
    if asked == Asked::Valid {
        judged.report.canary = None;
    }
    let keeping = output.keep || (judged.report.verdict() != Judgement::Valid && judged.report.replay.is_none());
    print!("{}", output.format().run(&judged.report, &judged.run.history)?);
    if keeping {
        // The verdict is out already: a full disk does not take it back.
        let replay = kept(plan, source, &judged, &output.reports).map_or_else(not_kept, |dir| replay_command(&dir));
        output.say(&format!("replay      {replay}"));
    }
    if output.recheck {
        recheck(plan, &judged, output, systems)?;
    }
    Ok((exit_of(&judged.report), judged.run))
}

/// The same plan once more must be the same run.
fn recheck(plan: &Plan, first: &Judged, output: &Output, systems: &Systems) -> Result<(), Failure> {
    let again = output.once(plan, systems)?;
    if again.run.digest == first.run.digest {
        return Ok(());
    }
    let parting = parting(&first.run.history, &again.run.history).unwrap_or_default();
    Err(Failure::NonDeterminism(format!(
        "seed {}: the same plan gave two runs, {} and {}; {parting}",
        plan.seed.as_deref().unwrap_or_default(),
        first.run.digest,
        again.run.digest,
    )))
}

/// Where two histories part, with both lines; `None` when they are the same.
pub(crate) fn parting(a: &[Entry], b: &[Entry]) -> Option<String> {
    if a == b {
        return None;
    }
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or_else(|| a.len().min(b.len()));
    let line = |history: &[Entry]| history.get(at).map_or("nothing more".to_string(), to_line);
    Some(format!("they part at entry {}:\n  {}\n  {}", at + 1, line(a), line(b)))
}

/// Keeps a run; where.
fn kept(plan: &Plan, source: Option<&str>, judged: &Judged, reports: &Path) -> Result<PathBuf, Failure> {
    let dir = place(&new_directory(reports)?, plan);
    keep(plan, source, judged, &dir).map(|()| dir)
}

fn not_kept(failure: Failure) -> String {
    format!("not kept: {}", failure.to_string().trim())
}

/// What a single run is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Whether it is what its scenario expects.
    AsExpected,
    /// Whether it is valid: somebody looks at a run again, whatever is expected of it.
    Valid,
}

/// The exit code of a single run.
fn exit_of(report: &RunReport) -> Exit {
    let ending = Ending::of(report);
    let canary = report.canary.as_deref();
    match (Meaning::of(ending, canary.map(|checker| report.violated().contains(&checker))), ending) {
        // Of a single run nobody knows whether another seed would have caught it.
        (Meaning::Met, _) if canary.is_some() => Exit::Violation,
        (Meaning::Met | Meaning::Caught, _) => Exit::Ok,
        (Meaning::Failed, Ending::Unknown) => Exit::Inconclusive,
        (Meaning::Failed, _) => Exit::Violation,
    }
}

#[derive(Default)]
struct Totals {
    /// By seed.
    records: BTreeMap<u64, Record>,
    /// The runs that were not what was hoped for, by seed: whether it was a violation, what that means
    /// for the exit code, and what to say.
    worst: BTreeMap<u64, (bool, Exit, String)>,
    failure: Option<Failure>,
}

fn many(scenario: &Scenario, source: &str, seeds: std::ops::Range<u64>, args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let runs = args.output.format().runs()?;
    // A canary must fail within a number of seeds; more of them prove nothing.
    let seeds = match scenario.expect {
        Expect::Valid => seeds,
        Expect::Violation { within_seeds, .. } => seeds.start..seeds.end.min(seeds.start.saturating_add(within_seeds)),
    };
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let totals = Mutex::new(Totals::default());
    let interrupted = crate::interrupt::interrupted();
    let worker = || {
        while !stop.load(Ordering::Relaxed) && !interrupted.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let ended = one_of_many(&plan(scenario, seed), source, seed, args, systems, (&totals, runs));
            if ended {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| (0..args.jobs).for_each(|_| drop(scope.spawn(worker))));

    let totals = totals.into_inner().expect("no worker panics under the lock");
    if let Some(failure) = totals.failure {
        return Err(failure);
    }
    let bites = matches!(scenario.expect, Expect::Violation { .. });
    // A violation outranks what could not be decided; then the lowest seed.
    let found = totals.worst.values().find(|(violation, ..)| *violation).or_else(|| totals.worst.values().next());
    if let Some((_, _, text)) = found {
        args.output.say(text);
    }
    let (asked, done) = (seeds.end - seeds.start, totals.records.len() as u64);
    let cut = interrupted.load(Ordering::Relaxed) && done < asked;
    let sweep = Sweep {
        selected: vec![selected(scenario, asked)],
        records: totals.records.into_values().collect(),
        cut_short: cut.then(|| "interrupted".to_string()),
        rechecked: if args.output.recheck { done } else { 0 },
    };
    if let Runs::Together(write) = runs {
        print!("{}", write(&sweep));
    }
    let happened = |event: &str| sweep.records.iter().any(|r| r.events.get(event).is_some_and(|n| *n > 0));
    let silent: Vec<&str> = scenario.sometimes.iter().map(|event| event.name()).filter(|event| !happened(event)).collect();
    if !silent.is_empty() {
        let few = if done >= 20 { "" } else { " (too few runs to judge by: 20 are needed)" };
        eprintln!("never happened in {done} runs, although the scenario says sometimes: {}{few}", silent.join(", "));
    }
    if cut {
        eprintln!("interrupted after {done} of {asked} runs");
    }
    Ok(match (bites, found) {
        (_, None) if cut => Exit::Interrupted,
        (false, None) => Exit::Ok,
        (_, Some((_, exit, _))) => *exit,
        (true, None) => {
            eprintln!("{}: a canary that did not fail within {asked} seeds", scenario.name);
            Exit::Violation
        }
    })
}

/// Runs one of many seeds. True when the others need not be run.
fn one_of_many(plan: &Plan, source: &str, seed: u64, args: &Args, systems: &Systems, (totals, runs): (&Mutex<Totals>, Runs)) -> bool {
    let output = &args.output;
    let judged = output.once(plan, systems).and_then(|judged| {
        if output.recheck {
            recheck(plan, &judged, output, systems)?;
        }
        Ok(judged)
    });
    let mut totals = totals.lock().expect("no worker panics under the lock");
    let judged = match judged {
        Ok(judged) => judged,
        Err(failure) => {
            eprintln!("seed {seed}:");
            totals.failure = Some(failure);
            return true;
        }
    };
    let report = &judged.report;
    let mut record = Record::of(report, report.canary.as_deref());
    if let Runs::Each(write) = runs {
        print!("{}", write(&record));
    }
    // A canary's search goes on until the checker that it names has found it.
    let (meaning, mut violation) = (record.meaning(), false);
    if meaning != Meaning::Met {
        violation = record.verdict != Ending::Unknown || meaning == Meaning::Caught;
        let kept = kept(plan, Some(source), &judged, &output.reports);
        record.kept = kept.as_ref().ok().map(|dir| dir.display().to_string());
        let cpu_s = totals.records.values().map(|r| r.cpu_s).sum::<f64>() + report.cpu_s;
        let (names, replay) = (report.violated().join(", "), kept.map_or_else(not_kept, |dir| replay_command(&dir)));
        let text = format!("seed {seed}: {} ({names}) after {cpu_s:.1} CPU-seconds\n  {replay}", report.verdict());
        totals.worst.insert(seed, (violation, exit_of(report), text));
    }
    totals.records.insert(seed, record);
    violation
}
