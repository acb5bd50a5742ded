//! `load:` how much clients ask: a rush, or nothing.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, Size},
    target::Target,
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

const FOR_ARG: Arg = Arg { name: "for", form: "a duration or a range", about: "how long" };

pub(super) const SPIKE: FaultKind = FaultKind {
    name: "load-spike",
    family: Family::Load,
    about: "Clients ask so many times as often: pauses and intervals are that much shorter.",
    args: &[Arg { name: "times", form: "2 to 100", about: "how many times as often" }, FOR_ARG],
    example: "load: { spike: { times: 10, for: 2s } }",
    decode: |d, n| decode(d, n, false),
    draw: |draws| {
        let times = *draws.pick(&[2, 10, 50]);
        Box::new(Load { times, lasts: Span::millis(500, 3_000) })
    },
};

pub(super) const IDLE: FaultKind = FaultKind {
    name: "load-idle",
    family: Family::Load,
    about: "Clients ask for nothing; what they have asked already goes on.",
    args: &[FOR_ARG],
    example: "load: { idle: { for: 3s } }",
    decode: |d, n| decode(d, n, true),
    draw: |_| Box::new(Load { times: 0, lasts: Span::millis(500, 4_000) }),
};

#[derive(Clone, Debug)]
struct Load {
    times: u32,
    lasts: Span,
}

fn decode(d: &mut Decoder, node: &Node, idle: bool) -> Option<Box<dyn Fault>> {
    let mut fields = d.fields(node, "a change of the load")?;
    let times = match idle {
        true => Some(0),
        false => fields.need(d, "times").and_then(|n| values::number(d, n, 2, 100)),
    };
    let lasts = fields.need(d, "for").and_then(|n| values::span(d, n));
    fields.done(d);
    Some(Box::new(Load { times: times? as u32, lasts: lasts? }))
}

pub(super) fn of_phase(times: u32, lasts: Duration) -> Box<dyn Fault> {
    Box::new(Load { times, lasts: Span::fixed(lasts) })
}

impl Fault for Load {
    fn fix(&self, draws: &mut SeededStream, _size: Size) -> Box<dyn Fault> {
        Box::new(Load { lasts: Span::fixed(self.lasts.draw(draws)), ..self.clone() })
    }

    fn effects(&self, _view: &ClusterView) -> Vec<(Duration, Effect)> {
        vec![(Duration::ZERO, Effect::Load { times: self.times }), (self.lasts.max, Effect::LoadNormal { times: self.times })]
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn targets(&self) -> Vec<&Target> {
        vec![]
    }

    fn kind(&self) -> &'static str {
        if self.times == 0 { IDLE.name } else { SPIKE.name }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([("times", (self.times > 0).then(|| self.times.into())), ("for", Some(self.lasts.to_text().into()))])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
