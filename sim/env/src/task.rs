//! What any task needs beside its future: the way it ended, and a deadline around it.

use crate::{Env, LocalInstant};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A joined task did not return: it panicked, or its node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The task was dropped before its end.
    Cancelled,
    /// The task panicked.
    Panicked,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinError::Cancelled => "task cancelled",
            JoinError::Panicked => "task panicked",
        })
    }
}

impl std::error::Error for JoinError {}

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline elapsed")
    }
}

impl std::error::Error for Elapsed {}

/// A future with a deadline on the node's monotonic clock. Nameable, as openraft's trait wants it.
pub struct Timeout<E: Env, F> {
    future: Pin<Box<F>>,
    sleep: E::Sleep,
}

impl<E: Env, F: Future> Future for Timeout<E, F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = self.future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut self.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}

/// Runs `future` for at most `limit`.
pub fn timeout<E: Env, F: Future>(limit: Duration, future: F) -> Timeout<E, F> {
    timeout_at(E::now() + limit, future)
}

/// Runs `future` until `deadline` at the latest.
pub fn timeout_at<E: Env, F: Future>(deadline: LocalInstant, future: F) -> Timeout<E, F> {
    Timeout { future: Box::pin(future), sleep: E::sleep_until(deadline) }
}
