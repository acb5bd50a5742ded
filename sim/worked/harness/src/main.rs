//! The harness of raftkv: `cargo run --release -p raftkv-harness -- sweep ../../scenarios`.

use raftkv::{
    Failed,
    pb::{GetRequest, PutRequest, kv_client::KvClient},
};
use serde::{Deserialize, Serialize};
use squall::{Client, Draws, Harness, Node, Operation, Unanswered, host::rpc};
use std::{net::SocketAddr, path::Path, process::ExitCode};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Op {
    Get { key: String },
    Put { key: String, value: u64 },
}

impl Operation for Op {
    fn is_read(&self) -> bool {
        matches!(self, Op::Get { .. })
    }

    fn object(&self) -> Option<String> {
        let (Op::Get { key } | Op::Put { key, .. }) = self;
        Some(key.clone())
    }

    fn looked_at_by(&self) -> Option<Op> {
        let (Op::Get { key } | Op::Put { key, .. }) = self;
        Some(Op::Get { key: key.clone() })
    }
}

struct User(KvClient<Channel>);

impl User {
    fn of(addr: SocketAddr) -> User {
        User(KvClient::new(rpc::connect_lazy(Endpoint::from_shared(format!("http://{addr}")).expect("an address"))))
    }
}

/// The service says FailedPrecondition before it begins anything.
fn ended(status: Status) -> Unanswered {
    if status.code() == Code::FailedPrecondition { Unanswered::refused(status.message()) } else { status.into() }
}

impl Client for User {
    type Op = Op;
    type Answer = Option<u64>;

    async fn call(&mut self, op: &Op) -> Result<Option<u64>, Unanswered> {
        match op.clone() {
            Op::Get { key } => Ok(self.0.get(GetRequest { key }).await.map_err(ended)?.into_inner().value),
            Op::Put { key, value } => self.0.put(PutRequest { key, value }).await.map(|_| None).map_err(ended),
        }
    }
}

/// The life of a node. Its harness is told what it holds, and whether it leads.
async fn life(node: Node) -> Result<(), Failed> {
    let it = raftkv::Node::start(node.id(), &node.members(), Path::new("data")).await?;
    let values = it.values.clone();
    node.holds(move || {
        let state = values.state();
        (state.applied(), state.values.clone())
    });
    let mut metrics = it.raft.metrics();
    tokio::spawn(async move {
        let mut before = None;
        loop {
            let (term, leads) = {
                let metrics = metrics.borrow_and_update();
                (metrics.current_term, metrics.state.is_leader())
            };
            if before.replace((term, leads)) != Some((term, leads)) {
                if leads { node.leads(term) } else { node.follows(term) }
            }
            if metrics.changed().await.is_err() {
                return;
            }
        }
    });
    it.serve().await
}

fn mixed(draws: &mut Draws) -> Op {
    let key = format!("k{}", draws.in_range(1..=4));
    if draws.below(2) == 0 { Op::Get { key } } else { Op::Put { key, value: draws.below(1_000_000_000) } }
}

fn main() -> ExitCode {
    Harness::new("raftkv")
        .about("a key-value service on openraft 0.9, tokio and tonic")
        .has_leaders()
        .service(life)
        .client(User::of)
        .workload("mixed", "gets and puts of four keys", mixed)
        .specification(None, |held: &Option<u64>, op, answer| match op {
            Op::Put { value, .. } => Some(Some(*value)),
            Op::Get { .. } => answer.is_none_or(|answer| answer == held).then_some(*held),
        })
        .main()
}
