//! The language everyone speaks: ids, time, op, outcome, event, observation, entry, and their codec.
//!
//! A [`History`] is one total order of [`Entry`]: what clients asked and were told, what the world
//! did, and what nodes were seen to do. Its digest identifies a run: two runs are the same run when
//! their histories are the same bytes.
//!
//! What this crate is not: a judge, a plan, or a clock. It depends on nothing of ours.

mod body;
mod codec;
mod draws;
mod effect;
mod entry;
mod event;
mod facts;
mod ids;
mod legacy;
mod observe;
mod outcome;
mod time;
mod view;

pub use body::{Ask, Body, Op, Output, StreamEvent, Untyped, brief};
pub use codec::{Dialect, FORMAT, ReadError, digest_of, read_jsonl, to_line, write_jsonl};
pub use draws::{SeededStream, stream};
pub use effect::{Change as EffectChange, Effect, EffectResult, FaultRef, Link, Party, PowerLoss};
pub use entry::{Entry, EntryKind, History, Until};
pub use event::{Event, EventKind, OwnEvent, Subject};
pub use facts::{Facts, Latency, OpCounts, Recovery};
pub use ids::{ClientId, NodeId, OpId};
pub use observe::{BootData, DiskHealth, LogMark, Observation, Role};
pub use outcome::{Answer, Failure, Outcome};
pub use time::{SimTime, in_words};
pub use view::{CompletedOp, OpEnd, View};
