//! `reset-connections`: established connections die with a reset, as from a middlebox that forgot them.

use super::{
    Family, Fault, FaultKind, mapping,
    reach::{Direction, LINKS_ARG, Links, Reach, TARGET_ARG},
};
use crate::{
    effect::{ClusterView, Effect, Size},
    target::{Target, Whom},
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "reset-connections",
    family: Family::Network,
    about: "Resets every connection of the target at both ends; new ones can be made at once.",
    args: &[TARGET_ARG, LINKS_ARG],
    example: "reset-connections: { target: leader, links: all }",
    decode,
    draw,
};

#[derive(Clone, Debug)]
struct Reset {
    reach: Reach,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a reset of connections")?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Anyone));
    let links = Links::decode(decoder, &mut fields);
    fields.done(decoder);
    Some(Box::new(Reset { reach: Reach { target: target?, direction: Direction::Both, links } }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    Box::new(Reset { reach: Reach { direction: Direction::Both, ..Reach::draw(draws) } })
}

impl Fault for Reset {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Reset { reach: self.reach.fix(draws, size) })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        // A connection has two ends: one of its two directed links names it.
        let links: Vec<_> = self.reach.pairs(view).into_iter().filter(|(a, b)| a < b).collect();
        if links.is_empty() { vec![] } else { vec![(Duration::ZERO, Effect::ResetConnections(links))] }
    }

    fn lasts(&self) -> Duration {
        Duration::ZERO
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
        mapping([("target", Some(self.reach.target.to_yaml())), ("links", self.reach.links.to_yaml())])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
