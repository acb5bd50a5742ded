//! `markdown`: a table of what failed, as a job's summary on GitHub has it.

use super::{Format, Runs, WritesCheck};
use crate::{
    CheckReport, Sweep,
    plain::{one_line, printable},
};

pub(super) const FORMAT: Format = Format {
    run: Some(|report, _| sweep(&Sweep::of_one(report))),
    runs: Some(Runs::Together(sweep)),
    sweep: Some(sweep),
    check: Some(WritesCheck { head: None, rest: check, shows_calls: false }),
    ..Format::new("markdown", "a table of what failed, for a job's summary")
};

/// A job's summary may have 1 MiB.
const SUMMARY_MAX: usize = 256 << 10;

/// Text in a cell of a Markdown table: no markup, no HTML, no new cell.
fn cell(text: &str) -> String {
    let flat = one_line(&printable(text), 300);
    let mut out = String::with_capacity(flat.len());
    for c in flat.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '!' | '~' | '@' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// The job summary. Its size is bounded; what does not fit is counted.
fn sweep(sweep: &Sweep) -> String {
    let mut out = format!("## squall\n\n{}\n\n", cell(&sweep.summary()));
    let groups = sweep.groups();
    if !groups.is_empty() {
        out.push_str("| bug | runs | scenario | seed | why | replay |\n| --- | --- | --- | --- | --- | --- |\n");
    }
    for (i, group) in groups.iter().enumerate() {
        let r = group.cheapest;
        let why = r.main_reason();
        let replay = r.kept.as_deref().map_or(String::new(), |kept| crate::command(&format!("replay {kept}")));
        let cells = [&group.fingerprint, &group.count.to_string(), &r.scenario, &r.seed, why, &replay].map(cell);
        let row = format!("| {} |\n", cells.join(" | "));
        if out.len() + row.len() > SUMMARY_MAX {
            out.push_str(&format!("\nand {} more\n", groups.len() - i));
            break;
        }
        out.push_str(&row);
    }
    for s in sweep.mute_canaries() {
        out.push_str(&format!("\n* {}: a canary that did not fail\n", cell(&s.scenario)));
    }
    out
}

/// A check: a row for each judge.
fn check(check: &CheckReport<'_>) -> String {
    let mut out = format!("## squall\n\n{}: {}\n\n| judge | verdict | why |\n| --- | --- | --- |\n", cell(&check.file), check.judgement());
    for finding in check.findings() {
        let cells = [&finding.judge, finding.judgement.word(), &finding.why].map(cell);
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}
