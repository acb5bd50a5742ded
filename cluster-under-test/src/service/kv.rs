//! etcd's KV service.
//!
//! A write is checked, proposed, and answered once it is applied here. A linearizable read asks a
//! quorum (read index) and waits until this node has applied that far. Both are served by the leader;
//! another node refuses, with the leader's id in [`LEADER_HINT`] if it knows one.

use crate::{
    mvcc::{AppliedResponse, RequestError, check_command, check_range, range},
    pb::{
        etcdserverpb::{
            CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse, RangeRequest,
            RangeResponse, ResponseHeader, TxnRequest, TxnResponse, kv_server, request_op::Request as OpRequest,
        },
        internal,
    },
    raft::{Command, Raft, StateMachine},
};
use bytes::Bytes;
use openraft::{
    ReadPolicy,
    errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError},
};
use prost::Message;
use squall_env::{Bug, Env, timeout};
use std::time::Duration;
use tonic::{Request, Response, Status};

/// The metadata key under which a node that does not lead names the one that does.
pub const LEADER_HINT: &str = "squall-leader";

/// etcd: `--max-request-bytes`, 1.5 MiB.
const REQUEST_BYTES_MAX: usize = 3 << 19;

/// The KV service of one node.
pub(crate) struct KvService<E: Env> {
    id: u64,
    cluster_id: u64,
    raft: Raft<E>,
    machine: StateMachine<E>,
    /// How long a request may take inside this node.
    patience: Duration,
}

impl<E: Env> KvService<E> {
    pub(crate) fn new(id: u64, cluster_id: u64, raft: Raft<E>, machine: StateMachine<E>, patience: Duration) -> Self {
        KvService { id, cluster_id, raft, machine, patience }
    }

    fn header(&self, revision: i64, raft_term: u64) -> Option<ResponseHeader> {
        Some(ResponseHeader { cluster_id: self.cluster_id, member_id: self.id, revision, raft_term })
    }

    /// Proposes a command, and answers what it answered when it was applied.
    async fn propose(&self, request: internal::command::Request) -> Result<(AppliedResponse, Option<ResponseHeader>), Status> {
        let command = internal::Command { request: Some(request) };
        let bytes = command.encode_to_vec();
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(Status::invalid_argument("etcdserver: request is too large"));
        }
        check_command(command.request.as_ref().expect("just made"))?;
        let proposed = timeout::<E, _>(self.patience, self.raft.client_write(Command(Bytes::from(bytes)))).await;
        let written = proposed.map_err(|_| Status::unavailable("etcdserver: request timed out"))?.map_err(|e| match e {
            RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => not_leader(&to),
            // It was in the log of a leader that lost its term: nobody knows.
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Status::unavailable("etcdserver: leader changed"),
            other => Status::unavailable(format!("etcdserver: {other}")),
        })?;
        let term = written.log_id.leader_id.term;
        let applied = written.data.0.ok_or_else(|| Status::internal("a command without an answer"))?;
        Ok((applied.result?, self.header(applied.revision, term)))
    }

    /// Waits until a read here sees every write that was acknowledged before it began.
    async fn read_barrier(&self) -> Result<(), Status> {
        if E::bug(Bug::StaleRead) {
            return Ok(());
        }
        let asking = async {
            match E::bug(Bug::ReadIndexNoWait) {
                true => self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await.map(drop),
                false => self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await.map(drop),
            }
        };
        let barrier = timeout::<E, _>(self.patience, asking).await.map_err(|_| Status::unavailable("etcdserver: request timed out"))?;
        barrier.map_err(|e| match e {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => not_leader(&to),
            other => Status::unavailable(format!("etcdserver: {other}")),
        })
    }

    fn read(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        let applying = self.machine.applying();
        let mut response = range(&applying.store, request)?;
        let term = applying.last_applied.as_ref().map_or(0, |id| id.leader_id.term);
        response.header = self.header(applying.store.revision(), term);
        Ok(response)
    }
}

/// Nothing was proposed. etcd's texts.
fn not_leader<E: Env>(to: &ForwardToLeader<crate::raft::Types<E>>) -> Status {
    let Some(leader) = to.leader_id else { return Status::unavailable("etcdserver: no leader") };
    let mut status = Status::failed_precondition("etcdserver: not leader");
    let hint = leader.to_string().parse().expect("digits are a metadata value");
    status.metadata_mut().insert(LEADER_HINT, hint);
    status
}

/// A transaction that cannot write needs no log entry.
fn is_read_only(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| match &op.request {
        Some(OpRequest::RequestRange(_)) => true,
        Some(OpRequest::RequestTxn(inner)) => is_read_only(inner),
        Some(OpRequest::RequestPut(_) | OpRequest::RequestDeleteRange(_)) | None => false,
    })
}

fn unexpected<T>(_: AppliedResponse) -> Result<T, Status> {
    Err(Status::internal("an answer of another kind than the request"))
}

#[tonic::async_trait]
impl<E: Env> kv_server::Kv for KvService<E> {
    async fn range(&self, request: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        let request = request.into_inner();
        check_range(&request)?;
        if !request.serializable {
            self.read_barrier().await?;
        }
        Ok(Response::new(self.read(&request)?))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        match self.propose(internal::command::Request::Put(request.into_inner())).await? {
            (AppliedResponse::Put(put), header) => Ok(Response::new(PutResponse { header, ..put })),
            (other, _) => unexpected(other),
        }
    }

    async fn delete_range(&self, request: Request<DeleteRangeRequest>) -> Result<Response<DeleteRangeResponse>, Status> {
        match self.propose(internal::command::Request::DeleteRange(request.into_inner())).await? {
            (AppliedResponse::DeleteRange(delete), header) => Ok(Response::new(DeleteRangeResponse { header, ..delete })),
            (other, _) => unexpected(other),
        }
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let read_only = is_read_only(request.get_ref());
        let command = internal::command::Request::Txn(request.into_inner());
        if read_only {
            check_command(&command)?;
            self.read_barrier().await?;
            let applying = self.machine.applying();
            let term = applying.last_applied.as_ref().map_or(0, |id| id.leader_id.term);
            let mut view = applying.store.clone();
            let header = self.header(view.revision(), term);
            return match crate::mvcc::apply::<E>(&mut view, &command).result? {
                AppliedResponse::Txn(txn) => Ok(Response::new(TxnResponse { header, ..txn })),
                other => unexpected(other),
            };
        }
        match self.propose(command).await? {
            (AppliedResponse::Txn(txn), header) => Ok(Response::new(TxnResponse { header, ..txn })),
            (other, _) => unexpected(other),
        }
    }

    async fn compact(&self, request: Request<CompactionRequest>) -> Result<Response<CompactionResponse>, Status> {
        match self.propose(internal::command::Request::Compact(request.into_inner())).await? {
            (AppliedResponse::Compact(_), header) => Ok(Response::new(CompactionResponse { header })),
            (other, _) => unexpected(other),
        }
    }
}
