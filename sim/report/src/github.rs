//! What GitHub's runners read: annotations on standard output, and a job summary in Markdown.

use crate::{
    Sweep,
    sweep::{one_line, printable},
};

/// GitHub shows ten annotations of a kind a step; a job summary may have 1 MiB.
const ANNOTATIONS_MAX: usize = 10;
const SUMMARY_MAX: usize = 256 << 10;

/// The data of a workflow command: nothing in it may end the line.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command: nor may it end the property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// One annotation for each group of failures, and for each canary that did not fail.
pub fn annotations(sweep: &Sweep) -> String {
    let mut out = String::new();
    let mut left = ANNOTATIONS_MAX;
    for group in sweep.groups() {
        if left == 0 {
            break;
        }
        left -= 1;
        let r = group.cheapest;
        let why: Vec<String> = r.reasons.iter().map(|(name, why)| format!("{name}: {}", one_line(why, 400))).collect();
        let replay = r.kept.as_ref().map_or(String::new(), |kept| format!("\nsquall replay {kept}"));
        let title = format!("{} ({} runs, {} seed {})", group.fingerprint, group.count, r.scenario, r.seed);
        out.push_str(&format!("::error title={}::{}\n", property(&title), data(&format!("{}{replay}", why.join("\n")))));
    }
    for s in sweep.mute_canaries().into_iter().take(left) {
        out.push_str(&format!("::error title={}::this canary did not fail\n", property(&s.scenario)));
    }
    for (scenario, event) in sweep.vacuous().into_iter().take(ANNOTATIONS_MAX) {
        out.push_str(&format!("::warning title={}::{}\n", property(scenario), data(&format!("{event} never happened"))));
    }
    out
}

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
pub fn summary(sweep: &Sweep) -> String {
    let mut out = format!("## squall\n\n{}\n\n", cell(&sweep.summary()));
    let groups = sweep.groups();
    if !groups.is_empty() {
        out.push_str("| bug | runs | scenario | seed | why | replay |\n| --- | --- | --- | --- | --- | --- |\n");
    }
    for (i, group) in groups.iter().enumerate() {
        let r = group.cheapest;
        let why = r.main_reason();
        let replay = r.kept.as_deref().map_or(String::new(), |kept| format!("squall replay {kept}"));
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
