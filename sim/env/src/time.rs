//! Node-local time. Newtypes, so that a node's clock and the simulator's are never mixed up.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// A point on one node's monotonic clock: nanoseconds since an arbitrary start.
///
/// Never comparable across nodes, nor across incarnations of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LocalInstant(pub u64);

impl LocalInstant {
    /// `self - earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: LocalInstant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for LocalInstant {
    type Output = LocalInstant;
    fn add(self, d: Duration) -> LocalInstant {
        LocalInstant(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for LocalInstant {
    type Output = LocalInstant;
    fn sub(self, d: Duration) -> LocalInstant {
        LocalInstant(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A node's wall clock: nanoseconds since the Unix epoch, as that node believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub i64);
