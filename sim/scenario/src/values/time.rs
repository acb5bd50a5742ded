//! Durations, and ranges of them, as values of the language.

use crate::{
    Decoder, Vocabulary,
    language::{Draws, Part, Value, Visit, as_written, schema},
    yaml::{Diagnostic, Kind, Node},
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use squall_effect::{Span, format_duration, parse_duration};
use std::time::Duration;

impl Value for Duration {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.scalar(node, "a duration such as 250ms or 5s", parse_duration)
    }

    fn write(&self) -> Yaml {
        format_duration(*self).into()
    }

    fn form() -> String {
        "a duration".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern(&format!("^{TIME}$"))
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Time(self));
    }
}

/// A duration, as a regular expression.
pub(super) const TIME: &str = r"([0-9]+(us|ms|s|m|h))*[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)";

impl Value for Span {
    type Planned = Duration;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        if let Kind::Scalar(text) = &node.kind
            && let Some((min, max)) = text.split_once("..")
            && let (Some(first), Some(last)) = (parse_duration(min), parse_duration(max))
            && first > last
        {
            return decoder.wrong(Diagnostic::new(node.place, format!("`{text}` goes back")).help(format!("write `{max}..{min}`")));
        }
        decoder.scalar(node, "a duration such as 250ms, or a range such as 2s..6s", |text| match text.split_once("..") {
            None => parse_duration(text).map(Span::fixed),
            Some((min, max)) => {
                let (min, max) = (parse_duration(min)?, parse_duration(max)?);
                (min <= max).then_some(Span { min, max })
            }
        })
    }

    fn write(&self) -> Yaml {
        self.to_text().into()
    }

    fn form() -> String {
        "a duration or a range".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern(&format!(r"^{TIME}(\.\.{TIME})?$"))
    }

    fn plan(&self, draws: &Draws) -> Duration {
        self.draw(&mut draws.stream())
    }

    fn planned(&self) -> Option<Duration> {
        self.is_fixed().then_some(self.min)
    }

    fn unplanned(planned: &Duration) -> Span {
        Span::fixed(*planned)
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Span(self));
    }
}

/// A duration or a range that the run draws from, again and again: a plan keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Each(pub Span);

impl Value for Each {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        Span::read(decoder, node).map(Each)
    }

    fn write(&self) -> Yaml {
        self.0.write()
    }

    fn form() -> String {
        Span::form()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        Span::schema(vocabulary)
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Span(&mut self.0));
    }
}
