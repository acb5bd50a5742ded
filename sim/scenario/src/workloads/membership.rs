//! `membership`: administrators who do not know of each other. They add learners that never come, try to
//! promote them, remove them, and look at the list. Voters are the business of the faults `grow`, `shrink`
//! and `replace`.

use super::{
    OpSource, Pace, Workload, WorkloadKind,
    load::{self, CLIENTS_ARG, SEED_ARG, THINK_ARG},
};
use crate::{
    faults::mapping,
    values::{self, Span},
    yaml::{Decoder, Node},
};
use squall_history::{Answer, MemberId, MemberOp, MemberOutput, Op, Output, SeededStream, stream};
use std::time::Duration;

pub(super) const KIND: WorkloadKind = WorkloadKind {
    name: "membership",
    about: "Several administrators add, promote and remove learners, and list the members.",
    args: &[CLIENTS_ARG, THINK_ARG, SEED_ARG],
    example: "membership: { clients: 2, think: 200ms }",
    decode,
};

const THINK: Span = Span { min: Duration::from_millis(50), max: Duration::from_millis(500) };

#[derive(Clone, Debug)]
struct Membership {
    clients: u32,
    think: Span,
    seed: Option<u64>,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Workload>> {
    let mut fields = decoder.fields(node, "the membership workload")?;
    let clients = load::count(decoder, &mut fields, "clients", 200, 2);
    let think = fields.take("think").map_or(Some(THINK), |n| values::span(decoder, n));
    let seed = fields.take("seed").and_then(|n| values::number(decoder, n, 0, u64::MAX));
    fields.done(decoder);
    Some(Box::new(Membership { clients: clients?, think: think?, seed }))
}

impl Workload for Membership {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn source(&self, client: u32, _name: &str) -> Box<dyn OpSource> {
        let seed = self.seed.expect("a planned workload has its seed");
        Box::new(Source { workload: self.clone(), seed, client, ordinal: 0, learners: vec![] })
    }

    fn asks(&self) -> Vec<Op> {
        let member = MemberId(1);
        let all = [MemberOp::List, MemberOp::AddLearner { url: url(1, 1) }, MemberOp::Promote { member }, MemberOp::Remove { member }];
        all.map(Op::Member).into()
    }

    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload> {
        Box::new(Membership { seed: self.seed.or_else(|| Some(draws.bits() >> 1)), ..self.clone() })
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        mapping([
            ("clients", Some(self.clients.into())),
            ("think", (self.think != THINK).then(|| self.think.to_text().into())),
            ("seed", self.seed.map(Into::into)),
        ])
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

/// An address where nobody is, and nobody else's.
fn url(client: u32, ordinal: u64) -> String {
    format!("http://10.9.{}.{}:{}", client % 256, ordinal / 50_000 % 256, 10_000 + ordinal % 50_000)
}

struct Source {
    workload: Membership,
    seed: u64,
    client: u32,
    ordinal: u64,
    /// The learners that it saw last.
    learners: Vec<MemberId>,
}

impl OpSource for Source {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let mut draws = stream(self.seed, &format!("{} op {}", self.client, self.ordinal));
        let pace = Pace::AfterLast(self.workload.think.draw(&mut draws));
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
