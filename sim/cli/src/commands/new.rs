//! `squall new`: a scenario to begin with.

use crate::{Exit, failure::Failure};
use std::{fs, io, path::PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where: scenarios/my-first.yaml. Its name becomes the scenario's
    path: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let stem = args.path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let plain = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain || args.path.extension().is_none_or(|e| e != "yaml") {
        let text = format!("{}: give a file such as my-first.yaml, named with letters, digits and dashes", args.path.display());
        return Err(Failure::Usage(text));
    }
    let text = TEMPLATE.replace("NAME", stem);
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&args.path);
    let written = file.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(Failure::io(&args.path))?;
    println!("{0}: edit it, `squall lint {0}`, `squall run {0}`", args.path.display());
    Ok(Exit::Ok)
}

const TEMPLATE: &str = include_str!("new.yaml");
