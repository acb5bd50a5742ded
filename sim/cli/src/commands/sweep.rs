//! `squall sweep`: many seeds of many scenarios, a process for each; what is done is kept.

mod item;
mod select;
mod state;

use crate::{
    Exit, Systems,
    commands::run::{parse_seeds, parting},
    failure::Failure,
    format::FormatOf,
    keep::new_directory,
    process::{self, Ended, Limits},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use item::Item;
use select::Selection;
pub(crate) use select::{files, selected};
use squall_history::{Dialect, read_jsonl};
use squall_report::{Canary, Ending, Format, Kind, Meaning, Record, Sweep};
use state::{Asked, State};
use std::{
    collections::BTreeMap,
    fs,
    io::IsTerminal,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenarios, plans, or directories of them
    #[arg(required_unless_present = "resume")]
    paths: Vec<PathBuf>,
    /// These seeds: A..B, B excluded
    #[arg(long, value_parser = parse_seeds, conflicts_with_all = ["count", "seeds_from"])]
    seeds: Option<Range<u64>>,
    /// So many seeds (20), from 0 on, or from where --seeds-from says
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    count: Option<u64>,
    /// Where the seeds begin: any text, such as a commit's hash or a date
    #[arg(long)]
    seeds_from: Option<String>,
    /// How many runs side by side (the number of cores)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: Option<u64>,
    /// Stop after so many failures
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    max_fail: u64,
    /// Start no more runs after this time: 30m
    #[arg(long, value_parser = duration)]
    time_budget: Option<Duration>,
    /// The i-th of n equal parts: 1/4
    #[arg(long, value_parser = shard)]
    shard: Option<(u64, u64)>,
    /// Make this share of the runs twice, and compare
    #[arg(long, default_value = "5%", value_parser = percent)]
    recheck: u64,
    /// The longest that one run may take, wall-clock
    #[arg(long, default_value = "5m", value_parser = duration)]
    timeout: Duration,
    /// The most memory that one run may take: 2GiB
    #[arg(long, default_value = "2GiB", value_parser = memory)]
    memory_limit: u64,
    /// Where failures are kept
    #[arg(long, default_value = "reports")]
    reports: PathBuf,
    /// Go on with an interrupted sweep: its directory (the latest)
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    resume: Option<String>,
    /// Do not run scenarios/regressions first
    #[arg(long)]
    no_regressions: bool,
    /// Switch a planted bug on (may be given again)
    #[arg(long)]
    bug: Vec<String>,
    /// Run scenarios with the change under which they say that they bite: each must fail
    #[arg(long, conflicts_with = "resume")]
    bites: bool,
    /// What to print (`squall list formats`)
    #[arg(long, value_name = "NAME", default_value = "text", value_parser = FormatOf(Kind::Sweep))]
    format: &'static Format,
    /// Short for --format wide: more columns
    #[arg(long, conflicts_with_all = ["format", "json"])]
    wide: bool,
    /// Short for --format json: one object for the sweep
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write JUnit XML to this file, too
    #[arg(long)]
    junit: Option<PathBuf>,
    /// Print GitHub annotations, too, and append to the job's summary (as on a GitHub runner)
    #[arg(long)]
    github: bool,
    /// Shrink the cheapest failure of each kind
    #[arg(long)]
    shrink: bool,
    /// What never happened, although a scenario says sometimes, and faults that never fired, are exit code 4
    #[arg(long)]
    strict: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    squall_scenario::parse_duration(text).ok_or_else(|| format!("`{text}` is not a duration such as 90s or 30m"))
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let parse = || {
        let (i, n) = text.split_once('/')?;
        let (i, n): (u64, u64) = (i.parse().ok()?, n.parse().ok()?);
        (1 <= i && i <= n).then_some((i, n))
    };
    parse().ok_or_else(|| format!("`{text}` is not a part such as 1/4"))
}

fn percent(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('%').and_then(|n| n.parse().ok()).filter(|n| *n <= 100);
    number.ok_or_else(|| format!("`{text}` is not a share such as 5%"))
}

fn memory(text: &str) -> Result<u64, String> {
    let scaled = |unit: &str, shift: u32| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(1 << shift);
    let bytes = scaled("MiB", 20).or_else(|| scaled("GiB", 30)).filter(|bytes| *bytes >= 16 << 20);
    bytes.ok_or_else(|| format!("`{text}` is not an amount of memory such as 2GiB or 500MiB (at least 16MiB)"))
}

/// Each run is planned ahead, in memory.
const SEEDS_MAX: u64 = 2_000_000;

/// How many seeds, when nobody says.
const COUNT: u64 = 20;

/// Why no more runs are started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Failures,
    Time,
    Interrupt,
    /// Something went wrong that is no run's fault.
    Failed,
}

