//! `restart`: killed and started again at once.

use super::{Acts, Family, Kind, kill::end, to_each};
use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::arguments,
    target::{OfNodes, Target},
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Kills processes (SIGKILL) and starts them again in the same instant; dead ones are started.
    pub(crate) struct Restart => Restarting, "a restart" {
        /// whom
        target: OfNodes,
    }
}

impl Kind for Restart {
    const NAME: &'static str = "restart";
    const FAMILY: Family = Family::Process;
    const EXAMPLE: &'static str = "restart: { target: one }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Restart { target: OfNodes(draws.pick(&[Target::One, Target::LEADER, Target::Minority, Target::All]).clone()) }
    }
}

impl Acts for Restarting {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(self.target.nodes(view), |node| vec![(Duration::ZERO, end(node, false)), (Duration::ZERO, Effect::Boot { node })])
    }
}
