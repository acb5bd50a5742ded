//! What blocks, on a runtime of one thread.

pub use tokio::task::*;

/// Runs `work` as a task of its own: it must not wait for another. (In a simulation there are no threads; the tasks of a node take turns.)
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    #[allow(clippy::disallowed_methods, reason = "on the runtime within")]
    tokio::spawn(async move { work() })
}

/// Runs `work` here and now.
pub fn block_in_place<F, R>(work: F) -> R
where
    F: FnOnce() -> R,
{
    work()
}
