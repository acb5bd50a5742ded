//! `lease`: clients that take leases, renew them, hang keys on them, end them or forget them, and look
//! whether they are still there.

use crate::ops::{Answer, LeaseId, LeaseOp, LeaseOutput, Op, Output, SeededStream, stream};
use squall_scenario::{
    language::arguments,
    values::{Each, Number, Seed, Span},
    workloads::{Asks, Clients, Kind, OpSource, Pace, asks, source},
};

arguments! {
    /// Leases: granted, renewed, revoked, forgotten; keys that hang on them; looks at both.
    pub(crate) struct Lease => Leasing, "the lease workload" {
        /// how many clients
        clients: Clients = Number(4),
        /// the pause between an answer and the next question
        think: Each = Each(Span::millis(20, 400)),
        /// the longest time to live, in seconds; each lease has 1 to that
        ttl: Number<1, 60> = Number(3),
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

/// Every key begins so.
const PREFIX: &str = "lease/";

impl Kind for Lease {
    const NAME: &'static str = "lease";
    const EXAMPLE: &'static str = "lease: { clients: 4, think: 50ms, ttl: 2 }";

    fn clients(&self) -> u32 {
        self.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        let lease = LeaseId(1);
        let attach = LeaseOp::Attach { lease, key: format!("{PREFIX}1"), value: "v".to_string() };
        let all = [
            LeaseOp::Grant { ttl: 1, keep: false },
            LeaseOp::KeepAlive { lease },
            LeaseOp::Revoke { lease },
            LeaseOp::TimeLeft { lease },
            attach,
        ];
        asks(all.into_iter().map(Op::Lease).chain([Op::Get { key: format!("{PREFIX}1") }]))
    }
}

impl Asks for Leasing {
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        let name = name.to_string();
        source(Source { workload: self.clone(), name, client, ordinal: 0, mine: None, others: vec![], keys: vec![] })
    }
}

struct Source {
    workload: Leasing,
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

/// How many of the past are looked at.
const REMEMBERED: usize = 4;

impl Source {
    fn forget(&mut self) {
        self.others.extend(self.mine.take());
        let surplus = self.others.len().saturating_sub(REMEMBERED);
        self.others.drain(..surplus);
    }
}

impl squall_scenario::workloads::Source for Source {
    type Ask = Op;
    type Answer = Output;

    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.workload.seed, &format!("{} op {}", self.client, self.ordinal));
        let pace = Pace::AfterLast(self.workload.think.0.draw(&mut draws));
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
                true => (pace, Op::Lease(LeaseOp::Grant { ttl: draws.in_range(1..=self.workload.ttl.0), keep: false })),
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
