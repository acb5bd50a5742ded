//! The language everyone speaks: ids, time, op, outcome, event, observation, entry, and their codec.
//!
//! A [`History`] is one total order of [`Entry`]: what clients asked and were told, what the world
//! did, and what nodes were seen to do. Its digest identifies a run: two runs are the same run when
//! their histories are the same bytes.
//!
//! What this crate is not: a judge, a plan, or a clock. It depends on nothing of ours.

mod codec;
mod draws;
mod effect;
mod entry;
mod facts;
mod heard;
mod ids;
mod lease;
mod legacy;
mod line;
mod member;
mod observe;
mod op;
mod spread;
mod time;
mod view;

pub use codec::{FORMAT, ReadError, digest_of, read_jsonl, to_line, write_jsonl};
pub use draws::{SeededStream, stream};
pub use effect::{Change as EffectChange, Effect, EffectResult, FaultRef, Link, Party, PowerLoss};
pub use entry::{Entry, Event, History, Subject, Until, What};
pub use facts::{Facts, Latency, OpCounts, Recovery};
pub use heard::{Before, Heard, Told};
pub use ids::{ClientId, NodeId, OpId};
pub use lease::{LeaseId, LeaseOp, LeaseOutput};
pub use line::{Led, LineKind, LineOp, LineOutput, Place, work_key};
pub use member::{MemberId, MemberOp, MemberOutput, MemberSeen};
pub use observe::{BootData, DiskHealth, LogMark, Role, Saw};
pub use op::{Act, Answer, Change, Compare, Failure, KeyValue, Kind, Made, Op, Outcome, Output, Put, Read, brief};
pub use time::{SimTime, in_words};
pub use view::{CompletedOp, OpEnd, View};
