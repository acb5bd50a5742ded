//! How a client deals with refusals: it tries elsewhere while it is certain that nothing happened.

use crate::outcome::{Certainty, Refusals, classify};
use squall_env::{Env, LocalInstant};
use std::time::Duration;
use tonic::{Code, Status};

/// The pause before a refused operation is tried at the next node.
const RETRY: Duration = Duration::from_millis(25);

/// The nodes that a client may talk to, and which one it prefers.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// Whose turn it is.
    pub current: usize,
    /// How many there are.
    pub count: usize,
}

impl Endpoints {
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
pub async fn call_with_retries<E: Env, C, O, A>(
    client: &mut C,
    op: &O,
    may_write: bool,
    patience: Duration,
    refusals: &Refusals,
    endpoints: impl Fn(&mut C) -> &mut Endpoints,
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
            endpoints(client).rotate();
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

#[cfg(test)]
mod tests {
    use super::*;
    use squall_env::real::TokioEnv;

    const OURS: Refusals = Refusals {
        before_proposing: &[(Code::FailedPrecondition, "ours: not leader"), (Code::Unavailable, "ours: unhealthy")],
        own: "ours:",
        everywhere: |status| status.message() == "ours: unhealthy",
    };

    /// A client of three nodes, what it is told, in order, and whom it asked.
    struct Told {
        endpoints: Endpoints,
        answers: Vec<Result<u8, Status>>,
        asked: Vec<usize>,
    }

    /// How it ends, in a word, and whom it asked.
    async fn ends(may_write: bool, patience: Duration, answers: Vec<Result<u8, Status>>) -> (&'static str, Vec<usize>) {
        let mut client = Told { endpoints: Endpoints { current: 0, count: 3 }, answers, asked: vec![] };
        let attempt = async |client: &mut Told, _: &(), _| {
            client.asked.push(client.endpoints.current);
            if client.answers.len() > 1 { client.answers.remove(0) } else { client.answers[0].clone() }
        };
        let ended =
            call_with_retries::<TokioEnv, _, _, _>(&mut client, &(), may_write, patience, &OURS, |client| &mut client.endpoints, attempt)
                .await;
        let word = match ended {
            Ok(_) => "ok",
            Err(Unanswered::Failed(_)) => "failed",
            Err(Unanswered::Unknown(_)) => "unknown",
        };
        (word, client.asked)
    }

    #[tokio::test]
    async fn it_is_asked_again_only_while_it_is_certain_that_nothing_happened() {
        let (long, short) = (Duration::from_secs(10), Duration::from_millis(60));
        let not_leader = || Err(Status::failed_precondition("ours: not leader"));
        let reset = || Err(Status::unavailable("connection reset"));
        let of_the_past = || Err(Status::out_of_range("ours: the past is gone"));
        let unhealthy = || Err(Status::unavailable("ours: unhealthy"));
        for (may_write, patience, answers, word, asked) in [
            (true, long, vec![not_leader(), Ok(1)], "ok", vec![0, 1]),
            // Who was on the way to change something is not asked twice.
            (true, long, vec![reset(), Ok(1)], "unknown", vec![0]),
            (false, long, vec![reset(), Ok(1)], "ok", vec![0, 1]),
            // It would be refused again, and another node would say the same.
            (true, long, vec![of_the_past(), Ok(1)], "failed", vec![0]),
            (true, long, vec![unhealthy(), Ok(1)], "ok", vec![0, 0]),
            // All around, until time is up.
            (false, short, vec![reset()], "failed", vec![0, 1, 2]),
        ] {
            let (ended, whom) = ends(may_write, patience, answers).await;
            assert_eq!((ended, &whom[..asked.len().min(whom.len())]), (word, &asked[..]), "writes: {may_write}");
            assert!(whom.len() == asked.len() || patience == short, "{whom:?}");
        }
    }

    #[tokio::test]
    async fn who_had_too_little_time_is_asked_first_the_next_time() {
        let mut client = Told { endpoints: Endpoints { current: 1, count: 3 }, answers: vec![], asked: vec![] };
        let attempt = async |_: &mut Told, _: &(), left: Duration| -> Result<u8, Status> {
            // The first one takes most of the time.
            TokioEnv::sleep(left.mul_f64(0.7)).await;
            Err(Status::deadline_exceeded("no answer"))
        };
        let patience = Duration::from_millis(200);
        let ended =
            call_with_retries::<TokioEnv, _, _, _>(&mut client, &(), false, patience, &OURS, |client| &mut client.endpoints, attempt).await;
        assert!(matches!(ended, Err(Unanswered::Failed(_))));
        // The first one had all of it, and the second one too little.
        assert_eq!(client.endpoints.current, 2);
    }
}
