//! `squall keep`: a failing plan becomes a regression, which every sweep runs first.

use crate::{
    Exit, Systems,
    artifacts::COMMIT,
    commands::shrink::{load_plan, wanted},
    failure::Failure,
    session::run_once,
};
use squall_scenario::Expect;
use std::{fs, path::PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A report directory (its plan.min.yaml, or else its plan.yaml), or a plan
    plan: PathBuf,
    /// What the regression is called (the scenario's name and seed)
    #[arg(long)]
    name: Option<String>,
    /// Where regressions are kept
    #[arg(long, default_value = "scenarios/regressions")]
    into: PathBuf,
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let path = match args.plan.is_dir() {
        false => args.plan.clone(),
        true => ["plan.min.yaml", "plan.yaml"]
            .map(|name| args.plan.join(name))
            .into_iter()
            .find(|p| p.exists())
            .ok_or_else(|| Failure::Usage(format!("{} holds neither plan.min.yaml nor plan.yaml", args.plan.display())))?,
    };
    let plan = load_plan(&path, systems)?;
    let name = args.name.clone().unwrap_or_else(|| format!("{}-{}", plan.name, plan.seed.as_deref().unwrap_or("plan")));
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(Failure::Usage(format!("`{name}` is not a name of letters, digits and dashes")));
    }
    let (old, seed) = (plan.name.clone(), plan.seed.clone().unwrap_or_default());
    let Some((wanted, _)) = wanted(&plan, &run_once(&plan, systems)?) else {
        return Err(Failure::Usage(format!("{} does not fail: there is nothing to keep", path.display())));
    };
    let mut plan = plan.into_scenario();
    plan.name.clone_from(&name);
    // With a planted bug it must go on failing; without one it must not fail again.
    plan.expect = match plan.bugs.is_empty() {
        true => Expect::Valid,
        false => Expect::Violation { checker: wanted.checker.to_string(), within_seeds: 1 },
    };
    let source = fs::read_to_string(&path).map_err(Failure::io(&path))?;
    let comments: String = source.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let text = format!("{comments}# Kept from `{old}`, seed {seed}, found at commit {COMMIT}.\n{}", plan.to_yaml_text());
    fs::create_dir_all(&args.into).map_err(Failure::io(&args.into))?;
    let out = args.into.join(format!("{name}.yaml"));
    if out.exists() {
        return Err(Failure::Usage(format!("{} exists: give another --name", out.display())));
    }
    fs::write(&out, text).map_err(Failure::io(&out))?;
    println!("{}: every sweep runs it first", out.display());
    Ok(Exit::Ok)
}
