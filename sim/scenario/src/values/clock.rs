//! How far a clock goes, and how much too fast.

use super::{Span, format_duration, parse_duration, time::TIME};
use crate::{
    Decoder, Vocabulary,
    language::{Draws, Value, schema},
    yaml::Node,
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use squall_history::SeededStream;
use std::time::Duration;

/// A closed range of numbers that a plan draws one from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl Range {
    pub(crate) const fn fixed(n: i64) -> Range {
        Range { min: n, max: n }
    }

    /// One out of it, in whole steps.
    fn draw(self, draws: &mut SeededStream, step: i64) -> i64 {
        if self.min == self.max {
            return self.min;
        }
        let steps = (self.max - self.min) / step;
        self.min + step * draws.in_range(0..=steps.unsigned_abs()) as i64
    }

    fn planned(self) -> Option<i64> {
        (self.min == self.max).then_some(self.min)
    }

    fn to_text(self, text: impl Fn(i64) -> String) -> String {
        if self.min == self.max { text(self.min) } else { format!("{}..{}", text(self.min), text(self.max)) }
    }

    fn read(decoder: &mut Decoder, node: &Node, what: &str, read: impl Fn(&str) -> Option<i64>) -> Option<Range> {
        decoder.scalar(node, what, |text| {
            let (min, max) = text.split_once("..").unwrap_or((text, text));
            let (min, max) = (read(min)?, read(max)?);
            (min <= max).then_some(Range { min, max })
        })
    }
}

/// Nanoseconds, ahead or back: `-6s..6s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shift(pub(crate) Range);

impl Value for Shift {
    type Planned = i64;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let read = |text: &str| {
            let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
            i64::try_from(parse_duration(text)?.as_nanos()).ok().map(|nanos| sign * nanos)
        };
        Range::read(decoder, node, "how far a clock goes, such as -6s, or a range such as -6s..6s", read).map(Shift)
    }

    fn write(&self) -> Yaml {
        let text = |n: i64| format!("{}{}", if n < 0 { "-" } else { "" }, format_duration(Duration::from_nanos(n.unsigned_abs())));
        self.0.to_text(text).into()
    }

    fn form() -> String {
        "-6s, or a range such as -6s..6s".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern(&format!(r"^-?{TIME}(\.\.-?{TIME})?$"))
    }

    /// To the microsecond.
    fn plan(&self, draws: &Draws) -> i64 {
        self.0.draw(&mut draws.stream(), 1_000)
    }

    fn planned(&self) -> Option<i64> {
        self.0.planned()
    }

    fn unplanned(planned: &i64) -> Self {
        Shift(Range::fixed(*planned))
    }
}

/// Parts per million too fast: `-1%..1%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateError(pub(crate) Range);

impl Value for RateError {
    type Planned = i64;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let read = |text: &str| {
            let percent = text.strip_suffix('%').and_then(|n| n.parse::<i64>().ok()?.checked_mul(10_000));
            percent.or_else(|| text.strip_suffix("ppm")?.parse().ok())
        };
        Range::read(decoder, node, "how much too fast a clock runs, such as 10% or -200ppm, or a range such as -5%..5%", read)
            .map(RateError)
    }

    fn write(&self) -> Yaml {
        self.0.to_text(|ppm| format!("{ppm}ppm")).into()
    }

    fn form() -> String {
        "10%, -200ppm or a range".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        const RATE: &str = r"-?[0-9]+(%|ppm)";
        schema::pattern(&format!(r"^{RATE}(\.\.{RATE})?$"))
    }

    fn plan(&self, draws: &Draws) -> i64 {
        self.0.draw(&mut draws.stream(), 1)
    }

    fn planned(&self) -> Option<i64> {
        self.0.planned()
    }

    fn unplanned(planned: &i64) -> Self {
        RateError(Range::fixed(*planned))
    }
}

impl From<Span> for Range {
    fn from(span: Span) -> Range {
        let nanos = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        Range { min: nanos(span.min), max: nanos(span.max) }
    }
}
