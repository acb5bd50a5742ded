//! `squall replay`: a plan, run again exactly.

use super::{
    run::{Asked, Output, finish_one, parting},
    shrink::{load_plan, plan_path},
};
use crate::{
    Exit, Systems,
    artifacts::{differs, digest_of},
    failure::Failure,
    session::run_once,
};
use squall_history::{History, SimTime};
use squall_run::{Pack, Run};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The plan, or the report directory that holds it
    plan: PathBuf,
    /// Stop there, and show each node's state and the open operations: 12.3s
    #[arg(long, value_parser = moment, conflicts_with_all = ["diff", "format", "json", "history", "recheck", "keep", "fail_fast"])]
    until: Option<Duration>,
    /// Another run (a report directory, a history, or a plan): show the first entry at which the two part
    #[arg(long, conflicts_with_all = ["format", "json", "history", "recheck", "keep", "fail_fast"])]
    diff: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

fn moment(text: &str) -> Result<Duration, String> {
    squall_scenario::parse_duration(text).ok_or_else(|| format!("`{text}` is not a moment such as 12.3s"))
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let path = plan_path(&args.plan);
    let plan = load_plan(&path, systems)?;
    let other_code = if args.plan.is_dir() { differs(&args.plan)? } else { None };
    if let Some(warning) = &other_code {
        eprintln!("warning: {warning}");
    }
    // What is compared with it is of the same system.
    let pack = systems.get(&plan.system)?;
    if let Some(until) = args.until {
        let judged = run_once(&plan, systems)?;
        // The run is the same whether it is stopped or not: it is cut off here.
        print!("{}", squall_report::state_at(&judged.run.history, SimTime(0) + until));
        return Ok(Exit::Ok);
    }
    if let Some(other) = &args.diff {
        let (ours, theirs) = (run_once(&plan, systems)?.run.history, history_of(other, &*pack, systems)?);
        return Ok(match parting(&ours, &theirs) {
            None => {
                println!("the same run, entry for entry");
                Exit::Ok
            }
            Some(parting) => {
                println!("{parting}");
                Exit::Violation
            }
        });
    }
    let mut another = None;
    let compare = |run: &Run| {
        let Some(kept) = args.plan.is_dir().then(|| digest_of(&args.plan)).flatten() else { return Ok(None) };
        if is_run_of(run, &kept, &args.plan, &*pack)? {
            return Ok(None);
        }
        another = Some(format!("this is not the run of {}: its digest was {}", args.plan.display(), kept.0));
        Ok(another.as_ref().map(|text| format!("ANOTHER RUN  {text}; what follows is about the plan as this code runs it")))
    };
    let replay = Some(squall_report::command(&format!("replay {}", path.display())));
    let (exit, _) = finish_one(&plan, None, systems, &args.output, replay, Asked::Valid, compare)?;
    match another {
        Some(text) if other_code.is_none() => Err(Failure::NonDeterminism(format!("{text}, and the code is the same"))),
        _ => Ok(exit),
    }
}

/// Whether a run is the one that was kept, as far as both of them go.
fn is_run_of(run: &Run, (digest, entries): &(String, Option<usize>), dir: &Path, pack: &dyn Pack) -> Result<bool, Failure> {
    Ok(match entries {
        // The kept one was stopped: it is the beginning of this one.
        Some(entries) if run.history.len() >= *entries => squall_history::digest_of(&run.history[..*entries]) == *digest,
        // This one was: the other way round.
        _ if run.stopped => kept_history(&dir.join("history.jsonl"), pack)?.starts_with(&run.history),
        Some(_) => false,
        None => run.digest == *digest,
    })
}

fn kept_history(path: &Path, pack: &dyn Pack) -> Result<History, Failure> {
    Systems::read_as(path, pack)?.map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

/// A history: of a report directory, of a file of JSON lines, or of a plan that is run for it.
fn history_of(path: &Path, pack: &dyn Pack, systems: &Systems) -> Result<History, Failure> {
    let kept = if path.is_dir() { path.join("history.jsonl") } else { path.to_path_buf() };
    if kept.extension().is_some_and(|e| e == "jsonl") && kept.exists() {
        return kept_history(&kept, pack);
    }
    Ok(run_once(&load_plan(&plan_path(path), systems)?, systems)?.run.history)
}
