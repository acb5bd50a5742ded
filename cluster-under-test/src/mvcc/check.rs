//! What is refused before anything is proposed. The texts are etcd's: clients match on them.

use crate::pb::{
    etcdserverpb::{RangeRequest, RequestOp, TxnRequest, request_op::Request},
    internal::command,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use tonic::Status;

/// The most operations in one branch of a transaction (etcd: `--max-txn-ops`).
const TXN_OPS_MAX: usize = 128;

/// Transactions nest no deeper: what is proposed must be decodable by every node, and protobuf's
/// decoder stops at a hundred levels.
const TXN_DEPTH_MAX: usize = 32;

/// The longest time to live of a lease, in seconds (etcd: `MaxLeaseTTL`).
const LEASE_TTL_MAX: i64 = 9_000_000_000;

/// Why a request is refused. Every one is definite: nothing was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No key.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// `ignore_value` with a value.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// `ignore_lease` with a lease.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// Two puts on one key, or a put on a key that is deleted, in one branch.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// Over the limit.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOps,
    /// `ignore_value` or `ignore_lease` on a key that is absent.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// Below the compaction floor.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// Above the current revision.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    /// The lease is not there.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// A lease of this id is there already.
    #[error("etcdserver: lease already exists")]
    LeaseExists,
    /// Over the limit.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
}

impl RequestError {
    /// Every one of them.
    const ALL: [RequestError; 11] = [
        RequestError::EmptyKey,
        RequestError::ValueProvided,
        RequestError::LeaseProvided,
        RequestError::DuplicateKey,
        RequestError::TooManyOps,
        RequestError::KeyNotFound,
        RequestError::Compacted,
        RequestError::FutureRevision,
        RequestError::LeaseNotFound,
        RequestError::LeaseExists,
        RequestError::LeaseTtlTooLarge,
    ];

    /// The one whose text this is.
    pub fn by_text(text: &str) -> Option<RequestError> {
        Self::ALL.into_iter().find(|error| error.to_string() == text)
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Status {
        let text = error.to_string();
        match error {
            RequestError::EmptyKey
            | RequestError::ValueProvided
            | RequestError::LeaseProvided
            | RequestError::DuplicateKey
            | RequestError::TooManyOps
            | RequestError::KeyNotFound => Status::invalid_argument(text),
            RequestError::Compacted | RequestError::FutureRevision | RequestError::LeaseTtlTooLarge => Status::out_of_range(text),
            RequestError::LeaseNotFound => Status::not_found(text),
            RequestError::LeaseExists => Status::failed_precondition(text),
        }
    }
}

/// Checks a read.
pub fn check_range(request: &RangeRequest) -> Result<(), RequestError> {
    if request.key.is_empty() { Err(RequestError::EmptyKey) } else { Ok(()) }
}

/// Checks a command before it is proposed.
pub fn check_command(request: &command::Request) -> Result<(), RequestError> {
    match request {
        command::Request::Put(put) => {
            if put.key.is_empty() {
                return Err(RequestError::EmptyKey);
            }
            if put.ignore_value && !put.value.is_empty() {
                return Err(RequestError::ValueProvided);
            }
            if put.ignore_lease && put.lease != 0 {
                return Err(RequestError::LeaseProvided);
            }
            Ok(())
        }
        command::Request::DeleteRange(delete) if delete.key.is_empty() => Err(RequestError::EmptyKey),
        command::Request::LeaseGrant(grant) if grant.ttl > LEASE_TTL_MAX => Err(RequestError::LeaseTtlTooLarge),
        command::Request::DeleteRange(_)
        | command::Request::Compact(_)
        | command::Request::LeaseGrant(_)
        | command::Request::LeaseRevoke(_)
        | command::Request::LeaseExpiry(_)
        | command::Request::Member(_) => Ok(()),
        command::Request::Txn(txn) => {
            // In etcd's order: the first mistake is the one that is told.
            check_txn(txn, TXN_OPS_MAX, TXN_DEPTH_MAX)?;
            writes_once(&txn.success)?;
            writes_once(&txn.failure).map(drop)
        }
    }
}

/// As etcd does, a nested transaction gets what its parent left of the limit.
fn check_txn(txn: &TxnRequest, ops_left: usize, depth_left: usize) -> Result<(), RequestError> {
    let ops = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    if ops > ops_left || depth_left == 0 {
        return Err(RequestError::TooManyOps);
    }
    if txn.compare.iter().any(|c| c.key.is_empty()) {
        return Err(RequestError::EmptyKey);
    }
    for branch in [&txn.success, &txn.failure] {
        for op in branch {
            check_op(op, ops_left - ops, depth_left - 1)?;
        }
    }
    Ok(())
}

fn check_op(op: &RequestOp, ops_left: usize, depth_left: usize) -> Result<(), RequestError> {
    match &op.request {
        Some(Request::RequestRange(range)) => check_range(range),
        Some(Request::RequestPut(put)) => check_command(&command::Request::Put(put.clone())),
        Some(Request::RequestDeleteRange(delete)) => check_command(&command::Request::DeleteRange(delete.clone())),
        Some(Request::RequestTxn(txn)) => check_txn(txn, ops_left, depth_left),
        // etcd: an empty operation is an unknown one.
        None => Err(RequestError::KeyNotFound),
    }
}

/// What a branch may write, on any path through it.
#[derive(Default)]
struct Writes {
    puts: BTreeSet<Bytes>,
    deletes: Vec<(Bytes, Bytes)>,
}

impl Writes {
    fn deletes(&self, key: &[u8]) -> bool {
        self.deletes.iter().any(|(start, end)| in_range(key, start, end))
    }
}

/// As etcd's check has it: "\0" is no "from the key on" here, so that such a delete stands beside any put.
fn in_range(key: &[u8], start: &[u8], end: &[u8]) -> bool {
    match end {
        [] => key == start,
        end => key >= start && key < end,
    }
}

/// No key is put twice, nor put and deleted, on one path. The two branches of a nested transaction
/// exclude each other, so they may put the same keys. etcd's `checkIntervals` lets one case through, and
/// so does this: a put in a nested transaction and a delete in a later one beside it.
fn writes_once(ops: &[RequestOp]) -> Result<Writes, RequestError> {
    let requests = || ops.iter().filter_map(|op| op.request.as_ref());
    let mut all = Writes::default();
    for request in requests() {
        if let Request::RequestDeleteRange(delete) = request {
            all.deletes.push((delete.key.clone(), delete.range_end.clone()));
        }
    }
    for request in requests() {
        let Request::RequestTxn(txn) = request else { continue };
        let (then, other) = (writes_once(&txn.success)?, writes_once(&txn.failure)?);
        if then.puts.union(&other.puts).any(|key| all.puts.contains(key) || all.deletes(key)) {
            return Err(RequestError::DuplicateKey);
        }
        all.puts.extend(then.puts.into_iter().chain(other.puts));
        all.deletes.extend(then.deletes.into_iter().chain(other.deletes));
    }
    for request in requests() {
        let Request::RequestPut(put) = request else { continue };
        if all.deletes(&put.key) || !all.puts.insert(put.key.clone()) {
            return Err(RequestError::DuplicateKey);
        }
    }
    Ok(all)
}
