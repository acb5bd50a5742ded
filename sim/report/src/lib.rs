//! Reports: one view model, many thin writers. A report never runs anything.

mod bands;
mod github;
mod json;
mod junit;
mod model;
mod overview;
mod picture;
mod record;
mod recovery;
mod states;
mod story;
mod sweep;
mod text;

pub use github::{annotations, summary};
pub use json::verdict_json;
pub use junit::junit;
pub use model::{Judging, RunReport};
pub use overview::overview;
pub use record::{Canary, Ending, FORMAT as RECORD_FORMAT, Meaning, Record, fingerprint};
pub use story::{node_log, state_at};
pub use sweep::{Group, Selected, Sweep};

/// A form of report.
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Writes one run's report.
    pub write: fn(&RunReport) -> String,
}

/// Every form.
pub const REGISTRY: &[Format] = &[text::FORMAT, json::FORMAT];

/// For people.
pub fn text(report: &RunReport) -> String {
    (text::FORMAT.write)(report)
}

/// For programs: one line of JSON.
pub fn json(report: &RunReport) -> String {
    (json::FORMAT.write)(report)
}
