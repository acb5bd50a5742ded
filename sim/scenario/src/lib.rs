//! Scenarios: what a person writes, checked, planned, and compiled to effects.
//!
//! ```text
//!   YAML ─► spanned tree ─► Scenario (typed; or every mistake, underlined)
//!                               │ plan(seed): every author-visible choice is drawn here
//!                               ▼
//!                            Plan (typed; nothing left to a seed); prints as YAML of the same grammar
//!                               │ at its time, each fault compiles to effects on whoever leads then
//!                               ▼
//!                            Effects: few and physical, executed by the world
//! ```
//!
//! **Architecture Invariant:** pure and synchronous. No clock, no randomness but labelled streams.

mod effect;
pub mod faults;
pub mod language;
mod model;
mod plan;
mod possible;
pub mod shrink;
mod target;
#[doc(hidden)]
pub mod testing;
pub mod values;
mod vocabulary;
pub mod workloads;
pub mod yaml;

pub use effect::{
    Admin, Armed, ClockChange, ClusterView, Damage, DiskAccess, DiskChange, Effect, Errno, Link, LinkChange, Party, PowerLoss, Size, Strike,
};
pub use model::{
    Available, Bites, Cluster, Disk, Expect, Heal, Liveness, Network, Nodes, Pick, PlannedFault, Scenario, ScheduledFault, Start, Swarm,
    Trigger, Vary, Wait, When, Zones,
};
pub use plan::{LeftToChance, Plan, plan};
pub use target::{Chosen, TARGET_WORDS, Target};
pub use values::{Each, Number, Probability, Span, format_duration, parse_duration};
pub use vocabulary::{Decoder, EventInfo, Failpoint, Gives, Holder, Named, Service, Vocabulary};
pub use yaml::{Diagnostic, Diagnostics, as_written};

/// The version of the scenario and plan format that this build reads and writes.
pub const FORMAT: u64 = 1;

/// Reads a scenario or a plan of one of these systems. `name` is shown in diagnostics: the file's path, say.
///
/// # Errors
/// Every mistake, each at its place.
pub fn parse(name: &str, source: &str, vocabulary: &Vocabulary) -> Result<Scenario, Diagnostics> {
    model::parse(name, source, vocabulary)
}

/// The JSON Schema (draft-07) of the language, for completion in editors. Names of systems, bugs and checkers are those of the
/// vocabulary. It knows the keys and the words; what depends on other values (a node that the cluster has not) only [`parse`] knows.
pub fn schema(vocabulary: &Vocabulary) -> serde_json::Value {
    model::scenario_schema(vocabulary)
}

/// The parts of a scenario by the paths of their keys, and the arguments of each: for the language's reference. Faults and workloads
/// have registries of their own.
pub fn parts() -> Vec<(&'static str, Vec<language::Argument>)> {
    model::parts()
}
