//! What becomes of what is on a disk: `lose-unsynced`, `torn-write`, `bitflip`, `truncate`, and `wipe`.
//!
//! The first two are power losses at their worst; a disk does no more than it may. The others destroy what was
//! durable: a plan does that to a minority of the nodes at the most, unless it says `allow_data_loss: true`.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Damage, Effect, PowerLoss, Size},
    target::{Target, Whom},
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

const TARGET_ARG: Arg = Arg { name: "target", form: "a target", about: "whose disks" };
const RESTART_ARG: Arg =
    Arg { name: "restart_after", form: "a duration or a range", about: "boots so much later; without it, dead until the heal" };
const REBOOT_ARG: Arg = Arg {
    name: "restart_after",
    form: "a duration or a range",
    about: "the power goes first, and it boots so much later; without it the node runs on, and finds out when it restarts",
};
const FILES_ARG: Arg = Arg { name: "files", form: "the beginning of a path", about: "which files, such as wal or snap (default any)" };

pub(super) const LOSE_UNSYNCED: FaultKind = FaultKind {
    name: "disk-lose-unsynced",
    family: Family::Disk,
    about: "The power goes, and everything that was not synced is lost.",
    args: &[TARGET_ARG, RESTART_ARG],
    example: "disk: { lose-unsynced: { target: all, restart_after: 500ms } }",
    decode: |d, n| decode(d, n, LOSE_UNSYNCED.name),
    draw: |d| draw(d, LOSE_UNSYNCED.name),
};

pub(super) const TORN_WRITE: FaultKind = FaultKind {
    name: "disk-torn-write",
    family: Family::Disk,
    about: "The power goes, and every sector that was not synced is torn: its beginning is new.",
    args: &[TARGET_ARG, RESTART_ARG],
    example: "disk: { torn-write: { target: minority, restart_after: 500ms } }",
    decode: |d, n| decode(d, n, TORN_WRITE.name),
    draw: |d| draw(d, TORN_WRITE.name),
};

pub(super) const BITFLIP: FaultKind = FaultKind {
    name: "disk-bitflip",
    family: Family::Disk,
    about: "Bits flip in a file, where something is written: bit rot.",
    args: &[TARGET_ARG, FILES_ARG, Arg { name: "bits", form: "a number", about: "how many (default 1)" }, REBOOT_ARG],
    example: "disk: { bitflip: { target: one, files: wal, bits: 2, restart_after: 500ms } }",
    decode: |d, n| decode(d, n, BITFLIP.name),
    draw: |d| draw(d, BITFLIP.name),
};

pub(super) const TRUNCATE: FaultKind = FaultKind {
    name: "disk-truncate",
    family: Family::Disk,
    about: "A file loses its end, durably.",
    args: &[
        TARGET_ARG,
        FILES_ARG,
        Arg { name: "bytes", form: "a number of bytes such as 64KiB", about: "how much at the most, drawn when it fires (default 4KiB)" },
        REBOOT_ARG,
    ],
    example: "disk: { truncate: { target: one, files: wal, bytes: 4KiB, restart_after: 500ms } }",
    decode: |d, n| decode(d, n, TRUNCATE.name),
    draw: |d| draw(d, TRUNCATE.name),
};

pub(super) const WIPE: FaultKind = FaultKind {
    name: "wipe",
    family: Family::Process,
    about: "The power goes and the disk is replaced by an empty one; the node is started as a member that was.",
    args: &[TARGET_ARG, RESTART_ARG],
    example: "wipe: { target: one, restart_after: 1s }",
    decode: |d, n| decode(d, n, WIPE.name),
    draw: |d| draw(d, WIPE.name),
};

/// How much of a file `truncate` takes at the most, if nothing is said.
const CUT: u64 = 4 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Power(PowerLoss),
    Damage(Damage),
    Wipe,
}

#[derive(Clone, Debug)]
struct Destroy {
    target: Target,
    what: What,
    restart_after: Option<Span>,
}

