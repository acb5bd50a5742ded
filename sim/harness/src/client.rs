//! Clients of a service of one's own: each asks one node; one after the other is tried while it is certain that nothing happened.

use crate::operation::{Answer, Asked, Operation, Told};
use squall_history::{Failure, Op, Outcome};
use squall_host::outside;
use squall_run::{BoxFuture, Client as RunClient};
use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};

/// The pause before a refused operation is tried at the next node.
const RETRY: Duration = Duration::from_millis(25);

/// Asks one node.
pub trait Client: Send + 'static {
    /// What is asked.
    type Op: Operation;
    /// What is answered.
    type Answer: Answer;

    /// Asks, and says how it ended. When time is up it is dropped: nobody knows then what became of it.
    fn call(&mut self, op: &Self::Op) -> impl Future<Output = Result<Self::Answer, Unanswered>> + Send;
}

/// How an operation ended that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It certainly did not happen, and never will: why. It is tried at the next node.
    Refused(String),
    /// It may have happened, or happen yet: why.
    Unknown(String),
}

impl Unanswered {
    /// It certainly did not happen.
    pub fn refused(why: impl ToString) -> Unanswered {
        Unanswered::Refused(why.to_string())
    }

    /// Nobody knows.
    pub fn unknown(why: impl ToString) -> Unanswered {
        Unanswered::Unknown(why.to_string())
    }
}

/// Whether no connection came to be: whatever was to be sent over it was not.
fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        next = error.source();
    }
    false
}

impl From<std::io::Error> for Unanswered {
    /// Unknown, but for a connection that was refused.
    fn from(error: std::io::Error) -> Unanswered {
        if never_connected(&error) { Unanswered::refused(error) } else { Unanswered::unknown(error) }
    }
}

#[cfg(feature = "tonic")]
impl From<tonic::Status> for Unanswered {
    /// Unknown, but for a connection that was refused. What a service itself refuses before it begins is [`Unanswered::refused`]: only
    /// its author knows by which codes.
    fn from(status: tonic::Status) -> Unanswered {
        let why = format!("{:?}: {}", status.code(), status.message());
        if never_connected(&status) { Unanswered::Refused(why) } else { Unanswered::Unknown(why) }
    }
}

/// Makes clients.
pub(crate) trait Makes<O: Operation, A: Answer>: Send + Sync {
    /// What a client does, until nobody asks any more: on a tokio runtime of its own.
    fn life(&self, nodes: Vec<SocketAddr>, first: usize, patience: Duration, asked: Questions<O, A>) -> BoxFuture<'static, ()>;
}

pub(crate) struct Making<F>(pub(crate) F);

impl<F, C> Makes<C::Op, C::Answer> for Making<F>
where
    C: Client,
    F: Fn(SocketAddr) -> C + Send + Sync,
{
    fn life(
        &self,
        nodes: Vec<SocketAddr>,
        first: usize,
        patience: Duration,
        mut asked: Questions<C::Op, C::Answer>,
    ) -> BoxFuture<'static, ()> {
        let mut clients: Vec<C> = nodes.into_iter().map(&self.0).collect();
        let mut current = first % clients.len();
        Box::pin(async move {
            while let Some((op, tell)) = outside(asked.recv()).await {
                let outcome = persist(&mut clients, &mut current, &op, patience).await;
                outside(async { drop(tell.send(outcome)) }).await;
            }
        })
    }
}

/// Asks until it is certain how the operation ended, or time is up.
#[allow(clippy::disallowed_methods, reason = "timers of the client's own runtime: simulated, or of a client that really runs")]
async fn persist<C: Client>(clients: &mut [C], current: &mut usize, op: &C::Op, patience: Duration) -> Outcome<Told<C::Answer>> {
    let deadline = Instant::now() + patience;
    loop {
        let unanswered = match timeout_at(deadline, clients[*current].call(op)).await {
            Ok(Ok(answer)) => return Outcome::Ok(squall_history::Answer { output: Told(answer), position: None }),
            Ok(Err(unanswered)) => unanswered,
            Err(_) => Unanswered::unknown("no answer in time"),
        };
        *current = (*current + 1) % clients.len();
        let why = match unanswered {
            Unanswered::Unknown(why) if !op.is_read() => return Outcome::Info(why),
            Unanswered::Unknown(why) | Unanswered::Refused(why) => why,
        };
        if Instant::now() + RETRY >= deadline {
            return Outcome::Fail(Failure { code: "refused", why });
        }
        sleep(RETRY).await;
    }
}

/// What a client is asked, and where it answers.
pub(crate) type Questions<O, A> = mpsc::UnboundedReceiver<(O, oneshot::Sender<Outcome<Told<A>>>)>;

/// Hands operations over to a client that lives elsewhere.
pub(crate) struct Handing<O, A>(mpsc::UnboundedSender<(O, oneshot::Sender<Outcome<Told<A>>>)>);

impl<O: Operation, A: Answer> Handing<O, A> {
    /// It, and the life that it hands over to.
    pub(crate) fn to(
        makes: &Arc<dyn Makes<O, A>>,
        nodes: Vec<SocketAddr>,
        ordinal: u32,
        patience: Duration,
    ) -> (Handing<O, A>, impl Future<Output = ()> + Send + 'static) {
        let (ask, asked) = mpsc::unbounded_channel();
        let makes = makes.clone();
        (Handing(ask), async move { makes.life(nodes, ordinal as usize, patience, asked).await })
    }
}

impl<O: Operation, A: Answer> RunClient for Handing<O, A> {
    fn call<'a>(&'a mut self, op: &'a Op) -> BoxFuture<'a, Outcome> {
        let op: &Asked<O> = op.get().expect("clients of a service are asked what its workloads ask");
        let (tell, told) = oneshot::channel();
        let sent = self.0.send((op.0.clone(), tell));
        Box::pin(async move {
            let ended = || Outcome::Info("the client has ended".to_string());
            if sent.is_err() {
                return ended();
            }
            told.await.map_or_else(|_| ended(), Outcome::untyped)
        })
    }
}
