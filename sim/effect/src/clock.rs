//! Clocks that go wrong.

use std::{fmt, time::Duration};

/// What happens to a node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// The wall clock jumps by this many nanoseconds; below 0: back.
    Wall(i64),
    /// The monotonic clock runs this many parts per million too fast; 0: exactly.
    Rate(i64),
    /// The monotonic clock, and the wall clock with it, leaps forward.
    Leap(Duration),
    /// The wall clock shows the true time, the monotonic one runs exactly.
    Reset,
}

impl fmt::Display for ClockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockChange::Wall(nanos) => {
                write!(f, "wall clock {} {:?}", if *nanos < 0 { "back" } else { "ahead" }, Duration::from_nanos(nanos.unsigned_abs()))
            }
            ClockChange::Rate(0) => f.write_str("monotonic clock runs exactly"),
            ClockChange::Rate(ppm) => write!(f, "monotonic clock runs {ppm} ppm too fast"),
            ClockChange::Leap(by) => write!(f, "monotonic clock leaps {by:?}"),
            ClockChange::Reset => f.write_str("clocks are set right"),
        }
    }
}
