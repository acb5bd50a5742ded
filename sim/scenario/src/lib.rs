//! Scenarios: what a person writes, checked, planned, and compiled to effects.
//!
//! ```text
//!   YAML ─► spanned tree ─► Scenario (typed; or every mistake, underlined)
//!                               │ plan(seed): every author-visible choice is drawn here
//!                               ▼
//!                            Plan = a Scenario with nothing left to chance; prints as YAML of the same grammar
//!                               │ at its time, each fault compiles to effects on whoever leads then
//!                               ▼
//!                            Effects: few and physical, executed by the world
//! ```
//!
//! **Architecture Invariant:** pure and synchronous. No clock, no randomness but labelled streams.

mod effect;
pub mod faults;
mod model;
mod plan;
mod print;
mod schema;
pub mod shrink;
mod target;
mod values;
pub mod workloads;
mod yaml;

pub use effect::{
    Admin, Armed, ClockChange, ClusterView, Damage, DiskAccess, DiskChange, Effect, Errno, Link, LinkChange, Party, PowerLoss, Size, Strike,
};
pub use model::{
    Available, Cluster, Expect, Heal, Liveness, PlannedFault, Scenario, ScheduledFault, Start, Swarm, Trigger, Vary, Vocabulary, When, Zones,
};
pub use plan::plan;
pub use schema::schema;
pub use target::{TARGET_WORDS, Target};
pub use values::{Probability, Span, format_duration, parse_duration};
pub use yaml::{Diagnostic, Diagnostics};

/// The version of the scenario and plan format that this build reads and writes.
pub const FORMAT: u64 = 1;

/// Reads a scenario or a plan. `name` is shown in diagnostics: the file's path, say.
pub fn parse(name: &str, source: &str) -> Result<Scenario, Diagnostics> {
    model::parse(name, source, None)
}

/// Reads a scenario or a plan; names of systems, bugs and checkers must be among these.
pub fn parse_within(name: &str, source: &str, vocabulary: &Vocabulary) -> Result<Scenario, Diagnostics> {
    model::parse(name, source, Some(vocabulary))
}
