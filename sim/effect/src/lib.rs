//! What a run can do to a machine: few and physical effects. Every fault compiles to them, and the run has one interpreter of them.
//!
//! ```text
//!   sim/scenario: a fault ──► effects ──► sim/run: the interpreter ──► sim/machine: links, clocks, disks, processes
//! ```
//!
//! **Architecture Invariant:** pure. It knows no scenario and no machine.

pub mod budget;
mod clock;
mod disk;
mod effect;
mod link;
mod process;
mod time;

pub use clock::ClockChange;
pub use disk::{Damage, DiskAccess, DiskChange, Errno};
pub use effect::{Admin, Effect};
pub use link::{LinkChange, Probability};
pub use process::{Armed, Strike};
pub use squall_history::{Link, Party, PowerLoss};
pub use time::{Span, format_duration, parse_duration};
