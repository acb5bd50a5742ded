//! Every format, whatever it writes.

use super::*;
use crate::{ByModel, Ending, JudgedBy, Judging, Selected};
use squall_history::{EntryKind, Facts, Observation, OpId, Role, SimTime};
use squall_judge::{Judged, Judgement, Verdict, Witness};
use squall_linear::{Found, Options, RawHistory, formats};
use std::time::Duration;

const HOSTILE: &str = "</script><b>|`x` ]]> <!-- & \"q\" 'a'\n::error::owned\r\n::set-output name=x::y %0A \u{1b}[31m\u{0}@everyone";

fn report(verdict: Verdict) -> RunReport {
    let judging = Judging { scenario: "s", seed: "7", nodes: 2, sometimes: &[], canary: None };
    RunReport::of(&judging, Judged { verdicts: vec![("raft", verdict)], facts: Facts::default() }, &history(), "d1")
}

fn violation(why: &str) -> Verdict {
    let (kind, at) = ("election-safety", SimTime(5_000));
    Verdict::Invalid(Box::new(Witness { kind, summary: why.into(), details: vec!["and more".into()], at, ops: vec![OpId(3)] }))
}

/// A third node joins two.
fn history() -> Vec<Entry> {
    let entry = |t, node, saw| Entry { t: SimTime(t), what: EntryKind::Node { node: NodeId(node), saw } };
    let leads = Observation::Role { term: 4, role: Role::Leader, leader: None };
    vec![entry(1_000, 1, leads), entry(9_000, 3, Observation::Stopped)]
}

fn sweep(why: &str) -> Sweep {
    let record = Record::of_no_run("s", "7", Ending::Crashed, why.to_string());
    let selected = Selected { scenario: "s".into(), canary: None, sometimes: vec![], faults: vec![], seeds: 1 };
    Sweep { selected: vec![selected], records: vec![record], ..Sweep::default() }
}

