//! Reports: one view model, many thin writers. A report never runs anything.

mod json;
mod model;
mod text;
mod timeline;

pub use model::{Judging, OpCounts, RunReport};

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
