//! `lock` and `election`: clients that wait in line on a lease of their own, work while they are at its
//! head, give the place up, and stand in line again.

use super::{
    OpSource, Pace, Workload, WorkloadKind,
    load::{self, CLIENTS_ARG, SEED_ARG, THINK_ARG},
};
use crate::{
    faults::{Arg, mapping},
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::{Answer, LeaseId, LeaseOp, LeaseOutput, LineKind, LineOp, LineOutput, Op, Output, Place, SeededStream, stream};
use std::time::Duration;

const NAMES_ARG: Arg = Arg { name: "names", form: "1 to 20", about: "how many locks, or elections, there are (default 1)" };
const TTL_ARG: Arg = Arg { name: "ttl", form: "1 to 60", about: "the time to live of a client's lease, in seconds (default 2)" };
const FENCED_ARG: Arg = Arg {
    name: "fenced",
    form: "true or false",
    about: "whether work is done only while the place is still held (default true); unfenced work of a client that was paused is a violation",
};

pub(super) const LOCK: WorkloadKind = WorkloadKind {
    name: "lock",
    about: "Locks: taken on a lease that is kept alive, worked under, released.",
    args: &[CLIENTS_ARG, NAMES_ARG, THINK_ARG, TTL_ARG, FENCED_ARG, SEED_ARG],
    example: "lock: { clients: 4, names: 2, think: 20ms }",
    decode: |d, n| decode(d, n, LineKind::Lock),
};

pub(super) const ELECTION: WorkloadKind = WorkloadKind {
    name: "election",
    about: "Elections: clients campaign, do the leader's work, proclaim, resign, look and observe.",
    args: &[CLIENTS_ARG, NAMES_ARG, THINK_ARG, TTL_ARG, FENCED_ARG, SEED_ARG],
    example: "election: { clients: 5, ttl: 2, fenced: true }",
    decode: |d, n| decode(d, n, LineKind::Election),
};

const THINK: Span = Span { min: Duration::from_millis(10), max: Duration::from_millis(60) };

/// How long one attempt to be at the head may take.
const WAIT_MS: (u64, u64) = (500, 3000);

#[derive(Clone, Debug)]
struct Line {
    kind: LineKind,
    clients: u32,
    names: u32,
    think: Span,
    ttl: u32,
    fenced: bool,
    seed: Option<u64>,
}

fn decode(decoder: &mut Decoder, node: &Node, kind: LineKind) -> Option<Box<dyn Workload>> {
    let mut fields = decoder.fields(node, if kind == LineKind::Lock { "the lock workload" } else { "the election workload" })?;
    let clients = load::count(decoder, &mut fields, "clients", 200, 4);
    let names = load::count(decoder, &mut fields, "names", 20, 1);
    let think = fields.take("think").map_or(Some(THINK), |n| values::span(decoder, n));
    let ttl = load::count(decoder, &mut fields, "ttl", 60, 2);
    let fenced = fields.take("fenced").map_or(Some(true), |n| decoder.flag(n));
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Line { kind, clients: clients?, names: names?, think: think?, ttl: ttl?, fenced: fenced?, seed }))
}

