//! `junit`: what CI servers read. One suite a scenario, one case a seed.

use crate::{Ending, Meaning, Sweep};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// No message is longer: some servers refuse large files.
const MESSAGE_MAX: usize = 4_000;

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_MAX).collect()
}

/// The sweep as JUnit XML. A canary is one case: it passes when it failed by its checker.
pub fn junit(sweep: &Sweep) -> String {
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
            let why: String = record.reasons.iter().map(|(name, why)| format!("{name}: {why}\n")).collect();
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
                case.set_system_out(format!("squall replay {kept}"));
            }
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string().expect("a report in memory can be written")
}
