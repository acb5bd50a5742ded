//! What every generated workload has: clients, keys, a pace, a mix of operations by weight.

use super::source::Pace;
use crate::{
    Decoder, Vocabulary,
    language::{Argument, Arguments, Check, Draws, Value, Visit, as_written, describe, schema},
    values::{Each, Number, PerSecond, Span},
    yaml::{Diagnostic, Fields, Node},
};
use serde_json::Value as Json;
use serde_yaml::{Mapping, Value as Yaml};
use squall_history::SeededStream;
use std::{fmt::Debug, marker::PhantomData, time::Duration};

/// How many clients a workload may have.
pub type Clients = Number<1, 200>;

/// How many keys a workload may have.
pub type Keys = Number<1, 1000>;

/// How fast clients ask: `think` or `rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// Closed loop: the pause between an answer and the next question.
    Think(Each),
    /// Open loop: operations a second, over all clients.
    Rate(PerSecond),
}

/// The pause of who says nothing.
pub const THINK: Loop = Loop::Think(Each(Span::millis(10, 10)));

impl Arguments for Loop {
    type Planned = Loop;
    const WHAT: &'static str = "a workload";
    const ABOUT: &'static [&'static str] = &[];

    fn take(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Option<Loop> {
        match (fields.take("think"), fields.take("rate")) {
            (Some(_), Some(rate)) => decoder.wrong(
                Diagnostic::new(rate.place, "`rate` cannot stand beside `think`")
                    .help("`think` is a closed loop, `rate` an open one: give one of them"),
            ),
            (Some(node), None) => Each::read(decoder, node).map(Loop::Think),
            (None, Some(node)) => PerSecond::read(decoder, node).map(Loop::Rate),
            (None, None) => Some(THINK),
        }
    }

    fn put(&self, into: &mut Mapping) {
        match self {
            Loop::Think(span) => into.insert("think".into(), span.write()),
            Loop::Rate(rate) => into.insert("rate".into(), rate.write()),
        };
    }

    fn describe(into: &mut Vec<Argument>) {
        let Loop::Think(pause) = THINK else { return };
        into.push(describe("think", &["closed loop: the pause between an answer and the next question"], Some(pause)));
        into.push(describe("rate", &["open loop: operations a second, over all clients"], None::<Option<PerSecond>>));
    }

    fn resolve(&self, _draws: &Draws) -> Loop {
        *self
    }

    fn fixed(&self) -> Option<Loop> {
        Some(*self)
    }

    fn unfix(planned: &Loop) -> Self {
        *planned
    }

    fn each(&mut self, visit: &mut Visit<'_>) {
        if let Loop::Think(span) = self {
            span.parts("think", visit);
        }
    }

    fn leaner(&self) -> Vec<Self> {
        vec![]
    }

    fn check(&self, _check: &mut Check<'_>) {}
}

impl Loop {
    /// When the next operation is due, with this many clients in all.
    pub fn pace(self, draws: &mut SeededStream, clients: u64) -> Pace {
        match self {
            Loop::Think(Each(span)) => Pace::AfterLast(span.draw(draws)),
            Loop::Rate(PerSecond(rate)) => {
                // Arrivals of each client are spread evenly, with a jitter of half an interval each way.
                let interval = 1_000_000_000 * clients / u64::from(rate);
                Pace::AfterStart(Duration::from_nanos(draws.in_range(interval / 2..=interval * 3 / 2)))
            }
        }
    }
}

/// Operations that have weights.
pub trait Mixed: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Their names, in order.
    const OPS: &'static [&'static str];
}

/// How often each operation comes, by weight; those that are not named never do.
pub struct Mix<O>(Vec<u64>, PhantomData<fn() -> O>);

impl<O> Clone for Mix<O> {
    fn clone(&self) -> Self {
        Mix(self.0.clone(), PhantomData)
    }
}

impl<O> Debug for Mix<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<O> PartialEq for Mix<O> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<O: Mixed> Mix<O> {
    /// One weight for each operation.
    pub fn of(weights: &[u64]) -> Mix<O> {
        Mix(weights.to_vec(), PhantomData)
    }

    /// Which of them comes next, by weight.
    pub fn choose(&self, draws: &mut SeededStream) -> usize {
        let mut at = draws.below(self.0.iter().sum());
        for (i, weight) in self.0.iter().enumerate() {
            match at.checked_sub(*weight) {
                None => return i,
                Some(left) => at = left,
            }
        }
        unreachable!("a draw below the sum of the weights hits one of them")
    }

    /// Those of these, one for each operation, that come at all.
    pub fn used<T>(&self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        all.into_iter().zip(&self.0).filter(|(_, weight)| **weight > 0).map(|(one, _)| one).collect()
    }
}

type Weight = Number<0, 1000>;

impl<O: Mixed> Value for Mix<O> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut fields = decoder.fields(node, "`mix`")?;
        let place = fields.place;
        let mut mix = vec![0; O::OPS.len()];
        for (weight, op) in mix.iter_mut().zip(O::OPS) {
            if let Some(node) = fields.take(op) {
                *weight = Weight::read(decoder, node)?.0;
            }
        }
        fields.done(decoder);
        match mix.iter().sum::<u64>() {
            0 => decoder.wrong(Diagnostic::new(place, "a mix of nothing: give at least one operation a weight")),
            _ => Some(Mix::of(&mix)),
        }
    }

    fn write(&self) -> Yaml {
        let used = O::OPS.iter().zip(&self.0).filter(|(_, weight)| **weight > 0);
        used.map(|(op, weight)| (Yaml::from(*op), Yaml::from(*weight))).collect::<Mapping>().into()
    }

    fn form() -> String {
        format!("weights of {}", O::OPS.join(", "))
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::closed(O::OPS.iter().map(|op| (op.to_string(), Weight::schema(vocabulary))).collect(), &[])
    }
}
