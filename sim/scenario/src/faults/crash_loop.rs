//! `crash-loop`: processes that die again and again, soon after each start.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, PowerLoss, Size},
    target::{Target, Whom},
    values::{self, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "crash-loop",
    family: Family::Process,
    about: "Kills processes again and again: each time they are up for a while, then down for a while.",
    args: &[
        Arg { name: "target", form: "a target", about: "whom" },
        Arg { name: "up", form: "a duration or a range", about: "how long each life is (default 500ms)" },
        Arg { name: "down", form: "a duration or a range", about: "how long it is dead in between (default 100ms)" },
        Arg { name: "power_loss", form: "true or false", about: "pull the plug instead of SIGKILL (default false)" },
        Arg { name: "for", form: "a duration or a range", about: "how long the loop goes on" },
    ],
    example: "crash-loop: { target: one, up: 400ms, down: 100ms, for: 5s }",
    decode,
    draw,
};

/// No loop has more turns.
const TURNS_MAX: u32 = 1_000;

#[derive(Clone, Debug)]
struct CrashLoop {
    target: Target,
    up: Span,
    down: Span,
    power_loss: bool,
    lasts: Span,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a crash loop")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Nodes));
    let up = match fields.take("up") {
        None => Some(Span::millis(500, 500)),
        Some(n) => match values::span(decoder, n) {
            Some(up) if up.min.is_zero() => decoder.wrong(Diagnostic::new(n.place, "`up` needs a time above zero")),
            up => up,
        },
    };
    let down = fields.take("down").map_or(Some(Span::millis(100, 100)), |n| values::span(decoder, n));
    let power_loss = fields.take("power_loss").and_then(|n| decoder.flag(n)).unwrap_or(false);
    let lasts = fields.need(decoder, "for").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(CrashLoop { target: target?, up: up?, down: down?, power_loss, lasts: lasts? }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    Box::new(CrashLoop {
        target: draws.pick(&[Target::One, Target::LEADER, Target::Minority]).clone(),
        up: *draws.pick(&[Span::millis(10, 200), Span::millis(100, 1_200)]),
        down: Span::millis(0, 400),
        power_loss: draws.ratio(1, 2),
        lasts: Span::millis(500, 5_000),
    })
}

impl Fault for CrashLoop {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let mut fixed = |span: Span| Span::fixed(span.draw(draws));
        let (up, down, lasts) = (fixed(self.up), fixed(self.down), fixed(self.lasts));
        Box::new(CrashLoop { target: self.target.fix(draws, size), up, down, lasts, ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let (nodes, mut at, mut effects) = (self.target.resolve_nodes(view), Duration::ZERO, Vec::new());
        for _ in 0..TURNS_MAX {
            for &node in &nodes {
                effects.push((at, Effect::Kill { node, power_loss: self.power_loss.then_some(PowerLoss::Chance) }));
                effects.push((at + self.down.max, Effect::Boot { node }));
            }
            at += self.down.max + self.up.max;
            if at >= self.lasts.max {
                break;
            }
        }
        effects
    }

    fn lasts(&self) -> Duration {
        self.lasts.max + self.down.max
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([
            ("target", Some(self.target.to_yaml())),
            ("up", Some(self.up.to_text().into())),
            ("down", Some(self.down.to_text().into())),
            ("power_loss", self.power_loss.then(|| true.into())),
            ("for", Some(self.lasts.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
