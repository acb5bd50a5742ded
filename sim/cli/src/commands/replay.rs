//! `squall replay`: a plan, run again exactly.

use super::run::{Output, finish_one};
use crate::{Exit, Systems, failure::Failure, once::load};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The plan, or the report directory that holds it
    plan: PathBuf,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let path = if args.plan.is_dir() { args.plan.join("plan.yaml") } else { args.plan.clone() };
    let plan = load(&path, &[])?;
    if !plan.is_plan() {
        let text = format!(
            "{} is a scenario, not a plan: something is left to chance. `squall run` it, or `squall plan` it first",
            path.display()
        );
        return Err(Failure::Usage(text));
    }
    finish_one(&plan, systems, &args.output, Some(format!("squall replay {}", path.display())))
}
