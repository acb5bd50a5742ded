//! `grow`, `shrink`, `replace`: who belongs to the cluster changes while it works.

use super::{Acts, Family, Kind, kill::end, to_each};
use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::arguments,
    target::{Chosen, OfNodes, Target},
    values::Number,
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// A new node starts, and the cluster is asked to take it in: first it learns, then it votes.
    pub(crate) struct Grow => Growing, "a new member" {
        /// how many, one after the other
        nodes: Number<1, 4> = Number(1),
    }
}

arguments! {
    /// The cluster is asked to let nodes go; they end when they hear of it.
    pub(crate) struct Shrink => Shrinking, "a shrinking" {
        /// whom
        target: OfNodes,
    }
}

arguments! {
    /// A machine is lost for good: the cluster is asked to let it go, and, at once, to take a new node in.
    pub(crate) struct Replace => Replacing, "a replacement" {
        /// whom
        target: OfNodes,
    }
}

impl Kind for Grow {
    const NAME: &'static str = "grow";
    const FAMILY: Family = Family::Membership;
    const EXAMPLE: &'static str = "grow: { nodes: 2 }";

    fn draw(_draws: &mut SeededStream, _service: &Service) -> Self {
        Grow { nodes: Number(1) }
    }
}

impl Kind for Shrink {
    const NAME: &'static str = "shrink";
    const FAMILY: Family = Family::Membership;
    const EXAMPLE: &'static str = "shrink: { target: one }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Shrink { target: OfNodes(draws.pick(&[Target::One, Target::LEADER]).clone()) }
    }

    /// Whoever is let go, somebody stays.
    fn least_nodes(&self) -> u32 {
        2
    }
}

impl Kind for Replace {
    const NAME: &'static str = "replace";
    const FAMILY: Family = Family::Membership;
    const EXAMPLE: &'static str = "replace: { target: one-follower }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Replace { target: OfNodes(draws.pick(&[Target::One, Target::OneFollower, Target::LEADER]).clone()) }
    }

    /// Whoever is let go, somebody stays.
    fn least_nodes(&self) -> u32 {
        2
    }
}

/// Between two nodes that join.
const APART: Duration = Duration::from_millis(500);

impl Acts for Growing {
    fn effects(&self, _view: &ClusterView) -> Vec<(Duration, Effect)> {
        (0..self.nodes.small()).map(|i| (APART * i, Effect::Grow)).collect()
    }

    fn max_duration(&self) -> Duration {
        APART * self.nodes.small()
    }

    fn newcomers(&self) -> u32 {
        self.nodes.small()
    }
}

impl Acts for Shrinking {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(self.target.nodes(view), |node| vec![(Duration::ZERO, Effect::Shrink { node })])
    }
}

impl Acts for Replacing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |node| [end(node, true), Effect::Shrink { node }, Effect::Grow].map(|effect| (Duration::ZERO, effect)).into();
        to_each(self.target.nodes(view), each)
    }

    fn newcomers(&self) -> u32 {
        match &self.target {
            Chosen::Named(parties) => parties.len() as u32,
            Chosen::Followers => 8,
            Chosen::Leader | Chosen::Follower(_) | Chosen::Subject | Chosen::Holder(_) | Chosen::Bound(_) => 1,
        }
    }
}
