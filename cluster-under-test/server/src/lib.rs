//! The cluster under test on a real machine: the environment of `squall-node`, and what its flags mean.
//!
//! **Architecture Invariant:** no simulator; what a node does is in `squall-cluster`, not here.

mod flags;
mod logging;
mod net;
mod tls;

pub use flags::{Flags, LogFormat, Setup, SetupError, State};
pub use logging::Logged;
pub use net::{ServerEnv, ServerNet};
pub use tls::{Tls, TlsError, TlsFiles};
