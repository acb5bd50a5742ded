//! Workloads: one file each, one line in the registry each.

mod hello;
mod kv;
mod lease;
mod line;
mod load;
mod membership;
mod register;
mod script;
mod watch;

pub use script::{Line, Script};

use crate::yaml::{Decoder, Node};
use squall_history::{Answer, Op, SeededStream};
use std::{fmt::Debug, time::Duration};

/// A kind of workload.
pub struct WorkloadKind {
    /// The key under which it is written.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its arguments.
    pub args: &'static [crate::faults::Arg],
    /// A use of it, as YAML.
    pub example: &'static str,
    pub(crate) decode: fn(&mut Decoder, &Node) -> Option<Box<dyn Workload>>,
}

/// Every kind.
pub const REGISTRY: &[WorkloadKind] =
    &[register::KIND, kv::KIND, kv::TXN, watch::KIND, lease::KIND, line::LOCK, line::ELECTION, membership::KIND, hello::KIND, script::KIND];

/// A workload: how many clients there are and what each of them asks.
pub trait Workload: Debug + Send + Sync {
    /// How many clients it has.
    fn clients(&self) -> u32;

    /// The operations of its `client`th client (from 1). `name` makes written values unique.
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource>;

    /// An operation of each kind that it may ask, so that a system can say whether it takes them.
    fn asks(&self) -> Vec<Op>;

    /// When its last operation is due, if that is written down.
    fn last_at(&self) -> Option<Duration> {
        None
    }

    /// Draws what is random: its seed.
    fn fix(&self, draws: &mut SeededStream) -> Box<dyn Workload>;

    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Its arguments, as YAML.
    fn to_yaml(&self) -> serde_yaml::Value;

    /// A copy.
    fn boxed(&self) -> Box<dyn Workload>;
}

impl Clone for Box<dyn Workload> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// The same workload with another number under this key, if it has one there.
pub(crate) fn with_number(workload: &dyn Workload, key: &str, change: impl FnOnce(u64) -> u64) -> Box<dyn Workload> {
    let mut yaml = workload.to_yaml();
    let Some(number) = yaml.get(key).and_then(serde_yaml::Value::as_u64) else { return workload.boxed() };
    yaml[key] = change(number).into();
    let text = serde_yaml::to_string(&yaml).expect("plain values have a YAML form");
    let kind = REGISTRY.iter().find(|kind| kind.name == workload.kind()).expect("a workload is of a kind");
    let node = crate::yaml::parse_tree(&text);
    // What makes no sense with that number (fewer clients than it needs) stays as it was.
    node.ok().and_then(|node| (kind.decode)(&mut Decoder::default(), &node)).unwrap_or_else(|| workload.boxed())
}

/// When the next operation comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So long after the last one ended: closed loop.
    AfterLast(Duration),
    /// So long after the last one *began*: open loop.
    AfterStart(Duration),
    /// So long after the client's start; at once, when that is past.
    At(Duration),
}

/// One client's operations, one after another.
pub trait OpSource: Send {
    /// The next operation, and when it is due; `None` once there is none. Each is drawn from a stream
    /// of its own ordinal.
    fn next(&mut self) -> Option<(Pace, Op)>;

    /// What a client asks whose operations are over, when the world wants to know whether it is served:
    /// it changes nothing.
    fn probe(&self) -> Op;

    /// What the last operation answered, if it did.
    fn answered(&mut self, op: &Op, answer: &Answer);

    /// The last operation was refused, or nobody knows what became of it.
    fn unanswered(&mut self, _op: &Op) {}
}
