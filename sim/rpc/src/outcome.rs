//! Which error is definite. The root of every verdict: one function, a row for each case.
//!
//! A *definite* failure certainly did not happen and never will. Everything else is *unknown*: the
//! operation may have happened, or happen later. Calling an unknown one definite is how a harness
//! raises false alarms; calling a definite one unknown only makes it see less.

use std::fmt;
use tonic::{Code, Status};

/// The request never left this host: no connection stood. The source of such a [`Status`]; it can
/// only be made here, so a server cannot claim it.
#[derive(Debug)]
pub struct NeverSent(());

impl fmt::Display for NeverSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was never sent")
    }
}

impl std::error::Error for NeverSent {}

pub(crate) fn never_sent(code: Code, message: String) -> Status {
    let mut status = Status::new(code, message);
    status.set_source(std::sync::Arc::new(NeverSent(())));
    status
}

/// What a failed request says about its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It did not happen, and never will.
    Definite,
    /// Nobody knows.
    Unknown,
}

/// How a service refuses. Handed in by whoever knows the service.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// The messages by which it says that it did not propose a request.
    pub before_proposing: &'static [(Code, &'static str)],
    /// How its own messages begin: what does not is a library's.
    pub own: &'static str,
    /// Whether a node that says so is there, and another one would say the same.
    pub everywhere: fn(&Status) -> bool,
}

impl Refusals {
    /// Of a service that says nothing of its own.
    pub const NONE: Refusals = Refusals { before_proposing: &[], own: "\0", everywhere: |_| false };
}

/// The one place that decides.
pub fn classify(status: &Status, refusals: &Refusals) -> Certainty {
    let source = std::error::Error::source(status);
    if source.is_some_and(|s| s.is::<NeverSent>()) {
        return Certainty::Definite;
    }
    if refusals.before_proposing.iter().any(|(code, message)| status.code() == *code && status.message() == *message) {
        return Certainty::Definite;
    }
    match status.code() {
        // tonic's own words for an answer that is too long to decode: the request was served.
        Code::OutOfRange if !status.message().starts_with(refusals.own) => Certainty::Unknown,
        // Refused by validation, which comes before anything is proposed.
        Code::InvalidArgument | Code::Unimplemented | Code::OutOfRange | Code::NotFound => Certainty::Definite,
        // The client's or the server's deadline: the proposal may be in the log already.
        Code::DeadlineExceeded => Certainty::Unknown,
        // A reset, a GOAWAY, a connection that died: the request was on the wire. (A stream refused
        // before processing, RFC 9113 8.7, would be definite; hyper does not tell it apart reliably.)
        Code::Unavailable | Code::Cancelled => Certainty::Unknown,
        // tonic's word for an HTTP/2 or body error in the middle of an answer.
        Code::Unknown | Code::Internal => Certainty::Unknown,
        // No server of ours sends these for an operation; whoever does has said nothing certain.
        Code::FailedPrecondition
        | Code::ResourceExhausted
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Aborted
        | Code::DataLoss => Certainty::Unknown,
        Code::Ok => Certainty::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Refusals = Refusals {
        before_proposing: &[(Code::FailedPrecondition, "ours: not leader"), (Code::Unavailable, "ours: no leader")],
        own: "ours:",
        everywhere: |_| false,
    };

    #[test]
    fn only_what_certainly_did_not_happen_is_definite() {
        for (status, expect) in [
            (never_sent(Code::Unavailable, "refused".into()), Certainty::Definite),
            (never_sent(Code::DeadlineExceeded, "while dialling".into()), Certainty::Definite),
            (Status::failed_precondition("ours: not leader"), Certainty::Definite),
            (Status::unavailable("ours: no leader"), Certainty::Definite),
            (Status::invalid_argument("ours: key is not provided"), Certainty::Definite),
            (Status::unavailable("connection reset"), Certainty::Unknown),
            (Status::unavailable("the request was never sent"), Certainty::Unknown),
            (Status::deadline_exceeded("ours: no leader"), Certainty::Unknown),
            (Status::failed_precondition("ours: something else"), Certainty::Unknown),
            (Status::out_of_range("ours: the past is gone"), Certainty::Definite),
            (Status::out_of_range("decoded message length too large"), Certainty::Unknown),
            (Status::unknown("h2 protocol error"), Certainty::Unknown),
            (Status::internal("?"), Certainty::Unknown),
        ] {
            assert_eq!(classify(&status, &OURS), expect, "{status:?}");
        }
    }
}
