//! A sweep that is under way: its workers take one run after another, each in a process of its own.

use super::{
    item::Item,
    select::{Selection, first_seed},
    state::State,
};
use crate::{
    commands::run::parting,
    failure::Failure,
    supervise::{self, Ended, Limits},
};
use indicatif::ProgressBar;
use squall_history::{Dialect, read_jsonl};
use squall_report::{Canary, Ending, Meaning, Record, Sweep};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Why no more runs are started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Failures,
    Time,
    Interrupt,
    /// Something went wrong that is no run's fault.
    Failed,
}

/// What the workers share.
pub(super) struct Running<'s> {
    pub(super) items: Vec<Item>,
    pub(super) selection: &'s Selection,
    pub(super) state: Mutex<State>,
    pub(super) next: AtomicUsize,
    pub(super) interrupted: Arc<AtomicBool>,
    pub(super) stop: Mutex<Option<Stop>>,
    pub(super) begun: u64,
    pub(super) limits: Limits,
    pub(super) recheck: u64,
    pub(super) max_fail: u64,
    pub(super) time_budget: Option<Duration>,
    pub(super) dir: PathBuf,
    pub(super) bugs: Vec<String>,
    pub(super) own: PathBuf,
    pub(super) bar: ProgressBar,
    pub(super) plain: bool,
}

/// Seconds on a clock that only measures how long the sweep itself may go on.
pub(super) fn wall_s() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "a budget of wall-clock time is what it measures")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Running<'_> {
    /// Takes runs until there are none, or no more are to be started.
    pub(super) fn work(&self) -> Result<(), Failure> {
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

    /// No more runs are started; the first reason counts.
    pub(super) fn halt(&self, why: Stop) {
        self.stop.lock().expect("no panic under this lock").get_or_insert(why);
    }

    /// Runs one seed; `None` when the sweep was interrupted in the middle of it.
    fn one(&self, item: &Item) -> Result<Option<Record>, Failure> {
        // By a hash, so that no scenario is left out; and the first one always.
        let luck = first_seed(&format!("recheck {} {}", item.scenario, item.seed_text())) % 100;
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
        let output = supervise::run(&mut command, self.limits, &self.interrupted).map_err(Failure::io(&item.path))?;
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

    /// What was done.
    pub(super) fn swept(self, stop: Option<Stop>) -> Sweep {
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
