//! `transfer-leader`, `compact`, `snapshot`, `defragment`: what administrators do at the wrong moment.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{Admin, ClusterView, Effect, Size},
    target::{Target, Whom},
    values,
};
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const TRANSFER_LEADER: FaultKind = FaultKind {
    name: "transfer-leader",
    family: Family::Admin,
    about: "Asks the leader to hand over to another node.",
    args: &[Arg { name: "to", form: "a target", about: "to whom, the first of several (default one-follower)" }],
    example: "transfer-leader: { to: one-follower }",
    decode: |d, n| {
        let mut fields = d.fields(n, "a transfer of the leadership")?;
        let target = fields.take("to").map_or(Some(Target::OneFollower), |n| Target::decode(d, n, Whom::Nodes));
        fields.done(d);
        Some(Box::new(Ask { target: target?, what: What::Transfer }))
    },
    draw: |_| Box::new(Ask { target: Target::OneFollower, what: What::Transfer }),
};

pub(super) const COMPACT: FaultKind = FaultKind {
    name: "compact",
    family: Family::Admin,
    about: "Asks the leader to forget old revisions.",
    args: &[Arg { name: "keep", form: "a number", about: "how many revisions are kept (default 100)" }],
    example: "compact: { keep: 10 }",
    decode: |d, n| {
        let mut fields = d.fields(n, "a compaction")?;
        let keep = fields.take("keep").map_or(Some(100), |n| values::number(d, n, 0, 1_000_000_000));
        fields.done(d);
        Some(Box::new(Ask { target: Target::LEADER, what: What::Compact { keep: keep? } }))
    },
    draw: |draws| Box::new(Ask { target: Target::LEADER, what: What::Compact { keep: *draws.pick(&[0, 10, 100, 500]) } }),
};

pub(super) const SNAPSHOT: FaultKind = FaultKind {
    name: "snapshot",
    family: Family::Admin,
    about: "Asks nodes to write a snapshot now, and to purge their logs.",
    args: &[Arg { name: "target", form: "a target", about: "whom" }],
    example: "snapshot: { target: all }",
    decode: |d, n| {
        let mut fields = d.fields(n, "a snapshot")?;
        let target = fields.need(d, "target").and_then(|n| Target::decode(d, n, Whom::Nodes));
        fields.done(d);
        Some(Box::new(Ask { target: target?, what: What::Snapshot }))
    },
    draw: |draws| {
        Box::new(Ask { target: draws.pick(&[Target::One, Target::LEADER, Target::Majority, Target::All]).clone(), what: What::Snapshot })
    },
};

pub(super) const DEFRAGMENT: FaultKind = FaultKind {
    name: "defragment",
    family: Family::Admin,
    about: "Asks nodes to defragment: each writes its store anew and drops the log behind it.",
    args: &[Arg { name: "target", form: "a target", about: "whom" }],
    example: "defragment: { target: one }",
    decode: |d, n| {
        let mut fields = d.fields(n, "a defragmentation")?;
        let target = fields.need(d, "target").and_then(|n| Target::decode(d, n, Whom::Nodes));
        fields.done(d);
        Some(Box::new(Ask { target: target?, what: What::Defragment }))
    },
    draw: |draws| Box::new(Ask { target: draws.pick(&[Target::One, Target::LEADER, Target::All]).clone(), what: What::Defragment }),
};

#[derive(Clone, Copy, Debug)]
enum What {
    Transfer,
    Compact { keep: u64 },
    Snapshot,
    Defragment,
}

#[derive(Clone, Debug)]
struct Ask {
    target: Target,
    what: What,
}

impl Fault for Ask {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        Box::new(Ask { target: self.target.fix(draws, size), what: self.what })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let nodes = self.target.resolve_nodes(view);
        let now = |node, ask| vec![(Duration::ZERO, Effect::Admin { node, ask })];
        match self.what {
            What::Transfer => match (view.leader, nodes.into_iter().find(|n| Some(*n) != view.leader)) {
                (Some(leader), Some(to)) => now(leader, Admin::TransferLeader { to }),
                _ => vec![],
            },
            What::Compact { keep } => nodes.into_iter().flat_map(|node| now(node, Admin::Compact { keep })).collect(),
            What::Snapshot => nodes.into_iter().flat_map(|node| now(node, Admin::Snapshot)).collect(),
            What::Defragment => nodes.into_iter().flat_map(|node| now(node, Admin::Defragment)).collect(),
        }
    }

    fn lasts(&self) -> Duration {
        Duration::ZERO
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn kind(&self) -> &'static str {
        match self.what {
            What::Transfer => TRANSFER_LEADER.name,
            What::Compact { .. } => COMPACT.name,
            What::Snapshot => SNAPSHOT.name,
            What::Defragment => DEFRAGMENT.name,
        }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        match self.what {
            What::Transfer => mapping([("to", Some(self.target.to_yaml()))]),
            What::Compact { keep } => mapping([("keep", Some(keep.into()))]),
            What::Snapshot | What::Defragment => mapping([("target", Some(self.target.to_yaml()))]),
        }
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
