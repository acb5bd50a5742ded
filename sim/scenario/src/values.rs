//! The small values of the language: durations, ranges, rates, probabilities.

use crate::yaml::{Decoder, Diagnostic, Kind, Node};
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

const DURATION: &str = "a duration such as 250ms or 5s";
const SPAN: &str = "a duration such as 250ms, or a range such as 2s..6s";

pub(crate) fn duration(decoder: &mut Decoder, node: &Node) -> Option<Duration> {
    decoder.scalar(node, DURATION, parse_duration)
}

pub(crate) fn span(decoder: &mut Decoder, node: &Node) -> Option<Span> {
    if let Kind::Scalar(text) = &node.kind
        && let Some((min, max)) = text.split_once("..")
        && let (Some(first), Some(last)) = (parse_duration(min), parse_duration(max))
        && first > last
    {
        return decoder.wrong(Diagnostic::new(node.place, format!("`{text}` goes back")).help(format!("write `{max}..{min}`")));
    }
    decoder.scalar(node, SPAN, |text| match text.split_once("..") {
        None => parse_duration(text).map(Span::fixed),
        Some((min, max)) => {
            let (min, max) = (parse_duration(min)?, parse_duration(max)?);
            (min <= max).then_some(Span { min, max })
        }
    })
}

/// A change in either direction, or a closed range of them that a plan draws from: nanoseconds, or parts per
/// million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl From<Span> for Shift {
    fn from(span: Span) -> Shift {
        let nanos = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        Shift { min: nanos(span.min), max: nanos(span.max) }
    }
}

impl Shift {
    pub(crate) const NONE: Shift = Shift { min: 0, max: 0 };

    /// One out of it, in whole steps.
    pub(crate) fn draw(self, draws: &mut SeededStream, step: i64) -> Shift {
        if self.min == self.max {
            return self;
        }
        let steps = (self.max - self.min) / step;
        let one = self.min + step * draws.in_range(0..=steps.unsigned_abs()) as i64;
        Shift { min: one, max: one }
    }

    fn range(self, text: impl Fn(i64) -> String) -> String {
        if self.min == self.max { text(self.min) } else { format!("{}..{}", text(self.min), text(self.max)) }
    }

    pub(crate) fn to_text(self) -> String {
        self.range(|n| format!("{}{}", if n < 0 { "-" } else { "" }, format_duration(Duration::from_nanos(n.unsigned_abs()))))
    }

    pub(crate) fn to_rate_text(self) -> String {
        self.range(|ppm| format!("{ppm}ppm"))
    }
}

fn either_way(decoder: &mut Decoder, node: &Node, what: &str, read: impl Fn(&str) -> Option<i64>) -> Option<Shift> {
    decoder.scalar(node, what, |text| {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let (min, max) = (read(min)?, read(max)?);
        (min <= max).then_some(Shift { min, max })
    })
}

/// `-6s`, `6s`, `-6s..6s`.
pub(crate) fn shift(decoder: &mut Decoder, node: &Node) -> Option<Shift> {
    either_way(decoder, node, "how far a clock goes, such as -6s, or a range such as -6s..6s", |text| {
        let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
        i64::try_from(parse_duration(text)?.as_nanos()).ok().map(|nanos| sign * nanos)
    })
}

/// `10%`, `-200ppm`, `-1%..1%`: parts per million.
pub(crate) fn rate_error(decoder: &mut Decoder, node: &Node) -> Option<Shift> {
    either_way(decoder, node, "how much too fast a clock runs, such as 10% or -200ppm, or a range such as -5%..5%", |text| {
        let percent = text.strip_suffix('%').and_then(|n| n.parse::<i64>().ok()?.checked_mul(10_000));
        percent.or_else(|| text.strip_suffix("ppm")?.parse().ok())
    })
}

/// How often, as a ratio: `3/100` or `3%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    /// This many times
    pub numerator: u32,
    /// out of this many.
    pub denominator: u32,
}

impl Probability {
    /// Never.
    pub const NEVER: Probability = Probability { numerator: 0, denominator: 1 };

    pub(crate) fn to_text(self) -> String {
        match self.denominator {
            100 => format!("{}%", self.numerator),
            denominator => format!("{}/{denominator}", self.numerator),
        }
    }
}

pub(crate) fn probability(decoder: &mut Decoder, node: &Node) -> Option<Probability> {
    decoder.scalar(node, "a probability such as 3% or 3/100", |text| {
        let (numerator, denominator) = match text.strip_suffix('%') {
            Some(percent) => (percent.parse().ok()?, 100),
            None => {
                let (n, d) = text.split_once('/')?;
                (n.parse().ok()?, d.parse().ok()?)
            }
        };
        (denominator > 0 && numerator <= denominator).then_some(Probability { numerator, denominator })
    })
}

fn parse_bytes(text: &str) -> Option<u64> {
    let scaled = |unit: &str, scale: u64| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(scale);
    scaled("KiB", 1 << 10).or_else(|| scaled("MiB", 1 << 20)).or_else(|| scaled("B", 1))
}

/// Reads `512B`, `64KiB`, `1MiB`.
pub(crate) fn bytes(decoder: &mut Decoder, node: &Node) -> Option<u64> {
    decoder.scalar(node, "a number of bytes such as 64KiB", parse_bytes)
}

/// Writes bytes in the largest unit that leaves them whole.
pub(crate) fn format_bytes(bytes: u64) -> String {
    match bytes {
        n if n > 0 && n.is_multiple_of(1 << 20) => format!("{}MiB", n >> 20),
        n if n > 0 && n.is_multiple_of(1 << 10) => format!("{}KiB", n >> 10),
        n => format!("{n}B"),
    }
}

/// Reads `512B/s`, `64KiB/s`, `1MiB/s`: bytes a second, above zero.
pub(crate) fn byte_rate(decoder: &mut Decoder, node: &Node) -> Option<u64> {
    decoder.scalar(node, "a number of bytes a second such as 64KiB/s", |text| {
        let bytes = parse_bytes(text.strip_suffix("/s")?)?;
        (bytes > 0).then_some(bytes)
    })
}

/// Writes bytes a second in the largest unit that leaves them whole.
pub(crate) fn format_byte_rate(bytes: u64) -> String {
    format!("{}/s", format_bytes(bytes))
}

/// A span whose end is no later than this.
pub(crate) fn span_of_at_most(decoder: &mut Decoder, node: &Node, max: Duration) -> Option<Span> {
    let span = span(decoder, node)?;
    if span.max > max {
        return decoder.wrong(Diagnostic::new(node.place, format!("at most {} here", format_duration(max))));
    }
    Some(span)
}

pub(crate) fn number(decoder: &mut Decoder, node: &Node, min: u64, max: u64) -> Option<u64> {
    decoder.scalar(node, &format!("a whole number from {min} to {max}"), |text| text.parse().ok().filter(|n| (min..=max).contains(n)))
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
