//! `kill`: SIGKILL, or the plug pulled.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, PowerLoss, Size},
    target::{Target, Whom},
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "kill",
    family: Family::Process,
    about: "Kills processes at once; with power_loss, unsynced writes are lost, kept or torn and peers hear nothing.",
    args: &[
        Arg { name: "target", form: "a target", about: "whom" },
        Arg { name: "power_loss", form: "true or false", about: "pull the plug instead of SIGKILL (default false)" },
        Arg {
            name: "restart_after",
            form: "a duration or a range",
            about: "starts them again so much later; without it they stay dead until the heal",
        },
    ],
    example: "kill: { target: minority, power_loss: true, restart_after: 1s }",
    decode,
    draw,
};

#[derive(Clone, Debug)]
struct Kill {
    target: Target,
    power_loss: bool,
    restart_after: Option<Span>,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a kill")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Nodes));
    let power_loss = fields.take("power_loss").and_then(|n| decoder.flag(n)).unwrap_or(false);
    let restart_after = fields.take("restart_after").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(Kill { target: target?, power_loss, restart_after }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let target =
        draws.pick(&[Target::One, Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::Majority, Target::All]).clone();
    // A short absence or a long one; rarely for good.
    let restart_after = match draws.below(8) {
        0..4 => Some(Span::millis(0, 400)),
        4..7 => Some(Span::millis(300, 4_000)),
        _ => None,
    };
    let restart_after = if target == Target::All { Some(Span::millis(0, 1_000)) } else { restart_after };
    Box::new(Kill { target, power_loss: draws.ratio(2, 3), restart_after })
}

impl Fault for Kill {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let restart_after = self.restart_after.map(|span| Span::fixed(span.draw(draws)));
        Box::new(Kill { target: self.target.fix(draws, size), power_loss: self.power_loss, restart_after })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let mut effects = Vec::new();
        for node in self.target.resolve_nodes(view) {
            effects.push((Duration::ZERO, Effect::Kill { node, power_loss: self.power_loss.then_some(PowerLoss::Chance) }));
            if let Some(after) = self.restart_after {
                effects.push((after.max, Effect::Boot { node }));
            }
        }
        effects
    }

    fn lasts(&self) -> Duration {
        self.restart_after.map_or(Duration::ZERO, |span| span.max)
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
            ("power_loss", self.power_loss.then(|| true.into())),
            ("restart_after", self.restart_after.map(|span| span.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