struct Running<'s> {
    items: Vec<Item>,
    selection: &'s Selection,
    state: Mutex<State>,
    next: AtomicUsize,
    interrupted: Arc<AtomicBool>,
    stop: Mutex<Option<Stop>>,
    begun: u64,
    limits: Limits,
    recheck: u64,
    max_fail: u64,
    time_budget: Option<Duration>,
    dir: PathBuf,
    bugs: Vec<String>,
    own: PathBuf,
    bar: ProgressBar,
    plain: bool,
}

/// Seconds on a clock that only measures how long the sweep itself may go on.
fn wall_s() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "a budget of wall-clock time is what it measures")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

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

impl Running<'_> {
    fn work(&self) -> Result<(), Failure> {
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                self.halt(Stop::Interrupt);
            }
            if self.time_budget.is_some_and(|budget| wall_s().saturating_sub(self.begun) >= budget.as_secs().max(1)) {
                self.halt(Stop::Time);
            }
            if self.stop.lock().expect("no panic under this lock").is_some() {
                return Ok(());
            }
            let Some(item) = self.items.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
            {
                let state = self.state.lock().expect("no panic under this lock");
                // A canary needs to fail once.
                if state.has(item) || (item.canary.is_some() && state.canary_has_failed(&item.scenario)) {
                    continue;
                }
            }
            if let Some(record) = self.one(item)? {
                self.took(item, record)?;
            }
        }
    }

    fn halt(&self, why: Stop) {
        self.stop.lock().expect("no panic under this lock").get_or_insert(why);
    }

    /// Runs one seed; `None` when the sweep was interrupted in the middle of it.
    fn one(&self, item: &Item) -> Result<Option<Record>, Failure> {
        // By a hash, so that no scenario is left out; and the first one always.
        let luck = select::first_seed(&format!("recheck {} {}", item.scenario, item.seed_text())) % 100;
        let twice = self.recheck > 0 && (item.index == 0 || luck < self.recheck);
        let (first, second) = (self.dir.join(format!(".a-{}.jsonl", item.index)), self.dir.join(format!(".b-{}.jsonl", item.index)));
        let Some(mut record) = self.child(item, twice.then_some(&first))? else { return Ok(None) };
        if twice && !record.digest.is_empty() {
            let again = self.child(item, Some(&second))?;
            match again {
                Some(again) if again.digest == record.digest => {}
                // It came to no verdict the second time: what it says of itself counts, unless the first
                // run has found something worse.
                Some(again) if again.digest.is_empty() => {
                    if record.verdict == Ending::Valid {
                        record = again;
                    }
                }
                Some(again) => record = self.differ(item, record, &again, [&first, &second]),
                None => {
                    let _ = (fs::remove_file(&first), fs::remove_file(&second));
                    return Ok(None);
                }
            }
            self.state.lock().expect("no panic under this lock").rechecked += 1;
        }
        let _ = (fs::remove_file(&first), fs::remove_file(&second));
        Ok(Some(record))
    }

    /// The record of a plan that gave two runs: both traces are kept, and what the first one found.
    fn differ(&self, item: &Item, first: Record, again: &Record, traces: [&PathBuf; 2]) -> Record {
        let kept = self.dir.join(&item.scenario).join(format!("{}-twice", item.seed_text()));
        let moved = fs::create_dir_all(&kept)
            .and_then(|()| fs::rename(traces[0], kept.join("a.jsonl")))
            .and_then(|()| fs::rename(traces[1], kept.join("b.jsonl")));
        let parting = match moved {
            Ok(()) => two_traces(&kept).unwrap_or_else(|e| e),
            Err(e) => format!("the traces could not be kept: {e}"),
        };
        let why = format!("the same plan gave two runs, {} and {}; {parting}", first.digest, again.digest);
        let mut record = Record::of_no_run(&item.scenario, &item.seed_text(), Ending::NonDeterministic, why);
        record.reasons.extend(first.reasons);
        record.canary = first.canary;
        record.kept = Some(kept.display().to_string());
        record
    }

    fn child(&self, item: &Item, history: Option<&PathBuf>) -> Result<Option<Record>, Failure> {
        let mut command = Command::new(&self.own);
        command.arg("seed").arg(&item.path).arg("--ends-with-parent").arg("--keep").arg(&self.dir);
        if let Some(seed) = item.seed {
            command.arg("--seed").arg(seed.to_string());
        }
        self.bugs.iter().for_each(|bug| _ = command.args(["--bug", bug]));
        if let Some(history) = history {
            command.arg("--history").arg(history);
        }
        let output = process::run(&mut command, self.limits, &self.interrupted).map_err(Failure::io(&item.path))?;
        let canary = item.canary.clone().map(|checker| Canary { checker, caught: false });
        let none = |ending, why: String| {
            Some(Record { canary: canary.clone(), ..Record::of_no_run(&item.scenario, &item.seed_text(), ending, why) })
        };
        Ok(match output.ended {
            Ended::Interrupted => None,
            Ended::TimedOut => none(Ending::TimedOut, format!("it took longer than {:?}", self.limits.timeout)),
            Ended::OutOfMemory => none(Ending::OutOfMemory, format!("it took more than {} MiB", self.limits.memory >> 20)),
            Ended::Signal => none(Ending::Crashed, format!("its process died by a signal: {}", output.stderr.trim())),
            Ended::Exit(0) => match serde_json::from_str(output.stdout.trim()) {
                Ok(record) => Some(record),
                Err(e) => none(Ending::Crashed, format!("its process said nothing that makes sense: {e}: {}", output.stderr.trim())),
            },
            Ended::Exit(code) => none(Ending::Crashed, format!("its process ended with exit code {code}: {}", output.stderr.trim())),
        })
    }

    fn took(&self, item: &Item, record: Record) -> Result<(), Failure> {
        let mut state = self.state.lock().expect("no panic under this lock");
        if record.meaning() == Meaning::Failed {
            let text = format!(
                "{} seed {}: {} ({})",
                item.scenario,
                item.seed_text(),
                record.verdict.word(),
                record.fingerprint.as_deref().unwrap_or("-")
            );
            if self.plain { eprintln!("{text}") } else { self.bar.println(text) }
        }
        state.add(record)?;
        let (done, failures) = (state.records.len(), state.failures);
        self.bar.set_position(done as u64);
        self.bar.set_message(format!("{failures} failed"));
        // A line for every twentieth part of the work is enough for a log.
        if self.plain && done.is_multiple_of((self.items.len() / 20).max(10)) {
            eprintln!("{done}/{} runs, {failures} failed", self.items.len());
        }
        if failures as u64 >= self.max_fail {
            drop(state);
            self.halt(Stop::Failures);
        }
        Ok(())
    }

    fn swept(self, stop: Option<Stop>) -> Sweep {
        let state = self.state.into_inner().expect("no panic under this lock");
        let cut_short = stop.map(|why| {
            match why {
                Stop::Failures => "as many failures as --max-fail allows",
                Stop::Time => "the time budget is spent",
                Stop::Interrupt => "interrupted; --resume goes on",
                Stop::Failed => "something went wrong with the sweep itself",
            }
            .to_string()
        });
        let mut records = state.records;
        let places: BTreeMap<(String, String), usize> =
            self.items.iter().map(|item| ((item.scenario.clone(), item.seed_text()), item.index)).collect();
        records.sort_by_cached_key(|r| places.get(&(r.scenario.clone(), r.seed.clone())).copied().unwrap_or(usize::MAX));
        Sweep { selected: self.selection.selected(&self.items), records, cut_short, rechecked: state.rechecked }
    }
}

