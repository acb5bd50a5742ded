//! `disk:` what is wrong with a disk for a while.

use super::{Acts, Family, Kind, kill::end, to_each};
use crate::{
    Service,
    effect::{ClusterView, DiskAccess, DiskChange, Effect, Errno},
    language::{arguments, word_value},
    target::{Chosen, OfNodes, Target},
    values::{Bytes, Each, Probability, Set, Span},
};
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

word_value!(DiskAccess, "what is asked of a disk", DiskAccess::WORDS);
word_value!(Errno, "an error of a disk", Errno::WORDS);

arguments! {
    /// Every sync takes longer, by `latency`: a disk that is worn, or shared with somebody loud.
    pub(crate) struct Slow => Slowing, "what is wrong with a disk" {
        /// whose disks
        target: OfNodes,
        /// how much longer, drawn for each sync
        latency: Each,
        /// how long that goes on
        lasts ["for"]: Span,
    }
}

arguments! {
    /// Nothing more can be allocated, but what is given back meanwhile; what is reserved can be written.
    pub(crate) struct Full => Filling, "what is wrong with a disk" {
        /// whose disks
        target: OfNodes,
        /// how much can still be allocated
        leaves: Bytes = Bytes(0),
        /// how long that goes on
        lasts ["for"]: Span,
    }
}

arguments! {
    /// Accesses fail; after a failed sync the kernel takes the pages for clean, and never writes them.
    pub(crate) struct IoError => Failing, "what is wrong with a disk" {
        /// whose disks
        target: OfNodes,
        /// what fails
        fails: Set<DiskAccess> = Set(vec![DiskAccess::Sync]),
        /// how
        errno: Errno = Errno::Eio,
        /// how often
        rate: Probability = Probability::ALWAYS,
        /// how long that goes on
        lasts ["for"]: Span,
        /// how long after the end a node that gave up boots
        restart_after: Option<Span>,
    }
    check |it, check| {
        if it.fails.0.is_empty() {
            check.wrong("fails", "nothing that fails").help = Some("for example `fails: [sync]`".to_string());
        }
    }
}

arguments! {
    /// What a sync writes lands a few sectors away; the cache hides it until the power goes.
    pub(crate) struct Misdirect => Misdirecting, "what is wrong with a disk" {
        /// whose disks
        target: OfNodes,
        /// how often a sync writes to the wrong place
        rate: Probability,
        /// how long that goes on
        lasts ["for"]: Span,
        /// pulls the plug at the end; the node boots this much later
        restart_after: Option<Span>,
    }
}

/// How long a disk is bad, when that is drawn.
const LASTS: Span = Span::millis(500, 5_000);

/// How much later who gave up boots, when that is drawn.
const RESTART_AFTER: Option<Span> = Some(Span::millis(0, 2_000));

fn target(draws: &mut SeededStream, targets: &[Target]) -> OfNodes {
    OfNodes(draws.pick(targets).clone())
}

const MOST: [Target; 5] = [Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::All];

impl Kind for Slow {
    const NAME: &'static str = "disk-slow";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { slow: { target: leader, latency: 20ms..80ms, for: 5s } }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let latency = *draws.pick(&[Span::millis(5, 30), Span::millis(20, 200), Span::millis(200, 1_500)]);
        Slow { target: target(draws, &MOST), latency: Each(latency), lasts: LASTS }
    }
}

impl Kind for Full {
    const NAME: &'static str = "disk-full";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { full: { target: leader, leaves: 8KiB, for: 5s } }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let leaves = Bytes(*draws.pick(&[0, 0, 4 << 10, 100 << 10]));
        Full { target: target(draws, &MOST), leaves, lasts: LASTS }
    }
}

impl Kind for IoError {
    const NAME: &'static str = "disk-io-error";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { io-error: { target: leader, fails: [sync], rate: 20%, for: 1s, restart_after: 500ms } }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        use DiskAccess::{Sync, Write};
        let fails = Set(draws.pick(&[vec![Sync], vec![Sync], vec![Write], vec![Write, Sync]]).clone());
        let errno = *draws.pick(&[Errno::Eio, Errno::Eio, Errno::Erofs]);
        let rate = Probability::percent(*draws.pick(&[2, 20, 100]));
        let target = target(draws, &[Target::One, Target::LEADER, Target::Minority]);
        IoError { target, fails, errno, rate, lasts: LASTS, restart_after: RESTART_AFTER }
    }
}

impl Kind for Misdirect {
    const NAME: &'static str = "disk-misdirect";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { misdirect: { target: one, rate: 10%, for: 2s, restart_after: 500ms } }";
    const DESTROYS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let rate = Probability::percent(*draws.pick(&[2, 10, 50]));
        Misdirect { target: target(draws, &[Target::One, Target::LEADER]), rate, lasts: LASTS, restart_after: RESTART_AFTER }
    }
}

/// The disks are worse for this long; `after` happens to each node then.
fn worse(
    target: &Chosen,
    view: &ClusterView,
    change: &DiskChange,
    lasts: Duration,
    after: impl Fn(NodeId) -> Vec<(Duration, Effect)>,
) -> Vec<(Duration, Effect)> {
    to_each(target.nodes(view), |node| {
        let (worse, better) = (change.clone(), change.clone());
        let mut effects =
            vec![(Duration::ZERO, Effect::DegradeDisk { node, change: worse }), (lasts, Effect::RestoreDisk { node, change: better })];
        effects.extend(after(node).into_iter().map(|(later, effect)| (lasts + later, effect)));
        effects
    })
}

impl Acts for Slowing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        worse(&self.target, view, &DiskChange::Slow(self.latency.0), self.lasts, |_| vec![])
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}

impl Acts for Filling {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        worse(&self.target, view, &DiskChange::Full { leaves: self.leaves.0 }, self.lasts, |_| vec![])
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}

impl Acts for Failing {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let change = DiskChange::Errors { on: self.fails.clone(), errno: self.errno, rate: self.rate };
        let boot = |node| self.restart_after.map(|after| (after, Effect::Boot { node })).into_iter().collect();
        worse(&self.target, view, &change, self.lasts, boot)
    }

    fn max_duration(&self) -> Duration {
        self.lasts + self.restart_after.unwrap_or_default()
    }
}

impl Acts for Misdirecting {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        // The cache hides what went astray: the power must go.
        let reboot = |node| match self.restart_after {
            Some(after) => vec![(Duration::ZERO, end(node, true)), (after, Effect::Boot { node })],
            None => vec![],
        };
        worse(&self.target, view, &DiskChange::Misdirect { rate: self.rate }, self.lasts, reboot)
    }

    fn max_duration(&self) -> Duration {
        self.lasts + self.restart_after.unwrap_or_default()
    }
}
