//! openraft's network: Raft's messages as gRPC calls over long-lived channels.
//!
//! One channel a peer is shared by replication, heartbeats, votes and snapshots; HTTP/2 keeps their
//! streams apart. Replication is a pipelined bidirectional stream.

use super::{
    convert::{
        SnapshotMeta, Vote, append_reply_from, append_to, meta_to, transfer_reply_from, transfer_to, vote_from, vote_reply_from,
        vote_request_to, vote_to,
    },
    pipeline::Pipeline,
    types::Types,
    wire::{Again, PIPELINE, Wire, failed, open_wire},
};
use crate::Bug;
use crate::{
    member::{channel_options, peer_addr, request},
    pb::raft::{self as pb, raft_client::RaftClient},
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use openraft::{
    BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError},
    network::{RPCOption, stream_append_sequential},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
    type_config::alias::SnapshotOf,
};
use squall_env::{Env, timeout};
use squall_rpc::Channel;
use std::{
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    task::Poll,
    time::Duration,
};
use tonic::Status;

/// A snapshot travels in pieces of this size.
const CHUNK: usize = 64 << 10;

/// How long somebody waits who has no deadline.
const FOR_EVER: Duration = Duration::from_secs(86_400);

/// Makes the clients for every peer.
pub(crate) struct Peers<E: Env> {
    net: E::Net,
    cluster_id: u64,
    /// How long an append may go unanswered before its stream is given up.
    patience: Duration,
    /// By address: a member may move. The second part tells the planted bug's.
    channels: BTreeMap<(SocketAddr, bool), Channel<E>>,
    /// For what is sent twice; nothing is dialled before that.
    twins: BTreeMap<SocketAddr, Channel<E>>,
}

impl<E: Env> Peers<E> {
    pub(crate) fn new(net: E::Net, cluster_id: u64, patience: Duration) -> Self {
        Peers { net, cluster_id, patience, channels: BTreeMap::new(), twins: BTreeMap::new() }
    }

    fn peer(&mut self, node: &BasicNode, heartbeat: bool) -> Peer<E> {
        // The planted bug has a connection of its own, or the heartbeats on it would find out its death.
        let endless = E::bug(Bug::RpcWithoutDeadline) && !heartbeat;
        let addr = peer_addr(&node.addr).expect("a member's address is checked before it is one");
        let channel = self.channels.entry((addr, endless)).or_insert_with(|| {
            let mut options = channel_options(self.cluster_id, Duration::from_secs(2));
            if endless {
                options.ping_after = FOR_EVER;
            }
            Channel::new(self.net.clone(), addr, options)
        });
        let (patience, pipeline) = if endless { (FOR_EVER, 1) } else { (self.patience, PIPELINE) };
        let client = RaftClient::new(channel.clone());
        let options = || channel_options(self.cluster_id, Duration::from_secs(2));
        let twin = self.twins.entry(addr).or_insert_with(|| Channel::new(self.net.clone(), addr, options())).clone();
        let again = Again { addr, client: RaftClient::new(twin) };
        Peer { client, again, patience, pipeline, heartbeat, beat: None }
    }
}

impl<E: Env> RaftNetworkFactory<Types<E>> for Peers<E> {
    type Network = Peer<E>;

    async fn new_client(&mut self, _target: u64, node: &BasicNode) -> Peer<E> {
        self.peer(node, false)
    }

    async fn new_heartbeat_client(&mut self, _target: u64, node: &BasicNode) -> Peer<E> {
        self.peer(node, true)
    }
}

/// One peer, for one purpose.
pub(crate) struct Peer<E: Env> {
    client: RaftClient<Channel<E>>,
    again: Again<E>,
    patience: Duration,
    /// How many append requests may be unanswered.
    pipeline: usize,
    /// Whether it sends heartbeats, and nothing else.
    heartbeat: bool,
    /// The heartbeats' stream: one for many of them, since a stream of its own for each (headers,
    /// routing, a task) costs four times as much, and every linearizable read asks for a round.
    beat: Option<Wire>,
}

impl<E: Env> Peer<E> {
    /// One heartbeat over the stream that stands, or a new one. Whatever goes wrong (a refusal, a
    /// deadline, this future dropped) ends the stream: an answer that comes late must not be taken for
    /// the next one's.
    async fn beat(&mut self, rpc: pb::AppendRequest, limit: Duration) -> Result<StreamAppendResult<Types<E>>, RPCError<Types<E>>> {
        let standing = self.beat.take();
        let exchange = async {
            let mut wire = match standing {
                Some(wire) => {
                    wire.requests.send(rpc).await.map_err(|_| failed::<E>(Status::unavailable("the stream ended")))?;
                    wire
                }
                None => open_wire::<E>(&mut self.client, rpc, limit).await?,
            };
            let reply = wire.replies.message().await.map_err(failed::<E>)?;
            let reply = reply.ok_or_else(|| failed::<E>(Status::unavailable("the stream ended without an answer")))?;
            Ok::<_, RPCError<Types<E>>>((append_reply_from::<E>(&reply).map_err(failed::<E>)?, wire))
        };
        let exchanged = timeout::<E, _>(limit, exchange).await;
        let (result, wire) = exchanged.map_err(|_| failed::<E>(Status::deadline_exceeded("a heartbeat was not answered in time")))??;
        if result.is_ok() {
            self.beat = Some(wire);
        }
        Ok(result)
    }
}

