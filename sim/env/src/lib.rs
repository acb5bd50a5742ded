//! The ports that a system under test is written against.
//!
//! A service is generic over one type, [`Env`]: its clock, its timers, its tasks, its randomness,
//! and (as instances, handed to it at boot) its [`Net`] and its [`Disk`]. Two families implement
//! them: [`real`] over tokio, kernel sockets and kernel files, and the simulated machine of
//! `squall-machine`. One suite, [`conformance`], runs against both.
//!
//! What this crate is not: an async runtime, a mock, or a place for policy. It holds no state.
//!
//! **Architecture Invariant:** nothing here names madsim or gRPC.

pub mod conformance;
mod disk;
mod net;
pub mod real;
mod task;
mod time;

pub use disk::{Disk, File, OpenMode};
pub use net::{ByteStream, Listener, Net};
pub use task::{Elapsed, JoinError, Timeout, timeout, timeout_at};
pub use time::{LocalInstant, WallTime};

use std::{future::Future, io, net::SocketAddr, time::Duration};

/// A bug that can be planted in a system: its name. A site asks `E::bug(..)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug(pub &'static str);

/// A named seam of a system's code, at which a fault may strike: its name. A site awaits
/// `E::failpoint(..)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint(pub &'static str);

/// Everything that a node may ask of the machine it runs on.
///
/// The functions take no `self`: they are resolved from the running task, because openraft's
/// `AsyncRuntime` and its `Instant::now` take none either. Implementors are zero-sized markers.
pub trait Env: Sized + Send + Sync + 'static {
    /// A timer on the node's own monotonic clock.
    type Sleep: Future<Output = ()> + Send + Sync + Unpin + 'static;
    /// Awaits a spawned task. Dropping it detaches the task.
    type JoinHandle<T: Send + 'static>: Future<Output = Result<T, JoinError>> + Send + Unpin + 'static;
    /// The network this environment's nodes talk over.
    type Net: Net;
    /// The disk this environment's nodes write to.
    type Disk: Disk;

    /// The node's monotonic clock, in nanoseconds since an arbitrary start.
    fn now() -> LocalInstant;

    /// The node's wall clock. It may jump either way.
    fn wall_now() -> WallTime;

    /// Completes once the node's monotonic clock has reached `deadline`.
    fn sleep_until(deadline: LocalInstant) -> Self::Sleep;

    /// Runs `future` as a task of this node; it ends with the node.
    fn spawn<F>(future: F) -> Self::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// A fresh generator, seeded from the node's own stream.
    fn rng() -> rand_chacha::ChaCha8Rng;

    /// Is this planted bug switched on? A constant `false` outside a simulation, so that the real
    /// server compiles the broken branch out.
    #[inline(always)]
    fn bug(_bug: impl Into<Bug>) -> bool {
        false
    }

    /// Execution passes one of the system's named seams: a fault may be armed there. Nothing outside a simulation.
    #[inline(always)]
    fn failpoint(_point: impl Into<Failpoint> + Send) -> impl Future<Output = io::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Whether a request to this address, which may safely happen twice, is to be sent once more over another
    /// connection. A constant `false` outside a simulation.
    #[inline(always)]
    fn sends_twice(_to: SocketAddr) -> bool {
        false
    }

    /// Completes after `duration` on the node's monotonic clock.
    fn sleep(duration: Duration) -> Self::Sleep {
        Self::sleep_until(Self::now() + duration)
    }
}
