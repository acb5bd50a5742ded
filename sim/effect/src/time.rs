//! Durations as people write them, and ranges of them.

use squall_history::SeededStream;
use std::time::Duration;

/// Reads `250ms`, `5s`, `2m`, `1.5s`, `20us`, `100ns`, `1h`, and several behind each other, the largest unit first: `1m30s`. Exact to
/// the nanosecond; no floats.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut sum, mut last) = (text, Duration::ZERO, u64::MAX);
    loop {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let next = rest[unit..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |digit| unit + digit);
        let (scale, nanos) = part(&rest[..unit], &rest[unit..next])?;
        // Only the last one has decimals.
        if scale >= last || (next < rest.len() && rest[..unit].contains('.')) {
            return None;
        }
        sum = Duration::from_nanos(u64::try_from(sum.as_nanos()).ok()?.checked_add(nanos)?);
        if next == rest.len() {
            return Some(sum);
        }
        (rest, last) = (&rest[next..], scale);
    }
}

/// A number of one unit: the nanoseconds of the unit, and of all of it.
fn part(number: &str, unit: &str) -> Option<(u64, u64)> {
    let scale: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.contains('.') || part.len() > 9 || (number.contains('.') && part.is_empty()) {
        return None;
    }
    let mut nanos = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if !part.is_empty() {
        let fraction = u128::from(part.parse::<u64>().ok()?) * u128::from(scale) / 10u128.pow(part.len() as u32);
        nanos = nanos.checked_add(u64::try_from(fraction).ok()?)?;
    }
    Some((scale, nanos))
}

/// Writes a duration in the largest unit that leaves it exact, with up to three decimals.
pub fn format_duration(d: Duration) -> String {
    let nanos = d.as_nanos();
    for (unit, scale) in [("s", 1_000_000_000u128), ("ms", 1_000_000), ("us", 1_000)] {
        let step = scale / 1000;
        if nanos >= scale && nanos.is_multiple_of(step) || (nanos == 0 && unit == "s") {
            let (whole, part) = (nanos / scale, nanos % scale / step);
            let decimals = format!("{part:03}");
            let decimals = decimals.trim_end_matches('0');
            return if decimals.is_empty() { format!("{whole}{unit}") } else { format!("{whole}.{decimals}{unit}") };
        }
    }
    format!("{nanos}ns")
}

/// A duration, or a closed range of them that a plan draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub min: Duration,
    /// The longest; the same when it is fixed.
    pub max: Duration,
}

impl Span {
    /// Exactly this.
    pub const fn fixed(d: Duration) -> Span {
        Span { min: d, max: d }
    }

    /// Milliseconds.
    pub const fn millis(min: u64, max: u64) -> Span {
        Span { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }

    /// Whether nothing is left to chance.
    pub fn is_fixed(&self) -> bool {
        self.min == self.max
    }

    /// One duration out of it, to the microsecond, so that plans stay readable.
    pub fn draw(&self, draws: &mut SeededStream) -> Duration {
        if self.is_fixed() {
            return self.min;
        }
        let (low, high) = (self.min.as_nanos().div_ceil(1_000) as u64, self.max.as_micros() as u64);
        // A range within one microsecond.
        if low > high {
            return self.min;
        }
        Duration::from_micros(draws.in_range(low..=high))
    }

    /// As it is written.
    pub fn to_text(self) -> String {
        match self.is_fixed() {
            true => format_duration(self.min),
            false => format!("{}..{}", format_duration(self.min), format_duration(self.max)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_exactly_and_bad_ones_refused() {
        for (text, nanos) in [
            ("250ms", 250_000_000u64),
            ("5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120_000_000_000),
            ("0s", 0),
            ("7ns", 7),
            ("1m30s", 90_000_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        for text in [
            "5",
            "s",
            "",
            "-5s",
            "5 s",
            "1.s",
            ".5s",
            "1.2.3s",
            "5S",
            "99999999999999999999s",
            "1e3s",
            "30s1m",
            "1s1s",
            "1.5m3s",
            "1m30",
            "1m 30s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for nanos in [0, 1, 999, 1_000, 1_001, 250_000_000, 1_500_000_000, 3_214_567_000, 90_000_000_000, 123_456_789_123] {
            let d = Duration::from_nanos(nanos);
            assert_eq!(parse_duration(&format_duration(d)), Some(d), "{}", format_duration(d));
        }
        assert_eq!(format_duration(Duration::from_micros(3_214_500)), "3214.5ms");
        assert_eq!(format_duration(Duration::from_millis(3_200)), "3.2s");
    }
}
