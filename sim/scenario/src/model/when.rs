//! When a fault starts, as it is written: a time, a range, again and again, or after an event.

use crate::{
    Decoder, Service, Vocabulary,
    language::{Value, arguments, as_written, schema},
    values::{Number, Span},
    vocabulary::every,
    yaml::{Diagnostic, Fields, Kind, Node},
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use squall_history::Event;
use std::time::Duration;

/// When a fault starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, this long after the start.
    At(Duration),
    /// Once, at a random moment.
    Between(Span),
    /// Again and again, from one start to the next; at most `repeat` times.
    Every {
        /// From one start to the next.
        gap: Span,
        /// How many times at the most.
        repeat: Option<u32>,
        /// Only between these moments.
        within: Option<Span>,
    },
    /// After something happened.
    On(Trigger),
}

impl When {
    /// Before this moment it does not start.
    pub(super) fn earliest(self) -> Duration {
        match self {
            When::At(at) => at,
            When::Between(span) => span.min,
            When::Every { gap, within, .. } => gap.min + within.map_or(Duration::ZERO, |w| w.min),
            When::On(trigger) => trigger.after.min + trigger.within.map_or(Duration::ZERO, |w| w.min),
        }
    }

    /// After this moment it does not start; `None`: that is told by the run's end alone.
    pub(super) fn latest(self) -> Option<Duration> {
        match self {
            When::At(at) => Some(at),
            When::Between(span) => Some(span.max),
            When::Every { gap, repeat, within } => {
                let start = within.map_or(Duration::ZERO, |w| w.min);
                let by_count = repeat.and_then(|n| gap.max.checked_mul(n)).map(|d| d + start);
                [by_count, within.map(|w| w.max)].into_iter().flatten().min()
            }
            When::On(trigger) => trigger.within.map(|w| w.max + trigger.after.max),
        }
    }
}

/// Fires `after` the `count`-th occurrence of `event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What is waited for.
    pub event: Event,
    /// How many times it must happen, for each firing.
    pub count: u32,
    /// How long after the last of those.
    pub after: Span,
    /// How many firings at the most.
    pub repeat: u32,
    /// What happens outside of these moments does not count.
    pub within: Option<Span>,
}

/// The events of a system.
fn own(service: &Service) -> Vec<Event> {
    service.events.iter().map(|happening| happening.event).collect()
}

impl Value for Event {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let all = Event::ALL.iter().copied().chain(every(decoder.services(), own));
        let words: Vec<(&str, Event)> = all.map(|event| (event.name(), event)).collect();
        decoder.word_of_service(node, "an event", &words, |service| own(service).into_iter().map(Event::name).collect())
    }

    fn write(&self) -> Yaml {
        self.name().into()
    }

    fn form() -> String {
        "an event".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::words(Event::ALL.iter().copied().chain(vocabulary.all(own)).map(Event::name))
    }
}

arguments! {
    /// What a fault waits for.
    pub(crate) struct EventTrigger, "`when`" {
        /// what is waited for
        event: Event,
        /// for how many of these
        count: Number<1, 1_000_000> = Number(1),
        /// how long after the last of them
        after: Waiting = Waiting(Span::fixed(Duration::ZERO)),
    }
}

/// How long after an event: a plan draws it with the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting(pub(super) Span);

impl Value for Waiting {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        Span::read(decoder, node).map(Waiting)
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
}

/// The keys of which a fault has one.
pub(super) const TIMES: [&str; 4] = ["at", "every", "between", "when"];

/// How often at the most.
pub(super) type Repeat = Number<1, 10_000>;

/// Takes what says when out of a fault.
pub(super) fn read_when(d: &mut Decoder, fields: &mut Fields<'_>) -> Option<When> {
    let repeat_node = fields.take("repeat");
    let repeat = repeat_node.map_or(Some(None), |node| Repeat::read(d, node).map(|n| Some(n.small())));
    let within_node = fields.take("within");
    let within = within_node.map_or(Some(None), |node| Span::read(d, node).map(Some));
    let when = fields.one_of(d, &TIMES).and_then(|(key, node)| match key {
        "at" => {
            let text = if let Kind::Scalar(text) = &node.kind { text.as_str() } else { "" };
            if text.contains("..") {
                return d.wrong(Diagnostic::new(node.place, "`at` is one moment").help(format!("a random moment is `between: {text}`")));
            }
            Duration::read(d, node).map(When::At)
        }
        "between" => Span::read(d, node).map(When::Between),
        "every" => match Span::read(d, node)? {
            span if span.min.is_zero() => d.wrong(Diagnostic::new(node.place, "`every` needs a time above zero")),
            gap => Some(When::Every { gap, repeat: repeat?, within: within? }),
        },
        _ => {
            let EventTrigger { event, count, after } = Value::read(d, node)?;
            let repeat = repeat.flatten().unwrap_or(1);
            Some(When::On(Trigger { event, count: count.small(), after: after.0, repeat, within: within.flatten() }))
        }
    });
    if let Some(When::At(_) | When::Between(_)) = when {
        if let Some(node) = within_node {
            d.mistakes.push(Diagnostic::new(node.place, "`within` needs `every` or `when`"));
        }
        if let Some(node) = repeat_node {
            d.mistakes.push(Diagnostic::new(node.place, "`repeat` needs `every` or `when`: this happens once"));
        }
    }
    when
}
