//! The names that a scenario may use, where they are not this crate's own: what systems under test have.

mod decode;
mod named;
mod system;

pub use named::{EventInfo, Failpoint, Gives, Holder, Named};
pub use system::{Argument, Decoder, Lines, Probe, Rename, Service, Vocabulary, WorkloadKind};
pub(crate) use system::{Scope, every, joined};
