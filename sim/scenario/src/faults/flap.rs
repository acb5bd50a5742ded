//! `flap`: links that go and come, again and again: a bad cable, a switch that restarts.

use super::{
    Acts, Family, Kind,
    reach::{self, Reach},
};
use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::{Check, arguments},
    target::Target,
    values::Span,
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Cuts links and heals them, again and again.
    pub(crate) struct Flap => Flapping, "a flapping link" {
        /// whose links: of nodes or of clients
        target: Target,
        /// how long they are cut each time
        down: Duration,
        /// how long they work in between
        up: Duration,
        /// which of them
        @flat reach: Reach,
        /// how long that goes on
        lasts ["for"]: Span,
    }
    check check
}

/// A link that goes and comes faster than that is a slow one.
const SHORTEST: Duration = Duration::from_millis(1);

fn check(it: &Flap, check: &mut Check<'_>) {
    reach::check(&it.target, check);
    for (key, time) in [("down", it.down), ("up", it.up)] {
        if time < SHORTEST {
            check.wrong(key, "a link that goes and comes within a millisecond");
        }
    }
}

impl Kind for Flap {
    const NAME: &'static str = "flap";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "flap: { target: leader, down: 300ms, up: 200ms, for: 3s..6s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let mut time = || Duration::from_millis(*draws.pick(&[20, 100, 300, 1_000]));
        let (down, up) = (time(), time());
        let (target, reach) = reach::draw(draws);
        Flap { target, down, up, reach, lasts: Span::millis(1_000, 5_000) }
    }
}

impl Acts for Flapping {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let links = self.reach.pairs(&self.target, view);
        if links.is_empty() {
            return vec![];
        }
        let (mut effects, mut at) = (Vec::new(), Duration::ZERO);
        while at < self.lasts {
            effects.push((at, Effect::Cut(links.clone())));
            effects.push(((at + self.down).min(self.lasts), Effect::Heal(links.clone())));
            at += self.down + self.up;
        }
        effects
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}
