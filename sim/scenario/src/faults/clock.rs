//! `clock:` what goes wrong with clocks. Each node has two: a monotonic one, by which it waits, and a wall
//! clock, by which it should decide nothing.
//!
//! ```text
//!            wall clock                          monotonic clock
//!   skew     off by an offset, for a while        -
//!   jump     once, either way                    -
//!   strobe   to and fro, many times a second     -
//!   drift    with the monotonic one              too fast or too slow, for a while
//!   leap     with the monotonic one              forward at once: a machine that was suspended
//!   reset    right again                         exact again
//! ```

use super::{Acts, Family, Kind, to_each};
use crate::{
    Service,
    effect::{ClockChange, ClusterView, Effect},
    language::arguments,
    target::{Chosen, Target},
    values::{Range, RateError, Shift, Span},
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Wall clocks are off by an offset, for a while.
    pub(crate) struct Skew => Skewing, "a fault of clocks" {
        /// whose clocks; clients wait by the monotonic one, and look at no wall clock
        target: Target,
        /// how far the wall clock goes, ahead or back
        by: Shift,
        /// how long
        lasts ["for"]: Span,
    }
}

arguments! {
    /// Wall clocks jump, ahead or back, and stay there.
    pub(crate) struct Jump => Jumping, "a fault of clocks" {
        /// whose clocks; clients wait by the monotonic one, and look at no wall clock
        target: Target,
        /// how far the wall clock goes, ahead or back
        by: Shift,
    }
}

arguments! {
    /// Wall clocks go to and fro, many times a second.
    pub(crate) struct Strobe => Strobing, "a fault of clocks" {
        /// whose clocks; clients wait by the monotonic one, and look at no wall clock
        target: Target,
        /// how far the wall clock goes, ahead or back
        by: Shift,
        /// from one jump to the next
        period: Duration = Duration::from_millis(50),
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| {
        if it.period < Duration::from_millis(1) {
            check.wrong("period", "a strobe of less than a millisecond");
        }
    }
}

arguments! {
    /// Monotonic clocks run too fast or too slow, and every timer with them.
    pub(crate) struct Drift => Drifting, "a fault of clocks" {
        /// whose clocks; clients wait by the monotonic one, and look at no wall clock
        target: Target,
        /// how much too fast; at most 10% either way
        rate: RateError,
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| {
        if it.rate.0.min < -DRIFT_MAX_PPM || it.rate.0.max > DRIFT_MAX_PPM {
            check.wrong("rate", "no clock is off by more than 10%");
        }
    }
}

arguments! {
    /// Monotonic clocks leap forward, as when a suspended machine goes on: timers fire.
    pub(crate) struct Leap => Leaping, "a fault of clocks" {
        /// whose clocks; clients wait by the monotonic one, and look at no wall clock
        target: Target,
        /// how far
        by: Span,
    }
}

arguments! {
    /// Clocks are set right: the wall clock shows the true time, the monotonic one runs exactly.
    pub(crate) struct Reset => Resetting, "a fault of clocks" {
        /// whose clocks; clients wait by the monotonic one, and look at no wall clock
        target: Target,
    }
}

/// No quartz is worse; and what a cluster may count on.
const DRIFT_MAX_PPM: i64 = 100_000;

/// How long a clock is wrong, when that is drawn.
const LASTS: Span = Span::millis(500, 5_000);

fn target(draws: &mut SeededStream) -> Target {
    draws.pick(&[Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::All]).clone()
}

/// A number of seconds, ahead or back.
fn shift(draws: &mut SeededStream) -> Shift {
    let nanos = *draws.pick(&[1, 10, 3600]) * 1_000_000_000;
    Shift(Range { min: -nanos, max: nanos })
}

impl Kind for Skew {
    const NAME: &'static str = "clock-skew";
    const FAMILY: Family = Family::Clock;
    const EXAMPLE: &'static str = "clock: { skew: { target: minority, by: -10s..10s, for: 5s } }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Skew { target: target(draws), by: shift(draws), lasts: LASTS }
    }
}

impl Kind for Jump {
    const NAME: &'static str = "clock-jump";
    const FAMILY: Family = Family::Clock;
    const EXAMPLE: &'static str = "clock: { jump: { target: leader, by: -6s } }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Jump { target: target(draws), by: shift(draws) }
    }
}

impl Kind for Strobe {
    const NAME: &'static str = "clock-strobe";
    const FAMILY: Family = Family::Clock;
    const EXAMPLE: &'static str = "clock: { strobe: { target: leader, by: 500ms, period: 20ms, for: 2s } }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Strobe { target: target(draws), by: shift(draws), period: Duration::from_millis(50), lasts: LASTS }
    }
}

impl Kind for Drift {
    const NAME: &'static str = "clock-drift";
    const FAMILY: Family = Family::Clock;
    const EXAMPLE: &'static str = "clock: { drift: { target: one, rate: -10%..10%, for: 5s } }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let rate = RateError(Range { min: -DRIFT_MAX_PPM, max: DRIFT_MAX_PPM });
        Drift { target: target(draws), rate, lasts: LASTS }
    }
}

impl Kind for Leap {
    const NAME: &'static str = "clock-leap";
    const FAMILY: Family = Family::Clock;
    const EXAMPLE: &'static str = "clock: { leap: { target: leader, by: 1s..4s } }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Leap { target: target(draws), by: Span::millis(0, *draws.pick(&[300, 2_000, 8_000])) }
    }
}

impl Kind for Reset {
    const NAME: &'static str = "clock-reset";
    const FAMILY: Family = Family::Clock;
    const EXAMPLE: &'static str = "clock: { reset: { target: all } }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Reset { target: target(draws) }
    }
}

/// These changes of the clocks of each of those.
fn changed(target: &Chosen, view: &ClusterView, changes: &[(Duration, ClockChange)]) -> Vec<(Duration, Effect)> {
    to_each(target.resolve(view), |party| changes.iter().map(|(at, change)| (*at, Effect::Clock { party, change: *change })).collect())
}

impl Acts for Skewing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let there_and_back = [(Duration::ZERO, ClockChange::Wall(self.by)), (self.lasts, ClockChange::Wall(-self.by))];
        changed(&self.target, view, &there_and_back)
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}

impl Acts for Jumping {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        changed(&self.target, view, &[(Duration::ZERO, ClockChange::Wall(self.by))])
    }
}

impl Acts for Strobing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let times = (self.lasts.as_nanos() / self.period.as_nanos().max(1)) as u32 / 2 * 2 + 2;
        let change = |i: u32| (self.period * i, ClockChange::Wall(if i.is_multiple_of(2) { self.by } else { -self.by }));
        changed(&self.target, view, &(0..times).map(change).collect::<Vec<_>>())
    }

    fn max_duration(&self) -> Duration {
        self.lasts + 2 * self.period
    }
}

impl Acts for Drifting {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        changed(&self.target, view, &[(Duration::ZERO, ClockChange::Rate(self.rate)), (self.lasts, ClockChange::Rate(0))])
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}

impl Acts for Leaping {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        changed(&self.target, view, &[(Duration::ZERO, ClockChange::Leap(self.by))])
    }
}

impl Acts for Resetting {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        changed(&self.target, view, &[(Duration::ZERO, ClockChange::Reset)])
    }
}
