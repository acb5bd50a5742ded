//! `delay`, `loss`, `bandwidth`, `reorder`, `corrupt`, `duplicate`: links that work, but badly.
//!
//! What several faults do to one link at one time adds up: latencies are added, losses are
//! independent, the narrowest bandwidth counts.

use super::{
    Arg, Family, Fault, FaultKind, mapping,
    reach::{DIRECTION_ARG, LINKS_ARG, Reach, TARGET_ARG},
};
use crate::{
    effect::{ClusterView, Effect, LinkChange, Size},
    target::Target,
    values::{self, Probability, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_history::SeededStream;
use std::time::Duration;

const FOR_ARG: Arg = Arg { name: "for", form: "a duration or a range", about: "how long" };

pub(super) const DELAY: FaultKind = FaultKind {
    name: "delay",
    family: Family::Network,
    about: "Adds one-way latency to links, drawn for each segment.",
    args: &[
        TARGET_ARG,
        Arg { name: "by", form: "a duration or a range", about: "how much more, one way" },
        DIRECTION_ARG,
        LINKS_ARG,
        FOR_ARG,
    ],
    example: "delay: { target: leader, by: 20ms..200ms, direction: from, for: 5s }",
    decode: |d, n| decode(d, n, Kind::Delay),
    draw: |d| draw(d, Kind::Delay),
};

pub(super) const LOSS: FaultKind = FaultKind {
    name: "loss",
    family: Family::Network,
    about: "Loses segments: each loss is a retransmission delay, since connections are reliable.",
    args: &[TARGET_ARG, Arg { name: "rate", form: "10% or 1/10", about: "how often; at most 90%" }, DIRECTION_ARG, LINKS_ARG, FOR_ARG],
    example: "loss: { target: all, rate: 10%, links: all, for: 2s..5s }",
    decode: |d, n| decode(d, n, Kind::Loss),
    draw: |d| draw(d, Kind::Loss),
};

pub(super) const BANDWIDTH: FaultKind = FaultKind {
    name: "bandwidth",
    family: Family::Network,
    about: "Narrows links: what is sent waits for its turn.",
    args: &[TARGET_ARG, Arg { name: "limit", form: "64KiB/s", about: "bytes a second for each link" }, DIRECTION_ARG, LINKS_ARG, FOR_ARG],
    example: "bandwidth: { target: leader, limit: 64KiB/s, direction: from, for: 3s }",
    decode: |d, n| decode(d, n, Kind::Bandwidth),
    draw: |d| draw(d, Kind::Bandwidth),
};

pub(super) const REORDER: FaultKind = FaultKind {
    name: "reorder",
    family: Family::Network,
    about: "Delays each connection by a time of its own: what goes over several overtakes each other.",
    args: &[
        TARGET_ARG,
        Arg { name: "by", form: "a duration or a range", about: "how much, drawn for each connection" },
        DIRECTION_ARG,
        LINKS_ARG,
        FOR_ARG,
    ],
    example: "reorder: { target: leader, by: 0s..300ms, links: all, for: 5s }",
    decode: |d, n| decode(d, n, Kind::Reorder),
    draw: |d| draw(d, Kind::Reorder),
};

pub(super) const CORRUPT: FaultKind = FaultKind {
    name: "corrupt",
    family: Family::Network,
    about: "Flips a bit in the first byte of segments, an HTTP/2 frame's length: connections must fail cleanly.",
    args: &[TARGET_ARG, Arg { name: "rate", form: "10% or 1/10", about: "how often" }, DIRECTION_ARG, LINKS_ARG, FOR_ARG],
    example: "corrupt: { target: leader, rate: 1%, links: all, for: 5s }",
    decode: |d, n| decode(d, n, Kind::Corrupt),
    draw: |d| draw(d, Kind::Corrupt),
};

pub(super) const DUPLICATE: FaultKind = FaultKind {
    name: "duplicate",
    family: Family::Network,
    about: "Sends Raft's requests once more, over another connection, where a system under test can do that.",
    args: &[TARGET_ARG, Arg { name: "rate", form: "10% or 1/10", about: "how often" }, DIRECTION_ARG, FOR_ARG],
    example: "duplicate: { target: all, rate: 20%, for: 5s }",
    decode: |d, n| decode(d, n, Kind::Duplicate),
    draw: |d| draw(d, Kind::Duplicate),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Delay,
    Loss,
    Bandwidth,
    Reorder,
    Corrupt,
    Duplicate,
}

#[derive(Clone, Debug)]
struct Degrade {
    reach: Reach,
    change: LinkChange,
    lasts: Span,
}

fn decode(decoder: &mut Decoder, node: &Node, kind: Kind) -> Option<Box<dyn Fault>> {
    let what = match kind {
        Kind::Delay => "a delay",
        Kind::Loss => "a loss",
        Kind::Bandwidth => "a bandwidth",
        Kind::Reorder => "a reordering",
        Kind::Corrupt => "a corruption",
        Kind::Duplicate => "a duplication",
    };
    let mut fields = decoder.fields(node, what)?;
    if let (Kind::Duplicate, Some(node)) = (kind, fields.peek("links")) {
        decoder.mistakes.push(Diagnostic::new(node.place, "only peers send requests twice: what a client asks twice may happen twice"));
    }
    let target = fields.peek("target");
    let reach = Reach::decode(decoder, &mut fields);
    if let (Kind::Duplicate, Some(node), Some(true)) = (kind, target, reach.as_ref().map(|r| r.target.is_only_clients())) {
        decoder.mistakes.push(Diagnostic::new(node.place, "only peers send requests twice: what a client asks twice may happen twice"));
    }
    let change = match kind {
        Kind::Delay => fields.need(decoder, "by").and_then(|n| values::span(decoder, n)).map(LinkChange::Delay),
        Kind::Loss => fields.need(decoder, "rate").and_then(|n| {
            let rate = values::probability(decoder, n)?;
            if u64::from(rate.numerator) * 10 > u64::from(rate.denominator) * 9 {
                return decoder.wrong(Diagnostic::new(n.place, "a loss above 90% is no link").help("cut it with a partition"));
            }
            Some(LinkChange::Loss(rate))
        }),
        Kind::Bandwidth => fields.need(decoder, "limit").and_then(|n| values::byte_rate(decoder, n)).map(LinkChange::Bandwidth),
        Kind::Reorder => fields.need(decoder, "by").and_then(|n| values::span(decoder, n)).map(LinkChange::Reorder),
        Kind::Corrupt => fields.need(decoder, "rate").and_then(|n| values::probability(decoder, n)).map(LinkChange::Corrupt),
        Kind::Duplicate => fields.need(decoder, "rate").and_then(|n| values::probability(decoder, n)).map(LinkChange::Duplicate),
    };
    let lasts = fields.need(decoder, "for").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(Degrade { reach: reach?, change: change?, lasts: lasts? }))
}

fn draw(draws: &mut SeededStream, kind: Kind) -> Box<dyn Fault> {
    let reach = if kind == Kind::Duplicate { Reach::draw_of_peers(draws) } else { Reach::draw(draws) };
    let percent = |draws: &mut SeededStream, all: &[u32]| Probability { numerator: *draws.pick(all), denominator: 100 };
    let change = match kind {
        Kind::Delay => LinkChange::Delay(*draws.pick(&[Span::millis(5, 50), Span::millis(20, 300), Span::millis(200, 1_500)])),
        Kind::Loss => LinkChange::Loss(Probability { numerator: *draws.pick(&[2, 10, 40]), denominator: 100 }),
        Kind::Bandwidth => LinkChange::Bandwidth(*draws.pick(&[8 << 10, 32 << 10, 256 << 10])),
        Kind::Reorder => LinkChange::Reorder(*draws.pick(&[Span::millis(0, 30), Span::millis(0, 300), Span::millis(0, 1_500)])),
        Kind::Corrupt => LinkChange::Corrupt(percent(draws, &[1, 5, 30])),
        Kind::Duplicate => LinkChange::Duplicate(percent(draws, &[5, 30, 100])),
    };
    Box::new(Degrade { reach, change, lasts: Span::millis(300, 5_000) })
}

impl Fault for Degrade {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Degrade { lasts: Span::fixed(self.lasts.draw(draws)), reach: self.reach.fix(draws, size), ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let (links, change) = (self.reach.pairs(view), self.change);
        if links.is_empty() {
            return vec![];
        }
        vec![(Duration::ZERO, Effect::Shape { links: links.clone(), change }), (self.lasts.max, Effect::Unshape { links, change })]
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn takes_clients(&self) -> bool {
        true
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.reach.target]
    }

    fn kind(&self) -> &'static str {
        match self.change {
            LinkChange::Delay(_) => DELAY.name,
            LinkChange::Loss(_) => LOSS.name,
            LinkChange::Bandwidth(_) => BANDWIDTH.name,
            LinkChange::Reorder(_) => REORDER.name,
            LinkChange::Corrupt(_) => CORRUPT.name,
            LinkChange::Duplicate(_) => DUPLICATE.name,
        }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (key, value) = match self.change {
            LinkChange::Delay(by) | LinkChange::Reorder(by) => ("by", by.to_text()),
            LinkChange::Loss(rate) | LinkChange::Corrupt(rate) | LinkChange::Duplicate(rate) => ("rate", rate.to_text()),
            LinkChange::Bandwidth(limit) => ("limit", values::format_byte_rate(limit)),
        };
        mapping([
            ("target", Some(self.reach.target.to_yaml())),
            (key, Some(value.into())),
            ("direction", self.reach.direction.to_yaml()),
            ("links", self.reach.links.to_yaml()),
            ("for", Some(self.lasts.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, NodeId};

    #[test]
    fn links_are_those_of_the_target_in_the_direction_that_is_said() {
        let view = ClusterView {
            nodes: (1..=3).map(NodeId).collect(),
            clients: vec![ClientId(1)],
            leader: Some(NodeId(2)),
            subject: None,
            lease_holder: None,
            bound: Default::default(),
        };
        let links = |yaml: &str| {
            let mut decoder = Decoder::default();
            let fault = decode(&mut decoder, &crate::yaml::parse_tree(yaml).unwrap(), Kind::Delay);
            let fault = fault.unwrap_or_else(|| panic!("{:?}", decoder.mistakes));
            let Some((_, Effect::Shape { links, .. })) = fault.effects(&view).into_iter().next() else { return String::new() };
            links.iter().map(|(a, b)| format!("{a}>{b}")).collect::<Vec<_>>().join(" ")
        };
        for (yaml, expect) in [
            ("{ target: leader, by: 1ms, for: 1s }", "n1>n2 n2>n1 n2>n3 n3>n2"),
            ("{ target: leader, by: 1ms, direction: from, for: 1s }", "n2>n1 n2>n3"),
            ("{ target: leader, by: 1ms, direction: to, links: clients, for: 1s }", "c1>n2"),
            ("{ target: n1, by: 1ms, direction: from, links: all, for: 1s }", "n1>n2 n1>n3 n1>c1"),
            ("{ target: c1, by: 1ms, direction: from, for: 1s }", "c1>n1 c1>n2 c1>n3"),
            ("{ target: subject, by: 1ms, for: 1s }", ""),
        ] {
            assert_eq!(links(yaml), expect, "{yaml}");
        }
    }
}
