//! `restart`: killed and started again at once.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, Size},
    target::{Target, Whom},
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "restart",
    family: Family::Process,
    about: "Kills processes (SIGKILL) and starts them again in the same instant; dead ones are started.",
    args: &[Arg { name: "target", form: "a target", about: "whom" }],
    example: "restart: { target: one }",
    decode,
    draw,
};

#[derive(Clone, Debug)]
struct Restart {
    target: Target,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a restart")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Nodes));
    fields.done(decoder);
    Some(Box::new(Restart { target: target? }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    Box::new(Restart { target: draws.pick(&[Target::One, Target::LEADER, Target::Minority, Target::All]).clone() })
}

impl Fault for Restart {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Restart { target: self.target.fix(draws, size) })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |node| [Effect::Kill { node, power_loss: None }, Effect::Boot { node }];
        self.target.resolve_nodes(view).into_iter().flat_map(each).map(|effect| (Duration::ZERO, effect)).collect()
    }

    fn lasts(&self) -> Duration {
        Duration::ZERO
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([("target", Some(self.target.to_yaml()))])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
