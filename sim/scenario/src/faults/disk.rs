//! `disk:` what is wrong with a disk for a while.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, DiskAccess, DiskChange, Effect, Errno, PowerLoss, Size},
    target::{Target, Whom},
    values::{self, Probability, Span},
    yaml::{Decoder, Diagnostic, Fields, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

const TARGET_ARG: Arg = Arg { name: "target", form: "a target", about: "whose disks" };
const FOR_ARG: Arg = Arg { name: "for", form: "a duration or a range", about: "how long that goes on" };

pub(super) const SLOW: FaultKind = FaultKind {
    name: "disk-slow",
    family: Family::Disk,
    about: "Every sync takes so much longer: a disk that is worn, or shared with somebody loud.",
    args: &[TARGET_ARG, Arg { name: "latency", form: "a duration or a range", about: "how much longer, drawn for each sync" }, FOR_ARG],
    example: "disk: { slow: { target: leader, latency: 20ms..80ms, for: 5s } }",
    decode: |d, n| decode(d, n, Kind::Slow),
    draw: |d| draw(d, Kind::Slow),
};

pub(super) const FULL: FaultKind = FaultKind {
    name: "disk-full",
    family: Family::Disk,
    about: "Nothing more can be allocated, but what is given back meanwhile; what is reserved can be written.",
    args: &[
        TARGET_ARG,
        Arg { name: "leaves", form: "a number of bytes such as 64KiB", about: "how much can still be allocated (default 0B)" },
        FOR_ARG,
    ],
    example: "disk: { full: { target: leader, leaves: 8KiB, for: 5s } }",
    decode: |d, n| decode(d, n, Kind::Full),
    draw: |d| draw(d, Kind::Full),
};

pub(super) const IO_ERROR: FaultKind = FaultKind {
    name: "disk-io-error",
    family: Family::Disk,
    about: "Accesses fail; after a failed sync the kernel takes the pages for clean, and never writes them.",
    args: &[
        TARGET_ARG,
        Arg { name: "fails", form: "a list of read, write, sync", about: "what fails (default [sync])" },
        Arg { name: "errno", form: "EIO, ENOSPC or EROFS", about: "how (default EIO)" },
        Arg { name: "rate", form: "10% or 1/10", about: "how often (default 100%)" },
        FOR_ARG,
        Arg { name: "restart_after", form: "a duration or a range", about: "boots who gave up, so long after the end" },
    ],
    example: "disk: { io-error: { target: leader, fails: [sync], rate: 20%, for: 1s, restart_after: 500ms } }",
    decode: |d, n| decode(d, n, Kind::IoError),
    draw: |d| draw(d, Kind::IoError),
};

pub(super) const MISDIRECT: FaultKind = FaultKind {
    name: "disk-misdirect",
    family: Family::Disk,
    about: "What a sync writes lands a few sectors away; the cache hides it until the power goes.",
    args: &[
        TARGET_ARG,
        Arg { name: "rate", form: "10% or 1/10", about: "how often a sync writes to the wrong place" },
        FOR_ARG,
        Arg { name: "restart_after", form: "a duration or a range", about: "pulls the plug at the end, and boots so much later" },
    ],
    example: "disk: { misdirect: { target: one, rate: 10%, for: 2s, restart_after: 500ms } }",
    decode: |d, n| decode(d, n, Kind::Misdirect),
    draw: |d| draw(d, Kind::Misdirect),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Slow,
    Full,
    IoError,
    Misdirect,
}

#[derive(Clone, Debug)]
struct Wrong {
    target: Target,
    change: DiskChange,
    lasts: Span,
    restart_after: Option<Span>,
}

const ALWAYS: Probability = Probability { numerator: 100, denominator: 100 };

fn accesses(d: &mut Decoder, node: &Node) -> Option<Vec<DiskAccess>> {
    let mut all = Vec::new();
    for item in d.list(node, "`fails`")? {
        let access = d.word(item, "what is asked of a disk", DiskAccess::WORDS)?;
        if all.contains(&access) {
            return d.wrong(Diagnostic::new(item.place, format!("`{}` is named twice", access.name())));
        }
        all.push(access);
    }
    if all.is_empty() {
        return d.wrong(Diagnostic::new(node.place, "nothing that fails").help("for example `fails: [sync]`"));
    }
    Some(all)
}

fn change(d: &mut Decoder, fields: &mut Fields<'_>, kind: Kind) -> Option<DiskChange> {
    match kind {
        Kind::Slow => fields.need(d, "latency").and_then(|n| values::span(d, n)).map(DiskChange::Slow),
        Kind::Full => {
            let leaves = fields.take("leaves").map_or(Some(0), |n| values::bytes(d, n));
            Some(DiskChange::Full { leaves: leaves? })
        }
        Kind::IoError => {
            let on = fields.take("fails").map_or(Some(vec![DiskAccess::Sync]), |n| accesses(d, n));
            let errno = fields.take("errno").map_or(Some(Errno::Eio), |n| d.word(n, "an error of a disk", Errno::WORDS));
            let rate = fields.take("rate").map_or(Some(ALWAYS), |n| values::probability(d, n));
            Some(DiskChange::Errors { on: on?, errno: errno?, rate: rate? })
        }
        Kind::Misdirect => {
            let rate = fields.need(d, "rate").and_then(|n| values::probability(d, n));
            Some(DiskChange::Misdirect { rate: rate? })
        }
    }
}

fn decode(d: &mut Decoder, node: &Node, kind: Kind) -> Option<Box<dyn Fault>> {
    let mut fields = d.fields(node, "what is wrong with a disk")?;
    let target = fields.need(d, "target").and_then(|n| Target::decode(d, n, Whom::Nodes));
    let change = change(d, &mut fields, kind);
    let lasts = fields.need(d, "for").and_then(|n| values::span(d, n));
    let restart_after = match kind {
        Kind::Slow | Kind::Full => None,
        Kind::IoError | Kind::Misdirect => fields.take("restart_after").and_then(|n| values::span(d, n)),
    };
    fields.done(d);
    Some(Box::new(Wrong { target: target?, change: change?, lasts: lasts?, restart_after }))
}

fn draw(draws: &mut SeededStream, kind: Kind) -> Box<dyn Fault> {
    let rates = |draws: &mut SeededStream, all: &[u32]| Probability { numerator: *draws.pick(all), denominator: 100 };
    let (targets, change) = match kind {
        Kind::Slow => {
            let latency = *draws.pick(&[Span::millis(5, 30), Span::millis(20, 200), Span::millis(200, 1_500)]);
            (&[Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::All][..], DiskChange::Slow(latency))
        }
        Kind::Full => {
            let leaves = *draws.pick(&[0, 0, 4 << 10, 100 << 10]);
            (&[Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::All][..], DiskChange::Full { leaves })
        }
        Kind::IoError => {
            let on = draws
                .pick(&[vec![DiskAccess::Sync], vec![DiskAccess::Sync], vec![DiskAccess::Write], vec![DiskAccess::Write, DiskAccess::Sync]])
                .clone();
            let errno = *draws.pick(&[Errno::Eio, Errno::Eio, Errno::Erofs]);
            (&[Target::One, Target::LEADER, Target::Minority][..], DiskChange::Errors { on, errno, rate: rates(draws, &[2, 20, 100]) })
        }
        Kind::Misdirect => (&[Target::One, Target::LEADER][..], DiskChange::Misdirect { rate: rates(draws, &[2, 10, 50]) }),
    };
    let target = draws.pick(targets).clone();
    let restart_after = matches!(kind, Kind::IoError | Kind::Misdirect).then(|| Span::millis(0, 2_000));
    Box::new(Wrong { target, change, lasts: Span::millis(500, 5_000), restart_after })
}

impl Wrong {
    fn restarts(&self, node: squall_history::NodeId) -> Vec<(Duration, Effect)> {
        let Some(after) = self.restart_after else { return vec![] };
        let boot = (self.lasts.max + after.max, Effect::Boot { node });
        match self.change {
            // The cache hides what went astray.
            DiskChange::Misdirect { .. } => {
                vec![(self.lasts.max, Effect::Kill { node, power_loss: Some(PowerLoss::Chance) }), boot]
            }
            _ => vec![boot],
        }
    }
}

impl Fault for Wrong {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let lasts = Span::fixed(self.lasts.draw(draws));
        let restart_after = self.restart_after.map(|span| Span::fixed(span.draw(draws)));
        Box::new(Wrong { lasts, restart_after, target: self.target.fix(draws, size), ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let each = |node| {
            let (worse, better) = (self.change.clone(), self.change.clone());
            let mut effects = vec![
                (Duration::ZERO, Effect::DiskWorse { node, change: worse }),
                (self.lasts.max, Effect::DiskBetter { node, change: better }),
            ];
            effects.extend(self.restarts(node));
            effects
        };
        self.target.resolve_nodes(view).into_iter().flat_map(each).collect()
    }

    fn lasts(&self) -> Duration {
        self.lasts.max + self.restart_after.map_or(Duration::ZERO, |span| span.max)
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn destroys(&self) -> bool {
        matches!(self.change, DiskChange::Misdirect { .. })
    }

    fn kind(&self) -> &'static str {
        match self.change {
            DiskChange::Slow(_) => SLOW.name,
            DiskChange::Full { .. } => FULL.name,
            DiskChange::Errors { .. } => IO_ERROR.name,
            DiskChange::Misdirect { .. } => MISDIRECT.name,
        }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (mut latency, mut leaves, mut on, mut errno, mut rate_of) = (None, None, None, None, None);
        match &self.change {
            DiskChange::Slow(by) => latency = Some(by.to_text().into()),
            DiskChange::Full { leaves: bytes } => leaves = (*bytes > 0).then(|| values::format_bytes(*bytes).into()),
            DiskChange::Errors { on: accesses, errno: why, rate } => {
                on = (accesses[..] != [DiskAccess::Sync]).then(|| accesses.iter().map(|a| a.name()).collect());
                errno = (*why != Errno::Eio).then(|| why.name().into());
                rate_of = (*rate != ALWAYS).then(|| rate.to_text().into());
            }
            DiskChange::Misdirect { rate } => rate_of = Some(rate.to_text().into()),
        }
        mapping([
            ("target", Some(self.target.to_yaml())),
            ("latency", latency),
            ("leaves", leaves),
            ("fails", on),
            ("errno", errno),
            ("rate", rate_of),
            ("for", Some(self.lasts.to_text().into())),
            ("restart_after", self.restart_after.map(|span| span.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
