//! What clients ask of an etcd-style service, what it answers, and what they hear.

mod display;
mod heard;
mod lease;
mod line;
mod member;
mod op;
mod output;
mod spread;
mod view;

pub use heard::{Before, StreamEvent, WatchEvent};
pub use lease::{LeaseId, LeaseOp, LeaseOutput};
pub use line::{Led, LineKind, LineOp, LineOutput, Ticket, work_key};
pub use member::{MemberId, MemberOp, MemberOutput, MemberSeen};
pub use op::{Act, Change, Changes, Compare, Kind, Op, Put, Read};
pub use output::{KeyValue, Made, Output};
pub use view::{Shown, View};

pub use squall_history::{
    BootData, ClientId, DiskHealth, Failure, LogMark, NodeId, Observation, OpId, Role, SeededStream, SimTime, Until, brief, in_words,
    stream,
};

/// A line of a history of this service.
pub type Entry = squall_history::Entry<Op, Output, StreamEvent>;
/// What it says.
pub type EntryKind = squall_history::EntryKind<Op, Output, StreamEvent>;
/// An operation, from its invocation to its end.
pub type CompletedOp = squall_history::CompletedOp<Op, Output>;
/// How one ended.
pub type OpEnd = squall_history::OpEnd<Output>;
/// An answer.
pub type Answer = squall_history::Answer<Output>;
/// How an operation ended, as its client says.
pub type Outcome = squall_history::Outcome<Output>;

/// The code of a failure: the revision that is asked for is compacted away.
pub const COMPACTED: &str = "compacted";
/// The code of a failure: there is no such lease, or no more.
pub const LEASE_NOT_FOUND: &str = "lease-not-found";

/// As everybody carries it.
pub fn untyped(history: &[Entry]) -> squall_history::History {
    history.iter().cloned().map(Entry::untyped).collect()
}
