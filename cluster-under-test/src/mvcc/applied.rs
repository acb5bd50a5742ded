//! What a command answers.

use super::RequestError;
use crate::pb::{
    etcdserverpb::{CompactionResponse, DeleteRangeResponse, LeaseGrantResponse, LeaseRevokeResponse, PutResponse, TxnResponse},
    internal::{self, MemberInfo, applied},
};

/// What a command answers, without its header, and the store's revision after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The answer, or why nothing was done.
    pub result: Result<AppliedResponse, RequestError>,
    /// The store's revision after the command.
    pub revision: i64,
}

/// An answer of one of the modifying requests.
#[derive(Clone, Debug, PartialEq)]
pub enum AppliedResponse {
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a transaction.
    Txn(TxnResponse),
    /// To a compaction.
    Compact(CompactionResponse),
    /// To the grant of a lease.
    LeaseGrant(LeaseGrantResponse),
    /// To its revocation.
    LeaseRevoke(LeaseRevokeResponse),
    /// To what a member tells of itself.
    Member(MemberInfo),
}

impl Applied {
    /// For the wire.
    pub fn to_wire(self) -> internal::Applied {
        let result = match self.result {
            Ok(AppliedResponse::Put(put)) => applied::Result::Put(put),
            Ok(AppliedResponse::DeleteRange(delete)) => applied::Result::DeleteRange(delete),
            Ok(AppliedResponse::Txn(txn)) => applied::Result::Txn(txn),
            Ok(AppliedResponse::Compact(compact)) => applied::Result::Compact(compact),
            Ok(AppliedResponse::LeaseGrant(grant)) => applied::Result::LeaseGrant(grant),
            Ok(AppliedResponse::LeaseRevoke(revoke)) => applied::Result::LeaseRevoke(revoke),
            Ok(AppliedResponse::Member(member)) => applied::Result::Member(member),
            Err(error) => applied::Result::Error(error.to_string()),
        };
        internal::Applied { result: Some(result), revision: self.revision }
    }

    /// From the wire. `None`: from another version of this program.
    pub fn from_wire(wire: internal::Applied) -> Option<Applied> {
        let result = match wire.result? {
            applied::Result::Put(put) => Ok(AppliedResponse::Put(put)),
            applied::Result::DeleteRange(delete) => Ok(AppliedResponse::DeleteRange(delete)),
            applied::Result::Txn(txn) => Ok(AppliedResponse::Txn(txn)),
            applied::Result::Compact(compact) => Ok(AppliedResponse::Compact(compact)),
            applied::Result::LeaseGrant(grant) => Ok(AppliedResponse::LeaseGrant(grant)),
            applied::Result::LeaseRevoke(revoke) => Ok(AppliedResponse::LeaseRevoke(revoke)),
            applied::Result::Member(member) => Ok(AppliedResponse::Member(member)),
            applied::Result::Error(text) => Err(RequestError::by_text(&text)?),
        };
        Some(Applied { result, revision: wire.revision })
    }
}
