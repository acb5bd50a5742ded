//! Applying a command: one revision at most.

use super::{
    Store,
    applied::{Applied, AppliedResponse},
    bugs::Bugs,
    change::Change,
};
use crate::pb::internal::command;
use squall_env::Env;

/// Applies a command; `term` is that of its log entry.
pub fn apply<E: Env>(store: &mut Store, request: &command::Request, term: u64) -> Applied {
    let mut change = Change { revision: store.revision + 1, store, changed: false, bugs: Bugs::of::<E>() };
    let result = match request {
        command::Request::Put(put) => change.put(put).map(AppliedResponse::Put),
        command::Request::DeleteRange(delete) => Ok(AppliedResponse::DeleteRange(change.delete(delete))),
        command::Request::Txn(txn) => change.txn(txn).map(AppliedResponse::Txn),
        command::Request::Compact(compact) => change.compact(compact.revision).map(AppliedResponse::Compact),
        command::Request::LeaseGrant(grant) => change.grant(grant).map(AppliedResponse::LeaseGrant),
        command::Request::LeaseRevoke(revoke) => change.revoke(revoke.id).map(AppliedResponse::LeaseRevoke),
        command::Request::LeaseExpiry(over) => change.expire(over, term).map(AppliedResponse::LeaseRevoke),
        command::Request::Member(member) => Ok(AppliedResponse::Member(change.member(member))),
    };
    let (changed, revision) = (change.changed, change.revision);
    if changed {
        store.revision = revision;
    }
    Applied { result, revision: store.revision }
}
