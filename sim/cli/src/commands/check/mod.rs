//! `squall check`: judges a history that somebody recorded, ours or another tool's.

mod limits;
mod render;
mod source;
mod values;

use crate::{
    Exit, Systems,
    failure::Failure,
    format::{EXPORTS, FormatOf},
    session::{peak_rss_mb, rss_mb},
};
use limits::{Guard, Limits, cpu};
use render::{head, tell};
use source::{Source, calls_of, is_ours, read};
use squall_history::{History, View};
use squall_judge::{Verdict, check_each};
use squall_linear::{
    Found, Initial, Isolation, Judged, MODELS, Options, Progress, RawHistory, Reads, Remark,
    formats::{self, Format as HistoryFormat},
};
use squall_report::{ByModel, CheckReport, Format, JudgedBy, Kind};
use squall_run::{AtOnce, OwnModel, Pack, StreamingVerdict};
use std::{
    cell::Cell,
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use values::{EXPLAIN, Explain, duration, explaining, initial, isolation, size};

#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// The history: ours (JSON lines), porcupine's or Jepsen's logs, EDN, or opaque JSON lines
    file: PathBuf,
    /// Whose history it is, of ours; without it, the first system's that knows its operations
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// What it is to be linearizable as (`squall list models`); without it every checker judges a history of ours
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What to print (`squall list formats`)
    #[arg(long, value_name = "NAME", default_value = "text", value_parser = FormatOf(Kind::Check))]
    format: &'static Format,
    /// Short for --format json: one object
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print an order of the calls that explains every answer, where there is one
    #[arg(long, requires = "model")]
    witness: bool,
    /// Stop when the process has taken this much CPU time, reading and explaining included: `10s`, `500ms`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time_limit: Option<Duration>,
    /// Stop when the process holds this much memory: `256MB`, `2GB`
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory_limit: Option<u64>,
    /// Values of an EDN history are `[key value]`, as of jepsen.independent
    #[arg(long)]
    independent: bool,
    /// A read of nil saw that nothing is there. (In EDN it says that nobody knows what there was, as in Knossos' models.)
    #[arg(long)]
    nil_is_seen: bool,
    /// What the object holds at first: a value (`0`), values by key (`x=0,y=0`), or `unknown`, for a part of a history
    #[arg(long, value_name = "VALUE", requires = "model", value_parser = initial)]
    initial: Option<Initial>,
    /// How far transactions are to be kept apart (models list-append and rw-register): `read-uncommitted`, `read-committed`,
    /// `snapshot-isolation`, `serializable`, `strong-session-serializable` (of single reads and
    /// writes: sequential consistency), `strict-serializable` (the default)
    #[arg(long, value_name = "LEVEL", requires = "model", value_parser = isolation)]
    isolation: Option<Isolation>,
    /// How much CPU time may go into a small counterexample, once the verdict is out: `0`, `10s`, or `full`, for as long as it takes
    /// [default: 2s]
    #[arg(long, value_name = "TIME", requires = "model", value_parser = explaining)]
    explain: Option<Explain>,
    /// Print the history itself, for other tools, and do not judge it
    #[arg(long, value_name = "FORMAT", value_parser = EXPORTS)]
    #[arg(conflicts_with_all = ["model", "format", "json", "nil_is_seen", "time_limit", "memory_limit"])]
    export: Option<String>,
}

impl Args {
    fn format(&self) -> &'static Format {
        if self.json { Format::JSON } else { self.format }
    }

    /// What `model` has found.
    fn found<'h>(&self, found: ByModel<'h>) -> CheckReport<'h> {
        CheckReport { file: self.file.display().to_string(), by: JudgedBy::Model(found) }
    }

    /// What checkers have found, and why others have not.
    fn checked<'h>(&self, verdicts: &'h [(&'static str, Verdict)], stopped: Option<&'h str>) -> CheckReport<'h> {
        CheckReport { file: self.file.display().to_string(), by: JudgedBy::Checkers { verdicts, stopped, cpu: cpu() } }
    }
}

/// What a model has found, of a history that is told of by number.
fn by_number<'h>(args: &'h Args, format: &'h str, judged: &'h Judged, (read, whole): (Duration, bool)) -> ByModel<'h> {
    let model = args.model.as_deref().unwrap_or("kv");
    let took = (read, cpu().saturating_sub(read));
    ByModel { model, format, judged, history: None, witness: args.witness, whole, took, peak_mb: peak_rss_mb() }
}

