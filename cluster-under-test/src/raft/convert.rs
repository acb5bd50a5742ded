//! openraft's types to protobuf and back. An absent message is an absent Option.

use super::types::{Command, Types};
use crate::{observe::LogMark, pb::raft as pb};
use openraft::{
    BasicNode, EntryPayload, Membership, StoredMembership,
    raft::{AppendEntriesRequest, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse},
    type_config::alias::{EntryOf, LogIdOf, SnapshotMetaOf, VoteOf},
};
use prost::Message;
use squall_env::Env;
use std::collections::{BTreeMap, BTreeSet};
use tonic::Status;

pub type LogId<E> = LogIdOf<Types<E>>;
pub type Vote<E> = VoteOf<Types<E>>;
pub type Entry<E> = EntryOf<Types<E>>;
pub type SnapshotMeta<E> = SnapshotMetaOf<Types<E>>;

/// A message of a peer lacks what it must have.
fn missing(what: &str) -> Status {
    Status::invalid_argument(format!("raft message without {what}"))
}

pub fn log_id_to<E: Env>(id: &LogId<E>) -> pb::LogId {
    pb::LogId { term: id.leader_id.term, index: id.index }
}

pub fn log_id_from<E: Env>(id: &pb::LogId) -> LogId<E> {
    LogId::<E>::new_term_index(id.term, id.index)
}

pub fn vote_to<E: Env>(vote: &Vote<E>) -> pb::VoteState {
    pb::VoteState { term: vote.leader_id.term, voted_for: vote.leader_id.voted_for, committed: vote.committed }
}

pub fn vote_from<E: Env>(vote: &pb::VoteState) -> Vote<E> {
    match vote.committed {
        true => Vote::<E>::new_committed(vote.term, vote.voted_for),
        false => Vote::<E>::new(vote.term, vote.voted_for),
    }
}

fn required_vote<E: Env>(vote: &Option<pb::VoteState>) -> Result<Vote<E>, Status> {
    vote.as_ref().map(vote_from::<E>).ok_or_else(|| missing("vote"))
}

pub fn membership_to(membership: &Membership<u64, BasicNode>) -> pb::Membership {
    let configs = membership.get_joint_config().iter().map(|c| pb::membership::Config { voters: c.iter().copied().collect() });
    let nodes = membership.nodes().map(|(id, node)| pb::membership::Node { id: *id, addr: node.addr.clone() });
    pb::Membership { configs: configs.collect(), nodes: nodes.collect() }
}

pub fn membership_from(membership: &pb::Membership) -> Result<Membership<u64, BasicNode>, Status> {
    let configs: Vec<BTreeSet<u64>> = membership.configs.iter().map(|c| c.voters.iter().copied().collect()).collect();
    let nodes: BTreeMap<u64, BasicNode> = membership.nodes.iter().map(|n| (n.id, BasicNode::new(&n.addr))).collect();
    Membership::new(configs, nodes).map_err(|e| Status::invalid_argument(format!("raft message with a bad membership: {e}")))
}

pub fn entry_to<E: Env>(entry: &Entry<E>) -> pb::Entry {
    let payload = match &entry.payload {
        EntryPayload::Blank => None,
        EntryPayload::Normal(command) => Some(pb::entry::Payload::Command(command.0.clone())),
        EntryPayload::Membership(m) => Some(pb::entry::Payload::Membership(membership_to(m))),
    };
    pb::Entry { term: entry.log_id.leader_id.term, index: entry.log_id.index, payload }
}

pub fn entry_from<E: Env>(entry: pb::Entry) -> Result<Entry<E>, Status> {
    let payload = match entry.payload {
        None => EntryPayload::Blank,
        Some(pb::entry::Payload::Command(bytes)) => EntryPayload::Normal(Command(bytes)),
        Some(pb::entry::Payload::Membership(m)) => EntryPayload::Membership(membership_from(&m)?),
    };
    Ok(openraft::Entry { log_id: LogId::<E>::new_term_index(entry.term, entry.index), payload })
}

