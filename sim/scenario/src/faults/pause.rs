//! `pause`: SIGSTOP, then SIGCONT. A garbage collection, a live migration, a laptop lid.

use super::{Arg, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect},
    target::Target,
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "pause",
    about: "Stops processes; their clocks run on, packets and timers queue up until they go on.",
    args: &[Arg { name: "target", form: "a target", about: "whom" }, Arg { name: "for", form: "a duration or a range", about: "how long" }],
    example: "pause: { target: leader, for: 1s..3s }",
    decode,
};

#[derive(Clone, Debug)]
struct Pause {
    target: Target,
    lasts: Span,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a pause")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n));
    let lasts = fields.need(decoder, "for").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(Pause { target: target?, lasts: lasts? }))
}

impl Fault for Pause {
    fn fix(&self, draws: &mut SeededStream, nodes: u32) -> Box<dyn Fault> {
        Box::new(Pause { lasts: Span::fixed(self.lasts.draw(draws)), target: self.target.fix(draws, nodes) })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |node| [(Duration::ZERO, Effect::Pause { node }), (self.lasts.max, Effect::Resume { node })];
        self.target.resolve(view).into_iter().flat_map(each).collect()
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn named(&self) -> Vec<NodeId> {
        self.target.named().to_vec()
    }

    fn least_nodes(&self) -> u32 {
        self.target.least_nodes()
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
