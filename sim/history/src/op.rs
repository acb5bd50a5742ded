//! What a client asks, and what it is told.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a client asks of the system under test.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// A linearizable read of one key.
    Get { key: String },
    /// Writes one key.
    Put { key: String, value: String },
    /// Writes `value` if the key holds `expect` (`None`: if the key is absent).
    Cas { key: String, expect: Option<String>, value: String },
}

impl Op {
    /// The key it is about.
    pub fn key(&self) -> &str {
        match self {
            Op::Get { key } | Op::Put { key, .. } | Op::Cas { key, .. } => key,
        }
    }

    /// What it would leave in its key, if it writes at all.
    pub fn writes(&self) -> Option<&str> {
        match self {
            Op::Get { .. } => None,
            Op::Put { value, .. } | Op::Cas { value, .. } => Some(value),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Get { key } => write!(f, "get {key}"),
            Op::Put { key, value } => write!(f, "put {key} = {value}"),
            Op::Cas { key, expect, value } => write!(f, "cas {key}: {} -> {value}", show(expect)),
        }
    }
}

fn show(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("(absent)")
}

/// What an operation that certainly happened answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The value read; `None`: the key is absent.
    Got { value: Option<String> },
    /// The write happened.
    Done,
    /// Whether the compare held, and so the write happened.
    Swapped { yes: bool },
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Got { value } => write!(f, "{}", show(value)),
            Output::Done => f.write_str("ok"),
            Output::Swapped { yes: true } => f.write_str("swapped"),
            Output::Swapped { yes: false } => f.write_str("not swapped"),
        }
    }
}

/// How an operation ended. The root of every verdict: which error is which is decided in one
/// function, `squall_rpc::outcome::classify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, between its invocation and its answer.
    Ok(Output),
    /// It certainly did not happen, and never will.
    Fail(String),
    /// Nobody knows; it may yet happen. Open to the end of the history.
    Info(String),
}
