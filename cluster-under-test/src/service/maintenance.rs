//! etcd's Maintenance service. What a node says of itself, it says whoever leads.

use super::{
    cluster::Members,
    replica::{Replica, not_leader},
};
use crate::raft::Types;
use crate::{
    mvcc::RequestError,
    pb::etcdserverpb::{
        AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, HashKvRequest, HashKvResponse, HashRequest, HashResponse,
        MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, SnapshotResponse, StatusRequest, StatusResponse,
        alarm_request::AlarmAction, maintenance_server,
    },
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use openraft::{raft::VoteRequest, type_config::alias::VoteOf};
use openraft_rt::WatchReceiver as _;
use sha2::Digest as _;
use squall_env::{Env, timeout, timeout_at};
use std::{pin::Pin, time::Duration};
use tonic::{Request, Response, Status};

/// Which of etcd's APIs this is.
const API_VERSION: &str = "3.5.0";

/// A snapshot is streamed in pieces of this size (as etcd).
const PIECE: usize = 32 << 10;

/// `etcdctl snapshot save` takes a snapshot for whole when this divides its size, but for the hash.
const PAGE: usize = 512;

/// The Maintenance service of one node.
pub(crate) struct MaintenanceService<E: Env> {
    pub(crate) replica: Replica<E>,
    /// How long a leader is given to hand over.
    pub(crate) handover: Duration,
}

/// Asks the leader, if this is it, to hand over to another voter, and waits until it did.
pub(crate) async fn move_leader<E: Env>(replica: &Replica<E>, to: u64, patience: Duration) -> Result<(), Status> {
    if replica.leader() != Some(replica.id) {
        return Err(not_leader());
    }
    // By what is applied, and by what is in the log already: it counts from there on.
    let applied = replica.machine.applying().membership.membership().voter_ids().any(|id| id == to);
    let effective = replica.raft.metrics().borrow_watched().membership_config.voter_ids().any(|id| id == to);
    if !applied || !effective {
        return Err(Status::failed_precondition("etcdserver: bad leader transferee"));
    }
    if to == replica.id {
        return Ok(());
    }
    let late = |_| Status::unavailable("etcdserver: request timed out, leader transfer took too long");
    let deadline = E::now() + patience;
    // Whoever is not there cannot take over, and a leader that hands over serves nobody meanwhile.
    let members = Members { replica: replica.clone() };
    let there = async {
        while !members.is_active(to) {
            E::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout_at::<E, _>(deadline, there).await.map_err(late)?;
    if replica.leader() != Some(replica.id) {
        return Err(not_leader());
    }
    let term = replica.leads();
    replica.raft.trigger().transfer_leader(to).await.map_err(|e| Status::unavailable(format!("etcdserver: {e}")))?;
    if let Some(term) = term {
        drop(E::spawn(step_down_if_stuck(replica.clone(), term, to, patience)));
    }
    let handed_over = async {
        while replica.leader() != Some(to) {
            E::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout_at::<E, _>(deadline, handed_over).await.map_err(late)
}

/// Whoever was asked to hand over serves nobody any more, and sends no heartbeats; openraft takes that back with the next term only. Where
/// nobody is left to stand for election, since whoever was to take over is no voter any more and this is the only one, that never
/// comes: the leader begins it itself, as if that one had asked it for its vote.
async fn step_down_if_stuck<E: Env>(replica: Replica<E>, term: u64, to: u64, patience: Duration) {
    E::sleep(2 * patience).await;
    if replica.leads() == Some(term) {
        let last_log_id = replica.raft.data_metrics().borrow_watched().last_log;
        // Not for itself: openraft would take it for a leader whose election is under way, for ever. It follows nobody then, and stands
        // for election when its time is up.
        let vote = VoteOf::<Types<E>>::new(term + 1, to);
        let request = VoteRequest { vote, last_log_id, leadership_transfer: true };
        _ = replica.raft.vote(request).await;
    }
}

/// Takes a snapshot of everything that is applied, and forgets the log behind it.
pub(crate) async fn compact_log<E: Env>(replica: &Replica<E>) -> Result<(), Status> {
    let applied = replica.machine.applying().last_applied;
    let failed = |e: &dyn std::fmt::Display| Status::unavailable(format!("etcdserver: {e}"));
    replica.raft.trigger().snapshot().await.map_err(|e| failed(&e))?;
    let taken = async {
        while replica.raft.data_metrics().borrow_watched().snapshot < applied {
            E::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout::<E, _>(replica.patience, taken).await.map_err(|_| super::replica::timed_out())
}

#[tonic::async_trait]
impl<E: Env> maintenance_server::Maintenance for MaintenanceService<E> {
    async fn alarm(&self, request: Request<AlarmRequest>) -> Result<Response<AlarmResponse>, Status> {
        match request.get_ref().action() {
            // None is ever raised, so there is none to disarm.
            AlarmAction::Get | AlarmAction::Deactivate => {
                Ok(Response::new(AlarmResponse { header: self.replica.header_now(), alarms: vec![] }))
            }
            AlarmAction::Activate => Err(Status::unimplemented("squall: this server raises no alarms, and lets none be raised")),
        }
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let (header, size, applied, is_learner) = {
            let applying = self.replica.machine.applying();
            let header = self.replica.header(applying.store.revision(), applying.term());
            let is_learner = applying.membership.membership().learner_ids().any(|id| id == self.replica.id);
            (header, applying.store.size() as i64, applying.last_applied.as_ref().map_or(0, |id| id.index), is_learner)
        };
        let leader = self.replica.served_leader().unwrap_or(0);
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        Ok(Response::new(StatusResponse {
            header,
            version: API_VERSION.to_string(),
            db_size: size,
            leader,
            raft_index: metrics.last_log_index.unwrap_or(0),
            raft_term: metrics.current_term,
            raft_applied_index: applied,
            errors: if leader == 0 { vec!["etcdserver: no leader".to_string()] } else { vec![] },
            db_size_in_use: size,
            is_learner,
        }))
    }

    async fn defragment(&self, _: Request<DefragmentRequest>) -> Result<Response<DefragmentResponse>, Status> {
        compact_log(&self.replica).await?;
        Ok(Response::new(DefragmentResponse { header: None }))
    }

    async fn hash(&self, _: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        let header = self.replica.header_now();
        let hash = self.replica.machine.applying().store.full_hash();
        Ok(Response::new(HashResponse { header, hash: (hash ^ (hash >> 32)) as u32 }))
    }

    async fn hash_kv(&self, request: Request<HashKvRequest>) -> Result<Response<HashKvResponse>, Status> {
        let applying = self.replica.machine.applying();
        let store = &applying.store;
        let revision = match request.into_inner().revision {
            asked if asked > store.revision() => return Err(RequestError::FutureRevision.into()),
            // etcd: not at the floor itself, unlike a read.
            asked if asked > 0 && asked <= store.compacted() => return Err(RequestError::Compacted.into()),
            asked if asked > 0 => asked,
            _ => store.revision(),
        };
        let header = self.replica.header(store.revision(), applying.term());
        Ok(Response::new(HashKvResponse { header, hash: store.hash_kv(revision), compact_revision: store.compacted() }))
    }

    type SnapshotStream = Pin<Box<dyn Stream<Item = Result<SnapshotResponse, Status>> + Send>>;

    async fn snapshot(&self, _: Request<SnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        let header = self.replica.header_now();
        let mut whole = self.replica.machine.snapshot_now().to_vec();
        whole.resize(whole.len().next_multiple_of(PAGE), 0);
        let sum = sha2::Sha256::digest(&whole);
        let whole = Bytes::from(whole);
        let pieces = (0..whole.len()).step_by(PIECE).map(move |from| (from, (from + PIECE).min(whole.len()), whole.clone()));
        let pieces = pieces.map(move |(from, to, whole)| SnapshotResponse {
            header,
            remaining_bytes: (whole.len() - to) as u64,
            blob: whole.slice(from..to),
        });
        let sum = SnapshotResponse { header, remaining_bytes: 0, blob: Bytes::copy_from_slice(&sum) };
        Ok(Response::new(Box::pin(stream::iter(pieces.chain([sum]).map(Ok)))))
    }

    async fn move_leader(&self, request: Request<MoveLeaderRequest>) -> Result<Response<MoveLeaderResponse>, Status> {
        let to = request.into_inner().target_id;
        move_leader(&self.replica, to, self.handover).await?;
        // As etcd: where nothing had to be done, there is nothing in the answer.
        let header = if to == self.replica.id { None } else { self.replica.header_now() };
        Ok(Response::new(MoveLeaderResponse { header }))
    }
}
