//! Virtual time: nanoseconds since the start of the run.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A moment of a run, in nanoseconds of virtual time since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SimTime(pub u64);

impl SimTime {
    /// Later than every moment of every run.
    pub const MAX: SimTime = SimTime(u64::MAX);

    /// Seconds, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// `self - earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: SimTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for SimTime {
    type Output = SimTime;
    fn add(self, d: Duration) -> SimTime {
        SimTime(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for SimTime {
    type Output = SimTime;
    fn sub(self, d: Duration) -> SimTime {
        SimTime(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 / 1000 % 1_000_000)
    }
}

/// A duration in words: `4 s`, `1.5 s`, `250 ms`, `3.2 ms`, `40 µs`, to four digits.
pub fn in_words(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (unit, name) = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")].into_iter().find(|(unit, _)| nanos >= *unit).unwrap_or((1.0, "ns"));
    let number = nanos / unit;
    let digits = if number >= 1000.0 { 0 } else { 3 - number.log10().max(0.0) as usize };
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if nanos == 0.0 { "no time".to_string() } else { format!("{text} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_words() {
        for (nanos, text) in [
            (0, "no time"),
            (40, "40 ns"),
            (40_000, "40 µs"),
            (3_200_000, "3.2 ms"),
            (250_000_000, "250 ms"),
            (1_500_000_000, "1.5 s"),
            (4_000_000_000, "4 s"),
            (12_345_678_900, "12.35 s"),
            (20_000_000_000, "20 s"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(in_words(Duration::from_nanos(nanos)), text);
        }
    }
}
