//! What becomes of what is on a disk: `lose-unsynced`, `torn-write`, `bitflip`, `truncate`, and `wipe`.
//!
//! The first two are power losses at their worst; a disk does no more than it may. The others destroy what was
//! durable: a plan does that to a minority of the nodes at the most, unless it says `allow_data_loss: true`.

use super::{Acts, Family, Kind, kill::end, to_each};
use crate::{
    Service,
    effect::{ClusterView, Damage, Effect, PowerLoss},
    language::arguments,
    target::{Chosen, OfNodes, Target},
    values::{Bytes, Number, PathPrefix, Span},
};
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

arguments! {
    /// The power goes, and everything that was not synced is lost.
    pub(crate) struct LoseUnsynced => LosingUnsynced, "what becomes of a disk" {
        /// whose disks
        target: OfNodes,
        /// boots this much later; without it, dead until the heal
        restart_after: Option<Span>,
    }
}

arguments! {
    /// The power goes, and every sector that was not synced is torn: its beginning is new.
    pub(crate) struct TornWrite => TearingWrites, "what becomes of a disk" {
        /// whose disks
        target: OfNodes,
        /// boots this much later; without it, dead until the heal
        restart_after: Option<Span>,
    }
}

arguments! {
    /// Bits flip in a file, where something is written: bit rot.
    pub(crate) struct BitFlip => FlippingBits, "what becomes of a disk" {
        /// whose disks
        target: OfNodes,
        /// which files, such as wal or snap; without it any
        files: Option<PathPrefix>,
        /// how many
        bits: Number<1, 1_000_000> = Number(1),
        /// the power goes first, and the node boots this much later; without it the node runs on, and finds out when it restarts
        restart_after: Option<Span>,
    }
}

arguments! {
    /// A file loses its end, durably.
    pub(crate) struct Truncate => Truncating, "what becomes of a disk" {
        /// whose disks
        target: OfNodes,
        /// which files, such as wal or snap; without it any
        files: Option<PathPrefix>,
        /// how much at the most, drawn when it fires
        bytes: Bytes = CUT,
        /// the power goes first, and the node boots this much later; without it the node runs on, and finds out when it restarts
        restart_after: Option<Span>,
    }
}

arguments! {
    /// The power goes and the disk is replaced by an empty one; the node is started as a member that was.
    pub(crate) struct Wipe => Wiping, "what becomes of a disk" {
        /// whose disks
        target: OfNodes,
        /// boots this much later; without it, dead until the heal
        restart_after: Option<Span>,
    }
}

/// How much of a file `truncate` takes at the most, if nothing is said.
const CUT: Bytes = Bytes(4 << 10);

/// How much later a node boots, when that is drawn.
const RESTART_AFTER: Option<Span> = Some(Span::millis(0, 2_000));

/// Whose power goes, when that is drawn.
const POWERLESS: [Target; 5] = [Target::One, Target::LEADER, Target::Minority, Target::Majority, Target::All];

/// Whose files are damaged, and which, when that is drawn.
fn damaged(draws: &mut SeededStream) -> (OfNodes, Option<PathPrefix>) {
    let target = draws.pick(&[Target::One, Target::LEADER, Target::OneFollower]).clone();
    (OfNodes(target), draws.pick(&[None, Some("wal"), Some("snap")]).map(|files| PathPrefix(files.to_string())))
}

impl Kind for LoseUnsynced {
    const NAME: &'static str = "disk-lose-unsynced";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { lose-unsynced: { target: all, restart_after: 500ms } }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        LoseUnsynced { target: OfNodes(draws.pick(&POWERLESS).clone()), restart_after: RESTART_AFTER }
    }
}

impl Kind for TornWrite {
    const NAME: &'static str = "disk-torn-write";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { torn-write: { target: minority, restart_after: 500ms } }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        TornWrite { target: OfNodes(draws.pick(&POWERLESS).clone()), restart_after: RESTART_AFTER }
    }
}

impl Kind for BitFlip {
    const NAME: &'static str = "disk-bitflip";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { bitflip: { target: one, files: wal, bits: 2, restart_after: 500ms } }";
    const DESTROYS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, files) = damaged(draws);
        BitFlip { target, files, bits: Number(*draws.pick(&[1, 1, 8, 100])), restart_after: RESTART_AFTER }
    }
}

impl Kind for Truncate {
    const NAME: &'static str = "disk-truncate";
    const FAMILY: Family = Family::Disk;
    const EXAMPLE: &'static str = "disk: { truncate: { target: one, files: wal, bytes: 4KiB, restart_after: 500ms } }";
    const DESTROYS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, files) = damaged(draws);
        Truncate { target, files, bytes: *draws.pick(&[Bytes(64), CUT, Bytes(64 << 10)]), restart_after: RESTART_AFTER }
    }
}

impl Kind for Wipe {
    const NAME: &'static str = "wipe";
    const FAMILY: Family = Family::Process;
    const EXAMPLE: &'static str = "wipe: { target: one, restart_after: 1s }";
    const DESTROYS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        Wipe { target: OfNodes(draws.pick(&[Target::One, Target::LEADER]).clone()), restart_after: RESTART_AFTER }
    }
}

/// This happens to each of those now, and it boots later.
fn then_boots(
    target: &Chosen,
    view: &ClusterView,
    restart_after: Option<Duration>,
    now: impl Fn(NodeId) -> Vec<Effect>,
) -> Vec<(Duration, Effect)> {
    to_each(target.nodes(view), |node| {
        let boot = restart_after.map(|after| (after, Effect::Boot { node }));
        now(node).into_iter().map(|effect| (Duration::ZERO, effect)).chain(boot).collect()
    })
}

/// The power goes if it boots later; the damage is done either way.
fn damage(node: NodeId, restart_after: Option<Duration>, damage: Damage) -> Vec<Effect> {
    restart_after.map(|_| end(node, true)).into_iter().chain([Effect::Damage { node, damage }]).collect()
}

impl Acts for LosingUnsynced {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let lost = |node| vec![Effect::Kill { node, power_loss: Some(PowerLoss::Everything) }];
        then_boots(&self.target, view, self.restart_after, lost)
    }

    fn max_duration(&self) -> Duration {
        self.restart_after.unwrap_or_default()
    }
}

impl Acts for TearingWrites {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let torn = |node| vec![Effect::Kill { node, power_loss: Some(PowerLoss::Torn) }];
        then_boots(&self.target, view, self.restart_after, torn)
    }

    fn max_duration(&self) -> Duration {
        self.restart_after.unwrap_or_default()
    }
}

impl Acts for FlippingBits {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let files = self.files.as_ref().map(|files| files.0.clone());
        let flip = |node| damage(node, self.restart_after, Damage::Flip { files: files.clone(), bits: self.bits.0 });
        then_boots(&self.target, view, self.restart_after, flip)
    }

    fn max_duration(&self) -> Duration {
        self.restart_after.unwrap_or_default()
    }
}

impl Acts for Truncating {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let files = self.files.as_ref().map(|files| files.0.clone());
        let cut = |node| damage(node, self.restart_after, Damage::Cut { files: files.clone(), bytes: self.bytes.0.max(1) });
        then_boots(&self.target, view, self.restart_after, cut)
    }

    fn max_duration(&self) -> Duration {
        self.restart_after.unwrap_or_default()
    }
}

impl Acts for Wiping {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        then_boots(&self.target, view, self.restart_after, |node| vec![Effect::Wipe { node }])
    }

    fn max_duration(&self) -> Duration {
        self.restart_after.unwrap_or_default()
    }
}
