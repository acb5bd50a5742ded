//! `lease`: clients that take leases, renew them, hang keys on them, end them or forget them, and look
//! whether they are still there.

use super::{
    OpSource, Pace, Workload, WorkloadKind,
    load::{self, CLIENTS_ARG, SEED_ARG, THINK_ARG},
};
use crate::{
    faults::{Arg, mapping},
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::{Answer, LeaseId, LeaseOp, LeaseOutput, Op, Output, SeededStream, stream};

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "lease",
    about: "Leases: granted, renewed, revoked, forgotten; keys that hang on them; looks at both.",
    args: &[
        CLIENTS_ARG,
        THINK_ARG,
        Arg { name: "ttl", form: "1 to 60", about: "the longest time to live, in seconds; each lease has 1 to that (default 3)" },
        SEED_ARG,
    ],
    example: "lease: { clients: 4, think: 50ms, ttl: 2 }",
    decode,
};

/// Every key begins so.
const PREFIX: &str = "lease/";

#[derive(Clone, Debug)]
struct Lease {
    clients: u32,
    think: Span,
    ttl: u32,
    seed: Option<u64>,
}

const THINK: Span = Span { min: std::time::Duration::from_millis(20), max: std::time::Duration::from_millis(400) };

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    let mut fields = decoder.fields(node, "the lease workload")?;
    let clients = load::count(decoder, &mut fields, "clients", 200, 4);
    let think = fields.take("think").map_or(Some(THINK), |n| values::span(decoder, n));
    let ttl = load::count(decoder, &mut fields, "ttl", 60, 3);
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Lease { clients: clients?, think: think?, ttl: ttl?, seed }))
}

impl Workload for Lease {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        Box::new(Source {
            workload: self.clone(),
            seed,
            name: name.to_string(),
            client,
            ordinal: 0,
            mine: None,
            others: vec![],
            keys: vec![],
        })
    }

    fn asks(&self) -> Vec<Op> {
        let lease = LeaseId(1);
        let attach = LeaseOp::Attach { lease, key: format!("{PREFIX}1"), value: "v".to_string() };
        let all = [
            LeaseOp::Grant { ttl: 1, keep: false },
            LeaseOp::KeepAlive { lease },
            LeaseOp::Revoke { lease },
            LeaseOp::TimeLeft { lease },
            attach,
        ];
        all.into_iter().map(Op::Lease).chain([Op::Get { key: format!("{PREFIX}1") }]).collect()
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Lease { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([
            ("clients", Some(self.clients.into())),
            ("think", (self.think != THINK).then(|| self.think.to_text().into())),
            ("ttl", (self.ttl != 3).then(|| self.ttl.into())),
            ("seed", self.seed.map(Into::into)),
        ])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

struct Source {
    workload: Lease,
    seed: u64,
    name: String,
    client: u32,
    ordinal: u64,
    /// The lease that it keeps.
    mine: Option<LeaseId>,
    /// Those that it ended, lost or forgot, the newest last.
    others: Vec<LeaseId>,
    /// Keys that it hung on a lease, and on which, the newest last.
    keys: Vec<(LeaseId, String)>,
}

/// So many of the past are looked at.
const REMEMBERED: usize = 4;

impl Source {
    fn forget(&mut self) {
        self.others.extend(self.mine.take());
        let surplus = self.others.len().saturating_sub(REMEMBERED);
        self.others.drain(..surplus);
    }
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        let pace = Pace::AfterLast(self.workload.think.draw(&mut draws));
        // It goes away without a word.
        if draws.ratio(1, 12) {
            self.forget();
        }
        let look = |lease: LeaseId| Op::Lease(LeaseOp::TimeLeft { lease });
        // A lease that was forgotten may be renewed at the last moment, or too late.
        let look_back = |others: &[LeaseId], draws: &mut SeededStream| {
            let lease = *draws.pick(others);
            if draws.ratio(1, 2) { Op::Lease(LeaseOp::KeepAlive { lease }) } else { look(lease) }
        };
        let Some(lease) = self.mine else {
            return Some(match self.others.is_empty() || draws.ratio(1, 2) {
                true => (pace, Op::Lease(LeaseOp::Grant { ttl: draws.in_range(1..=u64::from(self.workload.ttl)), keep: false })),
                false => (pace, look_back(&self.others, &mut draws)),
            });
        };
        let op = match draws.below(12) {
            0..4 => Op::Lease(LeaseOp::KeepAlive { lease }),
            4..7 => {
                // Often one that hangs on it already.
                let again = self.keys.iter().rev().find(|(on, _)| *on == lease).filter(|_| draws.ratio(1, 2));
                let key = again.map_or_else(|| format!("{PREFIX}{}-{}", self.name, self.ordinal), |(_, key)| key.clone());
                Op::Lease(LeaseOp::Attach { lease, key, value: format!("{}-{}", self.name, self.ordinal) })
            }
            7 => look(lease),
            8 if !self.others.is_empty() => look_back(&self.others, &mut draws),
            8..11 if !self.keys.is_empty() => Op::Get { key: draws.pick(&self.keys).1.clone() },
            8..11 => look(lease),
            _ => Op::Lease(LeaseOp::Revoke { lease }),
        };
        Some((pace, op))
    }

    fn probe(&self) -> Op {
        Op::Get { key: format!("{PREFIX}probe") }
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        match (op, &answer.output) {
            (_, Output::Lease(LeaseOutput::Granted { lease, .. })) => self.mine = Some(*lease),
            (Op::Lease(LeaseOp::Attach { lease, key, .. }), _) => {
                self.keys.retain(|(_, known)| known != key);
                self.keys.push((*lease, key.clone()));
                let surplus = self.keys.len().saturating_sub(REMEMBERED);
                self.keys.drain(..surplus);
            }
            (Op::Lease(ask), Output::Lease(LeaseOutput::Renewed { ttl: 0 } | LeaseOutput::Left { ttl: -1, .. } | LeaseOutput::Revoked))
                if ask.lease() == self.mine =>
            {
                self.forget();
            }
            _ => {}
        }
    }

    fn unanswered(&mut self, op: &Op) {
        // Refused because the lease is gone, or ended for all that is known.
        if matches!(op, Op::Lease(LeaseOp::Attach { .. } | LeaseOp::Revoke { .. })) {
            self.forget();
        }
    }
}