fn checkers<'v>(file: &str, verdicts: &'v [(&'static str, Verdict)]) -> CheckReport<'v> {
    let by = JudgedBy::Checkers { verdicts, stopped: Some("too late"), cpu: Duration::from_millis(12) };
    CheckReport { file: file.to_string(), by }
}

/// A format's check, head and all; `None` when it writes none.
fn checked(format: &Format, check: &CheckReport<'_>) -> Option<String> {
    Some(format.check_head(check).ok()? + &format.check_rest(check).ok()?)
}

/// Everything that a format writes, about strings like this.
fn everything(format: &Format, text: &str) -> Vec<(Kind, String)> {
    let verdicts = [("raft", violation(text)), ("watch", Verdict::Unknown(text.to_string()))];
    let runs = format.runs().ok().map(|runs| match runs {
        Runs::Each(write) => sweep(text).records.iter().map(write).collect(),
        Runs::Together(write) => write(&sweep(text)),
    });
    [
        (Kind::Run, format.run(&report(violation(text)), &history()).ok()),
        (Kind::Runs, runs),
        (Kind::Sweep, format.sweep(&sweep(text)).ok()),
        (Kind::Check, checked(format, &checkers(text, &verdicts))),
    ]
    .into_iter()
    .filter_map(|(kind, text)| Some((kind, text?)))
    .collect()
}

#[test]
fn names_are_words_and_each_format_writes_what_it_says() {
    let mut names = BTreeSet::new();
    for format in REGISTRY {
        assert!(names.insert(format.name), "{} is there twice", format.name);
        assert!(!format.name.is_empty() && format.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", format.name);
        assert!(format.about.len() > 15 && !format.about.ends_with('.'), "{}: {}", format.name, format.about);
        assert_eq!(Format::named(format.name).unwrap().about, format.about);
        let written = everything(format, "two leaders");
        assert!(!written.is_empty(), "{} writes nothing", format.name);
        let kinds: Vec<Kind> = written.iter().map(|(kind, _)| *kind).collect();
        let says: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| format.can_write(*kind).is_ok()).collect();
        assert_eq!(kinds, says, "{}", format.name);
        for (kind, text) in written {
            assert!(text.ends_with('\n') && text.len() > 5, "{} of {kind}: {text:?}", format.name);
        }
        // Who asks for many runs may ask for one.
        assert!(format.can_write(Kind::Runs).is_err() || format.can_write(Kind::Run).is_ok(), "{}", format.name);
    }
    assert!(Format::named("xml").is_none());
}

#[test]
fn a_format_that_cannot_says_which_can() {
    let wide = Format::named("wide").unwrap();
    let said = wide.run(&report(Verdict::Valid), &[]).unwrap_err().to_string();
    assert!(said.starts_with("the format `wide` does not write a run; these do: text, json, junit, "), "{said}");
    assert!(!said.contains("wide,"), "{said}");
    assert_eq!(wide.can_write(Kind::Run).unwrap_err().to_string(), said);
    let said = Format::named("timeline").unwrap().sweep(&sweep("")).unwrap_err().to_string();
    assert!(said.contains("`timeline` does not write a sweep; these do: text, wide, json"), "{said}");
}

#[test]
fn what_strangers_wrote_stays_text_in_every_format() {
    for format in REGISTRY {
        for (kind, text) in everything(format, HOSTILE) {
            let name = format.name;
            match name {
                "json" => assert_eq!(text.lines().count(), 1, "{name} of {kind}: {text}"),
                "junit" | "markdown" => {
                    for markup in ["<b>", "</script>", "\u{1b}", "\0", "\n::error"] {
                        assert!(!text.contains(markup), "{name} of {kind}: {markup}: {text}");
                    }
                }
                "github" => {
                    let commands = text.lines().filter(|line| line.starts_with("::error ") || line.starts_with("::warning ")).count();
                    assert_eq!(text.lines().count(), commands, "{name} of {kind}: {text}");
                }
                // For people: nothing reaches the terminal, and no line is a runner's command.
                _ => {
                    assert!(text.chars().all(|c| !c.is_control() || c == '\n'), "{name} of {kind}: {text:?}");
                    assert!(text.lines().all(|line| !line.starts_with("::")), "{name} of {kind}: {text}");
                }
            }
        }
    }
}

#[test]
fn what_is_kept_of_a_run_are_the_formats_that_say_so() {
    let files = kept_files(&report(violation("two leaders")), &history());
    let file = |name: &str| &files.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("no {name}")).1;
    for format in REGISTRY {
        let kept = files.iter().find(|(name, _)| format.kept_as().is_some_and(|(file, _)| file == name));
        assert_eq!(kept.is_some(), format.kept_as().is_some(), "{}", format.name);
        if let Some((name, text)) = kept.filter(|(name, _)| !name.starts_with("nodes/")) {
            assert_eq!(*text, format.run(&report(violation("two leaders")), &history()).unwrap(), "{name}");
        }
    }
    let verdict: serde_json::Value = serde_json::from_str(file("verdict.json")).unwrap();
    assert_eq!((&verdict["fingerprint"], &verdict["format"]), (&"raft/election-safety".into(), &1.into()));
    assert_eq!(verdict["checkers"]["raft"]["ops"], serde_json::json!([3]));
    // The third one joined.
    assert!(file("nodes/n1.log").contains("is leader of term 4") && file("nodes/n3.log").contains("is gone"), "{files:?}");
    assert_eq!((file("nodes/n2.log").as_str(), files.iter().filter(|(name, _)| name.starts_with("nodes/")).count()), ("", 3));
    assert!(file("report.txt").starts_with("INVALID  s (seed 7") && file("timeline.txt").contains("n1 leads term 4"), "{files:?}");
    let nodes = Format::named("nodes").unwrap().run(&report(Verdict::Valid), &history()).unwrap();
    assert!(nodes.starts_with("n1\n") && nodes.contains("\nn3\n") && nodes.contains("is gone"), "{nodes}");
}

#[test]
fn one_run_is_a_suite_an_annotation_and_a_row() {
    let of = |name: &str, verdict: Verdict| Format::named(name).unwrap().run(&report(verdict), &history()).unwrap();
    let xml = of("junit", violation("two leaders"));
    assert!(xml.contains("<testsuite name=\"s\" tests=\"1\"") && xml.contains("failures=\"1\"") && xml.contains("two leaders"), "{xml}");
    assert!(of("junit", Verdict::Valid).contains("failures=\"0\""));
    assert!(of("github", violation("two leaders")).starts_with("::error title=raft/election-safety"));
    assert_eq!(of("github", Verdict::Valid), "");
    assert!(of("markdown", violation("two leaders")).contains("| raft/election-safety | 1 | s | 7 | two leaders |"));
}

#[test]
fn a_check_by_checkers_is_told_judge_by_judge_and_so_is_why_it_ended() {
    let verdicts = [("raft", violation("two leaders")), ("watch", Verdict::Valid)];
    let check = checkers("h.jsonl", &verdicts);
    assert_eq!(check.judgement(), Judgement::Invalid);
    let of = |name: &str| checked(Format::named(name).unwrap(), &check).unwrap();
    let text = of("text");
    assert!(text.starts_with("INVALID  h.jsonl\n raft             invalid\n   at 0.000005s: two leaders\n   and more\n"), "{text}");
    assert!(text.ends_with("\n\ntoo late\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&of("json")).unwrap();
    assert_eq!((&json["verdict"], &json["why"], &json["cpu_ms"]), (&"invalid".into(), &"too late".into(), &12.0.into()));
    assert_eq!((&json["checkers"]["watch"]["verdict"], &json["format"]), (&"valid".into(), &"squall".into()));
    let xml = of("junit");
    assert!(
        xml.contains("<testsuite name=\"h.jsonl\" tests=\"3\"") && xml.contains("failures=\"1\" errors=\"1\"")
            || xml.contains("errors=\"1\" failures=\"1\""),
        "{xml}"
    );
    let lines = of("github");
    assert_eq!(
        lines,
        "::error file=h.jsonl,title=raft/election-safety::two leaders\n::warning file=h.jsonl,title=the others/unknown::too late\n"
    );
    let page = of("markdown");
    assert!(page.contains("h.jsonl: invalid") && page.contains("| raft | invalid | two leaders |\n| watch | valid |  |\n"), "{page}");
}

fn by_model<'h>(judged: &'h squall_linear::Judged, whole: bool, history: Option<&'h RawHistory>) -> CheckReport<'h> {
    let took = (Duration::from_micros(1_500), Duration::from_micros(2_500));
    let by = ByModel { model: "register", format: "edn", judged, history, witness: true, whole, took, peak_mb: 12.4 };
    CheckReport { file: "h.edn".to_string(), by: JudgedBy::Model(by) }
}

#[test]
fn a_check_by_a_model_says_what_it_found() {
    let edn = "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n\
               {:process 1, :type :invoke, :f :read, :value nil}\n{:process 1, :type :ok, :f :read, :value 2}\n";
    let (_, history): (_, RawHistory) = formats::read(edn, Default::default()).unwrap();
    let model = squall_linear::MODELS.iter().find(|m| m.name == "register").unwrap();
    let judged = (model.judge)(&history, &mut Options::default()).unwrap();
    let of = |name: &str, check: &CheckReport<'_>| checked(Format::named(name).unwrap(), check).unwrap();
    let check = by_model(&judged, true, Some(&history));
    let text = of("text", &check);
    assert!(text.starts_with("INVALID  h.edn as register: 2 calls, 1 key\n1.5 ms to read, 2.5 ms to check (CPU)\n"), "{text}");
    assert!(text.contains("No order is left when call 2, `read: 2` by 1, returns.") && text.contains("├─────┤\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&of("json", &check)).unwrap();
    assert_eq!((&json["counterexample"]["call"], &json["peak_mb"], &json["calls"]), (&2.into(), &12.0.into(), &2.into()));
    assert!(of("github", &check).starts_with("::error file=h.edn,title=register/no-order::no order is left when call 2 returns"));
    // What was found of a history without an end is no verdict.
    let judged = squall_linear::Judged { verdict: Found::Linearizable(vec![]), ..judged };
    let check = by_model(&judged, false, None);
    assert_eq!(check.judgement(), Judgement::Unknown);
    assert!(of("text", &check).contains("(CPU); the history does not come to its end\n"));
    assert!(of("github", &check).starts_with("::warning file=h.edn,title=register/unknown::the history does not come to its end"));
}
