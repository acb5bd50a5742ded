//! Failpoints: what happens to a process at a seam of its code.

use crate::Errno;
use std::{fmt, time::Duration};

/// What happens where a failpoint is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The process dies there.
    Kill,
    /// Its host loses power.
    PowerLoss,
    /// SIGSTOP, for this long.
    Pause(Duration),
    /// What comes next is this much later.
    Delay(Duration),
    /// What comes next fails.
    Error(Errno),
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strike::Kill => f.write_str("it is killed there"),
            Strike::PowerLoss => f.write_str("it loses power there"),
            Strike::Pause(lasts) => write!(f, "it is paused there for {lasts:?}"),
            Strike::Delay(by) => write!(f, "it is held up there by {by:?}"),
            Strike::Error(errno) => write!(f, "what comes next fails with {}", errno.name()),
        }
    }
}

/// A failpoint that is armed on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    /// Its name.
    pub point: String,
    /// What happens there.
    pub strike: Strike,
    /// How many passes go by before that.
    pub skip: u32,
    /// On how many passes it happens.
    pub times: u32,
    /// How much later a process that died there is started.
    pub restart_after: Option<Duration>,
}
