//! How operations end.

use crate::{Body, Output};

/// An answer, and its position in the system's own order of all changes, where it tells of one:
/// for a change, that of itself; else that of the last one that it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<A = Output> {
    /// What was answered.
    pub output: A,
    /// At which position.
    pub position: Option<u64>,
}

/// How an operation ended. The root of every verdict: which error is which is decided in one
/// function, `squall_rpc::outcome::classify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<A = Output> {
    /// It happened, between its invocation and its answer.
    Ok(Answer<A>),
    /// It certainly did not happen, and never will.
    Fail(Failure),
    /// Nobody knows; it may yet happen. Open to the end of the history.
    Info(String),
}

/// Why an operation certainly did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A word that checkers and events may compare: every client has its own, beside those that are constants here.
    pub code: &'static str,
    /// In the words of whoever refused it.
    pub why: String,
}

impl Failure {
    /// A disk is full.
    pub const NO_SPACE: &'static str = "no-space";
}

impl<A: Body> Outcome<A> {
    /// As everybody carries it.
    pub fn untyped(self) -> Outcome {
        match self {
            Outcome::Ok(Answer { output, position }) => Outcome::Ok(Answer { output: Output::new(output), position }),
            Outcome::Fail(failure) => Outcome::Fail(failure),
            Outcome::Info(why) => Outcome::Info(why),
        }
    }
}
