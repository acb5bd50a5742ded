//! An ordinary tokio service inside a simulated process.
//!
//! ```text
//!   a service: tokio::spawn, time, sync, select!, tonic::transport, hyper, openraft, ...
//!        │ its own tokio runtime, one thread
//!   run() ── follows the node's own clock (rate, leaps, pauses); what wakes a task wakes the process
//!        │
//!   net, fs, tokio_fs, rpc ── thin modules: sockets and files of the simulated machine
//!        │
//!   clock, kernel, guard ── functions of libc, while a node runs: the node's clock and its random stream; what cannot be simulated
//!                            ends the node with a sentence that says what to use
//! ```
//!
//! A node that runs under [`run`] is deterministic: what it sees of time, randomness, network and disk comes from the plan alone.
//!
//! Its author may give names to places of it: [`bug!`], [`failpoint!`] and [`sometimes!`].
//!
//! Without `--cfg madsim` the thin modules are the originals: `net` is `tokio::net`, `fs` is `std::fs`, `tokio_fs` is `tokio::fs`, [`run`]
//! only awaits, and places with a name are nothing.
//!
//! A binary that links this crate needs `-C link-arg=-Wl,--allow-multiple-definition` beside `--cfg madsim`: some functions of libc are
//! defined by madsim, too, and this crate's are to come first. (Without it, the linker says `duplicate symbol: clock_gettime`.) Add
//! `--cfg tokio_unstable` and each runtime's own random numbers, by which `tokio::select!` picks a branch, come from the node's stream, too;
//! without it, they are the same in each process that makes one run, but not in the second run of one process.

#[cfg(madsim)]
mod bell;
#[cfg(madsim)]
mod clock;
#[cfg(madsim)]
mod guard;
#[cfg(madsim)]
mod inside;
#[cfg(madsim)]
mod kernel;
#[cfg(madsim)]
mod real;
#[cfg(madsim)]
mod runtime;

#[cfg(madsim)]
pub mod fs;
#[cfg(madsim)]
pub mod named;
#[cfg(madsim)]
pub mod net;
#[cfg(all(madsim, feature = "tonic"))]
pub mod rpc;
#[cfg(madsim)]
pub mod task;
#[cfg(madsim)]
pub mod tokio_fs;

#[cfg(madsim)]
pub use bell::outside;
#[cfg(madsim)]
pub use inside::{is_inside, on_machine};
#[cfg(madsim)]
#[doc(hidden)]
pub use linkme as __linkme;
#[cfg(madsim)]
pub use runtime::{run, spawn};

#[cfg(not(madsim))]
mod originals;
#[cfg(not(madsim))]
pub use originals::*;
