//! How this service refuses: etcd's sentences.

use squall_rpc::Refusals;
use tonic::Code;

/// How this service refuses, and etcd does.
pub const REFUSALS: Refusals = Refusals {
    before_proposing: BEFORE_PROPOSING,
    own: "etcdserver:",
    everywhere: |status| {
        status.message() == "etcdserver: unhealthy cluster"
            || (status.code() == Code::FailedPrecondition && status.message() != "etcdserver: not leader")
    },
};

/// The messages by which it says that it did not propose a request.
const BEFORE_PROPOSING: &[(Code, &str)] = &[
    // api/v3rpc/rpctypes: ErrGRPCNotLeader. The request was not put into any log.
    (Code::FailedPrecondition, "etcdserver: not leader"),
    // ErrGRPCNoLeader. The same, where no leader is known.
    (Code::Unavailable, "etcdserver: no leader"),
    // ErrGRPCTooManyRequests: refused at the door.
    (Code::ResourceExhausted, "etcdserver: too many requests"),
    // ErrGRPCNoSpace: the leader's disk is full, and it turns new writes away.
    (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded"),
    // ErrGRPCUnhealthy: a change of the members that could not be committed is not proposed.
    (Code::Unavailable, "etcdserver: unhealthy cluster"),
    // ErrGRPCRequestTooLarge: refused at the door.
    (Code::InvalidArgument, "etcdserver: request is too large"),
];
