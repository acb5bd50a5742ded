//! `squall plan`: what a seed makes of a scenario.

use crate::{Exit, Systems, failure::Failure, session::load};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The scenario
    scenario: PathBuf,
    /// The seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Switch a planted bug on (may be given again)
    #[arg(long)]
    bug: Vec<String>,
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let scenario = load(&args.scenario, &args.bug, systems)?.scenario;
    print!("{}", squall_scenario::plan(&scenario, args.seed).to_yaml_text());
    Ok(Exit::Ok)
}
