//! `squall seed`: one run of a sweep, in a process of its own. Not for people: it prints one record.

use crate::{
    Exit, Systems,
    commands::run::met,
    failure::Failure,
    keep::{keep, place},
    once::{Loaded, load, run_once},
};
use squall_history::write_jsonl;
use squall_report::{Ending, Record};
use squall_scenario::{Expect, plan};
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
    /// Where the history goes
    #[arg(long)]
    history: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let Loaded { scenario, source } = load(&args.scenario, &args.bug, systems)?;
    let plan = plan(&scenario, args.seed.unwrap_or(0));
    let judged = run_once(&plan, systems)?;
    if let Some(path) = &args.history {
        let mut file = std::io::BufWriter::new(fs::File::create(path).map_err(Failure::io(path))?);
        write_jsonl(&judged.run.history, &mut file).and_then(|()| file.flush()).map_err(Failure::io(path))?;
    }
    let mut record = Record::of(&judged.report, met(&plan.expect, &judged) == Exit::Ok);
    let worth_keeping = match plan.expect {
        Expect::Valid => record.verdict != Ending::Valid,
        // What a canary is for.
        Expect::Violation { .. } => record.met,
    };
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
