//! openraft's `AsyncRuntime` on an Env.

use super::watch::OrderedWatch;
use openraft_rt::{AsyncRuntime, OptionalSend};
use openraft_rt_tokio::{TokioMpsc, TokioMutex, TokioOneshot};
use squall_env::{Elapsed, Env, JoinError, LocalInstant, Timeout, timeout, timeout_at};
use std::{
    fmt,
    future::Future,
    io,
    marker::PhantomData,
    ops::{Add, AddAssign, Sub, SubAssign},
    time::Duration,
};

/// The runtime marker.
pub struct RaftRuntime<E>(PhantomData<fn() -> E>);

impl<E> fmt::Debug for RaftRuntime<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RaftRuntime")
    }
}

/// A node-local instant that knows its Env, since `Instant::now` takes no `self`.
pub struct RaftInstant<E>(pub LocalInstant, PhantomData<fn() -> E>);

impl<E> RaftInstant<E> {
    fn at(instant: LocalInstant) -> Self {
        RaftInstant(instant, PhantomData)
    }
}

impl<E> Clone for RaftInstant<E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E> Copy for RaftInstant<E> {}
impl<E> fmt::Debug for RaftInstant<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ns", self.0.0)
    }
}
impl<E> PartialEq for RaftInstant<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<E> Eq for RaftInstant<E> {}
impl<E> PartialOrd for RaftInstant<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for RaftInstant<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<E> Add<Duration> for RaftInstant<E> {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self::at(self.0 + d)
    }
}
impl<E> AddAssign<Duration> for RaftInstant<E> {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}
impl<E> Sub<Duration> for RaftInstant<E> {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self::at(self.0 - d)
    }
}
impl<E> SubAssign<Duration> for RaftInstant<E> {
    fn sub_assign(&mut self, d: Duration) {
        *self = *self - d;
    }
}
impl<E> Sub for RaftInstant<E> {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.0.since(earlier.0)
    }
}

impl<E: Env> openraft_rt::Instant for RaftInstant<E> {
    fn now() -> Self {
        Self::at(E::now())
    }
}

impl<E: Env> AsyncRuntime for RaftRuntime<E> {
    type JoinError = JoinError;
    type JoinHandle<T: OptionalSend + 'static> = E::JoinHandle<T>;
    type Sleep = E::Sleep;
    type Instant = RaftInstant<E>;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timeout<E, T>;
    type ThreadLocalRng = rand_chacha::ChaCha8Rng;
    type Mpsc = TokioMpsc;
    type Watch = OrderedWatch;
    type Oneshot = TokioOneshot;
    type Mutex<T: OptionalSend + 'static> = TokioMutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        E::spawn(future)
    }

    fn sleep(duration: Duration) -> E::Sleep {
        E::sleep(duration)
    }

    fn sleep_until(deadline: RaftInstant<E>) -> E::Sleep {
        E::sleep_until(deadline.0)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Timeout<E, F> {
        timeout::<E, F>(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: RaftInstant<E>, future: F) -> Timeout<E, F> {
        timeout_at::<E, F>(deadline.0, future)
    }

    fn is_panic(error: &JoinError) -> bool {
        *error == JoinError::Panicked
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        E::rng()
    }

    fn new(_threads: usize) -> Self {
        RaftRuntime(PhantomData)
    }

    fn block_on<F, T>(&mut self, _future: F) -> T
    where
        F: Future<Output = T>,
    {
        unreachable!("a node runs inside its environment's executor; nothing blocks on a future there")
    }

    async fn spawn_blocking<F, T>(work: F) -> Result<T, io::Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // openraft's core never calls this; a simulation has no threads to give.
        Ok(work())
    }
}
