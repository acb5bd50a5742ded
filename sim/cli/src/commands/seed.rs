//! `squall seed`: one run of a sweep, in a process of its own. Not for people: it prints one record.

use crate::{
    Exit, Systems,
    artifacts::{keep, place},
    failure::Failure,
    session::{Loaded, load, run_once},
};
use squall_history::write_jsonl;
use squall_report::{Meaning, Record};
use squall_scenario::plan;
use std::{fs, io::Write as _, path::PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    scenario: PathBuf,
    /// Without it, the file is a plan
    #[arg(long)]
    seed: Option<u64>,
    #[arg(long)]
    bug: Vec<String>,
    /// Where the run is kept if it fails
    #[arg(long)]
    keep: Option<PathBuf>,
    /// End when standard input does: the sweep is gone then
    #[arg(long)]
    ends_with_parent: bool,
    /// Where the history goes
    #[arg(long)]
    history: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    if args.ends_with_parent {
        crate::supervise::end_with_parent();
    }
    let Loaded { scenario, source } = load(&args.scenario, &args.bug, systems)?;
    let plan = plan(&scenario, args.seed.unwrap_or(0));
    let judged = run_once(&plan, systems)?;
    if let Some(path) = &args.history {
        let mut file = std::io::BufWriter::new(fs::File::create(path).map_err(Failure::io(path))?);
        write_jsonl(&judged.run.history, &mut file).and_then(|()| file.flush()).map_err(Failure::io(path))?;
    }
    let mut record = Record::of(&judged.report, plan.expect.checker());
    // A canary's violation is what it is for.
    let worth_keeping = record.meaning() != Meaning::Met;
    if let Some(dir) = args.keep.as_ref().filter(|_| worth_keeping) {
        let dir = place(dir, &plan);
        // The verdict stands, whether it can be kept or not.
        match keep(&plan, Some(&source), &judged, &dir) {
            Ok(()) => record.kept = Some(dir.display().to_string()),
            Err(failure) => _ = record.reasons.insert("harness".to_string(), format!("not kept: {}", failure.to_string().trim())),
        }
    }
    println!("{}", record.to_line());
    Ok(Exit::Ok)
}