/// What is decided by now: for the last words, where a limit ends it before anybody asked.
enum SoFar {
    Reading,
    /// Nothing is found yet, or this is, and is being explained.
    Judging {
        format: &'static str,
        read: Duration,
        /// Whether events are positions in the system's own order.
        positions: bool,
        events: usize,
        found: Option<Judged>,
        /// Whether the history comes to its end.
        whole: bool,
    },
    Checkers(Vec<(&'static str, Verdict)>),
}

type Shared = Arc<Mutex<SoFar>>;

fn lock(so_far: &Shared) -> MutexGuard<'_, SoFar> {
    so_far.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    // Models that only histories of one system have.
    let own = || systems.all().iter().filter_map(|pack| pack.model());
    if let Some(model) = &args.model
        && !own().any(|own| own.name == model)
        && !MODELS.iter().any(|m| m.name == model)
    {
        let names: Vec<&str> = MODELS.iter().map(|m| m.name).chain(own().map(|own| own.name)).collect();
        return Err(Failure::Usage(format!("there is no model `{model}`; there are {}", names.join(", "))));
    }
    if let Some(named) = MODELS.iter().find(|m| Some(m.name) == args.model.as_deref()).filter(|m| args.initial.is_some() && !m.initial) {
        let which: Vec<&str> = MODELS.iter().filter(|m| m.initial).map(|m| m.name).collect();
        let text = format!("--initial: the model {} is empty at first; it is for {}", named.name, which.join(", "));
        return Err(Failure::Usage(text));
    }
    let own = own().find(|own| Some(own.name) == args.model.as_deref());
    if let Some(own) = own.filter(|_| args.initial.is_some()) {
        return Err(Failure::Usage(format!("--initial: the model {} begins with nothing", own.name)));
    }
    if args.initial == Some(Initial::Unknown) && !matches!(args.model.as_deref(), Some("register" | "cas-register")) {
        return Err(Failure::Usage("--initial unknown: it is for the models register and cas-register".into()));
    }
    // Nothing is accepted and then ignored.
    let judges_transactions = matches!(args.model.as_deref(), Some("list-append" | "rw-register"));
    if args.isolation.is_some() && !judges_transactions {
        return Err(Failure::Usage("--isolation: it is for the models list-append and rw-register".into()));
    }
    if judges_transactions && (args.nil_is_seen || args.explain.is_some()) {
        let why = "of transactions nil is the absent key, and the cycle is the explanation";
        return Err(Failure::Usage(format!("--nil-is-seen and --explain: {why}")));
    }
    if args.witness && args.model.as_deref() == Some("rw-register") {
        return Err(Failure::Usage("--witness: an order of rw-register is not known; what is told is what cannot be in any".into()));
    }
    if is_ours(&args.file)? && (args.independent || args.nil_is_seen) {
        let why = "they are for EDN; this is a history of ours, which says both by itself";
        return Err(Failure::Usage(format!("--independent and --nil-is-seen: {why}")));
    }
    if args.memory_limit.is_some() && rss_mb() == 0.0 {
        return Err(Failure::Usage("--memory-limit: this system does not tell how much memory a process holds".into()));
    }
    let so_far: Shared = Arc::new(Mutex::new(SoFar::Reading));
    let (last, of) = (Arc::clone(&so_far), args.clone());
    let limits = Limits { time: args.time_limit, memory: args.memory_limit };
    let guard = Guard::start(limits, move || report_limit(&of, &lock(&last)).unwrap_or_else(|failure| failure.exit()));
    // Long histories need not be kept whole, if they are as they should be.
    if let Some(at_once) = own.and_then(|own| own.at_once)
        && !args.witness
        && args.export.is_none()
        && is_ours(&args.file)?
        && let Some(exit) = in_one_go(args, at_once, &guard, &so_far)?
    {
        return Ok(exit);
    }
    let source = read(args, systems)?;
    let took = cpu();
    let exit = match (&source, &args.model, &args.export) {
        (_, _, Some(_)) => {
            guard.claim_output();
            match &source {
                Source::Ours(history, pack) => print!("{}", formats::write_edn(&calls_of(args, &**pack, &View::new(history))?)),
                Source::Other(_, history) => print!("{}", formats::write_edn(history)),
            }
            Exit::Ok
        }
        (Source::Ours(history, pack), None, _) => every_checker(args, history, &**pack, &guard, &so_far)?,
        (Source::Other(format, _), None, _) => {
            guard.claim_output();
            return Err(Failure::Usage(format!(
                "{}: --model says what this {} is to be linearizable as: `squall list models`",
                args.file.display(),
                format.name()
            )));
        }
        (Source::Ours(history, pack), Some(model), _) => {
            let view = View::new(history);
            let whole = view.ended();
            let own = own.filter(|own| pack.model().is_some_and(|of_pack| of_pack.name == own.name));
            let positions = own.is_some() && view.ops().iter().all(|op| op.output().is_none() || op.position.is_some());
            *lock(&so_far) = SoFar::Judging { format: "squall", read: took, positions, events: 0, found: None, whole };
            let (judged, calls) = if let Some(OwnModel { judge: decide, .. }) = own {
                let judged = judge(args, (Reads::NilIsSeen, &[]), &guard, &so_far, |options| Ok(decide(&view, options)))?;
                // What its calls are is wanted only where some are told of.
                let tells = match &judged.verdict {
                    Found::Not(_) | Found::Anomalies(_) => true,
                    Found::Linearizable(orders) => args.format().shows_calls() && !orders.is_empty(),
                    Found::Unknown(_) => false,
                };
                (judged, if tells { pack.calls(&view) } else { None })
            } else {
                let calls = calls_of(args, &**pack, &view)?;
                (judge(args, (Reads::NilIsSeen, &[]), &guard, &so_far, |options| by_model(args, model, &calls, options))?, Some(calls))
            };
            guard.claim_output();
            tell(args, &args.found(ByModel { history: calls.as_ref(), ..by_number(args, "squall", &judged, (took, whole)) }))?
        }
        (Source::Other(format, calls), Some(model), _) => {
            *lock(&so_far) = SoFar::Judging { format: format.name(), read: took, positions: false, events: 0, found: None, whole: true };
            let knossos = matches!(format, HistoryFormat::Edn | HistoryFormat::JepsenText)
                && calls.calls.iter().all(|c| c.key.is_none() || args.independent);
            let reads = if knossos && !args.nil_is_seen { Reads::NilIsUnknown } else { Reads::NilIsSeen };
            let judged = judge(args, (reads, &calls.remarks), &guard, &so_far, |options| by_model(args, model, calls, options))?;
            guard.claim_output();
            tell(args, &args.found(ByModel { history: Some(calls), ..by_number(args, format.name(), &judged, (took, true)) }))?
        }
    };
    // The process is about to end: giving back what a long history took, call by call, takes as long as judging it.
    std::mem::forget(source);
    Ok(exit)
}

/// A history of ours, judged while it is read. `None`: somebody else is to judge.
fn in_one_go(args: &Args, at_once: AtOnce, guard: &Guard, so_far: &Shared) -> Result<Option<Exit>, Failure> {
    let file = File::open(&args.file).map_err(Failure::io(&args.file))?;
    let mut read = Duration::ZERO;
    let mut is_read = || {
        read = cpu();
        *lock(so_far) = SoFar::Judging { format: "squall", read, positions: true, events: 0, found: None, whole: true };
    };
    let decided = at_once(file, &mut is_read, &mut |progress| asked(guard, so_far, progress)).map_err(Failure::io(&args.file))?;
    let Some(decided) = decided else { return Ok(None) };
    let (calls, verdict, ended) = match decided {
        StreamingVerdict::Valid { ops, ended } => (ops, Found::Linearizable(vec![]), ended),
        StreamingVerdict::Stopped { ops, at } => {
            (ops, Found::Unknown(format!("it was stopped at position {at}: every answer before that has an order")), true)
        }
        StreamingVerdict::Undecided => {
            *lock(so_far) = SoFar::Reading;
            return Ok(None);
        }
    };
    guard.claim_output();
    let judged = Judged { calls, keys: 1, verdict, remarks: vec![] };
    let exit = tell(args, &args.found(by_number(args, "squall", &judged, (read, ended))))?;
    Ok(Some(exit))
}

/// Whether the search may go on; and how far it came.
fn asked(guard: &Guard, so_far: &Shared, progress: Progress) -> bool {
    if let SoFar::Judging { events, .. } = &mut *lock(so_far) {
        *events = progress.events;
    }
    guard.may_go_on()
}

/// Judges within the limits.
fn judge(
    args: &Args,
    (reads, remarks): (Reads, &[Remark]),
    guard: &Guard,
    so_far: &Shared,
    by: impl FnOnce(&mut Options<'_>) -> Result<Judged, Failure>,
) -> Result<Judged, Failure> {
    let (since, explain) = (Cell::new(None), args.explain.unwrap_or(EXPLAIN));
    let watchdog = |progress: Progress| asked(guard, so_far, progress);
    let may_explain = |_| guard.may_go_on() && since.get().is_none_or(|since| cpu() - since < explain.time);
    let known = |judged: &Judged| {
        if let SoFar::Judging { found, .. } = &mut *lock(so_far) {
            *found = Some(judged.clone());
        }
        // Explaining holds back no verdict.
        if since.replace(Some(cpu())).is_none() && matches!(judged.verdict, Found::Not(_)) {
            // What cannot be told now is told in the end, or that it cannot.
            _ = head(args, &args.found(by_number(args, "", judged, (Duration::ZERO, true))));
        }
    };
    let mut options = Options {
        reads,
        initial: args.initial.clone().unwrap_or_default(),
        order: args.witness,
        isolation: args.isolation.unwrap_or_default(),
        explain: explain.effort,
        ..Options::with(watchdog, may_explain, known)
    };
    let mut judged = by(&mut options)?;
    judged.remarks.splice(0..0, remarks.iter().cloned());
    Ok(judged)
}

fn by_model(args: &Args, model: &str, history: &RawHistory, options: &mut Options<'_>) -> Result<Judged, Failure> {
    let named = MODELS.iter().find(|m| m.name == model).ok_or_else(|| {
        Failure::Usage(format!(
            "{}: the model {model} is for histories of its own system; register and append-kv are for others",
            args.file.display()
        ))
    })?;
    (named.judge)(history, options).map_err(|e| Failure::Usage(format!("{}: model {model}: {e}", args.file.display())))
}

/// Where a limit has ended it: what is decided by then.
fn report_limit(args: &Args, so_far: &SoFar) -> Result<Exit, Failure> {
    let limits = [
        args.time_limit.map(|limit| format!("--time-limit {}ms", limit.as_millis())),
        args.memory_limit.map(|limit| format!("--memory-limit {}MB", limit >> 20)),
    ];
    let stopped = format!("{} ended it", limits.into_iter().flatten().collect::<Vec<_>>().join(" or "));
    let unknown = |why: String| Judged { calls: 0, keys: 0, verdict: Found::Unknown(why), remarks: vec![] };
    match so_far {
        SoFar::Checkers(verdicts) => tell(args, &args.checked(verdicts, Some(&format!("{stopped}: the others have not judged")))),
        SoFar::Reading => {
            let why = format!("{stopped} while it was read: nothing is decided");
            match args.model {
                None => tell(args, &args.checked(&[], Some(&why))),
                Some(_) => tell(args, &args.found(by_number(args, "", &unknown(why), (cpu(), true)))),
            }
        }
        SoFar::Judging { format, read, positions, events, found, whole } => {
            let judged = found.clone().unwrap_or_else(|| {
                unknown(match events {
                    0 => format!("{stopped} before the first answer was decided"),
                    _ if *positions => format!("{stopped} at position {events}: every answer before that has an order"),
                    _ => format!("{stopped} when {events} events of the key at hand were decided"),
                })
            });
            tell(args, &args.found(by_number(args, format, &judged, (*read, *whole))))
        }
    }
}

/// Every checker that applies judges a history of ours.
fn every_checker(args: &Args, history: &History, pack: &dyn Pack, guard: &Guard, so_far: &Shared) -> Result<Exit, Failure> {
    *lock(so_far) = SoFar::Checkers(vec![]);
    for (name, judge) in check_each(&View::new(history), &[], pack.checkers()) {
        if !guard.may_go_on() {
            guard.claim_output();
            return report_limit(args, &lock(so_far));
        }
        let verdict = judge();
        if let SoFar::Checkers(verdicts) = &mut *lock(so_far) {
            verdicts.push((name, verdict));
        }
    }
    guard.claim_output();
    let SoFar::Checkers(verdicts) = &*lock(so_far) else { unreachable!("it was put there") };
    tell(args, &args.checked(verdicts, None))
}
