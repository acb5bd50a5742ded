//! `squall schema`: a JSON Schema of scenarios, for completion in editors.

use crate::{Exit, Systems, failure::Failure};

/// The schema, with the names of these systems, as it stands in `scenarios/schema.json`.
pub(crate) fn text(systems: &Systems) -> String {
    let schema = squall_scenario::schema(&systems.vocabulary());
    format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema has a JSON form"))
}

pub(crate) fn run(systems: &Systems) -> Result<Exit, Failure> {
    print!("{}", text(systems));
    Ok(Exit::Ok)
}