pub fn mark<E: Env>(entry: &Entry<E>) -> LogMark {
    let hash = match &entry.payload {
        EntryPayload::Blank => 0,
        EntryPayload::Normal(command) => crc32c::crc32c(&command.0),
        EntryPayload::Membership(m) => crc32c::crc32c(&membership_to(m).encode_to_vec()),
    };
    LogMark { index: entry.log_id.index, term: entry.log_id.leader_id.term, hash }
}

pub fn meta_to<E: Env>(meta: &SnapshotMeta<E>) -> pb::SnapshotMeta {
    pb::SnapshotMeta {
        last_log_id: meta.last_log_id.as_ref().map(log_id_to::<E>),
        membership_log_id: meta.last_membership.log_id().as_ref().map(log_id_to::<E>),
        membership: Some(membership_to(meta.last_membership.membership())),
    }
}

pub fn meta_from<E: Env>(meta: &pb::SnapshotMeta) -> Result<SnapshotMeta<E>, Status> {
    let membership = membership_from(meta.membership.as_ref().ok_or_else(|| missing("membership"))?)?;
    let last_membership = StoredMembership::new(meta.membership_log_id.as_ref().map(log_id_from::<E>), membership);
    Ok(SnapshotMeta::<E> { last_log_id: meta.last_log_id.as_ref().map(log_id_from::<E>), last_membership })
}

pub fn append_to<E: Env>(request: &AppendEntriesRequest<Types<E>>) -> pb::AppendRequest {
    pb::AppendRequest {
        vote: Some(vote_to::<E>(&request.vote)),
        prev: request.prev_log_id.as_ref().map(log_id_to::<E>),
        entries: request.entries.iter().map(entry_to::<E>).collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id_to::<E>),
    }
}

pub fn append_from<E: Env>(request: pb::AppendRequest) -> Result<AppendEntriesRequest<Types<E>>, Status> {
    Ok(AppendEntriesRequest {
        vote: required_vote::<E>(&request.vote)?,
        prev_log_id: request.prev.as_ref().map(log_id_from::<E>),
        entries: request.entries.into_iter().map(entry_from::<E>).collect::<Result<_, _>>()?,
        leader_commit: request.leader_commit.as_ref().map(log_id_from::<E>),
    })
}

pub fn append_reply_to<E: Env>(result: &StreamAppendResult<Types<E>>) -> pb::AppendReply {
    use openraft::raft::StreamAppendError;
    let (outcome, log_id, vote) = match result {
        Ok(matched) => (pb::append_reply::Outcome::Success, matched.as_ref(), None),
        Err(StreamAppendError::Conflict(at)) => (pb::append_reply::Outcome::Conflict, Some(at), None),
        Err(StreamAppendError::HigherVote(vote)) => (pb::append_reply::Outcome::HigherVote, None, Some(vote)),
    };
    pb::AppendReply { outcome: outcome.into(), log_id: log_id.map(log_id_to::<E>), vote: vote.map(vote_to::<E>) }
}

pub fn append_reply_from<E: Env>(reply: &pb::AppendReply) -> Result<StreamAppendResult<Types<E>>, Status> {
    use openraft::raft::StreamAppendError;
    let log_id = reply.log_id.as_ref().map(log_id_from::<E>);
    Ok(match reply.outcome() {
        pb::append_reply::Outcome::Success => Ok(log_id),
        pb::append_reply::Outcome::Conflict => Err(StreamAppendError::Conflict(log_id.ok_or_else(|| missing("log id"))?)),
        pb::append_reply::Outcome::HigherVote => Err(StreamAppendError::HigherVote(required_vote::<E>(&reply.vote)?)),
    })
}

