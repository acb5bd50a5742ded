//! `github`: annotations, as GitHub's runners read them on standard output.

use super::{Format, Runs, WritesCheck};
use crate::{
    CheckReport, Sweep,
    plain::{one_line, printable},
};
use squall_judge::Judgement;

pub(super) const FORMAT: Format = Format {
    run: Some(|report, _| sweep(&Sweep::of_one(report))),
    runs: Some(Runs::Together(sweep)),
    sweep: Some(sweep),
    check: Some(WritesCheck { head: None, rest: check, shows_calls: false }),
    ..Format::new("github", "annotations for a GitHub runner, one for each kind of failure")
};

/// GitHub shows ten annotations of a kind a step.
const ANNOTATIONS_MAX: usize = 10;

/// The data of a workflow command: nothing in it may end the line.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command: nor may it end the property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// One annotation for each group of failures, and for each canary that did not fail.
fn sweep(sweep: &Sweep) -> String {
    let mut out = String::new();
    let mut left = ANNOTATIONS_MAX;
    for group in sweep.groups() {
        if left == 0 {
            break;
        }
        left -= 1;
        let r = group.cheapest;
        let why: Vec<String> = r.reasons.iter().map(|(name, why)| format!("{name}: {}", one_line(why, 400))).collect();
        let replay = r.kept.as_ref().map_or(String::new(), |kept| format!("\n{} replay {kept}", crate::program()));
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

/// One annotation for each judge that has found something, or could not decide.
fn check(check: &CheckReport<'_>) -> String {
    let told = check.findings().into_iter().filter_map(|finding| {
        let command = match finding.judgement {
            Judgement::Valid => return None,
            Judgement::Unknown => "warning",
            Judgement::Invalid => "error",
        };
        let (file, title) = (property(&check.file), property(&finding.fingerprint()));
        Some(format!("::{command} file={file},title={title}::{}\n", data(&one_line(&finding.why, 400))))
    });
    told.take(ANNOTATIONS_MAX).collect()
}
