//! What every service of a node asks of Raft: to replicate a command, and to read what is committed.

use crate::{
    mvcc::{AppliedResponse, check_command},
    pb::{etcdserverpb::ResponseHeader, internal},
    raft::{Command, Raft, StateMachine, Types},
};
use bytes::Bytes;
use openraft::{
    ReadPolicy,
    errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError},
};
use prost::Message;
use squall_env::{Bug, Env, timeout};
use std::time::Duration;
use tonic::Status;

/// The metadata key under which a node that does not lead names the one that does.
pub const LEADER_HINT: &str = "squall-leader";

/// etcd: `--max-request-bytes`, 1.5 MiB.
const REQUEST_BYTES_MAX: usize = 3 << 19;

/// One node's copy of the replicated state, and its way to change it.
pub(crate) struct Replica<E: Env> {
    pub(crate) id: u64,
    pub(crate) cluster_id: u64,
    pub(crate) raft: Raft<E>,
    pub(crate) machine: StateMachine<E>,
    /// How long a request may take inside this node.
    pub(crate) patience: Duration,
}

impl<E: Env> Clone for Replica<E> {
    fn clone(&self) -> Self {
        let Replica { id, cluster_id, patience, .. } = *self;
        Replica { id, cluster_id, raft: self.raft.clone(), machine: self.machine.clone(), patience }
    }
}

impl<E: Env> Replica<E> {
    pub(crate) fn header(&self, revision: i64, raft_term: u64) -> Option<ResponseHeader> {
        Some(ResponseHeader { cluster_id: self.cluster_id, member_id: self.id, revision, raft_term })
    }

    /// Proposes a command, and answers what it answered when it was applied.
    pub(crate) async fn propose(&self, request: internal::command::Request) -> Result<(AppliedResponse, Option<ResponseHeader>), Status> {
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
    pub(crate) async fn read_barrier(&self) -> Result<(), Status> {
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

    /// The header of an answer from what this node has applied.
    pub(crate) fn header_now(&self) -> Option<ResponseHeader> {
        let applying = self.machine.applying();
        let term = applying.last_applied.as_ref().map_or(0, |id| id.leader_id.term);
        self.header(applying.store.revision(), term)
    }
}

/// Nothing was proposed. etcd's texts.
pub(crate) fn not_leader<E: Env>(to: &ForwardToLeader<Types<E>>) -> Status {
    let Some(leader) = to.leader_id else { return Status::unavailable("etcdserver: no leader") };
    let mut status = Status::failed_precondition("etcdserver: not leader");
    let hint = leader.to_string().parse().expect("digits are a metadata value");
    status.metadata_mut().insert(LEADER_HINT, hint);
    status
}
