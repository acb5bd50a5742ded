//! `clock:` what goes wrong with clocks. Each node has two: a monotonic one, by which it waits, and a wall
//! clock, by which it should decide nothing.
//!
//! ```text
//!            wall clock                          monotonic clock
//!   skew     off by so much, for a while         -
//!   jump     once, either way                    -
//!   strobe   to and fro, many times a second     -
//!   drift    with the monotonic one              too fast or too slow, for a while
//!   leap     with the monotonic one              forward at once: a machine that was suspended
//!   reset    right again                         exact again
//! ```

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClockChange, ClusterView, Effect, Size},
    target::{Target, Whom},
    values::{self, Shift, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

const TARGET_ARG: Arg =
    Arg { name: "target", form: "a target", about: "whose clocks; etcd's clients wait by the monotonic one, and look at no wall clock" };
const BY_ARG: Arg = Arg { name: "by", form: "-6s, or a range such as -6s..6s", about: "how far the wall clock goes, ahead or back" };
const FOR_ARG: Arg = Arg { name: "for", form: "a duration or a range", about: "how long" };

pub(super) const SKEW: FaultKind = FaultKind {
    name: "clock-skew",
    family: Family::Clock,
    about: "Wall clocks are off by so much, for a while.",
    args: &[TARGET_ARG, BY_ARG, FOR_ARG],
    example: "clock: { skew: { target: minority, by: -10s..10s, for: 5s } }",
    decode: |d, n| decode(d, n, Kind::Skew),
    draw: |d| draw(d, Kind::Skew),
};

pub(super) const JUMP: FaultKind = FaultKind {
    name: "clock-jump",
    family: Family::Clock,
    about: "Wall clocks jump, ahead or back, and stay there.",
    args: &[TARGET_ARG, BY_ARG],
    example: "clock: { jump: { target: leader, by: -6s } }",
    decode: |d, n| decode(d, n, Kind::Jump),
    draw: |d| draw(d, Kind::Jump),
};

pub(super) const STROBE: FaultKind = FaultKind {
    name: "clock-strobe",
    family: Family::Clock,
    about: "Wall clocks go to and fro, many times a second.",
    args: &[TARGET_ARG, BY_ARG, Arg { name: "period", form: "a duration", about: "from one jump to the next (default 50ms)" }, FOR_ARG],
    example: "clock: { strobe: { target: leader, by: 500ms, period: 20ms, for: 2s } }",
    decode: |d, n| decode(d, n, Kind::Strobe),
    draw: |d| draw(d, Kind::Strobe),
};

pub(super) const DRIFT: FaultKind = FaultKind {
    name: "clock-drift",
    family: Family::Clock,
    about: "Monotonic clocks run too fast or too slow, and every timer with them.",
    args: &[TARGET_ARG, Arg { name: "rate", form: "10%, -200ppm or a range", about: "how much too fast; at most 10% either way" }, FOR_ARG],
    example: "clock: { drift: { target: one, rate: -10%..10%, for: 5s } }",
    decode: |d, n| decode(d, n, Kind::Drift),
    draw: |d| draw(d, Kind::Drift),
};

pub(super) const LEAP: FaultKind = FaultKind {
    name: "clock-leap",
    family: Family::Clock,
    about: "Monotonic clocks leap forward, as when a suspended machine goes on: timers fire.",
    args: &[TARGET_ARG, Arg { name: "by", form: "a duration or a range", about: "how far" }],
    example: "clock: { leap: { target: leader, by: 1s..4s } }",
    decode: |d, n| decode(d, n, Kind::Leap),
    draw: |d| draw(d, Kind::Leap),
};

pub(super) const RESET: FaultKind = FaultKind {
    name: "clock-reset",
    family: Family::Clock,
    about: "Clocks are set right: the wall clock shows the true time, the monotonic one runs exactly.",
    args: &[TARGET_ARG],
    example: "clock: { reset: { target: all } }",
    decode: |d, n| decode(d, n, Kind::Reset),
    draw: |d| draw(d, Kind::Reset),
};

/// No quartz is worse; and what a cluster may count on.
const DRIFT_MAX_PPM: i64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Skew,
    Jump,
    Strobe,
    Drift,
    Leap,
    Reset,
}

#[derive(Clone, Debug)]
struct Clock {
    kind: Kind,
    target: Target,
    /// Nanoseconds, or parts per million.
    by: Shift,
    period: Duration,
    lasts: Span,
}

const PERIOD: Duration = Duration::from_millis(50);

