//! Where what is seen is written down, in simulated time or in real time.

use squall_history::{EntryKind, SimTime};

/// Where what clients see is written.
pub trait Pen: Send + Sync {
    /// What time it is, by the history.
    fn now(&self) -> SimTime;

    /// Writes a line, now.
    fn write(&self, what: EntryKind);
}
