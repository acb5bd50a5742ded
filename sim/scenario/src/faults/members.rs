//! `grow`, `shrink`, `replace`: who belongs to the cluster changes while it works.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, PowerLoss, Size},
    target::{Chosen, Target, Whom},
    values,
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const GROW: FaultKind = FaultKind {
    name: "grow",
    family: Family::Membership,
    about: "A new node starts, and the cluster is asked to take it in: first it learns, then it votes.",
    args: &[Arg { name: "nodes", form: "1 to 4", about: "how many, one after the other (default 1)" }],
    example: "grow: { nodes: 2 }",
    decode: |d, n| {
        let mut fields = d.fields(n, "a new member")?;
        let nodes = fields.take("nodes").map_or(Some(1), |n| values::number(d, n, 1, 4));
        fields.done(d);
        Some(Box::new(Change { target: None, how: How::Grow { nodes: nodes? as u32 } }))
    },
    draw: |_| Box::new(Change { target: None, how: How::Grow { nodes: 1 } }),
};

pub(super) const SHRINK: FaultKind = FaultKind {
    name: "shrink",
    family: Family::Membership,
    about: "The cluster is asked to let nodes go; they end when they hear of it.",
    args: &[Arg { name: "target", form: "a target", about: "whom" }],
    example: "shrink: { target: one }",
    decode: |d, n| decode(d, n, "a shrinking", How::Shrink),
    draw: |draws| Box::new(Change { target: Some(draws.pick(&[Target::One, Target::LEADER]).clone()), how: How::Shrink }),
};

pub(super) const REPLACE: FaultKind = FaultKind {
    name: "replace",
    family: Family::Membership,
    about: "A machine is lost for good: the cluster is asked to let it go, and, at once, to take a new node in.",
    args: &[Arg { name: "target", form: "a target", about: "whom" }],
    example: "replace: { target: one-follower }",
    decode: |d, n| decode(d, n, "a replacement", How::Replace),
    draw: |draws| {
        let target = draws.pick(&[Target::One, Target::OneFollower, Target::LEADER]).clone();
        Box::new(Change { target: Some(target), how: How::Replace })
    },
};

/// Between two nodes that join.
const APART: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Grow { nodes: u32 },
    Shrink,
    Replace,
}

#[derive(Clone, Debug)]
struct Change {
    target: Option<Target>,
    how: How,
}

fn decode(decoder: &mut Decoder, node: &Node, what: &'static str, how: How) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, what)?;
    let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Nodes));
    fields.done(decoder);
    Some(Box::new(Change { target: Some(target?), how }))
}

impl Fault for Change {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Change { target: self.target.as_ref().map(|target| target.fix(draws, size)), how: self.how })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        if let How::Grow { nodes } = self.how {
            return (0..nodes).map(|i| (APART * i, Effect::Grow)).collect();
        }
        let Some(target) = &self.target else { return vec![] };
        let nodes = target.resolve_nodes(view);
        let each = |node| match self.how {
            How::Replace => vec![Effect::Kill { node, power_loss: Some(PowerLoss::Chance) }, Effect::Shrink { node }, Effect::Grow],
            How::Grow { .. } | How::Shrink => vec![Effect::Shrink { node }],
        };
        nodes.into_iter().flat_map(each).map(|effect| (Duration::ZERO, effect)).collect()
    }

    fn lasts(&self) -> Duration {
        if let How::Grow { nodes } = self.how { APART * nodes } else { Duration::ZERO }
    }

    fn targets(&self) -> Vec<&Target> {
        self.target.iter().collect()
    }

    fn least_nodes(&self) -> u32 {
        // Whoever is let go, somebody stays.
        let target = self.target.iter().map(Target::least_nodes).max().unwrap_or(1);
        if matches!(self.how, How::Grow { .. }) { target } else { target.max(2) }
    }

    fn newcomers(&self) -> u32 {
        match (self.how, &self.target) {
            (How::Shrink, _) => 0,
            (How::Grow { nodes }, _) => nodes,
            (How::Replace, Some(Target::Chosen(Chosen::Named(parties)))) => parties.len() as u32,
            (How::Replace, Some(Target::FOLLOWERS)) => 8,
            (How::Replace, _) => 1,
        }
    }

    fn kind(&self) -> &'static str {
        match self.how {
            How::Grow { .. } => GROW.name,
            How::Shrink => SHRINK.name,
            How::Replace => REPLACE.name,
        }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let nodes = if let How::Grow { nodes } = self.how { Some(nodes).filter(|n| *n > 1) } else { None };
        mapping([("target", self.target.as_ref().map(Target::to_yaml)), ("nodes", nodes.map(Into::into))])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
