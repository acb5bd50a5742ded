//! etcd's `hasleader: true` (its Go client's `WithRequireLeader`): whoever sends that is refused, and whose stream stands is let go,
//! while nobody leads.

use super::replica::{Replica, no_leader};
use futures_util::{Stream, StreamExt, stream};
use squall_env::{Env, timeout};
use std::pin::Pin;
use tonic::{Request, Status, metadata::MetadataMap};

/// As etcd: a stream stands for so many election timeouts without a leader.
const PATIENCE: u32 = 3;

pub(crate) fn asks(metadata: &MetadataMap) -> bool {
    metadata.get("hasleader").is_some_and(|value| value == "true")
}

/// What every service looks at first.
pub(crate) fn refuse_without_leader<E: Env>(
    replica: &Replica<E>,
) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<E> {
    let replica = replica.clone();
    move |request| match asks(request.metadata()) && replica.served_leader().is_none() {
        true => Err(no_leader()),
        false => Ok(request),
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// These answers, until nobody has led for a while.
pub(crate) fn while_led<E: Env, T: Send + 'static>(answers: Answers<T>, replica: Replica<E>) -> Answers<T> {
    let led = stream::unfold(Some((answers, 0)), move |standing| {
        let replica = replica.clone();
        async move {
            let (mut answers, mut without) = standing?;
            loop {
                match timeout::<E, _>(replica.leaderless, answers.next()).await {
                    Ok(answer) => return answer.map(|answer| (answer, Some((answers, without)))),
                    Err(_) if replica.served_leader().is_some() => without = 0,
                    Err(_) if without + 1 == PATIENCE => return Some((Err(no_leader()), None)),
                    Err(_) => without += 1,
                }
            }
        }
    });
    Box::pin(led)
}
