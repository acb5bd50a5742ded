//! What a refusal is, in a word that can be compared.

use squall_history::Failure;
use std::time::Duration;
use tonic::{Code, Request, Status};

/// The failure that a status is: its code is gRPC's.
pub fn failure(status: &Status) -> Failure {
    Failure { code: word(status.code()), why: words(status) }
}

/// A status in words: its code and its message.
pub fn words(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// A request that must be answered within this time.
pub fn within<T>(left: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(left);
    request
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
