//! What a refusal is, in a word that checkers and events may compare.

use squall_etcd_model::ops::{COMPACTED, Failure, LEASE_NOT_FOUND};
use tonic::Status;

/// etcd's sentences (api/v3rpc/rpctypes) that somebody goes by.
const SENTENCES: [(&str, &str); 3] = [
    ("etcdserver: mvcc: required revision has been compacted", COMPACTED),
    ("etcdserver: requested lease not found", LEASE_NOT_FOUND),
    ("etcdserver: mvcc: database space exceeded", Failure::NO_SPACE),
];

/// The failure that a status is.
pub(crate) fn failure(status: &Status) -> Failure {
    let plain = squall_client::failure(status);
    let known = SENTENCES.iter().find(|(sentence, _)| status.message() == *sentence).map(|(_, code)| *code);
    Failure { code: known.unwrap_or(plain.code), ..plain }
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