/// Where two traces of one plan part.
fn two_traces(dir: &Path) -> Result<String, String> {
    let read = |name: &str| {
        let file = fs::File::open(dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
        read_jsonl(std::io::BufReader::new(file), Dialect::UNTYPED).map_err(|e| format!("{name}: {e}"))
    };
    Ok(parting(&read("a.jsonl")?, &read("b.jsonl")?).unwrap_or_default())
}

fn report(args: &Args, sweep: &Sweep, dir: &Path) -> Result<(), Failure> {
    let format = match (args.wide, args.json) {
        (true, _) => Format::WIDE,
        (_, true) => Format::JSON,
        _ => args.format,
    };
    print!("{}", format.sweep(sweep)?);
    if format.for_people {
        println!("records: {}", dir.display());
    }
    if let Some(path) = &args.junit {
        fs::write(path, Format::JUNIT.sweep(sweep)?).map_err(Failure::io(path))?;
    }
    let on_a_runner = std::env::var("GITHUB_ACTIONS").is_ok_and(|v| v == "true");
    if args.github || on_a_runner {
        // Annotations are read from either stream; what programs read belongs on standard output alone. Nothing is annotated twice.
        match format {
            format if format.name == Format::GITHUB.name => {}
            format if format.for_people => print!("{}", Format::GITHUB.sweep(sweep)?),
            _ => eprint!("{}", Format::GITHUB.sweep(sweep)?),
        }
        if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") {
            let path = PathBuf::from(path);
            let append = |text: String| {
                fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&path)
                    .and_then(|mut f| std::io::Write::write_all(&mut f, text.as_bytes()))
            };
            append(Format::MARKDOWN.sweep(sweep)?).map_err(Failure::io(&path))?;
        }
    }
    Ok(())
}

