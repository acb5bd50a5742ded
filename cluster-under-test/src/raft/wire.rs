//! The transport to one peer: a stream of appends, what failed on it, and a second connection for what is sent twice.

use super::{convert::append_from, types::Types};
use crate::{
    member::request,
    pb::raft::{self as pb, raft_client::RaftClient},
};
use futures_util::{Stream, StreamExt, stream};
use openraft::{
    errors::{NetworkError, RPCError, Unreachable},
    raft::AppendEntriesRequest,
};
use squall_env::Env;
use squall_rpc::Channel;
use std::{future::Future, net::SocketAddr, time::Duration};
use tokio::sync::mpsc;
use tonic::{Code, Status};

/// How many append requests may be unanswered on one stream.
pub(super) const PIPELINE: usize = 16;

/// Another connection to a peer, over which a request may go once more: all of Raft's may happen twice.
pub(super) struct Again<E: Env> {
    pub(super) addr: SocketAddr,
    pub(super) client: RaftClient<Channel<E>>,
}

impl<E: Env> Clone for Again<E> {
    fn clone(&self) -> Self {
        Again { addr: self.addr, client: self.client.clone() }
    }
}

impl<E: Env> Again<E> {
    /// Sends it, if the world says so; nobody waits for the answer.
    pub(super) fn maybe<F>(&self, send: impl FnOnce(RaftClient<Channel<E>>) -> F)
    where
        F: Future + Send + 'static,
    {
        if E::sends_twice(self.addr) {
            let sending = send(self.client.clone());
            drop(E::spawn(async move { drop(sending.await) }));
        }
    }

    /// Sends an append, if the world says so.
    pub(super) fn append(&self, rpc: pb::AppendRequest, limit: Duration) {
        self.maybe(|mut client| async move { client.append_once(request(rpc, limit)).await.map(drop) });
    }
}

/// A stream of appends, and of what they are answered with.
pub(super) struct Wire {
    pub(super) requests: mpsc::Sender<pb::AppendRequest>,
    pub(super) replies: tonic::Streaming<pb::AppendReply>,
}

/// Opens a stream of appends with its first request.
pub(super) async fn open_wire<E: Env>(
    client: &mut RaftClient<Channel<E>>,
    first: pb::AppendRequest,
    limit: Duration,
) -> Result<Wire, RPCError<Types<E>>> {
    let (requests, mut outgoing) = mpsc::channel(PIPELINE + 1);
    requests.try_send(first).map_err(|_| failed::<E>(Status::internal("an empty channel is full")))?;
    let outgoing = stream::poll_fn(move |cx| outgoing.poll_recv(cx));
    let replies = client.append(request(outgoing, limit)).await.map_err(failed::<E>)?.into_inner();
    Ok(Wire { requests, replies })
}

/// What openraft is told of it.
pub(super) fn failed<E: Env>(status: Status) -> RPCError<Types<E>> {
    let text = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        // Nothing to talk to: openraft backs off.
        Code::Unavailable => RPCError::Unreachable(Unreachable::from_string(text)),
        _ => RPCError::Network(NetworkError::from_string(text)),
    }
}

/// What a stream of requests from a leader decodes to; it ends at the first one that is broken.
pub(super) fn decoded<E: Env>(
    requests: tonic::Streaming<pb::AppendRequest>,
) -> impl Stream<Item = AppendEntriesRequest<Types<E>>> + Send + 'static {
    requests.map(|r| r.and_then(append_from::<E>)).take_while(|r| std::future::ready(r.is_ok())).filter_map(|r| std::future::ready(r.ok()))
}
