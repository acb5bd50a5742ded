//! Why a command could not do its work.

use crate::Exit;
use squall_run::RunError;
use squall_scenario::Diagnostics;
use std::{fmt, io, path::Path};

/// A command's failure: said once, on stderr, with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A file could not be read or written.
    Io(String, io::Error),
    /// The scenario has mistakes.
    Scenario(Box<Diagnostics>),
    /// The arguments do not fit together.
    Usage(String),
    /// The same plan gave two runs.
    NonDeterminism(String),
    /// The run did not come about.
    Run(RunError),
}

impl Failure {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
        move |e| Failure::Io(path.display().to_string(), e)
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Io(..) | Failure::Usage(_) => Exit::Usage,
            Failure::NonDeterminism(_) => Exit::NonDeterminism,
            Failure::Scenario(_) | Failure::Run(RunError::NoSuchBug { .. }) => Exit::Scenario,
            Failure::Run(RunError::Harness(_)) => Exit::Harness,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(path, e) => writeln!(f, "error: {path}: {e}"),
            Failure::Scenario(diagnostics) => diagnostics.fmt(f),
            Failure::Usage(text) | Failure::NonDeterminism(text) => writeln!(f, "error: {text}"),
            Failure::Run(e) => writeln!(f, "error: {e}"),
        }
    }
}

impl From<RunError> for Failure {
    fn from(e: RunError) -> Failure {
        Failure::Run(e)
    }
}
