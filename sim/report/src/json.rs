//! `json`: one object on one line, versioned.

use crate::{Format, Record, RunReport};
use serde_json::{Value, json};
use squall_checker::Verdict;

pub(crate) const FORMAT: Format = Format { name: "json", about: "one JSON object on one line, for programs", write };

/// A checker's verdict, wherever one is written as JSON: `verdict`; of an unknown one `why`; of a violation `kind`, `summary`, `details`,
/// `at_ns` (virtual nanoseconds since the start) and `ops` (the numbers of the operations that show it).
pub fn verdict_json(verdict: &Verdict) -> Value {
    let mut told = json!({ "verdict": verdict.word() });
    match verdict {
        Verdict::Valid => {}
        Verdict::Unknown(why) => told["why"] = why.as_str().into(),
        Verdict::Invalid(witness) => {
            told["kind"] = witness.kind.into();
            told["summary"] = witness.summary.as_str().into();
            told["details"] = witness.details.clone().into();
            told["at_ns"] = witness.at.0.into();
            told["ops"] = witness.ops.iter().map(|op| op.0).collect::<Vec<_>>().into();
        }
    }
    told
}

fn write(r: &RunReport) -> String {
    Record::of(r, r.canary.as_deref()).to_line()
}
