//! `disk:` what goes wrong with disks.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, Size},
    target::{Target, Whom},
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const SLOW: FaultKind = FaultKind {
    name: "disk-slow",
    family: Family::Disk,
    about: "Every sync takes so much longer: a disk that is worn, or shared with somebody loud.",
    args: &[
        Arg { name: "target", form: "a target", about: "whose disks" },
        Arg { name: "latency", form: "a duration or a range", about: "how much longer, drawn for each sync" },
        Arg { name: "for", form: "a duration or a range", about: "how long that goes on" },
    ],
    example: "disk: { slow: { target: leader, latency: 20ms..80ms, for: 5s } }",
    decode,
    draw,
};

#[derive(Clone, Debug)]
struct Slow {
    target: Target,
    latency: Span,
    lasts: Span,
}

fn decode(d: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = d.fields(node, "a slow disk")?;
    let target = fields.need(d, "target").and_then(|n| Target::decode(d, n, Whom::Nodes));
    let latency = fields.need(d, "latency").and_then(|n| values::span(d, n));
    let lasts = fields.need(d, "for").and_then(|n| values::span(d, n));
    fields.done(d);
    Some(Box::new(Slow { target: target?, latency: latency?, lasts: lasts? }))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let target = draws.pick(&[Target::One, Target::Leader, Target::Leader, Target::Minority, Target::All]).clone();
    let latency = *draws.pick(&[Span::millis(5, 30), Span::millis(20, 200), Span::millis(200, 1_500)]);
    Box::new(Slow { target, latency, lasts: Span::millis(500, 5_000) })
}

impl Fault for Slow {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Slow { lasts: Span::fixed(self.lasts.draw(draws)), target: self.target.fix(draws, size), ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let by = self.latency;
        let each = |node| [(Duration::ZERO, Effect::DiskSlow { node, by }), (self.lasts.max, Effect::DiskNormal { node, by })];
        self.target.resolve_nodes(view).into_iter().flat_map(each).collect()
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn kind(&self) -> &'static str {
        SLOW.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([
            ("target", Some(self.target.to_yaml())),
            ("latency", Some(self.latency.to_text().into())),
            ("for", Some(self.lasts.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
