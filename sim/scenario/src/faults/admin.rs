//! `transfer-leader`, `compact`, `snapshot`, `defragment`: what administrators do at the wrong moment.

use super::{Acts, Family, Kind, to_each};
use crate::{
    Service,
    effect::{Admin, ClusterView, Effect},
    language::arguments,
    target::{Chosen, OfNodes, Target},
    values::Number,
};
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

arguments! {
    /// Asks the leader to hand over to another node.
    pub(crate) struct TransferLeader => TransferringLeader, "a transfer of the leadership" {
        /// to whom, the first of several
        to: OfNodes = OfNodes(Target::OneFollower),
    }
}

arguments! {
    /// Asks the leader to forget old changes.
    pub(crate) struct Compact => Compacting, "a compaction" {
        /// how many changes are kept
        keep: Number<0, 1_000_000_000> = Number(100),
    }
}

arguments! {
    /// Asks nodes to write a snapshot now, and to purge their logs.
    pub(crate) struct Snapshot => TakingSnapshots, "a snapshot" {
        /// whom
        target: OfNodes,
    }
}

arguments! {
    /// Asks nodes to defragment: each writes its store anew and drops the log behind it.
    pub(crate) struct Defragment => Defragmenting, "a defragmentation" {
        /// whom
        target: OfNodes,
    }
}

impl Kind for TransferLeader {
    const NAME: &'static str = "transfer-leader";
    const FAMILY: Family = Family::Admin;
    const EXAMPLE: &'static str = "transfer-leader: { to: one-follower }";

    fn draw(_draws: &mut SeededStream, _service: &Service) -> Self {
        TransferLeader { to: OfNodes(Target::OneFollower) }
    }
}

impl Kind for Compact {
    const NAME: &'static str = "compact";
    const FAMILY: Family = Family::Admin;
    const EXAMPLE: &'static str = "compact: { keep: 10 }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Compact { keep: Number(*draws.pick(&[0, 10, 100, 500])) }
    }
}

impl Kind for Snapshot {
    const NAME: &'static str = "snapshot";
    const FAMILY: Family = Family::Admin;
    const EXAMPLE: &'static str = "snapshot: { target: all }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Snapshot { target: OfNodes(draws.pick(&[Target::One, Target::LEADER, Target::Majority, Target::All]).clone()) }
    }
}

impl Kind for Defragment {
    const NAME: &'static str = "defragment";
    const FAMILY: Family = Family::Admin;
    const EXAMPLE: &'static str = "defragment: { target: one }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Defragment { target: OfNodes(draws.pick(&[Target::One, Target::LEADER, Target::All]).clone()) }
    }
}

fn now(node: NodeId, ask: Admin) -> Vec<(Duration, Effect)> {
    vec![(Duration::ZERO, Effect::Admin { node, ask })]
}

impl Acts for TransferringLeader {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        match (view.leader, self.to.nodes(view).into_iter().find(|node| Some(*node) != view.leader)) {
            (Some(leader), Some(to)) => now(leader, Admin::TransferLeader { to }),
            _ => vec![],
        }
    }
}

impl Acts for Compacting {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(view.leader.into_iter().collect(), |node| now(node, Admin::Compact { keep: self.keep.0 }))
    }

    fn target(&self) -> Option<Chosen> {
        Some(Chosen::Leader)
    }
}

impl Acts for TakingSnapshots {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(self.target.nodes(view), |node| now(node, Admin::Snapshot))
    }
}

impl Acts for Defragmenting {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(self.target.nodes(view), |node| now(node, Admin::Defragment))
    }
}
