//! What the process says when it ends.

use std::process::ExitCode;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every run met its `expect`.
    Ok = 0,
    /// A violation, or a canary that did not fail.
    Violation = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Nothing was selected.
    Nothing = 3,
    /// It could not be decided.
    Inconclusive = 4,
    /// The same plan gave two different runs.
    NonDeterminism = 5,
    /// The scenario has mistakes.
    Scenario = 65,
    /// The harness itself failed.
    Harness = 70,
    /// It was interrupted; what was done is kept.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