fn decode(d: &mut Decoder, node: &Node, kind: Kind) -> Option<Box<dyn Fault>> {
    let mut fields = d.fields(node, "a fault of clocks")?;
    let target = fields.need(d, "target").and_then(|n| Target::decode(d, n, Whom::Anyone));
    let by = match kind {
        Kind::Skew | Kind::Jump | Kind::Strobe => fields.need(d, "by").and_then(|n| values::shift(d, n)),
        Kind::Leap => fields.need(d, "by").and_then(|n| values::span(d, n)).map(Shift::from),
        Kind::Drift => fields.need(d, "rate").and_then(|n| {
            let rate = values::rate_error(d, n)?;
            if rate.min < -DRIFT_MAX_PPM || rate.max > DRIFT_MAX_PPM {
                return d.wrong(Diagnostic::new(n.place, "no clock is off by more than 10%"));
            }
            Some(rate)
        }),
        Kind::Reset => Some(Shift::NONE),
    };
    let period = match kind {
        Kind::Strobe => fields.take("period").map_or(Some(PERIOD), |n| {
            let period = values::duration(d, n)?;
            if period < Duration::from_millis(1) {
                return d.wrong(Diagnostic::new(n.place, "a strobe of less than a millisecond"));
            }
            Some(period)
        }),
        _ => Some(PERIOD),
    };
    let lasts = match kind {
        Kind::Skew | Kind::Strobe | Kind::Drift => fields.need(d, "for").and_then(|n| values::span(d, n)),
        Kind::Jump | Kind::Leap | Kind::Reset => Some(Span::fixed(Duration::ZERO)),
    };
    fields.done(d);
    Some(Box::new(Clock { kind, target: target?, by: by?, period: period?, lasts: lasts? }))
}

fn draw(draws: &mut SeededStream, kind: Kind) -> Box<dyn Fault> {
    let target = draws.pick(&[Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::All]).clone();
    let seconds = |n: i64| Shift { min: -n * 1_000_000_000, max: n * 1_000_000_000 };
    let by = match kind {
        Kind::Skew | Kind::Jump | Kind::Strobe => seconds(*draws.pick(&[1, 10, 3600])),
        Kind::Leap => Shift { min: 0, max: *draws.pick(&[300_000_000, 2_000_000_000, 8_000_000_000]) },
        Kind::Drift => Shift { min: -DRIFT_MAX_PPM, max: DRIFT_MAX_PPM },
        Kind::Reset => Shift::NONE,
    };
    let lasts = match kind {
        Kind::Skew | Kind::Strobe | Kind::Drift => Span::millis(500, 5_000),
        Kind::Jump | Kind::Leap | Kind::Reset => Span::fixed(Duration::ZERO),
    };
    Box::new(Clock { kind, target, by, period: PERIOD, lasts })
}

impl Fault for Clock {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let by = if self.kind == Kind::Drift { self.by.draw(draws, 1) } else { self.by.draw(draws, 1_000) };
        let lasts = Span::fixed(self.lasts.draw(draws));
        Box::new(Clock { target: self.target.fix(draws, size), by, lasts, ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let by = self.by.max;
        let there_and_back = |nanos: i64| vec![(Duration::ZERO, ClockChange::Wall(nanos)), (self.lasts.max, ClockChange::Wall(-nanos))];
        let changes = match self.kind {
            Kind::Skew => there_and_back(by),
            Kind::Jump => vec![(Duration::ZERO, ClockChange::Wall(by))],
            Kind::Strobe => {
                let times = (self.lasts.max.as_nanos() / self.period.as_nanos().max(1)) as u32 / 2 * 2 + 2;
                (0..times).map(|i| (self.period * i, ClockChange::Wall(if i % 2 == 0 { by } else { -by }))).collect()
            }
            Kind::Drift => vec![(Duration::ZERO, ClockChange::Rate(by)), (self.lasts.max, ClockChange::Rate(0))],
            Kind::Leap => vec![(Duration::ZERO, ClockChange::Leap(Duration::from_nanos(by.unsigned_abs())))],
            Kind::Reset => vec![(Duration::ZERO, ClockChange::Reset)],
        };
        let parties = self.target.resolve(view);
        parties
            .into_iter()
            .flat_map(|party| changes.iter().map(move |(at, change)| (*at, Effect::Clock { party, change: *change })))
            .collect()
    }

    fn lasts(&self) -> Duration {
        if self.kind == Kind::Strobe { self.lasts.max + 2 * self.period } else { self.lasts.max }
    }

    fn takes_clients(&self) -> bool {
        true
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Skew => SKEW.name,
            Kind::Jump => JUMP.name,
            Kind::Strobe => STROBE.name,
            Kind::Drift => DRIFT.name,
            Kind::Leap => LEAP.name,
            Kind::Reset => RESET.name,
        }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let by = match self.kind {
            Kind::Reset | Kind::Drift => None,
            Kind::Skew | Kind::Jump | Kind::Strobe | Kind::Leap => Some(self.by.to_text().into()),
        };
        let lasts = match self.kind {
            Kind::Skew | Kind::Strobe | Kind::Drift => Some(self.lasts.to_text().into()),
            Kind::Jump | Kind::Leap | Kind::Reset => None,
        };
        mapping([
            ("target", Some(self.target.to_yaml())),
            ("by", by),
            ("rate", (self.kind == Kind::Drift).then(|| self.by.to_rate_text().into())),
            ("period", (self.period != PERIOD).then(|| values::format_duration(self.period).into())),
            ("for", lasts),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
