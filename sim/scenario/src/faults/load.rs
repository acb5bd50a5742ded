//! `load:` how much clients ask: a rush, or nothing.

use super::{Acts, Family, Fault, Kind};
use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::arguments,
    values::{Number, Span},
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Clients ask `times` times as often: pauses and intervals are that much shorter.
    pub(crate) struct Spike => Rushing, "a change of the load" {
        /// how many times as often
        times: Number<2, 100>,
        /// how long
        lasts ["for"]: Span,
    }
}

arguments! {
    /// Clients ask for nothing; what they have asked already goes on.
    pub(crate) struct Idle => Idling, "a change of the load" {
        /// how long
        lasts ["for"]: Span,
    }
}

impl Kind for Spike {
    const NAME: &'static str = "load-spike";
    const FAMILY: Family = Family::Load;
    const EXAMPLE: &'static str = "load: { spike: { times: 10, for: 2s } }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Spike { times: Number(*draws.pick(&[2, 10, 50])), lasts: Span::millis(500, 3_000) }
    }
}

impl Kind for Idle {
    const NAME: &'static str = "load-idle";
    const FAMILY: Family = Family::Load;
    const EXAMPLE: &'static str = "load: { idle: { for: 3s } }";

    fn draw(_draws: &mut SeededStream, _service: &Service) -> Self {
        Idle { lasts: Span::millis(500, 4_000) }
    }
}

/// What a phase says of its load.
pub(super) fn of_phase(times: u32, lasts: Duration) -> Box<dyn Fault> {
    let lasts = Span::fixed(lasts);
    match times {
        0 => Box::new(Idle { lasts }),
        times => Box::new(Spike { times: Number(times.into()), lasts }),
    }
}

fn changed(times: u32, lasts: Duration) -> Vec<(Duration, Effect)> {
    vec![(Duration::ZERO, Effect::Load { times }), (lasts, Effect::RestoreLoad { times })]
}

impl Acts for Rushing {
    fn effects(&self, _view: &ClusterView) -> Vec<(Duration, Effect)> {
        changed(self.times.small(), self.lasts)
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}

impl Acts for Idling {
    fn effects(&self, _view: &ClusterView) -> Vec<(Duration, Effect)> {
        changed(0, self.lasts)
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}
