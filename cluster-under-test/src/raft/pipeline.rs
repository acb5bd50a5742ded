//! Replication to one peer: a pipelined stream of appends.

use super::{
    convert::{append_reply_from, append_to},
    types::Types,
    wire::{Again, Wire, failed, open_wire},
};
use crate::pb::raft::{self as pb, raft_client::RaftClient};
use futures_util::{Stream, StreamExt};
use openraft::{
    errors::RPCError,
    raft::{AppendEntriesRequest, StreamAppendResult},
};
use squall_env::{Env, LocalInstant};
use squall_rpc::Channel;
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};
use tokio::sync::mpsc;
use tonic::Status;

/// One replication stream.
///
/// It owns openraft's `input` and polls it in its own `next`, so that dropping the stream drops the
/// input at once: a transport task that still held it would take requests meant for the next stream.
/// It awaits the first request before it dials, since openraft's backoff is slept inside `input`.
pub(super) struct Pipeline<E: Env, S> {
    pub(super) client: RaftClient<Channel<E>>,
    pub(super) again: Again<E>,
    pub(super) patience: Duration,
    pub(super) depth: usize,
    /// `None` once it ended.
    pub(super) input: Option<S>,
    pub(super) wire: Option<Wire>,
    /// When each unanswered request was sent.
    pub(super) sent_at: VecDeque<LocalInstant>,
    pub(super) over: bool,
}

enum Step<E: Env> {
    Request(Option<AppendEntriesRequest<Types<E>>>),
    Reply(Result<Option<pb::AppendReply>, Status>),
    TooLong,
}

impl<E: Env, S> Pipeline<E, S>
where
    S: Stream<Item = AppendEntriesRequest<Types<E>>> + Unpin,
{
    /// The next answer; `None` once nothing more comes.
    pub(super) async fn next(&mut self) -> Option<Result<StreamAppendResult<Types<E>>, RPCError<Types<E>>>> {
        if self.over {
            return None;
        }
        if self.wire.is_none() {
            let first = self.input.as_mut()?.next().await?;
            if let Err(error) = self.open(append_to::<E>(&first)).await {
                self.over = true;
                return Some(Err(error));
            }
        }
        loop {
            match self.step().await {
                Step::Request(Some(request)) => {
                    self.sent_at.push_back(E::now());
                    let wire = self.wire.as_ref().expect("a pipeline that steps has its wire");
                    self.again.append(append_to::<E>(&request), self.patience);
                    // The channel holds a whole pipeline, so this waits for nobody.
                    if wire.requests.send(append_to::<E>(&request)).await.is_err() {
                        self.over = true;
                        return Some(Err(failed::<E>(Status::unavailable("the stream ended"))));
                    }
                }
                Step::Request(None) => {
                    self.input = None;
                    // The server sees the end of the stream, answers what is left, and ends its own.
                    if let Some(wire) = &mut self.wire {
                        wire.requests = mpsc::channel(1).0;
                    }
                }
                Step::Reply(Ok(Some(reply))) => {
                    self.sent_at.pop_front();
                    let result = append_reply_from::<E>(&reply).map_err(failed::<E>);
                    self.over = !matches!(result, Ok(Ok(_)));
                    return Some(result);
                }
                Step::Reply(Ok(None)) => {
                    self.over = true;
                    let unanswered = !self.sent_at.is_empty();
                    return unanswered.then(|| Err(failed::<E>(Status::unavailable("the stream ended without an answer"))));
                }
                Step::Reply(Err(status)) => {
                    self.over = true;
                    return Some(Err(failed::<E>(status)));
                }
                Step::TooLong => {
                    self.over = true;
                    return Some(Err(failed::<E>(Status::deadline_exceeded("an append was not answered in time"))));
                }
            }
        }
    }

    async fn open(&mut self, first: pb::AppendRequest) -> Result<(), RPCError<Types<E>>> {
        self.sent_at.push_back(E::now());
        self.wire = Some(open_wire::<E>(&mut self.client, first, self.patience).await?);
        Ok(())
    }

    /// Whatever comes first: an answer, another request while the pipeline has room, or impatience.
    async fn step(&mut self) -> Step<E> {
        let mut impatience = self.sent_at.front().map(|sent| E::sleep_until(*sent + self.patience));
        poll_fn(|cx| {
            let wire = self.wire.as_mut().expect("a pipeline that steps has its wire");
            if let Poll::Ready(reply) = wire.replies.poll_next_unpin(cx) {
                return Poll::Ready(Step::Reply(reply.transpose()));
            }
            if self.sent_at.len() < self.depth
                && let Some(input) = &mut self.input
                && let Poll::Ready(request) = input.poll_next_unpin(cx)
            {
                return Poll::Ready(Step::Request(request));
            }
            if let Some(sleep) = &mut impatience {
                return Pin::new(sleep).poll(cx).map(|()| Step::TooLong);
            }
            Poll::Pending
        })
        .await
    }
}
