//! `squall sweep`: many seeds of many scenarios, a process for each; what is done is kept.

mod args;
mod item;
mod report;
mod running;
mod select;
mod state;

use crate::{Exit, Systems, artifacts::new_directory, failure::Failure, supervise::Limits};
pub(crate) use args::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use report::{exit, report, shrink_each};
use running::{Running, Stop, wall_s};
use select::Selection;
pub(crate) use select::{files, selected};
use state::{Asked, State};
use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicUsize},
};

/// Each run is planned ahead, in memory.
const SEEDS_MAX: u64 = 2_000_000;

/// How many seeds, when nobody says.
const COUNT: u64 = 20;

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let (asked, dir, mut state) = match &args.resume {
        Some(dir) => resume(dir, args)?,
        None => {
            let asked = ask(args, systems)?;
            let dir = new_directory(&args.reports)?;
            asked.save(&dir)?;
            (asked, dir.clone(), State::new(&dir)?)
        }
    };
    let selection = Selection::new(&asked, systems)?;
    state.count();
    if asked.seeds.1 - asked.seeds.0 > SEEDS_MAX {
        return Err(Failure::Usage(format!("a sweep has at most {SEEDS_MAX} seeds: give it parts")));
    }
    let items = selection.items(asked.seeds.0..asked.seeds.1, asked.shard);
    if items.is_empty() {
        eprintln!("nothing is selected: no scenario, no seed, or an empty part");
        return Ok(Exit::Nothing);
    }
    let interrupted = crate::interrupt::interrupted().clone();
    let plain = !std::io::stderr().is_terminal();
    let bar = ProgressBar::with_draw_target(
        Some(items.len() as u64),
        if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() },
    );
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {msg}, {eta} left").expect("a constant template"));
    let running = Running {
        items,
        selection: &selection,
        state: Mutex::new(state),
        next: AtomicUsize::new(0),
        interrupted,
        stop: Mutex::new(None),
        begun: wall_s(),
        limits: Limits { timeout: args.timeout, memory: args.memory_limit },
        recheck: args.recheck,
        max_fail: args.max_fail,
        time_budget: args.time_budget,
        dir: dir.clone(),
        bugs: asked.bugs.clone(),
        own: own_binary()?,
        bar,
        plain,
    };
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u64));
    let worked: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
        // What stops one stops all; what is done is reported all the same.
        let work = || running.work().inspect_err(|_| running.halt(Stop::Failed));
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let panicked = || Err(Failure::Run(squall_run::RunError::Harness("a worker of the sweep panicked".to_string())));
        workers.into_iter().map(|w| w.join().unwrap_or_else(|_| panicked())).collect()
    });
    running.bar.finish_and_clear();
    let stop = *running.stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let interrupted = running.interrupted.clone();
    let sweep = running.swept(stop);
    let reported = report(args, &sweep, &dir);
    worked.into_iter().collect::<Result<(), Failure>>()?;
    if args.shrink && stop != Some(Stop::Interrupt) {
        shrink_each(&sweep, systems, &interrupted);
    }
    let exit = exit(&sweep, stop, args.strict);
    // A verdict outranks a file that could not be written.
    match reported {
        Err(failure) if exit == Exit::Ok => Err(failure),
        Err(failure) => {
            eprint!("{failure}");
            Ok(exit)
        }
        Ok(()) => Ok(exit),
    }
}

/// This very program, even when the file that it was started from is replaced while the sweep goes on.
fn own_binary() -> Result<PathBuf, Failure> {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { Ok(link) } else { std::env::current_exe().map_err(Failure::io(Path::new("squall"))) }
}

fn ask(args: &Args, systems: &Systems) -> Result<Asked, Failure> {
    let seeds = match &args.seeds {
        Some(seeds) => seeds.clone(),
        None => {
            let first = args.seeds_from.as_deref().map_or(0, select::first_seed);
            first..first + args.count.unwrap_or(COUNT)
        }
    };
    let mut paths = if args.no_regressions { vec![] } else { select::regressions() };
    paths.extend(args.paths.iter().cloned());
    if args.bites {
        paths = bitten(&select::files(&args.paths)?, &args.reports.join("bites"), systems)?;
    }
    Asked::new(&select::files(&paths)?, seeds, args.shard, &args.bug)
}

/// Each scenario that says how it bites, with that change, in a file of its own.
fn bitten(files: &[PathBuf], dir: &Path, systems: &Systems) -> Result<Vec<PathBuf>, Failure> {
    fs::create_dir_all(dir).map_err(Failure::io(dir))?;
    let mut written = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).map_err(Failure::io(file))?;
        // Mistakes are told with their places.
        let scenario = squall_scenario::parse(&file.display().to_string(), &text, &systems.vocabulary())
            .map_err(|d| Failure::Scenario(Box::new(d)))?;
        let Some(bitten) = scenario.bitten else { continue };
        let path = dir.join(file.file_name().unwrap_or_default());
        fs::write(&path, bitten.to_yaml_text()).map_err(Failure::io(&path))?;
        written.push(path);
    }
    Ok(written)
}

fn resume(dir: &str, args: &Args) -> Result<(Asked, PathBuf, State), Failure> {
    if !args.paths.is_empty()
        || args.seeds.is_some()
        || args.count.is_some()
        || args.seeds_from.is_some()
        || args.shard.is_some()
        || args.no_regressions
        || !args.bug.is_empty()
    {
        let text = "--resume goes on with what was asked for then: give no scenarios, seeds, part or bugs beside it";
        return Err(Failure::Usage(text.to_string()));
    }
    let dir = if dir.is_empty() { args.reports.join("latest") } else { PathBuf::from(dir) };
    // The link may move on while this sweep goes on.
    let dir = match fs::read_link(&dir) {
        Ok(target) => dir.parent().unwrap_or(Path::new(".")).join(target),
        Err(_) => dir,
    };
    let asked = Asked::load(&dir)?;
    let state = State::open(&dir)?;
    Ok((asked, dir, state))
}
