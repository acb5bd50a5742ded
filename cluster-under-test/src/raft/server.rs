//! The Raft service: what peers call.

use super::{
    LogSpace, StateMachine,
    convert::{
        Entry, append_from, append_reply_to, meta_from, transfer_from, transfer_reply_to, vote_from, vote_reply_to, vote_request_from,
        vote_to,
    },
    handle::Raft,
    types::Types,
    wire::decoded,
};
use crate::Bug;
use crate::pb::raft::{self as pb, raft_server};
use bytes::BytesMut;
use futures_util::{Stream, StreamExt, stream};
use openraft::{
    EntryPayload,
    raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendError},
    storage::RaftStateMachine,
};
use squall_env::{Env, LocalInstant};
use std::{
    future::ready,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tonic::{Request, Response, Status, Streaming};

/// A peer's snapshot may not be longer than this.
const SNAPSHOT_MAX: usize = 1 << 30;

/// When this node last took something from whom it takes for its leader. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Option<LocalInstant>>>);

impl Heard {
    fn now<E: Env>(&self) {
        *self.0.lock().expect("no panic under this lock") = Some(E::now());
    }

    /// Whether it was within this time.
    pub(crate) fn within<E: Env>(&self, time: Duration) -> bool {
        self.0.lock().expect("no panic under this lock").is_some_and(|at| E::now().since(at) < time)
    }
}

/// The Raft service of one node.
pub(crate) struct RaftService<E: Env> {
    raft: Raft<E>,
    space: Arc<LogSpace<E>>,
    machine: StateMachine<E>,
    heard: Heard,
}

impl<E: Env> RaftService<E> {
    pub(crate) fn new(raft: Raft<E>, space: Arc<LogSpace<E>>, machine: StateMachine<E>, heard: Heard) -> Self {
        RaftService { raft, space, machine, heard }
    }
}

/// This node's disk is full: it takes no more entries. Heartbeats and votes need no space to speak of.
fn no_space() -> Status {
    Status::resource_exhausted("squall: no space left on this member's disk")
}

/// How much space these entries take, roughly.
fn size<E: Env>(request: &AppendEntriesRequest<Types<E>>) -> usize {
    let payload = |entry: &Entry<E>| if let EntryPayload::Normal(command) = &entry.payload { command.0.len() } else { 0 };
    request.entries.iter().map(|entry| payload(entry) + 64).sum()
}

fn internal(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("raft: {error}"))
}

#[tonic::async_trait]
impl<E: Env> raft_server::Raft for RaftService<E> {
    type AppendStream = Pin<Box<dyn Stream<Item = Result<pb::AppendReply, Status>> + Send>>;

    async fn append(&self, request: Request<Streaming<pb::AppendRequest>>) -> Result<Response<Self::AppendStream>, Status> {
        let (space, turned_away) = (self.space.clone(), Arc::new(AtomicBool::new(false)));
        let was_turned_away = turned_away.clone();
        let admitted = decoded::<E>(request.into_inner()).take_while(move |request| {
            let admits = request.entries.is_empty() || space.admits(size::<E>(request));
            turned_away.store(!admits, Ordering::Relaxed);
            ready(admits)
        });
        let heard = self.heard.clone();
        let results = self.raft.stream_append(admitted).inspect(move |result| {
            // A conflict is an answer to the leader, too.
            if !matches!(result, Ok(Err(StreamAppendError::HigherVote(_))) | Err(_)) {
                heard.now::<E>();
            }
        });
        let replies = results.map(|result| result.map(|r| append_reply_to::<E>(&r)).map_err(internal));
        let end = stream::once(async move { was_turned_away.load(Ordering::Relaxed).then(|| Err(no_space())) });
        Ok(Response::new(Box::pin(replies.chain(end.filter_map(ready)))))
    }

    async fn append_once(&self, request: Request<pb::AppendRequest>) -> Result<Response<pb::AppendReply>, Status> {
        let request = append_from::<E>(request.into_inner())?;
        if !request.entries.is_empty() && !self.space.admits(size::<E>(&request)) {
            return Err(no_space());
        }
        let (prev, last) = (request.prev_log_id, request.entries.last().map(|e| e.log_id).or(request.prev_log_id));
        let result = match self.raft.append_entries(request).await.map_err(internal)? {
            AppendEntriesResponse::Success => Ok(last),
            AppendEntriesResponse::PartialSuccess(matched) => Ok(matched),
            AppendEntriesResponse::Conflict => {
                let at = prev.ok_or_else(|| Status::internal("a conflict before the log's beginning"))?;
                Err(StreamAppendError::<Types<E>>::Conflict(at))
            }
            AppendEntriesResponse::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote)),
        };
        if !matches!(result, Err(StreamAppendError::HigherVote(_))) {
            self.heard.now::<E>();
        }
        Ok(Response::new(append_reply_to::<E>(&result)))
    }

    async fn vote(&self, request: Request<pb::VoteRequest>) -> Result<Response<pb::VoteReply>, Status> {
        let reply = self.raft.vote(vote_request_from::<E>(request.get_ref())?).await.map_err(internal)?;
        Ok(Response::new(vote_reply_to::<E>(&reply)))
    }

    async fn pre_vote(&self, request: Request<pb::VoteRequest>) -> Result<Response<pb::VoteReply>, Status> {
        let reply = self.raft.pre_vote(vote_request_from::<E>(request.get_ref())?).await.map_err(internal)?;
        Ok(Response::new(vote_reply_to::<E>(&reply)))
    }

    async fn install_snapshot(&self, request: Request<Streaming<pb::SnapshotChunk>>) -> Result<Response<pb::SnapshotReply>, Status> {
        let mut chunks = request.into_inner();
        let head = chunks.message().await?.ok_or_else(|| Status::invalid_argument("a snapshot without its head"))?;
        let (Some(vote), Some(meta)) = (&head.vote, &head.meta) else {
            return Err(Status::invalid_argument("a snapshot whose first chunk lacks vote or place"));
        };
        let (vote, meta) = (vote_from::<E>(vote), meta_from::<E>(meta)?);
        let mut data = BytesMut::new();
        while let Some(chunk) = chunks.message().await? {
            if data.len() + chunk.data.len() > SNAPSHOT_MAX {
                return Err(Status::resource_exhausted("a snapshot that is too long"));
            }
            data.extend_from_slice(&chunk.data);
        }
        // Where the sender gave up in the middle, its stream ends here as a whole one does (tonic takes a cancelled request for its end).
        if data.len() as u64 != head.length {
            return Err(Status::data_loss(format!("a snapshot of {} bytes of which {} came", head.length, data.len())));
        }
        if !self.space.admits(data.len()) {
            return Err(no_space());
        }
        let data = data.freeze();
        if E::bug(Bug::StaleSnapshotInstalls) {
            self.machine.clone().install_snapshot(&meta, data.clone()).await.map_err(internal)?;
        }
        let snapshot = openraft::Snapshot { meta, snapshot: data };
        let reply = self.raft.install_full_snapshot(vote, snapshot).await.map_err(internal)?;
        if reply.vote == vote {
            self.heard.now::<E>();
        }
        Ok(Response::new(pb::SnapshotReply { vote: Some(vote_to::<E>(&reply.vote)) }))
    }

    async fn transfer_leader(&self, request: Request<pb::TransferLeaderRequest>) -> Result<Response<pb::TransferLeaderReply>, Status> {
        let reply = self.raft.handle_transfer_leader(transfer_from::<E>(request.get_ref())?).await.map_err(internal)?;
        Ok(Response::new(transfer_reply_to::<E>(&reply)))
    }
}
