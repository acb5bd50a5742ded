//! How a client deals with refusals: it tries elsewhere while it is certain that nothing happened.

use crate::outcome::{Certainty, Refusals, classify};
use squall_env::{Env, LocalInstant};
use std::time::Duration;
use tonic::{Code, Status};

/// The pause before a refused operation is tried at the next node.
const RETRY: Duration = Duration::from_millis(25);

/// The nodes that a client may talk to, and which one it prefers.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// Whose turn it is.
    pub current: usize,
    /// How many there are.
    pub count: usize,
}

impl Turns {
    /// The next node.
    fn rotate(&mut self) {
        self.current = (self.current + 1) % self.count;
    }
}

/// How an operation ended that was not answered.
#[derive(Debug)]
pub enum Unanswered {
    /// It certainly did not happen.
    Failed(Status),
    /// Nobody knows.
    Unknown(Status),
}

/// Asks until it is certain how the operation ended, or time is up.
///
/// `attempt` asks the node whose turn it is, within the time left. Of an operation that changes nothing it is certain that it changed
/// nothing, whatever became of it.
///
/// # Errors
/// How it ended, if it was not answered.
pub async fn persist<E: Env, C, O, A>(
    client: &mut C,
    op: &O,
    may_write: bool,
    patience: Duration,
    refusals: &Refusals,
    turns: impl Fn(&mut C) -> &mut Turns,
    attempt: impl AsyncFn(&mut C, &O, Duration) -> Result<A, Status>,
) -> Result<A, Unanswered> {
    let deadline: LocalInstant = E::now() + patience;
    loop {
        let left = deadline.since(E::now());
        let status = match attempt(client, op, left).await {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        let certainty = classify(&status, refusals);
        // Asked again, it would be refused again.
        if matches!(status.code(), Code::OutOfRange | Code::InvalidArgument | Code::NotFound | Code::Unimplemented)
            && certainty == Certainty::Definite
        {
            return Err(Unanswered::Failed(status));
        }
        // Whoever had too little time left to answer is asked first the next time: with many dead nodes before it,
        // it would never have its turn.
        let had_no_time = status.code() == Code::DeadlineExceeded && left * 2 < patience;
        if !had_no_time && !(refusals.everywhere)(&status) {
            turns(client).rotate();
        }
        if certainty == Certainty::Unknown && may_write {
            return Err(Unanswered::Unknown(status));
        }
        if E::now() + RETRY >= deadline {
            return Err(Unanswered::Failed(status));
        }
        E::sleep(RETRY).await;
    }
}
