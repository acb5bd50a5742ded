//! A node's own view of Raft, for an engineer.

use super::replica::Replica;
use crate::{
    pb::{
        admin::{
            DescribeRaftRequest, DescribeRaftResponse, admin_server,
            describe_raft_response::{Entry, State},
        },
        internal::{self, command::Request as Command},
    },
    raft::LogReader,
};
use openraft::{EntryPayload, ServerState};
use openraft_rt::WatchReceiver as _;
use prost::Message as _;
use squall_env::Env;
use tonic::{Request, Response, Status};

/// How many entries an answer has at most.
const ENTRIES_MAX: usize = 1000;

/// The Admin service of one node.
pub(crate) struct AdminService<E: Env> {
    pub(crate) replica: Replica<E>,
    pub(crate) log: LogReader<E>,
}

fn kind(command: &internal::Command) -> &'static str {
    match &command.request {
        Some(Command::Put(_)) => "put",
        Some(Command::DeleteRange(_)) => "delete",
        Some(Command::Txn(_)) => "txn",
        Some(Command::Compact(_)) => "compact",
        Some(Command::LeaseGrant(_)) => "lease-grant",
        Some(Command::LeaseRevoke(_)) => "lease-revoke",
        Some(Command::LeaseExpiry(_)) => "lease-expiry",
        Some(Command::Member(_)) => "member",
        None => "unknown",
    }
}

#[tonic::async_trait]
impl<E: Env> admin_server::Admin for AdminService<E> {
    async fn describe_raft(&self, request: Request<DescribeRaftRequest>) -> Result<Response<DescribeRaftResponse>, Status> {
        let DescribeRaftRequest { group, first, last } = request.into_inner();
        if group != 0 {
            return Err(Status::not_found(format!("there is no Raft group {group}: this member has group 0")));
        }
        let entries = if last < first || last == 0 { vec![] } else { self.log.some(first..=last, ENTRIES_MAX) };
        let entries = entries.iter().map(|entry| {
            let (kind, bytes) = match &entry.payload {
                EntryPayload::Blank => ("blank", 0),
                EntryPayload::Membership(_) => ("membership", 0),
                EntryPayload::Normal(command) => {
                    let decoded = internal::Command::decode(command.0.clone());
                    (decoded.as_ref().map_or("unknown", kind), command.0.len() as u64)
                }
            };
            Entry { index: entry.log_id.index, term: entry.log_id.leader_id.term, kind: kind.to_string(), bytes }
        });
        let entries = entries.collect();
        let last_log = self.log.last();
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let state = match metrics.state {
            ServerState::Learner => State::Learner,
            ServerState::Follower => State::Follower,
            ServerState::Candidate => State::Candidate,
            ServerState::Leader => State::Leader,
            ServerState::Shutdown => State::Shutdown,
        };
        Ok(Response::new(DescribeRaftResponse {
            id: self.replica.id,
            current_term: metrics.current_term,
            voted_for: metrics.vote.leader_id.voted_for,
            commit_index: metrics.cluster_committed.as_ref().map(|id| id.index),
            last_log_index: last_log.as_ref().map(|id| id.index),
            last_log_term: last_log.as_ref().map(|id| id.leader_id.term),
            state: state.into(),
            leader: metrics.current_leader.unwrap_or(0),
            applied_index: metrics.last_applied.as_ref().map(|id| id.index),
            snapshot_index: metrics.snapshot.as_ref().map(|id| id.index),
            entries,
        }))
    }
}
