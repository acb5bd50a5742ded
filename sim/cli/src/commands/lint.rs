//! `squall lint`: every mistake of every file, without running anything.

use crate::{Exit, Systems, commands::sweep::files, failure::Failure};
use serde_json::json;
use squall_scenario::parse;
use std::{fs, path::PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenarios, plans, or directories of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print JSON: one object a mistake
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let files = files(&args.paths)?;
    if files.is_empty() {
        eprintln!("nothing is selected: there is no .yaml in there");
        return Ok(Exit::Nothing);
    }
    let vocabulary = systems.vocabulary();
    let mut mistakes = 0;
    for file in &files {
        let source = fs::read(file).map_err(Failure::io(file))?;
        let source = String::from_utf8_lossy(&source);
        let name = file.display().to_string();
        let Err(diagnostics) = parse(&name, &source, &vocabulary) else { continue };
        mistakes += diagnostics.all.len();
        if !args.json {
            eprintln!("{diagnostics}");
            continue;
        }
        for d in &diagnostics.all {
            let (line, column) = d.position();
            let entry = json!({
                "format": 1, "file": file.display().to_string(), "line": line, "column": column, "length": d.length(), "message": d.message, "help": d.help,
            });
            println!("{entry}");
        }
    }
    if !args.json {
        let s = |n: usize| if n == 1 { "" } else { "s" };
        println!("{} file{}, {mistakes} mistake{}", files.len(), s(files.len()), s(mistakes));
    }
    Ok(if mistakes == 0 { Exit::Ok } else { Exit::Scenario })
}
