//! `membership`: administrators who do not know of each other. They add learners that never come, try to
//! promote them, remove them, and look at the list. Voters are the business of the faults `grow`, `shrink`
//! and `replace`.

use crate::ops::{Answer, MemberId, MemberOp, MemberOutput, Op, Output, stream};
use squall_scenario::{
    language::arguments,
    values::{Each, Number, Seed, Span},
    workloads::{Asks, Clients, Kind, OpSource, Pace, asks, source},
};

arguments! {
    /// Several administrators add, promote and remove learners, and list the members.
    pub(crate) struct Membership => Administering, "the membership workload" {
        /// how many clients
        clients: Clients = Number(2),
        /// the pause between an answer and the next question
        think: Each = Each(Span::millis(50, 500)),
        /// the seed of the operations; a plan has it
        seed: Seed,
    }
}

impl Kind for Membership {
    const NAME: &'static str = "membership";
    const EXAMPLE: &'static str = "membership: { clients: 2, think: 200ms }";

    fn clients(&self) -> u32 {
        self.clients.small()
    }

    fn asks(&self) -> Vec<squall_history::Op> {
        let member = MemberId(1);
        let all = [MemberOp::List, MemberOp::AddLearner { url: url(1, 1) }, MemberOp::Promote { member }, MemberOp::Remove { member }];
        asks(all.map(Op::Member))
    }
}

impl Asks for Administering {
    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        source(Source { workload: self.clone(), client, ordinal: 0, learners: vec![] })
    }
}

/// An address where nobody is, and nobody else's.
fn url(client: u32, ordinal: u64) -> String {
    format!("http://10.9.{}.{}:{}", client % 256, ordinal / 50_000 % 256, 10_000 + ordinal % 50_000)
}

struct Source {
    workload: Administering,
    client: u32,
    ordinal: u64,
    /// The learners that it saw last.
    learners: Vec<MemberId>,
}

impl squall_scenario::workloads::Source for Source {
    type Ask = Op;
    type Answer = Output;

    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.workload.seed, &format!("{} op {}", self.client, self.ordinal));
        let pace = Pace::AfterLast(self.workload.think.0.draw(&mut draws));
        let op = match draws.below(8) {
            0..3 => MemberOp::List,
            _ if self.learners.is_empty() => MemberOp::AddLearner { url: url(self.client, self.ordinal) },
            3 => MemberOp::Promote { member: *draws.pick(&self.learners) },
            _ => MemberOp::Remove { member: *draws.pick(&self.learners) },
        };
        Some((pace, Op::Member(op)))
    }

    fn probe(&self) -> Op {
        Op::Member(MemberOp::List)
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        match (op, &answer.output) {
            (_, Output::Member(MemberOutput::Members { members })) => {
                self.learners = members.iter().filter(|m| m.learner).map(|m| m.member).collect();
            }
            (_, Output::Member(MemberOutput::Added { member })) => self.learners.push(*member),
            (Op::Member(MemberOp::Remove { member }), _) => self.learners.retain(|m| m != member),
            _ => {}
        }
    }

    fn unanswered(&mut self, op: &Op) {
        // Perhaps another one has removed it, perhaps this one has.
        if let Op::Member(MemberOp::Remove { member }) = op {
            self.learners.retain(|m| m != member);
        }
    }
}
