//! gRPC over the byte streams of an [`Env`](squall_env::Env): real tonic services, hyper's HTTP/2,
//! our own channel, serve loop, deadlines and timers.
//!
//! The bytes on the simulated wire are therefore the bytes of production. What this crate is not: a
//! load balancer, or TLS.

mod channel;
mod deadline;
mod hyper_env;
pub mod outcome;
mod server;
mod shutdown;

pub use channel::{Channel, ChannelOptions};
pub use deadline::{GRPC_TIMEOUT, format_timeout, parse_timeout};
pub use outcome::{NeverSent, Refusals};
pub use server::{ServerOptions, serve};
pub use shutdown::Shutdown;