impl<E: Env> RaftNetworkV2<Types<E>> for Peer<E> {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types<E>>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<E>>, RPCError<Types<E>>> {
        self.again.append(append_to::<E>(&rpc), option.soft_ttl());
        let result = match self.heartbeat {
            true => self.beat(append_to::<E>(&rpc), option.soft_ttl()).await?,
            false => {
                let reply = self.client.append_once(request(append_to::<E>(&rpc), option.soft_ttl())).await.map_err(failed::<E>)?;
                append_reply_from::<E>(reply.get_ref()).map_err(failed::<E>)?
            }
        };
        Ok(match result {
            Ok(matched) if matched == last_of::<E>(&rpc) => AppendEntriesResponse::Success,
            Ok(matched) => AppendEntriesResponse::PartialSuccess(matched),
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types<E>>, RPCError<Types<E>>>>, RPCError<Types<E>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types<E>>> + OptionalSend + Unpin + 'static,
    {
        if self.heartbeat {
            return stream_append_sequential(self, input, option);
        }
        let pipeline = Pipeline::<E, S> {
            client: self.client.clone(),
            again: self.again.clone(),
            patience: self.patience,
            depth: self.pipeline,
            input: Some(input),
            wire: None,
            sent_at: VecDeque::new(),
            over: false,
        };
        let output = stream::unfold(pipeline, |mut pipeline| async move { pipeline.next().await.map(|item| (item, pipeline)) });
        Box::pin(async move { Ok(Box::pin(output) as BoxStream<'s, _>) })
    }

    async fn vote(&mut self, mut rpc: VoteRequest<Types<E>>, option: RPCOption) -> Result<VoteResponse<Types<E>>, RPCError<Types<E>>> {
        lie::<E>(&mut rpc);
        let (again, limit) = (vote_request_to::<E>(&rpc), option.soft_ttl());
        self.again.maybe(|mut client| async move { client.vote(request(again, limit)).await.map(drop) });
        let reply = self.client.vote(request(vote_request_to::<E>(&rpc), option.soft_ttl())).await.map_err(failed::<E>)?;
        vote_reply_from::<E>(reply.get_ref()).map_err(failed::<E>)
    }

    async fn pre_vote(&mut self, mut rpc: VoteRequest<Types<E>>, option: RPCOption) -> Result<VoteResponse<Types<E>>, RPCError<Types<E>>> {
        lie::<E>(&mut rpc);
        let reply = self.client.pre_vote(request(vote_request_to::<E>(&rpc), option.soft_ttl())).await.map_err(failed::<E>)?;
        vote_reply_from::<E>(reply.get_ref()).map_err(failed::<E>)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<E>,
        snapshot: SnapshotOf<Types<E>, Bytes>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types<E>>, StreamingError<Types<E>>> {
        // Time for the install, and for the transfer at a few megabytes a second.
        let deadline = option.soft_ttl() + Duration::from_micros(snapshot.snapshot.len() as u64 / 4);
        let chunks = snapshot_chunks::<E>(&vote, &snapshot.meta, snapshot.snapshot);
        // Twice, and so late that the peer is ahead of it.
        let again = chunks.clone();
        self.again.maybe(|mut client| async move {
            E::sleep(deadline).await;
            client.install_snapshot(request(stream::iter(again), deadline)).await.map(drop)
        });
        let sending = self.client.install_snapshot(request(stream::iter(chunks), deadline));
        let (mut sending, mut cancel) = (pin!(sending), pin!(cancel));
        let reply = poll_fn(|cx| {
            if let Poll::Ready(closed) = cancel.as_mut().poll(cx) {
                return Poll::Ready(Err(StreamingError::Closed(closed)));
            }
            sending.as_mut().poll(cx).map(|reply| {
                reply.map_err(|status| match failed::<E>(status) {
                    RPCError::Unreachable(e) => StreamingError::Unreachable(e),
                    other => StreamingError::Network(NetworkError::from_string(other.to_string())),
                })
            })
        })
        .await?;
        let vote = reply.get_ref().vote.as_ref();
        let vote = vote.ok_or_else(|| StreamingError::Network(NetworkError::from_string("a snapshot's answer without a vote")))?;
        Ok(SnapshotResponse { vote: vote_from::<E>(vote) })
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types<E>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<E>>, RPCError<Types<E>>> {
        let reply = self.client.transfer_leader(request(transfer_to::<E>(&req), option.soft_ttl())).await.map_err(failed::<E>)?;
        transfer_reply_from::<E>(reply.get_ref()).map_err(failed::<E>)
    }
}

/// A planted bug: the candidate claims to have what nobody can have yet.
fn lie<E: Env>(rpc: &mut VoteRequest<Types<E>>) {
    if E::bug(Bug::CandidateLies)
        && let Some(last) = &mut rpc.last_log_id
    {
        last.leader_id.term = rpc.vote.leader_id.term;
        last.index += 1_000_000;
    }
}

fn last_of<E: Env>(rpc: &AppendEntriesRequest<Types<E>>) -> Option<super::convert::LogId<E>> {
    rpc.entries.last().map(|e| e.log_id).or(rpc.prev_log_id)
}

fn snapshot_chunks<E: Env>(vote: &Vote<E>, meta: &SnapshotMeta<E>, data: Bytes) -> Vec<pb::SnapshotChunk> {
    let length = data.len() as u64;
    let head = pb::SnapshotChunk { vote: Some(vote_to::<E>(vote)), meta: Some(meta_to::<E>(meta)), data: Bytes::new(), length };
    let pieces = (0..data.len())
        .step_by(CHUNK)
        .map(|from| pb::SnapshotChunk { data: data.slice(from..(from + CHUNK).min(data.len())), ..Default::default() });
    std::iter::once(head).chain(pieces).collect()
}
