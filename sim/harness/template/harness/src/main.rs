//! The harness: what clients ask, how they ask it, and what is right.
//! `cargo run --release -p harness -- run scenarios/faults.yaml` runs it; `-- help` shows what else it does.

use serde::{Deserialize, Serialize};
use squall::{Client, Draws, Harness, Node, Operation, Unanswered, host::net::TcpStream};
use std::{net::SocketAddr, process::ExitCode};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Op {
    Get { key: String },
    Put { key: String, value: u32 },
}

impl Operation for Op {
    fn is_read(&self) -> bool {
        matches!(self, Op::Get { .. })
    }

    fn object(&self) -> Option<String> {
        let (Op::Get { key } | Op::Put { key, .. }) = self;
        Some(key.clone())
    }
}

/// Asks the node at this address.
struct Teller(SocketAddr);

impl Client for Teller {
    type Op = Op;
    type Answer = Option<u32>;

    async fn call(&mut self, op: &Op) -> Result<Option<u32>, Unanswered> {
        let mut stream = TcpStream::connect(self.0).await?;
        let line = match op {
            Op::Get { key } => format!("get {key}\n"),
            Op::Put { key, value } => format!("put {key} {value}\n"),
        };
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        match answer.trim_end() {
            "" => Err(Unanswered::unknown("it hung up")),
            "refused" => Err(Unanswered::refused("not the primary")),
            "ok" => Ok(None),
            value => Ok(value.trim_start_matches("= ").parse().ok()),
        }
    }
}

/// The next operation of a client.
fn mixed(draws: &mut Draws) -> Op {
    let key = format!("k{}", draws.in_range(1..=3));
    if draws.below(2) == 0 { Op::Get { key } } else { Op::Put { key, value: draws.below(1_000_000) as u32 } }
}

/// What a key holds after this, if it may be answered so.
fn register(held: &Option<u32>, op: &Op, answer: Option<&Option<u32>>) -> Option<Option<u32>> {
    match op {
        Op::Put { value, .. } => Some(Some(*value)),
        Op::Get { .. } => answer.is_none_or(|answer| answer == held).then_some(*held),
    }
}

/// The program.
pub fn main() -> ExitCode {
    Harness::new("ledger")
        .about("registers that one node keeps in a file")
        .has_leaders()
        .service(|node: Node| async move {
            let is_primary = node.id() == 1;
            if is_primary {
                node.leads(1);
                node.shows(&"the primary");
            }
            ledger::run(node.addr(), is_primary).await
        })
        .client(Teller)
        .workload("mixed", "gets and puts of three keys", mixed)
        .specification(None, register)
        .main()
}
