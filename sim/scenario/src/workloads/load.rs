//! What every generated workload has: clients, keys, a pace, a mix of operations by weight.

use super::Pace;
use crate::{
    faults::Arg,
    values::{self, Span},
    yaml::{Decoder, Diagnostic, Fields, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

/// How fast clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loop {
    /// Closed loop: the pause between an answer and the next question.
    Think(Span),
    /// Open loop: operations a second, over all clients.
    Rate(u32),
}

pub(super) const CLIENTS_ARG: Arg = Arg { name: "clients", form: "1 to 200", about: "how many clients (default 5)" };
pub(super) const KEYS_ARG: Arg = Arg { name: "keys", form: "1 to 1000", about: "how many keys (default 5)" };
pub(super) const THINK_ARG: Arg = Arg {
    name: "think",
    form: "a duration or a range",
    about: "closed loop: the pause between an answer and the next question (default 10ms)",
};
pub(super) const RATE_ARG: Arg = Arg { name: "rate", form: "200/s", about: "open loop: operations a second, over all clients" };
pub(super) const SEED_ARG: Arg = Arg { name: "seed", form: "a number", about: "the seed of the operations; a plan has it" };

impl Loop {
    pub(super) fn decode(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Option<Loop> {
        match (fields.take("think"), fields.take("rate")) {
            (Some(_), Some(rate)) => decoder.wrong(
                Diagnostic::new(rate.place, "`rate` cannot stand beside `think`")
                    .help("`think` is a closed loop, `rate` an open one: give one of them"),
            ),
            (Some(node), None) => values::span(decoder, node).map(Loop::Think),
            (None, Some(node)) => {
                let read = |t: &str| t.strip_suffix("/s")?.parse().ok().filter(|n| *n > 0);
                decoder.scalar(node, "a rate such as 200/s", read).map(Loop::Rate)
            }
            (None, None) => Some(Loop::Think(Span::millis(10, 10))),
        }
    }

    /// `think` and `rate`, as YAML.
    pub(super) fn to_yaml(self) -> (Option<serde_yaml::Value>, Option<serde_yaml::Value>) {
        match self {
            Loop::Think(span) => (Some(span.to_text().into()), None),
            Loop::Rate(n) => (None, Some(format!("{n}/s").into())),
        }
    }

    pub(super) fn pace(self, draws: &mut SeededStream, clients: u32) -> Pace {
        match self {
            Loop::Think(span) => Pace::AfterLast(span.draw(draws)),
            Loop::Rate(rate) => {
                // Arrivals of each client are spread evenly, with a jitter of half an interval each way.
                let interval = 1_000_000_000 * u64::from(clients) / u64::from(rate);
                Pace::AfterStart(Duration::from_nanos(draws.in_range(interval / 2..=interval * 3 / 2)))
            }
        }
    }
}

pub(super) fn count(decoder: &mut Decoder, fields: &mut Fields<'_>, key: &'static str, max: u64, default: u64) -> Option<u32> {
    let count = fields.take(key).map_or(Some(default), |node| values::number(decoder, node, 1, max));
    count.map(|n| n as u32)
}

/// Weights, one for each of these operations; those that are not named have none.
pub(super) fn decode_mix<const N: usize>(
    decoder: &mut Decoder,
    node: Option<&Node>,
    ops: [&'static str; N],
    default: [u32; N],
) -> Option<[u32; N]> {
    let Some(node) = node else { return Some(default) };
    let mut fields = decoder.fields(node, "`mix`")?;
    let place = fields.place;
    let mut mix = [0; N];
    for (weight, op) in mix.iter_mut().zip(ops) {
        if let Some(node) = fields.take(op) {
            *weight = values::number(decoder, node, 0, 1000)? as u32;
        }
    }
    fields.done(decoder);
    match mix.iter().sum::<u32>() {
        0 => decoder.wrong(Diagnostic::new(place, "a mix of nothing: give at least one operation a weight")),
        _ => Some(mix),
    }
}

pub(super) fn mix_to_yaml<const N: usize>(mix: [u32; N], ops: [&'static str; N]) -> serde_yaml::Value {
    let mut map = serde_yaml::Mapping::new();
    for (weight, op) in mix.iter().zip(ops).filter(|(weight, _)| **weight > 0) {
        map.insert(op.into(), (*weight).into());
    }
    map.into()
}

/// Which of them comes next, by weight.
pub(super) fn choose<const N: usize>(draws: &mut SeededStream, mix: [u32; N]) -> usize {
    let mut at = draws.below(u64::from(mix.iter().sum::<u32>()));
    for (i, weight) in mix.iter().enumerate() {
        match at.checked_sub(u64::from(*weight)) {
            None => return i,
            Some(left) => at = left,
        }
    }
    unreachable!("a draw below the sum of the weights hits one of them")
}
