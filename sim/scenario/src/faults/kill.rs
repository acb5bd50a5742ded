//! `kill`: SIGKILL, or the plug pulled.

use super::{Acts, Family, Kind, to_each};
use crate::{
    Service,
    effect::{ClusterView, Effect, PowerLoss},
    language::arguments,
    target::{OfNodes, Target},
    values::Span,
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Kills processes at once; with power_loss, unsynced writes are lost, kept or torn and peers hear nothing.
    pub(crate) struct Kill => Killing, "a kill" {
        /// whom
        target: OfNodes,
        /// pull the plug instead of SIGKILL
        power_loss: bool = false,
        /// starts them again this much later; without it they stay dead until the heal
        restart_after: Option<Span>,
    }
}

impl Kind for Kill {
    const NAME: &'static str = "kill";
    const FAMILY: Family = Family::Process;
    const EXAMPLE: &'static str = "kill: { target: minority, power_loss: true, restart_after: 1s }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let targets = [Target::One, Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::Majority, Target::All];
        let target = draws.pick(&targets).clone();
        // A short absence or a long one; rarely for good.
        let restart_after = match draws.below(8) {
            0..4 => Some(Span::millis(0, 400)),
            4..7 => Some(Span::millis(300, 4_000)),
            _ => None,
        };
        let restart_after = if target == Target::All { Some(Span::millis(0, 1_000)) } else { restart_after };
        Kill { target: OfNodes(target), power_loss: draws.ratio(2, 3), restart_after }
    }
}

/// How a process ends: killed, or with its host's power.
pub(super) fn end(node: squall_history::NodeId, power_loss: bool) -> Effect {
    Effect::Kill { node, power_loss: power_loss.then_some(PowerLoss::Chance) }
}

impl Acts for Killing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(self.target.nodes(view), |node| {
            let boot = self.restart_after.map(|after| (after, Effect::Boot { node }));
            [(Duration::ZERO, end(node, self.power_loss))].into_iter().chain(boot).collect()
        })
    }

    fn max_duration(&self) -> Duration {
        self.restart_after.unwrap_or_default()
    }
}
