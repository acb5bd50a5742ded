//! `flap`: links that go and come, again and again: a bad cable, a switch that restarts.

use super::{
    Arg, Family, Fault, FaultKind, mapping,
    reach::{DIRECTION_ARG, LINKS_ARG, Reach, TARGET_ARG},
};
use crate::{
    effect::{ClusterView, Effect, Size},
    target::Target,
    values::{self, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "flap",
    family: Family::Network,
    about: "Cuts links and heals them, again and again.",
    args: &[
        TARGET_ARG,
        Arg { name: "down", form: "a duration", about: "how long they are cut each time" },
        Arg { name: "up", form: "a duration", about: "how long they work in between" },
        DIRECTION_ARG,
        LINKS_ARG,
        Arg { name: "for", form: "a duration or a range", about: "how long that goes on" },
    ],
    example: "flap: { target: leader, down: 300ms, up: 200ms, for: 3s..6s }",
    decode,
    draw,
};

/// A link that goes and comes faster than that is a slow one.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
struct Flap {
    reach: Reach,
    down: Duration,
    up: Duration,
    lasts: Span,
}

fn decode(d: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = d.fields(node, "a flapping link")?;
    let reach = Reach::decode(d, &mut fields);
    let mut part = |d: &mut Decoder, key| {
        let node = fields.need(d, key)?;
        let time = values::duration(d, node)?;
        if time < SHORTEST {
            return d.wrong(Diagnostic::new(node.place, "a link that goes and comes within a millisecond"));
        }
        Some(time)
    };
    let (down, up) = (part(d, "down"), part(d, "up"));
    let lasts = fields.need(d, "for").and_then(|n| values::span(d, n));
    fields.done(d);
    Some(Box::new(Flap { reach: reach?, down: down?, up: up?, lasts: lasts? }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let mut time = || Duration::from_millis(*draws.pick(&[20, 100, 300, 1_000]));
    let (down, up) = (time(), time());
    Box::new(Flap { reach: Reach::draw(draws), down, up, lasts: Span::millis(1_000, 5_000) })
}

impl Fault for Flap {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Flap { lasts: Span::fixed(self.lasts.draw(draws)), reach: self.reach.fix(draws, size), ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let links = self.reach.pairs(view);
        if links.is_empty() {
            return vec![];
        }
        let (mut effects, mut at) = (Vec::new(), Duration::ZERO);
        while at < self.lasts.max {
            effects.push((at, Effect::Cut(links.clone())));
            effects.push(((at + self.down).min(self.lasts.max), Effect::Heal(links.clone())));
            at += self.down + self.up;
        }
        effects
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn takes_clients(&self) -> bool {
        true
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.reach.target]
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([
            ("target", Some(self.reach.target.to_yaml())),
            ("down", Some(values::format_duration(self.down).into())),
            ("up", Some(values::format_duration(self.up).into())),
            ("direction", self.reach.direction.to_yaml()),
            ("links", self.reach.links.to_yaml()),
            ("for", Some(self.lasts.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
