//! What a refusal is, in a word that checkers and events may compare.

use squall_etcd_model::ops::{COMPACTED, Failure, LEASE_NOT_FOUND};
use tonic::{Code, Status};

/// etcd's sentences (api/v3rpc/rpctypes) that somebody goes by.
const SENTENCES: [(&str, &str); 3] = [
    ("etcdserver: mvcc: required revision has been compacted", COMPACTED),
    ("etcdserver: requested lease not found", LEASE_NOT_FOUND),
    ("etcdserver: mvcc: database space exceeded", Failure::NO_SPACE),
];

/// The failure that a status is.
pub(crate) fn failure(status: &Status) -> Failure {
    let known = SENTENCES.iter().find(|(sentence, _)| status.message() == *sentence).map(|(_, code)| *code);
    Failure { code: known.unwrap_or_else(|| word(status.code())), why: words(status) }
}

/// A status in words.
pub(crate) fn words(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// gRPC's codes.
fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid-argument",
        Code::DeadlineExceeded => "deadline-exceeded",
        Code::NotFound => "not-found",
        Code::AlreadyExists => "already-exists",
        Code::PermissionDenied => "permission-denied",
        Code::ResourceExhausted => "resource-exhausted",
        Code::FailedPrecondition => "failed-precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out-of-range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data-loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_code() {
        for (status, code) in [
            (Status::out_of_range("etcdserver: mvcc: required revision has been compacted"), COMPACTED),
            (Status::not_found("etcdserver: requested lease not found"), LEASE_NOT_FOUND),
            (Status::resource_exhausted("etcdserver: mvcc: database space exceeded"), Failure::NO_SPACE),
            (Status::out_of_range("etcdserver: mvcc: required revision is a future revision"), "out-of-range"),
            (Status::unavailable("etcdserver: no leader"), "unavailable"),
        ] {
            let Failure { code: told, why } = failure(&status);
            assert_eq!(told, code, "{status:?}");
            assert!(why.ends_with(status.message()));
        }
    }
}
