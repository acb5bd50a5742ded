//! Tables, groups, and strings that want to be markup.

use super::*;
use crate::{Canary, Format};
use serde_json::Value;

/// The sweep in a format of the registry.
fn written(format: &str, sweep: &Sweep) -> String {
    Format::named(format).unwrap().sweep(sweep).unwrap()
}

fn json(sweep: &Sweep) -> Value {
    serde_json::from_str(&written("json", sweep)).unwrap()
}

fn record(scenario: &str, seed: &str, verdict: Ending, why: &str) -> Record {
    let mut record = Record::of_no_run(scenario, seed, verdict, why.to_string());
    record.met = record.meaning() != Meaning::Failed;
    if verdict == Ending::Invalid {
        record.fingerprint = Some("raft/election-safety".to_string());
    }
    if verdict == Ending::Valid {
        (record.fingerprint, record.reasons) = (None, BTreeMap::new());
    }
    record
}

fn sweep(records: Vec<Record>) -> Sweep {
    let names: BTreeSet<String> = records.iter().map(|r| r.scenario.clone()).collect();
    let selected = |scenario: String| Selected { scenario, canary: None, sometimes: vec![], faults: vec![], seeds: 10 };
    Sweep { selected: names.into_iter().map(selected).collect(), records, ..Default::default() }
}

#[test]
fn failures_are_grouped_and_the_cheapest_is_shown() {
    let mut records: Vec<Record> = (0..3).map(|i| record("s", &i.to_string(), Ending::Invalid, "two leaders")).collect();
    for (record, cpu) in records.iter_mut().zip([3.0, 1.0, 2.0]) {
        (record.cpu_s, record.kept) = (cpu, Some(format!("reports/s/{}", record.seed)));
    }
    records.push(record("s", "9", Ending::TimedOut, "it took longer than 5s"));
    records.push(record("s", "8", Ending::Valid, ""));
    let sweep = sweep(records);
    let text = written("text", &sweep);
    assert!(text.contains("raft/election-safety: 3 runs, the cheapest is s seed 1 (1.00 CPU-s)"), "{text}");
    assert!(text.contains("squall replay reports/s/1") && text.contains("harness/timed-out: 1 run"), "{text}");
    assert!(text.contains("5 runs in 6.0 CPU-seconds") && text.contains("4 failed"), "{text}");
    assert_eq!(sweep.worst(), Some(Ending::TimedOut));
    assert_eq!(json(&sweep)["failures"].as_array().unwrap().len(), 4);
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    let table: Vec<&str> = text.lines().take(2).collect();
    assert_eq!(table[0].split("  ").filter(|c| !c.trim().is_empty()).count(), 8, "{text}");
    assert!(written("wide", &sweep).lines().next().unwrap().contains("no leader s"));
}

#[test]
fn nothing_failed_gives_the_bound_and_says_what_never_happened() {
    let mut quiet = sweep((0..300).map(|i| record("s", &i.to_string(), Ending::Valid, "")).collect());
    quiet.selected[0].sometimes = vec!["leader-changed".into()];
    let text = written("text", &quiet);
    assert!(text.contains("none failed: under 1.00 % of seeds do (95 % bound)"), "{text}");
    assert!(text.contains("`leader-changed` never happened"), "{text}");
    assert_eq!(quiet.worst(), None);
    quiet.records.truncate(19);
    assert!(quiet.vacuous().is_empty(), "19 seeds say nothing");
    assert!(written("text", &quiet).contains("s: `leader-changed` did not happen in 19 runs (judged over 20 or more)"), "and that is told");
    quiet.records.clear();
    assert!(!written("wide", &quiet).contains("-0"), "{}", written("wide", &quiet));
}

#[test]
fn a_fault_that_never_found_anybody_is_named() {
    let mut sweep = sweep((0..3).map(|i| record("s", &i.to_string(), Ending::Valid, "")).collect());
    sweep.records[0].missed = vec!["cut-off".into(), "kill".into()];
    assert_eq!(sweep.idle_faults().len(), 2);
    sweep.records[2].faults = BTreeMap::from([("kill".to_string(), 1)]);
    assert_eq!(sweep.idle_faults(), BTreeSet::from([("s", "cut-off")]), "another use of it, in another run, did something");
    assert!(written("text", &sweep).contains("s: the fault cut-off never did anything"), "{}", written("text", &sweep));
    sweep.records[1].scenario = "other".into();
    sweep.records[1].missed = vec!["kill".into()];
    assert_eq!(sweep.idle_faults(), BTreeSet::from([("s", "cut-off"), ("other", "kill")]), "each scenario by itself");
}

#[test]
fn a_canary_must_fail_by_its_checker() {
    let caught = |caught| Some(Canary { checker: "raft".into(), caught });
    let mut canary = sweep(vec![record("c", "0", Ending::Valid, ""), record("c", "1", Ending::Invalid, "x")]);
    canary.records.iter_mut().for_each(|r| r.canary = caught(false));
    canary.selected[0].canary = Some("raft".into());
    assert_eq!((canary.mute_canaries().len(), canary.worst()), (0, Some(Ending::Unknown)), "it was not given all its seeds");
    assert!(written("text", &canary).contains("given 2 of its 10 seeds: undecided"));
    canary.selected[0].seeds = 2;
    assert_eq!((canary.failures().len(), canary.mute_canaries().len(), canary.worst()), (0, 1, Some(Ending::Invalid)));
    assert!(written("text", &canary).contains("a canary that did not fail by `raft` in 2 seeds"));
    canary.records[1].canary = caught(true);
    assert_eq!((canary.mute_canaries().len(), canary.worst()), (0, None));
    assert!(canary.summary().ends_with("none failed"), "no bound by canaries: {}", canary.summary());
    assert!(written("text", &canary).contains("1 of 1 canaries caught"));
    canary.records.push(Record { canary: caught(false), ..record("c", "2", Ending::Crashed, "boom") });
    assert_eq!((canary.failures().len(), canary.worst()), (1, Some(Ending::Crashed)), "a crash finds nothing");
    canary.records.push(record("s", "0", Ending::Valid, ""));
    canary.records.remove(2);
    assert!(canary.summary().contains("none of 1 failed: under 100.00 %"), "{}", canary.summary());
}