/// Shrinks the cheapest failure of each kind, where there is one to shrink.
fn shrink_each(sweep: &Sweep, systems: &Systems, interrupted: &Arc<AtomicBool>) {
    for group in sweep.groups() {
        if interrupted.load(Ordering::Relaxed) {
            return;
        }
        let Some(kept) = group.cheapest.kept.as_ref().filter(|_| group.cheapest.verdict == Ending::Invalid) else { continue };
        eprintln!("shrinking {kept}");
        let args = crate::commands::shrink::Args::of(PathBuf::from(kept));
        if let Err(failure) = crate::commands::shrink::shrink_until(&args, systems, interrupted) {
            eprint!("{failure}");
        }
    }
}

fn exit(sweep: &Sweep, stop: Option<Stop>, strict: bool) -> Exit {
    if stop == Some(Stop::Interrupt) {
        return Exit::Interrupted;
    }
    if sweep.records.is_empty() {
        return Exit::Nothing;
    }
    match sweep.worst() {
        Some(Ending::NonDeterministic) => Exit::NonDeterminism,
        Some(Ending::Crashed | Ending::TimedOut | Ending::OutOfMemory) => Exit::Harness,
        Some(Ending::Invalid) => Exit::Violation,
        Some(Ending::Unknown) => Exit::Inconclusive,
        Some(Ending::Valid) | None if strict && !(sweep.vacuous().is_empty() && sweep.unfired_faults().is_empty()) => Exit::Inconclusive,
        Some(Ending::Valid) | None => Exit::Ok,
    }
}
