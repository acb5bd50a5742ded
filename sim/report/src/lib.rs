//! Reports: view models, and a writer for each format. A report never runs anything.

mod bands;
mod check;
mod model;
mod node_log;
mod picture;
mod plain;
mod program;
mod record;
mod recovery;
mod states;
mod sweep;
mod writers;

pub use check::{ByModel, CheckReport, JudgedBy};
pub use model::{Judging, RunReport};
pub use node_log::state_at;
pub use program::{command, program, was_started_as};
pub use record::{Canary, Ending, FORMAT as RECORD_FORMAT, Meaning, Record, fingerprint};
pub use sweep::{Group, Selected, Sweep};
pub use writers::{CannotWrite, Format, Kind, REGISTRY, Runs, kept_files};
