//! How a client deals with refusals: try elsewhere while it is certain that nothing happened.

use crate::refusals::{failure, words};
use squall_env::{Env, LocalInstant};
use squall_history::{Answer, Op, Outcome};
use squall_rpc::outcome::{Certainty, classify};
use std::time::Duration;
use tonic::{Code, Status};

/// The pause before a refused operation is tried at the next node.
const RETRY: Duration = Duration::from_millis(25);

/// The nodes that a client may talk to, and which one it prefers.
pub(crate) struct Turns {
    pub(crate) current: usize,
    pub(crate) count: usize,
}

impl Turns {
    /// The next node.
    pub(crate) fn rotate(&mut self) {
        self.current = (self.current + 1) % self.count;
    }
}

/// Asks until it is certain how the operation ended, or time is up.
///
/// `attempt` asks the node whose turn it is, within the time left.
pub(crate) async fn persist<E: Env, C>(
    client: &mut C,
    op: &Op,
    patience: Duration,
    turns: impl Fn(&mut C) -> &mut Turns,
    attempt: impl AsyncFn(&mut C, &Op, Duration) -> Result<Answer, Status>,
) -> Outcome {
    let deadline: LocalInstant = E::now() + patience;
    loop {
        let left = deadline.since(E::now());
        let status = match attempt(client, op, left).await {
            Ok(answer) => return Outcome::Ok(answer),
            Err(status) => status,
        };
        // Asked again, it would be refused again.
        if matches!(status.code(), Code::OutOfRange | Code::InvalidArgument | Code::NotFound | Code::Unimplemented)
            && classify(&status) == Certainty::Definite
        {
            return Outcome::Fail(failure(&status));
        }
        // Whoever had too little time left to answer is asked first the next time: with many dead nodes before it,
        // it would never have its turn.
        let had_no_time = status.code() == Code::DeadlineExceeded && left * 2 < patience;
        // A node that says why it refuses is there, and another one would say the same.
        let said_no = status.message() == "etcdserver: unhealthy cluster"
            || (status.code() == Code::FailedPrecondition && status.message() != "etcdserver: not leader");
        if !had_no_time && !said_no {
            turns(client).rotate();
        }
        // A read that failed changed nothing, whatever became of it.
        let certain = classify(&status) == Certainty::Definite || !op.may_write();
        if !certain {
            return Outcome::Info(words(&status));
        }
        if E::now() + RETRY >= deadline {
            return Outcome::Fail(failure(&status));
        }
        E::sleep(RETRY).await;
    }
}
