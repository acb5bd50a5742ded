//! `verdicts`: what each checker found, whole, as JSON in many lines.

use super::{Format, Kept, json::verdict_json};
use crate::{RunReport, fingerprint};
use serde_json::{Map, Value, json};
use squall_history::Entry;
use squall_judge::Verdict;

pub(super) const FORMAT: Format = Format {
    run: Some(write),
    kept: Kept::As("verdict.json", "each checker's verdict, with its witness"),
    ..Format::new("verdicts", "each checker's verdict with its witness, as JSON")
};

/// The version of what is written.
const VERSION: u64 = 1;

fn write(report: &RunReport, _: &[Entry]) -> String {
    let told = |(name, verdict): &(&str, Verdict)| ((*name).to_string(), verdict_json(verdict));
    let checkers: Map<String, Value> = report.verdicts.iter().map(told).collect();
    let fingerprint = fingerprint(&report.verdicts);
    let all = json!({ "format": VERSION, "verdict": report.verdict().word(), "fingerprint": fingerprint, "checkers": checkers });
    format!("{all:#}\n")
}
