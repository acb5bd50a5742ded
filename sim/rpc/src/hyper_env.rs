//! hyper's executor and timer, on an Env.

use hyper::rt::{Executor, Sleep, Timer};
use squall_env::{Env, LocalInstant};
use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Spawns hyper's tasks on the node.
pub(crate) struct EnvExecutor<E>(PhantomData<fn() -> E>);

impl<E> EnvExecutor<E> {
    pub(crate) fn new() -> Self {
        EnvExecutor(PhantomData)
    }
}

impl<E> Clone for EnvExecutor<E> {
    fn clone(&self) -> Self {
        EnvExecutor(PhantomData)
    }
}

impl<E: Env, F> Executor<F> for EnvExecutor<E>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(E::spawn(future));
    }
}

/// hyper's timer over the node's monotonic clock.
///
/// hyper speaks `std::time::Instant`; a node-local time `t` is shown to it as `ORIGIN + t`. Only
/// differences of such instants mean anything, so where the origin lies does not matter.
pub(crate) struct EnvTimer<E>(PhantomData<fn() -> E>);

impl<E> EnvTimer<E> {
    pub(crate) fn new() -> Self {
        EnvTimer(PhantomData)
    }
}

#[allow(clippy::disallowed_methods, reason = "an arbitrary origin, never compared with the real clock")]
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

struct EnvSleep<E: Env>(E::Sleep);

impl<E: Env> Future for EnvSleep<E> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<E: Env> Sleep for EnvSleep<E> {}

impl<E: Env> Timer for EnvTimer<E> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(EnvSleep::<E>(E::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let local = LocalInstant(deadline.saturating_duration_since(origin()).as_nanos() as u64);
        Box::pin(EnvSleep::<E>(E::sleep_until(local)))
    }

    fn now(&self) -> Instant {
        origin() + Duration::from_nanos(E::now().0)
    }
}
