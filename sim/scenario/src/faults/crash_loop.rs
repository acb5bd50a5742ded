//! `crash-loop`: processes that die again and again, soon after each start.

use super::{Acts, Family, Kind, kill::end};
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
    /// Kills processes again and again: each time they are up for a while, then down for a while.
    pub(crate) struct CrashLoop => Crashing, "a crash loop" {
        /// whom
        target: OfNodes,
        /// how long each life is
        up: Span = Span::millis(500, 500),
        /// how long it is dead in between
        down: Span = Span::millis(100, 100),
        /// pull the plug instead of SIGKILL
        power_loss: bool = false,
        /// how long the loop goes on
        lasts ["for"]: Span,
    }
    check |it, check| {
        if it.up.min.is_zero() {
            check.wrong("up", "`up` needs a time above zero");
        }
    }
}

/// No loop has more turns.
const TURNS_MAX: u32 = 1_000;

impl Kind for CrashLoop {
    const NAME: &'static str = "crash-loop";
    const FAMILY: Family = Family::Process;
    const EXAMPLE: &'static str = "crash-loop: { target: one, up: 400ms, down: 100ms, for: 5s }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        CrashLoop {
            target: OfNodes(draws.pick(&[Target::One, Target::LEADER, Target::Minority]).clone()),
            up: *draws.pick(&[Span::millis(10, 200), Span::millis(100, 1_200)]),
            down: Span::millis(0, 400),
            power_loss: draws.ratio(1, 2),
            lasts: Span::millis(500, 5_000),
        }
    }
}

impl Acts for Crashing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let (nodes, mut at, mut effects) = (self.target.nodes(view), Duration::ZERO, Vec::new());
        for _ in 0..TURNS_MAX {
            for &node in &nodes {
                effects.push((at, end(node, self.power_loss)));
                effects.push((at + self.down, Effect::Boot { node }));
            }
            at += self.down + self.up;
            if at >= self.lasts {
                break;
            }
        }
        effects
    }

    fn max_duration(&self) -> Duration {
        self.lasts + self.down
    }
}
