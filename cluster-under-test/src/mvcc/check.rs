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
            RequestError::Compacted | RequestError::FutureRevision => Status::out_of_range(text),
            RequestError::LeaseNotFound => Status::not_found(text),
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
        command::Request::DeleteRange(_) | command::Request::Compact(_) => Ok(()),
        command::Request::Txn(txn) => check_txn(txn, TXN_OPS_MAX, TXN_DEPTH_MAX),
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
        writes_once(branch)?;
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

fn in_range(key: &[u8], start: &[u8], end: &[u8]) -> bool {
    match end {
        [] => key == start,
        [0] => key >= start,
        end => key >= start && key < end,
    }
}

/// No key is put twice, nor put and deleted, on one path (etcd: `checkIntervals`). The two branches
/// of a nested transaction exclude each other, so they may write the same keys.
fn writes_once(ops: &[RequestOp]) -> Result<Writes, RequestError> {
    let mut all = Writes::default();
    for op in ops {
        let more = match &op.request {
            Some(Request::RequestPut(put)) => Writes { puts: BTreeSet::from([put.key.clone()]), deletes: vec![] },
            Some(Request::RequestDeleteRange(d)) => Writes { puts: BTreeSet::new(), deletes: vec![(d.key.clone(), d.range_end.clone())] },
            Some(Request::RequestTxn(txn)) => {
                let (mut then, other) = (writes_once(&txn.success)?, writes_once(&txn.failure)?);
                then.puts.extend(other.puts);
                then.deletes.extend(other.deletes);
                then
            }
            Some(Request::RequestRange(_)) | None => continue,
        };
        let clash = more.puts.iter().any(|key| all.puts.contains(key) || all.deletes.iter().any(|(s, e)| in_range(key, s, e)))
            || all.puts.iter().any(|key| more.deletes.iter().any(|(s, e)| in_range(key, s, e)));
        if clash {
            return Err(RequestError::DuplicateKey);
        }
        all.puts.extend(more.puts);
        all.deletes.extend(more.deletes);
    }
    Ok(all)
}
