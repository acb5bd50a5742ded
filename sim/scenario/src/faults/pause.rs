//! `pause`: SIGSTOP, then SIGCONT. A garbage collection, a live migration, a laptop lid.

use super::{Acts, Family, Kind, to_each};
use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::arguments,
    target::Target,
    values::Span,
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Stops nodes or clients; their clocks run on, packets and timers queue up until they go on.
    pub(crate) struct Pause => Pausing, "a pause" {
        /// whom: nodes or clients
        target: Target,
        /// how long
        lasts ["for"]: Span,
    }
}

impl Kind for Pause {
    const NAME: &'static str = "pause";
    const FAMILY: Family = Family::Process;
    const EXAMPLE: &'static str = "pause: { target: leader, for: 1s..3s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let targets =
            [Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::Majority, Target::SomeClients(1), Target::All];
        Pause { target: draws.pick(&targets).clone(), lasts: Span::millis(50, 4_000) }
    }
}

impl Acts for Pausing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        to_each(self.target.resolve(view), |party| vec![(Duration::ZERO, Effect::Pause { party }), (self.lasts, Effect::Resume { party })])
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}
