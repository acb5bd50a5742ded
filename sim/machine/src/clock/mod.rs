//! A node's clocks, and the timers that run on them.
//!
//! The monotonic clock is a rate and forward leaps on virtual time; it never goes back. The wall
//! clock is an offset on it that may jump either way. Timers keep their *local* deadline, and are
//! re-armed when the rate changes or the clock leaps.

mod sleep;
mod timers;

pub use sleep::SimSleep;
pub(crate) use timers::Timers;

use squall_effect::ClockChange;
use squall_env::{LocalInstant, WallTime};
use squall_history::SimTime;

/// One million parts per million: the rate of a perfect clock.
pub const PERFECT_RATE_PPM: u64 = 1_000_000;

/// 2026-01-01 00:00:00 UTC: where every wall clock starts, in nanoseconds since the Unix epoch.
const WALL_START: i64 = 1_767_225_600_000_000_000;

/// The clocks of a host.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    since: SimTime,
    local_then: u64,
    rate_ppm: u64,
    wall_offset: i64,
}

impl Clock {
    /// A perfect clock that shows `start` at the beginning of the run.
    pub(crate) fn new(start: LocalInstant) -> Clock {
        Clock { since: SimTime(0), local_then: start.0, rate_ppm: PERFECT_RATE_PPM, wall_offset: WALL_START - start.0 as i64 }
    }

    pub(crate) fn local(&self, now: SimTime) -> LocalInstant {
        let passed = now.0 - self.since.0;
        let passed = match self.rate_ppm {
            PERFECT_RATE_PPM => passed,
            rate => (u128::from(passed) * u128::from(rate) / u128::from(PERFECT_RATE_PPM)) as u64,
        };
        LocalInstant(self.local_then + passed)
    }

    pub(crate) fn wall(&self, now: SimTime) -> WallTime {
        WallTime(self.local(now).0 as i64 + self.wall_offset)
    }

    /// The first virtual moment at which the clock shows `deadline` or later.
    pub(crate) fn when(&self, deadline: LocalInstant) -> SimTime {
        let ahead = deadline.0.saturating_sub(self.local_then);
        let ahead = match self.rate_ppm {
            PERFECT_RATE_PPM => u128::from(ahead),
            rate => (u128::from(ahead) * u128::from(PERFECT_RATE_PPM)).div_ceil(u128::from(rate)),
        };
        SimTime(self.since.0.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX)))
    }

    fn rebase(&mut self, now: SimTime) {
        self.local_then = self.local(now).0;
        self.since = now;
    }
}

impl Clock {
    /// Changes it, now. Whether timers on it are due at another moment than before.
    pub(crate) fn change(&mut self, now: SimTime, change: ClockChange) -> bool {
        match change {
            ClockChange::Rate(ppm) => {
                self.rebase(now);
                // A monotonic clock never stands still.
                self.rate_ppm = PERFECT_RATE_PPM.saturating_add_signed(ppm).max(1);
            }
            ClockChange::Leap(by) => {
                self.rebase(now);
                self.local_then += by.as_nanos() as u64;
            }
            ClockChange::Reset => {
                self.rebase(now);
                self.rate_ppm = PERFECT_RATE_PPM;
                self.wall_offset = WALL_START + now.0 as i64 - self.local_then as i64;
            }
            ClockChange::Wall(nanos) => {
                self.wall_offset += nanos;
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_and_its_moment_agree_at_any_rate() {
        for ppm in [900_000, 999_999, 1_000_000, 1_000_001, 1_100_000] {
            let mut clock = Clock::new(LocalInstant(1_000));
            clock.rebase(SimTime(777));
            clock.rate_ppm = ppm;
            for ahead in [1, 999, 1_000_000, 123_456_789] {
                let deadline = LocalInstant(clock.local(SimTime(777)).0 + ahead);
                let when = clock.when(deadline);
                assert!(clock.local(when) >= deadline, "fired early at {ppm} ppm");
                assert!(clock.local(SimTime(when.0 - 1)) < deadline, "fired late at {ppm} ppm");
            }
        }
    }
}
