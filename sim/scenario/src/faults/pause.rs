//! `pause`: SIGSTOP, then SIGCONT. A garbage collection, a live migration, a laptop lid.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, Size},
    target::{Target, Whom},
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "pause",
    family: Family::Process,
    about: "Stops nodes or clients; their clocks run on, packets and timers queue up until they go on.",
    args: &[
        Arg { name: "target", form: "a target", about: "whom: nodes or clients" },
        Arg { name: "for", form: "a duration or a range", about: "how long" },
    ],
    example: "pause: { target: leader, for: 1s..3s }",
    decode,
    draw,
};

#[derive(Clone, Debug)]
struct Pause {
    target: Target,
    lasts: Span,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a pause")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Anyone));
    let lasts = fields.need(decoder, "for").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(Pause { target: target?, lasts: lasts? }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let targets = [Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::Majority, Target::SomeClients(1), Target::All];
    Box::new(Pause { target: draws.pick(&targets).clone(), lasts: Span::millis(50, 4_000) })
}

impl Fault for Pause {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Pause { lasts: Span::fixed(self.lasts.draw(draws)), target: self.target.fix(draws, size) })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |party| [(Duration::ZERO, Effect::Pause { party }), (self.lasts.max, Effect::Resume { party })];
        self.target.resolve(view).into_iter().flat_map(each).collect()
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn takes_clients(&self) -> bool {
        true
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([("target", Some(self.target.to_yaml())), ("for", Some(self.lasts.to_text().into()))])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
