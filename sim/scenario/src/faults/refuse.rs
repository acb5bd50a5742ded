//! `refuse`: a host that answers every new connection with a reset; those that stand go on.

use super::{Acts, Family, Kind, to_each};
use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::arguments,
    target::{OfNodes, Target},
    values::Span,
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Answers new connections with a reset, as a full or misconfigured firewall does; standing ones go on.
    pub(crate) struct Refuse => Refusing, "a refusal" {
        /// which nodes refuse
        target: OfNodes,
        /// how long
        lasts ["for"]: Span,
    }
}

impl Kind for Refuse {
    const NAME: &'static str = "refuse";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "refuse: { target: leader, for: 2s }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let target = draws.pick(&[Target::One, Target::LEADER, Target::Minority, Target::All]).clone();
        Refuse { target: OfNodes(target), lasts: Span::millis(300, 4_000) }
    }
}

impl Acts for Refusing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(self.target.nodes(view), |node| vec![(Duration::ZERO, Effect::Refuse { node }), (self.lasts, Effect::Accept { node })])
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}
