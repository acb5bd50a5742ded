//! What a sweep prints, writes and shrinks once its runs are over, and its exit code.

use super::{args::Args, running::Stop};
use crate::{Exit, Systems, commands::shrink, failure::Failure};
use squall_report::{Ending, Format, Sweep};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Prints the report, and writes it where else it is asked for.
pub(super) fn report(args: &Args, sweep: &Sweep, dir: &Path) -> Result<(), Failure> {
    let format = match (args.wide, args.json) {
        (true, _) => Format::WIDE,
        (_, true) => Format::JSON,
        _ => args.format,
    };
    print!("{}", format.sweep(sweep)?);
    if format.for_people {
        println!("records: {}", dir.display());
    }
    if let Some(path) = &args.junit {
        fs::write(path, Format::JUNIT.sweep(sweep)?).map_err(Failure::io(path))?;
    }
    let on_a_runner = std::env::var("GITHUB_ACTIONS").is_ok_and(|v| v == "true");
    if args.github || on_a_runner {
        // Annotations are read from either stream; what programs read belongs on standard output alone. Nothing is annotated twice.
        match format {
            format if format.name == Format::GITHUB.name => {}
            format if format.for_people => print!("{}", Format::GITHUB.sweep(sweep)?),
            _ => eprint!("{}", Format::GITHUB.sweep(sweep)?),
        }
        if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") {
            let path = PathBuf::from(path);
            let append = |text: String| {
                fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&path)
                    .and_then(|mut f| std::io::Write::write_all(&mut f, text.as_bytes()))
            };
            append(Format::MARKDOWN.sweep(sweep)?).map_err(Failure::io(&path))?;
        }
    }
    Ok(())
}

/// Shrinks the cheapest failure of each kind, where there is one to shrink.
pub(super) fn shrink_each(sweep: &Sweep, systems: &Systems, interrupted: &Arc<AtomicBool>) {
    for group in sweep.groups() {
        if interrupted.load(Ordering::Relaxed) {
            return;
        }
        let Some(kept) = group.cheapest.kept.as_ref().filter(|_| group.cheapest.verdict == Ending::Invalid) else { continue };
        eprintln!("shrinking {kept}");
        let args = shrink::Args::of(PathBuf::from(kept));
        if let Err(failure) = shrink::shrink_until(&args, systems, interrupted) {
            eprint!("{failure}");
        }
    }
}

/// The worst verdict decides.
pub(super) fn exit(sweep: &Sweep, stop: Option<Stop>, strict: bool) -> Exit {
    if stop == Some(Stop::Interrupt) {
        return Exit::Interrupted;
    }
    if sweep.records.is_empty() {
        return Exit::Nothing;
    }
    match sweep.worst() {
        Some(Ending::NonDeterministic) => Exit::NonDeterminism,
        Some(Ending::Crashed | Ending::TimedOut | Ending::OutOfMemory) => Exit::Harness,
        Some(Ending::Invalid) => Exit::Violation,
        Some(Ending::Unknown) => Exit::Inconclusive,
        Some(Ending::Valid) | None if strict && !(sweep.vacuous().is_empty() && sweep.unfired_faults().is_empty()) => Exit::Inconclusive,
        Some(Ending::Valid) | None => Exit::Ok,
    }
}