impl Workload for Line {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        let agent = Source { workload: self.clone(), seed, agent: name.to_string(), client, ordinal: 0, at: At::Outside, worked: 0 };
        Box::new(agent)
    }

    fn asks(&self) -> Vec<Op> {
        let (kind, name, lease) = (self.kind, self.line(1), LeaseId(1));
        let place = Place { key: format!("{name}/1"), token: 1, lease };
        let acquire = LineOp::Acquire { kind, name: name.clone(), lease, value: String::new(), wait_ms: 1 };
        let work = LineOp::Work { name: name.clone(), place: place.clone(), value: String::new(), fenced: self.fenced };
        [acquire, work, LineOp::Release { kind, name, place }].map(Op::Line).into()
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Line { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        match self.kind {
            LineKind::Lock => LOCK.name,
            LineKind::Election => ELECTION.name,
        }
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([
            ("clients", Some(self.clients.into())),
            ("names", (self.names != 1).then(|| self.names.into())),
            ("think", (self.think != THINK).then(|| self.think.to_text().into())),
            ("ttl", (self.ttl != 2).then(|| self.ttl.into())),
            ("fenced", (!self.fenced).then(|| false.into())),
            ("seed", self.seed.map(Into::into)),
        ])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

impl Line {
    /// The name of one of its lines.
    fn line(&self, i: u64) -> String {
        match (self.kind, i) {
            (LineKind::Lock, i) => format!("lock-{i}"),
            (LineKind::Election, 1) => "leader".to_string(),
            (LineKind::Election, i) => format!("leader-{i}"),
        }
    }
}

/// Where a client is.
#[derive(Clone, Debug)]
enum At {
    /// It has no lease.
    Outside,
    /// It has a lease, and may be in this line.
    Waiting { lease: LeaseId, name: Option<String>, tries: u32 },
    /// It is at the head, as far as it knows.
    Head { name: String, place: Place },
    /// It is done with this lease.
    Leaving { lease: LeaseId },
}

/// An agent `Node { ID, Status }`: its id is the client's name, its status where it is.
struct Source {
    workload: Line,
    seed: u64,
    agent: String,
    client: u32,
    ordinal: u64,
    at: At,
    /// How much it did since it came to the head.
    worked: u32,
}

impl Source {
    /// What a campaign, a proclamation or work says; nobody else says it.
    fn word(&self) -> String {
        format!("{}-{}", self.agent, self.ordinal)
    }

    fn at_head(&self, draws: &mut SeededStream, name: String, place: Place) -> LineOp {
        let (kind, fenced) = (self.workload.kind, self.workload.fenced);
        match draws.below(10) {
            0 if kind == LineKind::Election => LineOp::Proclaim { name, place, value: self.word() },
            1 if kind == LineKind::Election => LineOp::Leader { name },
            _ if u64::from(self.worked) >= draws.in_range(1..=6) => LineOp::Release { kind, name, place },
            _ => LineOp::Work { name, place, value: self.word(), fenced },
        }
    }
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        let pace = Pace::AfterLast(self.workload.think.draw(&mut draws));
        let kind = self.workload.kind;
        let some_line = self.workload.line(draws.in_range(1..=u64::from(self.workload.names)));
        let op = match self.at.clone() {
            At::Outside if kind == LineKind::Election && draws.ratio(1, 4) => match draws.ratio(1, 2) {
                true => Op::Line(LineOp::Leader { name: some_line }),
                false => Op::Line(LineOp::Observe { name: some_line, lasts_ms: draws.in_range(200..=2000) }),
            },
            At::Outside => Op::Lease(LeaseOp::Grant { ttl: self.workload.ttl.into(), keep: true }),
            At::Waiting { lease, name, tries } => {
                // In a line it stays in that line.
                let name = name.unwrap_or(some_line);
                self.at = At::Waiting { lease, name: Some(name.clone()), tries: tries + 1 };
                let value = if kind == LineKind::Election { self.word() } else { String::new() };
                Op::Line(LineOp::Acquire { kind, name, lease, value, wait_ms: draws.in_range(WAIT_MS.0..=WAIT_MS.1) })
            }
            At::Head { name, place } => Op::Line(self.at_head(&mut draws, name, place)),
            At::Leaving { lease } => Op::Lease(LeaseOp::Revoke { lease }),
        };
        Some((pace, op))
    }

    fn probe(&self) -> Op {
        Op::Line(LineOp::Leader { name: self.workload.line(1) })
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        self.at = match (op, &answer.output, self.at.clone()) {
            (Op::Lease(LeaseOp::Grant { .. }), Output::Lease(LeaseOutput::Granted { lease, .. }), _) => {
                At::Waiting { lease: *lease, name: None, tries: 0 }
            }
            (Op::Lease(LeaseOp::Revoke { .. }), ..) => At::Outside,
            (Op::Line(LineOp::Acquire { name, .. }), Output::Line(LineOutput::Held { place }), _) => {
                self.worked = 0;
                At::Head { name: name.clone(), place: place.clone() }
            }
            (Op::Line(LineOp::Work { .. }), Output::Line(LineOutput::Worked { yes: true }), at) => {
                self.worked += 1;
                at
            }
            (Op::Line(LineOp::Work { place, .. }), ..) => At::Leaving { lease: place.lease },
            // Now and then the lease goes with the place.
            (Op::Line(LineOp::Release { place, .. }), ..) => match self.ordinal.is_multiple_of(3) {
                true => At::Leaving { lease: place.lease },
                false => At::Waiting { lease: place.lease, name: None, tries: 0 },
            },
            (_, _, at) => at,
        };
    }

    fn unanswered(&mut self, op: &Op) {
        self.at = match (op, self.at.clone()) {
            (Op::Lease(LeaseOp::Revoke { .. }), _) => At::Outside,
            // It may be in line all the same: it asks again, or leaves the line with its lease.
            (Op::Line(LineOp::Acquire { .. }), At::Waiting { lease, tries, .. }) if tries >= 3 => At::Leaving { lease },
            (Op::Line(LineOp::Release { place, .. } | LineOp::Proclaim { place, .. }), _) => At::Leaving { lease: place.lease },
            (_, at) => at,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says yes to everything.
    fn yes(op: &Op, revision: u64) -> Output {
        match op {
            Op::Lease(LeaseOp::Grant { ttl, .. }) => Output::Lease(LeaseOutput::Granted { lease: LeaseId(9), ttl: *ttl }),
            Op::Lease(_) => Output::Lease(LeaseOutput::Revoked),
            Op::Line(LineOp::Acquire { name, lease, .. }) => {
                let place = Place { key: format!("{name}/{lease}"), token: revision, lease: *lease };
                Output::Line(LineOutput::Held { place })
            }
            Op::Line(LineOp::Work { .. }) => Output::Line(LineOutput::Worked { yes: true }),
            Op::Line(LineOp::Proclaim { .. }) => Output::Line(LineOutput::Proclaimed),
            Op::Line(LineOp::Release { .. }) => Output::Line(LineOutput::Released),
            Op::Line(LineOp::Leader { .. }) => Output::Line(LineOutput::Led { leader: None }),
            _ => Output::Line(LineOutput::Observed),
        }
    }

    #[test]
    fn agents_go_round_and_use_every_part_of_the_service() {
        for kind in [LineKind::Lock, LineKind::Election] {
            let workload = Line { kind, clients: 1, names: 2, think: THINK, ttl: 2, fenced: true, seed: Some(3) };
            let mut source = workload.source(1, "c1");
            let mut seen = std::collections::BTreeSet::new();
            for i in 1..500 {
                let (_, op) = source.next().unwrap();
                seen.insert(op.to_string().split(' ').next().unwrap().to_string());
                source.answered(&op, &Answer { output: yes(&op, i), revision: Some(i) });
            }
            let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
            match kind {
                LineKind::Lock => assert_eq!(seen, ["grant", "lock", "revoke", "unlock", "work"]),
                LineKind::Election => {
                    assert_eq!(seen, ["campaign", "grant", "leader", "observe", "proclaim", "resign", "revoke", "work"]);
                }
            }
        }
    }
}