fn decode(d: &mut Decoder, node: &Node, kind: &str) -> Option<Box<dyn Fault>> {
    let mut fields = d.fields(node, "what becomes of a disk")?;
    let target = fields.need(d, "target").and_then(|n| Target::decode(d, n, Whom::Nodes));
    let mut files = |d: &mut Decoder| {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b)).then(|| text.to_string());
        fields.take("files").map_or(Some(None), |n| d.scalar(n, "the beginning of a path such as wal", plain).map(Some))
    };
    let what = if kind == LOSE_UNSYNCED.name {
        Some(What::Power(PowerLoss::Everything))
    } else if kind == TORN_WRITE.name {
        Some(What::Power(PowerLoss::Torn))
    } else if kind == WIPE.name {
        Some(What::Wipe)
    } else if kind == BITFLIP.name {
        let files = files(d);
        let bits = fields.take("bits").map_or(Some(1), |n| values::number(d, n, 1, 1_000_000));
        files.zip(bits).map(|(files, bits)| What::Damage(Damage::Flip { files, bits }))
    } else {
        let files = files(d);
        let bytes = fields.take("bytes").map_or(Some(CUT), |n| values::bytes(d, n)).map(|bytes| bytes.max(1));
        files.zip(bytes).map(|(files, bytes)| What::Damage(Damage::Cut { files, bytes }))
    };
    let restart_after = fields.take("restart_after").and_then(|n| values::span(d, n));
    fields.done(d);
    Some(Box::new(Destroy { target: target?, what: what?, restart_after }))
}

fn draw(draws: &mut SeededStream, kind: &str) -> Box<dyn Fault> {
    let (target, what) = if kind == LOSE_UNSYNCED.name || kind == TORN_WRITE.name {
        let loss = if kind == TORN_WRITE.name { PowerLoss::Torn } else { PowerLoss::Everything };
        (draws.pick(&[Target::One, Target::LEADER, Target::Minority, Target::Majority, Target::All]).clone(), What::Power(loss))
    } else if kind == WIPE.name {
        (draws.pick(&[Target::One, Target::LEADER]).clone(), What::Wipe)
    } else {
        let target = draws.pick(&[Target::One, Target::LEADER, Target::OneFollower]).clone();
        let files = draws.pick(&[None, Some("wal"), Some("snap")]).map(str::to_string);
        let damage = if kind == BITFLIP.name {
            Damage::Flip { files, bits: *draws.pick(&[1, 1, 8, 100]) }
        } else {
            Damage::Cut { files, bytes: *draws.pick(&[64, CUT, 64 << 10]) }
        };
        (target, What::Damage(damage))
    };
    Box::new(Destroy { target, what, restart_after: Some(Span::millis(0, 2_000)) })
}

impl Fault for Destroy {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let restart_after = self.restart_after.map(|span| Span::fixed(span.draw(draws)));
        Box::new(Destroy { target: self.target.fix(draws, size), restart_after, ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |node: NodeId| {
            let mut now = Vec::new();
            match &self.what {
                What::Power(loss) => now.push(Effect::Kill { node, power_loss: Some(*loss) }),
                What::Wipe => now.push(Effect::Wipe { node }),
                What::Damage(damage) => {
                    now.extend(self.restart_after.map(|_| Effect::Kill { node, power_loss: Some(PowerLoss::Chance) }));
                    now.push(Effect::Damage { node, damage: damage.clone() });
                }
            }
            let boot = self.restart_after.map(|after| (after.max, Effect::Boot { node }));
            now.into_iter().map(|effect| (Duration::ZERO, effect)).chain(boot)
        };
        self.target.resolve_nodes(view).into_iter().flat_map(each).collect()
    }

    fn lasts(&self) -> Duration {
        self.restart_after.map_or(Duration::ZERO, |span| span.max)
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn destroys(&self) -> bool {
        !matches!(self.what, What::Power(_))
    }

    fn kind(&self) -> &'static str {
        match self.what {
            What::Power(PowerLoss::Torn) => TORN_WRITE.name,
            What::Power(_) => LOSE_UNSYNCED.name,
            What::Damage(Damage::Flip { .. }) => BITFLIP.name,
            What::Damage(Damage::Cut { .. }) => TRUNCATE.name,
            What::Wipe => WIPE.name,
        }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (files, bits, bytes) = match &self.what {
            What::Damage(Damage::Flip { files, bits }) => (files.clone(), (*bits != 1).then(|| (*bits).into()), None),
            What::Damage(Damage::Cut { files, bytes }) => {
                (files.clone(), None, (*bytes != CUT).then(|| values::format_bytes(*bytes).into()))
            }
            What::Power(_) | What::Wipe => (None, None, None),
        };
        mapping([
            ("target", Some(self.target.to_yaml())),
            ("files", files.map(Into::into)),
            ("bits", bits),
            ("bytes", bytes),
            ("restart_after", self.restart_after.map(|span| span.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
