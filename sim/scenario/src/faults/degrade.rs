//! `delay`, `loss`, `bandwidth`, `reorder`, `corrupt`, `duplicate`: links that work, but badly.
//!
//! What several faults do to one link at one time adds up: latencies are added, losses are
//! independent, the narrowest bandwidth counts.

use super::{
    Acts, Family, Kind,
    reach::{self, Direction, Links, Reach},
};
use crate::{
    Service,
    effect::{ClusterView, Effect, LinkChange},
    language::{Check, arguments},
    target::{Chosen, Target},
    values::{ByteRate, Each, Probability, Span},
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Adds one-way latency to links, drawn for each segment.
    pub(crate) struct Delay => Delaying, "a delay" {
        /// whose links: of nodes or of clients
        target: Target,
        /// how much more, one way
        by: Each,
        /// which of them
        @flat reach: Reach,
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| reach::check(&it.target, check)
}

arguments! {
    /// Loses segments: each loss is a retransmission delay, since connections are reliable.
    pub(crate) struct Loss => Losing, "a loss" {
        /// whose links: of nodes or of clients
        target: Target,
        /// how often; at most 90%
        rate: Probability,
        /// which of them
        @flat reach: Reach,
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| {
        reach::check(&it.target, check);
        if it.rate.is_nearly_always() {
            check.wrong("rate", "a loss above 90% is no link").help = Some("cut it with a partition".to_string());
        }
    }
}

arguments! {
    /// Narrows links: what is sent waits for its turn.
    pub(crate) struct Bandwidth => Narrowing, "a bandwidth" {
        /// whose links: of nodes or of clients
        target: Target,
        /// bytes a second for each link
        limit: ByteRate,
        /// which of them
        @flat reach: Reach,
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| reach::check(&it.target, check)
}

arguments! {
    /// Delays each connection by a time of its own: what goes over several overtakes each other.
    pub(crate) struct Reorder => Reordering, "a reordering" {
        /// whose links: of nodes or of clients
        target: Target,
        /// how much, drawn for each connection
        by: Each,
        /// which of them
        @flat reach: Reach,
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| reach::check(&it.target, check)
}

arguments! {
    /// Flips a bit in the first byte of segments, an HTTP/2 frame's length: connections must fail cleanly.
    pub(crate) struct Corrupt => Corrupting, "a corruption" {
        /// whose links: of nodes or of clients
        target: Target,
        /// how often
        rate: Probability,
        /// which of them
        @flat reach: Reach,
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| reach::check(&it.target, check)
}

arguments! {
    /// Sends what nodes ask of each other once more, over another connection, where a system can do that.
    pub(crate) struct Duplicate => Duplicating, "a duplication" {
        /// whose links: of nodes
        target: Target,
        /// how often
        rate: Probability,
        /// both ways, only what goes to the target, or only what comes from it
        direction: Direction = Direction::Both,
        /// how long
        lasts ["for"]: Span,
    }
    check |it, check| only_peers(it, check)
}

fn only_peers(it: &Duplicate, check: &mut Check<'_>) {
    if it.target.is_only_clients() {
        check.wrong("target", "only peers send requests twice: what a client asks twice may happen twice");
    }
}

/// How long a link is bad, when that is drawn.
const LASTS: Span = Span::millis(300, 5_000);

impl Kind for Delay {
    const NAME: &'static str = "delay";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "delay: { target: leader, by: 20ms..200ms, direction: from, for: 5s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, reach) = reach::draw(draws);
        let by = *draws.pick(&[Span::millis(5, 50), Span::millis(20, 300), Span::millis(200, 1_500)]);
        Delay { target, by: Each(by), reach, lasts: LASTS }
    }
}

impl Kind for Loss {
    const NAME: &'static str = "loss";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "loss: { target: all, rate: 10%, links: all, for: 2s..5s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, reach) = reach::draw(draws);
        Loss { target, rate: Probability::percent(*draws.pick(&[2, 10, 40])), reach, lasts: LASTS }
    }
}

impl Kind for Bandwidth {
    const NAME: &'static str = "bandwidth";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "bandwidth: { target: leader, limit: 64KiB/s, direction: from, for: 3s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, reach) = reach::draw(draws);
        Bandwidth { target, limit: ByteRate(*draws.pick(&[8 << 10, 32 << 10, 256 << 10])), reach, lasts: LASTS }
    }
}

impl Kind for Reorder {
    const NAME: &'static str = "reorder";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "reorder: { target: leader, by: 0s..300ms, links: all, for: 5s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, reach) = reach::draw(draws);
        let by = *draws.pick(&[Span::millis(0, 30), Span::millis(0, 300), Span::millis(0, 1_500)]);
        Reorder { target, by: Each(by), reach, lasts: LASTS }
    }
}

impl Kind for Corrupt {
    const NAME: &'static str = "corrupt";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "corrupt: { target: leader, rate: 1%, links: all, for: 5s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, reach) = reach::draw(draws);
        Corrupt { target, rate: Probability::percent(*draws.pick(&[1, 5, 30])), reach, lasts: LASTS }
    }
}

impl Kind for Duplicate {
    const NAME: &'static str = "duplicate";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "duplicate: { target: all, rate: 20%, for: 5s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, reach) = reach::draw_of_peers(draws);
        Duplicate { target, rate: Probability::percent(*draws.pick(&[5, 30, 100])), direction: reach.direction, lasts: LASTS }
    }
}

/// The links are worse for this long.
fn worse(reach: &Reach, target: &Chosen, view: &ClusterView, change: LinkChange, lasts: Duration) -> Vec<(Duration, Effect)> {
    let links = reach.pairs(target, view);
    if links.is_empty() {
        return vec![];
    }
    vec![(Duration::ZERO, Effect::DegradeLink { links: links.clone(), change }), (lasts, Effect::RestoreLink { links, change })]
}

macro_rules! acts {
    ($($planned:ident: |$it:ident| $change:expr),* $(,)?) => {
        $(
            impl Acts for $planned {
                fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
                    let $it = self;
                    worse(&self.reach, &self.target, view, $change, self.lasts)
                }

                fn max_duration(&self) -> Duration {
                    self.lasts
                }
            }
        )*
    };
}

acts! {
    Delaying: |it| LinkChange::Delay(it.by.0),
    Losing: |it| LinkChange::Loss(it.rate),
    Narrowing: |it| LinkChange::Bandwidth(it.limit.0),
    Reordering: |it| LinkChange::Reorder(it.by.0),
    Corrupting: |it| LinkChange::Corrupt(it.rate),
}

impl Acts for Duplicating {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let reach = Reach { direction: self.direction, links: Links::Peers };
        worse(&reach, &self.target, view, LinkChange::Duplicate(self.rate), self.lasts)
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}
