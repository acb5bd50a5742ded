//! `json`: one object on one line, versioned.

use crate::{Format, Record, RunReport};

pub(crate) const FORMAT: Format = Format { name: "json", about: "one JSON object on one line, for programs", write };

fn write(r: &RunReport) -> String {
    Record::of(r, r.canary.as_deref()).to_line()
}
