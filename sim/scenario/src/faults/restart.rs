//! `restart`: killed and started again at once.

use super::{Arg, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect},
    target::Target,
    yaml::{Decoder, Node},
};
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "restart",
    about: "Kills processes (SIGKILL) and starts them again in the same instant; dead ones are started.",
    args: &[Arg { name: "target", form: "a target", about: "whom" }],
    example: "restart: { target: one }",
    decode,
};

#[derive(Clone, Debug)]
struct Restart {
    target: Target,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a restart")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n));
    fields.done(decoder);
    Some(Box::new(Restart { target: target? }))
}

impl Fault for Restart {
    fn fix(&self, draws: &mut SeededStream, nodes: u32) -> Box<dyn Fault> {
        Box::new(Restart { target: self.target.fix(draws, nodes) })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |node| [Effect::Kill { node, power_loss: false }, Effect::Boot { node }];
        self.target.resolve(view).into_iter().flat_map(each).map(|effect| (Duration::ZERO, effect)).collect()
    }

    fn lasts(&self) -> Duration {
        Duration::ZERO
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
        mapping([("target", Some(self.target.to_yaml()))])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
