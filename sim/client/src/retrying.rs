//! A client that tries elsewhere while it is certain that nothing happened.

use crate::{
    nodes::Nodes,
    refusal::{failure, words},
};
use squall_env::{Env, LocalInstant};
use squall_history::{Answer, Ask, Body, Failure, Op, Outcome};
use squall_rpc::{
    ChannelOptions, Refusals,
    outcome::{Certainty, classify},
};
use squall_run::{BoxFuture, Client, ClientContext, RealContext, SimEnv};
use std::{future::Future, time::Duration};
use tonic::{Code, Status};

/// The pause before a refused operation is tried at the next node.
const RETRY: Duration = Duration::from_millis(25);

/// How a service is asked.
pub trait Stub<E: Env>: Send + 'static {
    /// What is asked.
    type Ask: Ask;
    /// What is answered.
    type Answer: Body;

    /// How the service refuses what it has not begun.
    fn refusals(&self) -> &Refusals;

    /// Asks the node that is [preferred](Nodes::current), within the time that is left.
    fn attempt(
        &mut self,
        nodes: &Nodes<E>,
        ask: &Self::Ask,
        left: Duration,
    ) -> impl Future<Output = Result<Answer<Self::Answer>, Status>> + Send;

    /// What a refusal is, in a word that checkers and events may compare: gRPC's code, unless it says otherwise.
    fn failure(&self, status: &Status) -> Failure {
        failure(status)
    }

    /// It is asked nothing more.
    fn close(&mut self) {}
}

/// How an operation ended that was not answered.
#[derive(Debug)]
enum Unanswered {
    /// It certainly did not happen.
    Failed(Status),
    /// Nobody knows.
    Unknown(Status),
}

/// A client: nodes, how they are asked, and how long an operation may take.
pub struct Retrying<E: Env, S> {
    nodes: Nodes<E>,
    stub: S,
    op_timeout: Duration,
}

impl<S: Stub<SimEnv>> Retrying<SimEnv, S> {
    /// A client in the simulation.
    pub fn simulated(context: &ClientContext, options: &ChannelOptions, stub: S) -> Box<dyn Client> {
        let nodes = Nodes::new(&context.net, context.members.values().copied(), context.ordinal, options);
        Box::new(Retrying { nodes, stub, op_timeout: context.op_timeout })
    }
}

impl<E: Env, S: Stub<E>> Retrying<E, S> {
    /// A client of a cluster that really runs.
    pub fn real(net: &E::Net, context: &RealContext, options: &ChannelOptions, stub: S) -> Box<dyn Client> {
        let nodes = Nodes::new(net, context.endpoints.iter().copied(), context.ordinal, options);
        Box::new(Retrying { nodes, stub, op_timeout: context.op_timeout })
    }

    /// Asks until it is certain how the operation ended, or time is up.
    ///
    /// Of an operation that changes nothing it is certain that it changed nothing, whatever became of it.
    async fn persist(&mut self, ask: &S::Ask) -> Result<Answer<S::Answer>, Unanswered> {
        let patience = self.op_timeout + ask.max_duration();
        let deadline: LocalInstant = E::now() + patience;
        loop {
            let left = deadline.since(E::now());
            let status = match self.stub.attempt(&self.nodes, ask, left).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let refusals = self.stub.refusals();
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
                self.nodes.rotate();
            }
            if certainty == Certainty::Unknown && ask.may_write() {
                return Err(Unanswered::Unknown(status));
            }
            if E::now() + RETRY >= deadline {
                return Err(Unanswered::Failed(status));
            }
            E::sleep(RETRY).await;
        }
    }
}

impl<E: Env, S: Stub<E>> Client for Retrying<E, S> {
    fn call<'a>(&'a mut self, op: &'a Op) -> BoxFuture<'a, Outcome> {
        let ask: &S::Ask = op.get().expect("clients of a service are asked what its workloads ask");
        Box::pin(async move {
            match self.persist(ask).await {
                Ok(answer) => Outcome::Ok(answer).untyped(),
                Err(Unanswered::Failed(status)) => Outcome::Fail(self.stub.failure(&status)),
                Err(Unanswered::Unknown(status)) => Outcome::Info(words(&status)),
            }
        })
    }

    fn close(&mut self) {
        self.stub.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use squall_env::real::{RealNet, TokioEnv};
    use std::fmt;

    const OURS: Refusals = Refusals {
        before_proposing: &[(Code::FailedPrecondition, "ours: not leader"), (Code::Unavailable, "ours: unhealthy")],
        own: "ours:",
        everywhere: |status| status.message() == "ours: unhealthy",
    };

    /// Whether it may write.
    #[derive(Clone, Debug, PartialEq, Serialize)]
    struct Question(bool);

    impl fmt::Display for Question {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl Ask for Question {
        fn verb(&self) -> &'static str {
            "ask"
        }

        fn may_write(&self) -> bool {
            self.0
        }
    }

    /// What it is told, in order, and whom it asked.
    struct Told {
        answers: Vec<Result<u8, Status>>,
        asked: Vec<usize>,
        /// Of the time that is left, how much an attempt takes.
        takes: f64,
    }

    impl Stub<TokioEnv> for Told {
        type Ask = Question;
        type Answer = u8;

        fn refusals(&self) -> &Refusals {
            &OURS
        }

        async fn attempt(&mut self, nodes: &Nodes<TokioEnv>, _ask: &Question, left: Duration) -> Result<Answer<u8>, Status> {
            self.asked.push(nodes.position());
            TokioEnv::sleep(left.mul_f64(self.takes)).await;
            let output = if self.answers.len() > 1 { self.answers.remove(0) } else { self.answers[0].clone() }?;
            Ok(Answer { output, position: None })
        }
    }

    /// A client of three nodes that are never dialled.
    fn client(ordinal: u32, op_timeout: Duration, takes: f64, answers: Vec<Result<u8, Status>>) -> Retrying<TokioEnv, Told> {
        let nodes = (1..=3).map(|port| ([127, 0, 0, 1], port).into());
        let nodes = Nodes::new(&RealNet, nodes, ordinal, &ChannelOptions::default());
        Retrying { nodes, stub: Told { answers, asked: vec![], takes }, op_timeout }
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
            let mut client = client(0, patience, 0.0, answers);
            let ended = match client.persist(&Question(may_write)).await {
                Ok(_) => "ok",
                Err(Unanswered::Failed(_)) => "failed",
                Err(Unanswered::Unknown(_)) => "unknown",
            };
            let whom = client.stub.asked;
            assert_eq!((ended, &whom[..asked.len().min(whom.len())]), (word, &asked[..]), "writes: {may_write}");
            assert!(whom.len() == asked.len() || patience == short, "{whom:?}");
        }
    }

    #[tokio::test]
    async fn who_had_too_little_time_is_asked_first_the_next_time() {
        // The first one takes most of the time.
        let mut client = client(1, Duration::from_millis(200), 0.7, vec![Err(Status::deadline_exceeded("no answer"))]);
        assert!(matches!(client.persist(&Question(false)).await, Err(Unanswered::Failed(_))));
        // The first one had all of it, and the second one too little.
        assert_eq!(client.nodes.position(), 2);
    }
}