pub fn vote_request_to<E: Env>(request: &VoteRequest<Types<E>>) -> pb::VoteRequest {
    pb::VoteRequest {
        vote: Some(vote_to::<E>(&request.vote)),
        last_log_id: request.last_log_id.as_ref().map(log_id_to::<E>),
        leadership_transfer: request.leadership_transfer,
    }
}

pub fn vote_request_from<E: Env>(request: &pb::VoteRequest) -> Result<VoteRequest<Types<E>>, Status> {
    // Field by field: `VoteRequest::new` drops `leadership_transfer`.
    Ok(VoteRequest {
        vote: required_vote::<E>(&request.vote)?,
        last_log_id: request.last_log_id.as_ref().map(log_id_from::<E>),
        leadership_transfer: request.leadership_transfer,
    })
}

pub fn vote_reply_to<E: Env>(reply: &VoteResponse<Types<E>>) -> pb::VoteReply {
    pb::VoteReply {
        vote: Some(vote_to::<E>(&reply.vote)),
        granted: reply.vote_granted,
        last_log_id: reply.last_log_id.as_ref().map(log_id_to::<E>),
    }
}

pub fn vote_reply_from<E: Env>(reply: &pb::VoteReply) -> Result<VoteResponse<Types<E>>, Status> {
    Ok(VoteResponse {
        vote: required_vote::<E>(&reply.vote)?,
        vote_granted: reply.granted,
        last_log_id: reply.last_log_id.as_ref().map(log_id_from::<E>),
    })
}

pub fn transfer_to<E: Env>(request: &TransferLeaderRequest<Types<E>>) -> pb::TransferLeaderRequest {
    pb::TransferLeaderRequest {
        from: Some(vote_to::<E>(request.from_leader())),
        to: *request.to_node_id(),
        last_log_id: request.last_log_id().map(log_id_to::<E>),
    }
}

pub fn transfer_from<E: Env>(request: &pb::TransferLeaderRequest) -> Result<TransferLeaderRequest<Types<E>>, Status> {
    let last = request.last_log_id.as_ref().map(log_id_from::<E>);
    Ok(TransferLeaderRequest::new(required_vote::<E>(&request.from)?, request.to, last))
}

pub fn transfer_reply_to<E: Env>(reply: &TransferLeaderResponse<Types<E>>) -> pb::TransferLeaderReply {
    use openraft::raft::TransferLeaderError;
    use pb::transfer_leader_reply::Outcome;
    match reply {
        Ok(()) => pb::TransferLeaderReply { outcome: Outcome::Accepted.into(), ..Default::default() },
        Err(TransferLeaderError::VoteChanged { expected, actual }) => pb::TransferLeaderReply {
            outcome: Outcome::VoteChanged.into(),
            expected_vote: Some(vote_to::<E>(expected)),
            actual_vote: Some(vote_to::<E>(actual)),
            ..Default::default()
        },
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => pb::TransferLeaderReply {
            outcome: Outcome::LogNotFlushed.into(),
            expected_log_id: expected.as_ref().map(log_id_to::<E>),
            actual_log_id: actual.as_ref().map(log_id_to::<E>),
            ..Default::default()
        },
    }
}

pub fn transfer_reply_from<E: Env>(reply: &pb::TransferLeaderReply) -> Result<TransferLeaderResponse<Types<E>>, Status> {
    use openraft::raft::TransferLeaderError;
    use pb::transfer_leader_reply::Outcome;
    Ok(match reply.outcome() {
        Outcome::Accepted => Ok(()),
        Outcome::VoteChanged => Err(TransferLeaderError::VoteChanged {
            expected: required_vote::<E>(&reply.expected_vote)?,
            actual: required_vote::<E>(&reply.actual_vote)?,
        }),
        Outcome::LogNotFlushed => Err(TransferLeaderError::LogNotFlushed {
            expected: reply.expected_log_id.as_ref().map(log_id_from::<E>),
            actual: reply.actual_log_id.as_ref().map(log_id_from::<E>),
        }),
    })
}
