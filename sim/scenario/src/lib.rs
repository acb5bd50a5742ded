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
mod model;
mod plan;
mod possible;
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
    Available, Bites, Cluster, Expect, Heal, Liveness, PlannedFault, Scenario, ScheduledFault, Start, Swarm, Trigger, Vary, Vocabulary,
    When, Zones,
};
pub use plan::{LeftToChance, Plan, plan};
pub use possible::Gives;
pub use schema::schema;
pub use target::{Chosen, TARGET_WORDS, Target};
pub use values::{Probability, Span, format_duration, parse_duration};
pub use yaml::{Diagnostic, Diagnostics};

/// The version of the scenario and plan format that this build reads and writes.
pub const FORMAT: u64 = 1;

/// Reads a scenario or a plan. `name` is shown in diagnostics: the file's path, say.
pub fn parse(name: &str, source: &str) -> Result<Scenario, Diagnostics> {
    model::parse(name, source, None)
}

/// A scenario's text as it is when it must fail: `bites.with` takes the place of what it names. `None` when it does
/// not say how it bites.
///
/// # Panics
/// When the text is no scenario.
pub fn bitten(source: &str) -> Option<String> {
    let mut scenario: serde_yaml::Value = serde_yaml::from_str(source).expect("a scenario is YAML");
    let bites = scenario.as_mapping_mut()?.remove("bites")?;
    let expect = faults::mapping([
        ("violation", Some(bites["violation"].clone())),
        ("within_seeds", Some(bites.get("within_seeds").cloned().unwrap_or_else(|| 20.into()))),
    ]);
    // It is to fail, and that may keep from happening what else happens now and then.
    scenario.as_mapping_mut()?.remove("sometimes");
    merge(&mut scenario, bites["with"].clone());
    scenario["expect"] = expect;
    Some(yaml::emit(&scenario))
}

/// Mappings are merged; anything else is replaced.
fn merge(into: &mut serde_yaml::Value, from: serde_yaml::Value) {
    match (into, from) {
        (serde_yaml::Value::Mapping(into), serde_yaml::Value::Mapping(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(there) => merge(there, value),
                    None => _ = into.insert(key, value),
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Reads a scenario or a plan; names of systems, bugs and checkers must be among these.
pub fn parse_within(name: &str, source: &str, vocabulary: &Vocabulary) -> Result<Scenario, Diagnostics> {
    model::parse(name, source, Some(vocabulary))
}
