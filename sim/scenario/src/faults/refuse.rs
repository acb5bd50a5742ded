//! `refuse`: a host that answers every new connection with a reset; those that stand go on.

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
    name: "refuse",
    family: Family::Network,
    about: "Answers new connections with a reset, as a full or misconfigured firewall does; standing ones go on.",
    args: &[
        Arg { name: "target", form: "a target", about: "which nodes refuse" },
        Arg { name: "for", form: "a duration or a range", about: "how long" },
    ],
    example: "refuse: { target: leader, for: 2s }",
    decode,
    draw,
};

#[derive(Clone, Debug)]
struct Refuse {
    target: Target,
    lasts: Span,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a refusal")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Nodes));
    let lasts = fields.need(decoder, "for").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(Refuse { target: target?, lasts: lasts? }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let target = draws.pick(&[Target::One, Target::LEADER, Target::Minority, Target::All]).clone();
    Box::new(Refuse { target, lasts: Span::millis(300, 4_000) })
}

impl Fault for Refuse {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Refuse { lasts: Span::fixed(self.lasts.draw(draws)), target: self.target.fix(draws, size) })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |node| [(Duration::ZERO, Effect::Refuse { node }), (self.lasts.max, Effect::Accept { node })];
        self.target.resolve_nodes(view).into_iter().flat_map(each).collect()
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
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
