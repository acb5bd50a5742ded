//! `squall new`: a scenario to begin with.

use crate::{Exit, Systems, failure::Failure};
use std::{fs, io, path::PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where: scenarios/my-first.yaml. Its name becomes the scenario's
    path: PathBuf,
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let stem = args.path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let plain = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain || args.path.extension().is_none_or(|e| e != "yaml") {
        let text = format!("{}: give a file such as my-first.yaml, named with letters, digits and dashes", args.path.display());
        return Err(Failure::Usage(text));
    }
    // Of the system that is meant where none is named.
    let Some((pack, workload)) = systems.all().first().and_then(|pack| Some((pack, pack.workloads().first()?))) else {
        return Err(Failure::Usage("there is no system whose clients ask anything".to_string()));
    };
    let (who, target) = if pack.gives().leaders { ("the leader", "leader") } else { ("a node", "one") };
    let mut text = TEMPLATE.to_string();
    for (place, by) in [("NAME", stem), ("WORKLOAD", workload.example), ("WHO", who), ("TARGET", target)] {
        text = text.replace(place, by);
    }
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&args.path);
    let written = file.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(Failure::io(&args.path))?;
    println!("{0}: edit it, `{1} lint {0}`, `{1} run {0}`", args.path.display(), squall_report::program());
    Ok(Exit::Ok)
}

const TEMPLATE: &str = include_str!("new.yaml");
