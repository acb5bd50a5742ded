//! `lock` and `election`: clients that wait in line on a lease of their own, work while they are at its
//! head, give the place up, and stand in line again.

use crate::ops::{Answer, LeaseId, LeaseOp, LeaseOutput, LineKind, LineOp, LineOutput, Op, Output, SeededStream, Ticket, stream};
use squall_scenario::{
    language::arguments,
    values::{Each, Number, Seed, Span},
    workloads::{Asks, Clients, Kind, OpSource, Pace, asks, source},
};

arguments! {
    /// What locks and elections have.
    pub(crate) struct Line => Lining, "a workload" {
        /// how many clients
        clients: Clients = Number(4),
        /// how many locks, or elections, there are
        names: Number<1, 20> = Number(1),
        /// the pause between an answer and the next question
        think: Each = Each(Span::millis(10, 60)),
        /// the time to live of a client's lease, in seconds
        ttl: Number<1, 60> = Number(2),
        /// whether work is done only while the place is still held; unfenced work of a client that was paused is a violation
        fenced: bool = true,
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

arguments! {
    /// Locks: taken on a lease that is kept alive, worked under, released.
    pub(crate) struct Lock => Locking, "the lock workload" {
        /// all of it
        @flat line: Line,
    }
}

arguments! {
    /// Elections: clients campaign, do the leader's work, proclaim, resign, look and observe.
    pub(crate) struct Election => Campaigning, "the election workload" {
        /// all of it
        @flat line: Line,
    }
}

/// How long one attempt to be at the head may take.
const WAIT_MS: (u64, u64) = (500, 3000);

impl Kind for Lock {
    const NAME: &'static str = "lock";
    const EXAMPLE: &'static str = "lock: { clients: 4, names: 2, think: 20ms }";

    fn clients(&self) -> u32 {
        self.line.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        asks(used(LineKind::Lock, self.line.fenced))
    }
}

impl Kind for Election {
    const NAME: &'static str = "election";
    const EXAMPLE: &'static str = "election: { clients: 5, ttl: 2, fenced: true }";

    fn clients(&self) -> u32 {
        self.line.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        asks(used(LineKind::Election, self.line.fenced))
    }
}

/// An operation of each kind.
fn used(kind: LineKind, fenced: bool) -> Vec<Op> {
    let (name, lease) = (line(kind, 1), LeaseId(1));
    let place = Ticket { key: format!("{name}/1"), token: 1, lease };
    let acquire = LineOp::Acquire { kind, name: name.clone(), lease, value: String::new(), wait_ms: 1 };
    let work = LineOp::Work { name: name.clone(), place: place.clone(), value: String::new(), fenced };
    [acquire, work, LineOp::Release { kind, name, place }].map(Op::Line).into()
}

impl Asks for Locking {
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        source(Source::new(LineKind::Lock, self.line.clone(), client, name))
    }
}

impl Asks for Campaigning {
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        source(Source::new(LineKind::Election, self.line.clone(), client, name))
    }
}

/// The name of one of the lines.
fn line(kind: LineKind, i: u64) -> String {
    match (kind, i) {
        (LineKind::Lock, i) => format!("lock-{i}"),
        (LineKind::Election, 1) => "leader".to_string(),
        (LineKind::Election, i) => format!("leader-{i}"),
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
    Head { name: String, place: Ticket },
    /// It is done with this lease.
    Leaving { lease: LeaseId },
}

/// An agent `Node { ID, Status }`: its id is the client's name, its status where it is.
struct Source {
    kind: LineKind,
    workload: Lining,
    agent: String,
    client: u32,
    ordinal: u64,
    at: At,
    /// How much it did since it came to the head.
    worked: u32,
}

impl Source {
    fn new(kind: LineKind, workload: Lining, client: u32, name: &str) -> Source {
        Source { kind, workload, agent: name.to_string(), client, ordinal: 0, at: At::Outside, worked: 0 }
    }

    /// What a campaign, a proclamation or work says; nobody else says it.
    fn word(&self) -> String {
        format!("{}-{}", self.agent, self.ordinal)
    }

    fn at_head(&self, draws: &mut SeededStream, name: String, place: Ticket) -> LineOp {
        let (kind, fenced) = (self.kind, self.workload.fenced);
        match draws.below(10) {
            0 if kind == LineKind::Election => LineOp::Proclaim { name, place, value: self.word() },
            1 if kind == LineKind::Election => LineOp::Leader { name },
            _ if u64::from(self.worked) >= draws.in_range(1..=6) => LineOp::Release { kind, name, place },
            _ => LineOp::Work { name, place, value: self.word(), fenced },
        }
    }
}

impl squall_scenario::workloads::Source for Source {
    type Ask = Op;
    type Answer = Output;

    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.workload.seed, &format!("{} op {}", self.client, self.ordinal));
        let pace = Pace::AfterLast(self.workload.think.0.draw(&mut draws));
        let kind = self.kind;
        let some_line = line(kind, draws.in_range(1..=self.workload.names.0));
        let op = match self.at.clone() {
            At::Outside if kind == LineKind::Election && draws.ratio(1, 4) => match draws.ratio(1, 2) {
                true => Op::Line(LineOp::Leader { name: some_line }),
                false => Op::Line(LineOp::Observe { name: some_line, lasts_ms: draws.in_range(200..=2000) }),
            },
            At::Outside => Op::Lease(LeaseOp::Grant { ttl: self.workload.ttl.0, keep: true }),
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
        Op::Line(LineOp::Leader { name: line(self.kind, 1) })
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
    use squall_scenario::{
        Size,
        language::{Arguments, Draws, nothing_given},
        workloads::Source as _,
    };

    /// A server that says yes to everything.
    fn yes(op: &Op, revision: u64) -> Output {
        match op {
            Op::Lease(LeaseOp::Grant { ttl, .. }) => Output::Lease(LeaseOutput::Granted { lease: LeaseId(9), ttl: *ttl }),
            Op::Lease(_) => Output::Lease(LeaseOutput::Revoked),
            Op::Line(LineOp::Acquire { name, lease, .. }) => {
                let place = Ticket { key: format!("{name}/{lease}"), token: revision, lease: *lease };
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
            let line = Line { clients: Number(1), names: Number(2), ..nothing_given() };
            let line = line.resolve(&Draws::new(3, "line".to_string(), Size { nodes: 3, clients: 1 }));
            let mut source = Source::new(kind, line, 1, "c1");
            let mut seen = std::collections::BTreeSet::new();
            for i in 1..500 {
                let (_, op) = source.next().unwrap();
                seen.insert(op.to_string().split(' ').next().unwrap().to_string());
                source.answered(&op, &Answer { output: yes(&op, i), position: Some(i) });
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
