//! `rolling-restart`: one node after the other goes down and comes back, as in an upgrade.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, Party, PowerLoss, Size},
    target::{self, Target},
    values::{self, Span},
    yaml::{Decoder, Kind, Node},
};
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "rolling-restart",
    family: Family::Process,
    about: "Restarts every node, one after the other.",
    args: &[
        Arg {
            name: "order",
            form: "ascending, random, leader-last or [n2, n1]",
            about: "in which order (default ascending); a list restarts those only",
        },
        Arg { name: "down", form: "a duration or a range", about: "how long each is down (default 500ms)" },
        Arg { name: "gap", form: "a duration or a range", about: "from one's return to the next one's end (default 1s)" },
        Arg { name: "power_loss", form: "true or false", about: "pull the plug instead of SIGKILL (default false)" },
    ],
    example: "rolling-restart: { order: leader-last, down: 300ms, gap: 1s }",
    decode,
    draw,
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Random,
    LeaderLast,
    These(Vec<NodeId>),
}

#[derive(Clone, Debug)]
struct Rolling {
    order: Order,
    down: Span,
    gap: Span,
    power_loss: bool,
    /// How many nodes it takes: known once it is planned.
    nodes: u32,
    /// The nodes of `order`, when it names some.
    named: Target,
}

fn named(order: &Order) -> Target {
    match order {
        Order::These(ids) => Target::named_ones(ids.iter().map(|id| Party::Node(*id)).collect()),
        Order::Ascending | Order::Random | Order::LeaderLast => Target::All,
    }
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a rolling restart")?;
    let order = match fields.take("order") {
        None => Some(Order::Ascending),
        Some(node) => match &node.kind {
            Kind::List(_) => target::nodes(decoder, node).map(Order::These),
            Kind::Scalar(_) | Kind::Map(_) => {
                let words = [("ascending", 0), ("random", 1), ("leader-last", 2)];
                decoder.word(node, "an order", &words).map(|i| [Order::Ascending, Order::Random, Order::LeaderLast][i as usize].clone())
            }
        },
    };
    let down = fields.take("down").map_or(Some(Span::millis(500, 500)), |n| values::span(decoder, n));
    let gap = fields.take("gap").map_or(Some(Span::millis(1_000, 1_000)), |n| values::span(decoder, n));
    let power_loss = fields.take("power_loss").and_then(|n| decoder.flag(n)).unwrap_or(false);
    fields.done(decoder);
    let (order, down, gap) = (order?, down?, gap?);
    let named = named(&order);
    Some(Box::new(Rolling { order, down, gap, power_loss, nodes: 9, named }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let order = draws.pick(&[Order::Ascending, Order::Random, Order::LeaderLast]).clone();
    let gap = *draws.pick(&[Span::millis(0, 200), Span::millis(200, 1_500)]);
    Box::new(Rolling { named: named(&order), order, down: Span::millis(0, 800), gap, power_loss: draws.ratio(1, 2), nodes: 9 })
}

impl Fault for Rolling {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let order = match &self.order {
            Order::Random => {
                let mut ids: Vec<NodeId> = (1..=size.nodes).map(NodeId).collect();
                draws.shuffle(&mut ids);
                Order::These(ids)
            }
            fixed => fixed.clone(),
        };
        let (down, gap) = (Span::fixed(self.down.draw(draws)), Span::fixed(self.gap.draw(draws)));
        Box::new(Rolling { named: named(&order), order, down, gap, nodes: size.nodes, ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let mut ids = view.nodes.clone();
        match &self.order {
            Order::These(these) => ids.clone_from(these),
            Order::LeaderLast => ids.sort_by_key(|id| Some(*id) == view.leader),
            Order::Ascending | Order::Random => {}
        }
        let mut at = Duration::ZERO;
        let mut effects = Vec::new();
        for node in ids {
            effects.push((at, Effect::Kill { node, power_loss: self.power_loss.then_some(PowerLoss::Chance) }));
            effects.push((at + self.down.max, Effect::Boot { node }));
            at += self.down.max + self.gap.max;
        }
        effects
    }

    fn lasts(&self) -> Duration {
        let count = if let Order::These(ids) = &self.order { ids.len() as u32 } else { self.nodes };
        (self.down.max + self.gap.max) * count
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.named]
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let order: serde_yaml::Value = match &self.order {
            Order::Ascending => "ascending".into(),
            Order::Random => "random".into(),
            Order::LeaderLast => "leader-last".into(),
            Order::These(ids) => ids.iter().map(|id| serde_yaml::Value::from(id.to_string())).collect(),
        };
        mapping([
            ("order", Some(order)),
            ("down", Some(self.down.to_text().into())),
            ("gap", Some(self.gap.to_text().into())),
            ("power_loss", self.power_loss.then(|| true.into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