#[test]
fn what_a_run_means_is_decided_in_one_place() {
    use Meaning::{Caught, Failed, Met};
    for (ending, alone, uncaught, caught) in [
        (Ending::Valid, Met, Met, Caught),
        (Ending::Unknown, Failed, Met, Caught),
        (Ending::Invalid, Failed, Met, Caught),
        (Ending::Crashed, Failed, Failed, Failed),
        (Ending::TimedOut, Failed, Failed, Failed),
        (Ending::OutOfMemory, Failed, Failed, Failed),
        (Ending::NonDeterministic, Failed, Failed, Failed),
    ] {
        let got = [None, Some(false), Some(true)].map(|canary| Meaning::of(ending, canary));
        assert_eq!(got, [alone, uncaught, caught], "{ending:?}");
    }
}

const HOSTILE: &str = "</script><b>|`x` ]]> <!-- & \"q\" 'a'\n::error::owned\r\n::set-output name=x::y %0A \u{1b}[31m\u{0}@everyone";

#[test]
fn hostile_strings_stay_text_in_every_form() {
    let mut bad = record(HOSTILE, HOSTILE, Ending::Invalid, HOSTILE);
    (bad.fingerprint, bad.kept) = (Some(HOSTILE.to_string()), Some(HOSTILE.to_string()));
    let sweep = sweep(vec![bad]);

    let text = written("wide", &sweep);
    assert!(!text.contains('\u{1b}') && !text.contains('\0'), "{text:?}");

    let annotations = written("github", &sweep);
    assert_eq!(annotations.lines().count(), 1, "one command is one line: {annotations}");
    assert!(annotations.starts_with("::error title=") && !annotations.contains('\u{1b}'));
    let (title, message) = annotations.strip_prefix("::error title=").unwrap().split_once("::").unwrap();
    assert!(!title.contains(':') && !title.contains(','), "a title ends where it must: {title}");
    assert!(message.contains("%0A"));

    let summary = written("markdown", &sweep);
    for markup in ["<b>", "</script>", "<!--", "\u{1b}"] {
        assert!(!summary.contains(markup), "{markup}: {summary}");
    }
    assert!(summary.contains("\\|\\`x\\`"), "{summary}");
    assert_eq!(summary.lines().filter(|l| l.starts_with("| ")).count(), 3, "one row: {summary}");

    let xml = written("junit", &sweep);
    for markup in ["<b>", "</script>", "\u{1b}", "\0"] {
        assert!(!xml.contains(markup), "{markup}: {xml}");
    }
    assert!(xml.contains("]]&gt;") || !xml.contains("]]>") || xml.contains("]]]]><![CDATA[>"), "{xml}");
    assert_eq!(xml.matches("<testcase").count(), 1);

    let json = written("json", &sweep);
    assert_eq!(json.lines().count(), 1);
    let back: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(back["failures"][0]["reasons"]["harness"], HOSTILE);
}

#[test]
fn a_summary_is_bounded() {
    let many = (0..4_000).map(|i| {
        let mut r = record("s", &i.to_string(), Ending::Invalid, &"why ".repeat(200));
        r.fingerprint = Some(format!("raft/kind-{i}"));
        r
    });
    let summary = written("markdown", &sweep(many.collect()));
    assert!(summary.len() < 300 << 10 && summary.contains("more"), "{}", summary.len());
}

#[test]
fn what_fired_is_counted_and_what_never_did_is_named() {
    let mut sweep = sweep((0..40).map(|i| record("s", &i.to_string(), Ending::Valid, "")).collect());
    let scenario = sweep.records[0].scenario.clone();
    for (i, record) in sweep.records.iter_mut().enumerate() {
        record.scenario.clone_from(&scenario);
        record.faults = if i % 2 == 0 { [("kill".to_string(), 3)].into() } else { [].into() };
        record.events = [("leader-changed".to_string(), 2), ("log-purged".to_string(), 0)].into();
    }
    sweep.selected =
        vec![Selected { scenario, canary: None, sometimes: vec![], faults: vec!["kill".into(), "wipe".into(), "torn".into()], seeds: 40 }];
    assert_eq!(sweep.unfired_faults().iter().map(|(_, fault)| *fault).collect::<Vec<_>>(), ["wipe", "torn"]);
    let text = written("text", &sweep);
    let kills = sweep.records.len().div_ceil(2);
    assert!(text.contains(&format!("faults, and in how many runs:\n  kill {kills}\n")), "{text}");
    assert!(text.contains(&format!("events, and in how many runs:\n  leader-changed {}\n", sweep.records.len())), "{text}");
    assert!(text.contains("the fault wipe never fired"), "{text}");
    // Too few runs say nothing.
    sweep.records.truncate(10);
    assert!(sweep.unfired_faults().is_empty());
}
