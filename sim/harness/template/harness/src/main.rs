//! The harness: what clients ask, how they ask it, and what is right.
//! `cargo run --release -p harness -- run scenarios/faults.yaml` runs it; `-- help` shows what else it does.

use serde::{Deserialize, Serialize};
use squall::{Client, CompletedOp, Draws, Harness, Model, Node, Operation, Unanswered, Verdict, host::net::TcpStream};
use std::{collections::BTreeSet, net::SocketAddr, process::ExitCode};
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

/// Asks one node, over one connection.
struct Teller {
    node: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Teller {
    async fn ask(&mut self, line: String) -> std::io::Result<String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.node).await?),
        };
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        if stream.read_line(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        // Who is dropped before the answer is there has no connection any more: its answer would be taken for the next one's.
        self.stream = Some(stream);
        Ok(answer.trim_end().to_string())
    }
}

impl Client for Teller {
    type Op = Op;
    type Answer = Option<u32>;

    async fn call(&mut self, op: &Op) -> Result<Option<u32>, Unanswered> {
        let answer = match op {
            Op::Get { key } => self.ask(format!("get {key}\n")).await?,
            Op::Put { key, value } => self.ask(format!("put {key} {value}\n")).await?,
        };
        match answer.as_str() {
            "refused" => Err(Unanswered::refused("not the primary")),
            "ok" => Ok(None),
            value => Ok(value.trim_start_matches("= ").parse().ok()),
        }
    }
}

/// A register: each key is one.
struct Register;

impl Model for Register {
    type State = Option<u32>;
    type Input = Op;
    type Output = Option<u32>;

    fn init(&self) -> Option<u32> {
        None
    }

    fn step(&self, held: &Option<u32>, op: &Op, answer: Option<&Option<u32>>) -> Option<Option<u32>> {
        match op {
            Op::Put { value, .. } => Some(Some(*value)),
            Op::Get { .. } => answer.is_none_or(|answer| answer == held).then_some(*held),
        }
    }

    fn show_state(&self, held: &Option<u32>) -> String {
        format!("{held:?}")
    }

    fn show_call(&self, op: &Op, answer: Option<&Option<u32>>) -> String {
        format!("{op:?}: {answer:?}")
    }
}

fn mixed(draws: &mut Draws) -> Op {
    let key = format!("k{}", draws.in_range(1..=3));
    if draws.below(2) == 0 { Op::Get { key } } else { Op::Put { key, value: draws.below(1_000_000) as u32 } }
}

/// No answer may be of a key that nobody has written.
fn nothing_from_nowhere(ops: &[CompletedOp<Op, Option<u32>>]) -> Verdict {
    let written: BTreeSet<(&str, u32)> =
        ops.iter().filter_map(|op| if let Op::Put { key, value } = &op.ask { Some((key.as_str(), *value)) } else { None }).collect();
    for op in ops {
        if let (Op::Get { key }, Some(Some(read))) = (&op.ask, op.output())
            && !written.contains(&(key.as_str(), *read))
        {
            return Verdict::invalid("from-nowhere", op.invoked, format!("{key} = {read} was never written"));
        }
    }
    Verdict::Valid
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
            }
            ledger::run(node.addr(), is_primary).await
        })
        .client(|node| Teller { node, stream: None })
        .workload("mixed", "gets and puts of three keys", mixed)
        .model(Register)
        .check("from-nowhere", "whatever is read was written before", nothing_from_nowhere)
        .main()
}
