//! `junit`: what CI servers read. One suite a scenario, one case a seed.

use super::{Format, Runs, WritesCheck};
use crate::{CheckReport, Ending, Meaning, Sweep, plain::one_line};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use squall_judge::Judgement;
use std::time::Duration;

pub(super) const FORMAT: Format = Format {
    run: Some(|report, _| sweep(&Sweep::of_one(report))),
    runs: Some(Runs::Together(sweep)),
    sweep: Some(sweep),
    check: Some(WritesCheck { head: None, rest: check, shows_calls: false }),
    ..Format::new("junit", "JUnit XML, for CI servers: a suite for each scenario, a case for each seed")
};

/// No message is longer: some servers refuse large files.
const MESSAGE_MAX: usize = 4_000;

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_MAX).collect()
}

/// A reason. No line of it begins as it likes: on a runner's standard output that might be a command.
fn reason(name: &str, why: &str) -> String {
    format!("{name}: {}\n", why.replace(['\r', '\n'], "\n  | "))
}

/// The sweep as JUnit XML. A canary is one case: it passes when it failed by its checker.
fn sweep(sweep: &Sweep) -> String {
    let mut report = Report::new("squall");
    for selected in &sweep.selected {
        let mut suite = TestSuite::new(selected.scenario.clone());
        let runs = sweep.records.iter().filter(|r| r.scenario == selected.scenario);
        if let Some(checker) = &selected.canary {
            let mute = sweep.mute_canaries().iter().any(|s| s.scenario == selected.scenario);
            let mut status = TestCaseStatus::success();
            if mute {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(format!("a canary that did not fail by {checker}")).set_type("mute-canary");
            }
            let mut case = TestCase::new("canary", status);
            case.set_classname(selected.scenario.clone());
            suite.add_test_case(case);
        }
        for record in runs {
            let why: String = record.reasons.iter().map(|(name, why)| reason(name, why)).collect();
            let kind = match record.verdict {
                Ending::Invalid => NonSuccessKind::Failure,
                _ => NonSuccessKind::Error,
            };
            let kind = (record.meaning() == Meaning::Failed).then_some(kind);
            let mut status = TestCaseStatus::success();
            if let Some(kind) = kind {
                status = TestCaseStatus::non_success(kind);
                let fingerprint = record.fingerprint.clone().unwrap_or_else(|| record.verdict.word().to_string());
                status.set_type(fingerprint.clone()).set_message(cut(&fingerprint)).set_description(cut(&why));
            }
            let mut case = TestCase::new(format!("seed {}", record.seed), status);
            case.set_classname(selected.scenario.clone()).set_time(Duration::from_secs_f64(record.cpu_s.max(0.0)));
            if let Some(kept) = &record.kept {
                case.set_system_out(crate::command(&format!("replay {kept}")));
            }
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    text(&report)
}

/// A check as JUnit XML: a suite for the file, a case for each judge.
fn check(check: &CheckReport<'_>) -> String {
    let file = one_line(&check.file, MESSAGE_MAX);
    let mut suite = TestSuite::new(file.clone());
    for finding in check.findings() {
        let mut status = match finding.judgement {
            Judgement::Valid => TestCaseStatus::success(),
            Judgement::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
            Judgement::Invalid => TestCaseStatus::non_success(NonSuccessKind::Failure),
        };
        if finding.judgement != Judgement::Valid {
            let kind = finding.fingerprint();
            status.set_type(kind.clone()).set_message(kind).set_description(cut(&reason(&finding.judge, &finding.why)));
        }
        let mut case = TestCase::new(finding.judge, status);
        case.set_classname(file.clone());
        suite.add_test_case(case);
    }
    let mut report = Report::new("squall");
    report.add_test_suite(suite);
    text(&report)
}

fn text(report: &Report) -> String {
    let mut text = report.to_string().expect("a report in memory can be written");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
