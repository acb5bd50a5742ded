//! `--format NAME`: one registry, from which `run`, `replay`, `check` and `sweep` choose.

mod support;

use squall_report::{Kind, REGISTRY};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use support::{binary, ends, quick, scenario, squall, text};

/// A directory with a scenario `quick.yaml`, its plan `plan.yaml` and its history `h.jsonl`.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("quick.yaml"), quick("quick", "")).unwrap();
    fs::write(dir.path().join("plan.yaml"), squall(dir.path(), &["plan", "quick.yaml"]).stdout).unwrap();
    ends(&squall(dir.path(), &["run", &scenario("smoke/first.yaml"), "--history", "h.jsonl"]), 0);
    dir
}

/// The commands that write a report, and of what.
const COMMANDS: [(Kind, &[&str]); 5] = [
    (Kind::Run, &["run", "quick.yaml"]),
    (Kind::Runs, &["run", "quick.yaml", "--seeds", "0..3"]),
    (Kind::Run, &["replay", "plan.yaml"]),
    (Kind::Sweep, &["sweep", "quick.yaml", "--count", "2", "--recheck", "0%"]),
    (Kind::Check, &["check", "h.jsonl"]),
];

/// What a command offers formats for: `run` does not know yet whether one run is asked for, or many.
fn offered(kind: Kind) -> Kind {
    if kind == Kind::Runs { Kind::Run } else { kind }
}

fn with_format(dir: &Path, args: &[&str], format: &str) -> Output {
    squall(dir, &[args, &["--format", format]].concat())
}

#[test]
fn every_command_writes_every_format_that_can_and_refuses_the_others() {
    let dir = prepared();
    for (kind, args) in COMMANDS {
        for format in REGISTRY {
            let out = with_format(dir.path(), args, format.name);
            if let Err(why) = format.can_write(offered(kind)).and_then(|()| format.can_write(kind)) {
                assert!(ends(&out, 2).is_empty(), "{args:?} {}: nothing is run", format.name);
                assert!(text(&out.stderr).contains(&why.to_string()), "{args:?} {}: {}", format.name, text(&out.stderr));
                continue;
            }
            let shown = ends(&out, 0);
            let expect: &[&str] = match (format.name, kind) {
                ("text", Kind::Run) => &["VALID  quick", "digest      "],
                ("text", Kind::Runs) => &["quick: 3 runs, "],
                ("text" | "wide", Kind::Sweep) => &["2/2", "records: "],
                ("text", Kind::Check) => &["VALID  h.jsonl", " linearizable     valid"],
                ("json", Kind::Runs) => &["\"seed\":\"0\"", "\"seed\":\"2\""],
                ("json", Kind::Sweep) => &["\"runs\":2"],
                ("json", _) => &["\"verdict\":\"valid\""],
                ("junit", Kind::Run) => &["<testsuite name=\"quick\" tests=\"1\"", "</testsuites>"],
                ("junit", Kind::Runs) => &["<testsuite name=\"quick\" tests=\"3\"", "</testsuites>"],
                ("junit", Kind::Sweep) => &["<testsuite name=\"quick\" tests=\"2\"", "</testsuites>"],
                ("junit", Kind::Check) => &["<testsuite name=\"h.jsonl\"", "<testcase name=\"linearizable\"", "</testsuites>"],
                // Nothing is wrong.
                ("github", _) => &[],
                ("markdown", Kind::Check) => &["| linearizable | valid |"],
                ("markdown", _) => &["## squall", "none failed"],
                ("verdicts", Kind::Run) => &["\"tickets\": {"],
                ("timeline", Kind::Run) => &["  n1 ", "  c1 ", "leaders:"],
                ("nodes", Kind::Run) => &["n1\n", "n3\n", "starts for the 1. time"],
                // A format that was added since: its own tests say more.
                _ => &["\n"],
            };
            assert!(!expect.is_empty() || shown.is_empty(), "{args:?} {}: {shown}", format.name);
            expect.iter().for_each(|part| assert!(shown.contains(part), "{args:?} {}: missing {part:?}:\n{shown}", format.name));
            // What programs read stands alone.
            match format.name {
                "json" => shown.lines().for_each(|line| _ = serde_json::from_str::<serde_json::Value>(line).unwrap()),
                "verdicts" => _ = serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
                "junit" => assert!(shown.starts_with("<?xml") && shown.trim_end().ends_with("</testsuites>"), "{shown}"),
                _ => {}
            }
        }
    }
}

#[test]
fn help_lists_the_formats_of_a_command_and_a_mistake_is_answered_with_the_nearest() {
    let dir = prepared();
    for (kind, args) in COMMANDS {
        let help = ends(&squall(dir.path(), &[args[0], "--help"]), 0);
        for format in REGISTRY {
            let line = format!("- {}:", format.name);
            let there = help.lines().any(|l| l.trim_start().starts_with(&line));
            assert_eq!(there, format.can_write(offered(kind)).is_ok(), "{} in the help of {}:\n{help}", format.name, args[0]);
        }
        let out = with_format(dir.path(), args, "jsno");
        ends(&out, 2);
        let said = text(&out.stderr);
        assert!(said.contains("invalid value 'jsno'") && said.contains("a similar value exists: 'json'"), "{said}");
        let both = squall(dir.path(), &[args, &["--json", "--format", "text"]].concat());
        ends(&both, 2);
        assert!(text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));
    }
    let out = squall(dir.path(), &["replay", "plan.yaml", "--until", "1s", "--format", "json"]);
    ends(&out, 2);
    let shown = ends(&squall(dir.path(), &["list", "formats"]), 0);
    for format in REGISTRY {
        let row = shown.lines().find(|line| line.trim_start().starts_with(&format!("{} ", format.name)));
        assert!(row.is_some(), "{} is not listed:\n{shown}", format.name);
    }
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("on a terminal. Writes a run, many runs, a sweep, a check; kept as report.txt"), "{flat}");
    assert!(flat.contains("as text, with more columns. Writes a sweep json"), "{flat}");
}

#[test]
fn short_forms_are_the_same_formats() {
    let dir = prepared();
    let record = |args: &[&str]| {
        let mut json: serde_json::Value = serde_json::from_str(&ends(&squall(dir.path(), args), 0)).unwrap();
        // What the machine has to do with.
        ["cpu_s", "rss_mb", "cpu_ms"].iter().for_each(|key| _ = json.as_object_mut().unwrap().remove(*key));
        json
    };
    for args in [&["run", "quick.yaml"][..], &["replay", "plan.yaml"], &["check", "h.jsonl"]] {
        assert_eq!(record(&[args, &["--json"]].concat()), record(&[args, &["--format", "json"]].concat()), "{args:?}");
    }
    let head = |args: &[&str]| {
        let shown = ends(&squall(dir.path(), &[&["sweep", "quick.yaml", "--count", "1"], args].concat()), 0);
        shown.lines().next().unwrap().to_string()
    };
    assert_eq!(head(&["--wide"]), head(&["--format", "wide"]));
    assert_ne!(head(&["--wide"]), head(&[]));
}

#[test]
fn a_violation_is_written_in_every_format_and_people_are_told_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let source = fs::read_to_string(scenario("tutorial/00-broken-store.yaml")).unwrap();
    let hopeful = source.replace("expect: { violation: tickets, within_seeds: 1 }", "").replace("00-broken-store", "hopeful");
    fs::write(dir.path().join("hopeful.yaml"), hopeful).unwrap();
    let out = with_format(dir.path(), &["run", "hopeful.yaml"], "junit");
    let xml = ends(&out, 1);
    assert!(xml.starts_with("<?xml") && xml.contains("<failure") && xml.trim_end().ends_with("</testsuites>"), "{xml}");
    assert!(text(&out.stderr).contains("replay      cargo run --release -- replay reports/"), "{}", text(&out.stderr));
    let out = with_format(dir.path(), &["run", "hopeful.yaml", "--seeds", "0..9"], "junit");
    let xml = ends(&out, 1);
    assert!(xml.contains("tests=\"1\"") && xml.contains("squall replay reports/runs/"), "it ends at the first, which is kept: {xml}");
    assert!(text(&out.stderr).starts_with("seed 0: invalid (tickets"), "{}", text(&out.stderr));

    // What is kept of a run is written by the same formats.
    let kept = dir.path().join("reports/latest/hopeful/0");
    let page = fs::read_to_string(dir.path().join("reports/latest/README.md")).unwrap();
    assert!(!page.contains("{{"), "{page}");
    let mut count = 0;
    for format in REGISTRY {
        let Some((file, what)) = format.kept_as() else { continue };
        let written = fs::read_to_string(kept.join(file)).unwrap();
        assert!(page.contains(&format!("| `{file}` | {what} |\n")), "{file} is not explained:\n{page}");
        let shown = ends(&with_format(dir.path(), &["replay", "reports/latest/hopeful/0"], format.name), 1);
        // Costs differ from run to run, and only the text tells them.
        let same = match format.name {
            "text" => shown.split("\ncost ").next() == written.split("\ncost ").next(),
            "nodes" => shown.starts_with(&format!("n1\n{written}")),
            _ => shown == written,
        };
        assert!(same, "{file}:\n{written}\n{}:\n{shown}", format.name);
        count += 1;
    }
    assert!(count >= 4);
    let history = kept.join("history.jsonl").display().to_string();
    let lines = ends(&with_format(dir.path(), &["check", &history], "github"), 1);
    assert!(lines.starts_with("::error file=") && lines.contains("title=tickets/"), "{lines}");
}

#[test]
fn on_a_runner_nothing_is_annotated_twice() {
    let dir = tempfile::tempdir().unwrap();
    let source = fs::read_to_string(scenario("tutorial/00-broken-store.yaml")).unwrap();
    fs::write(dir.path().join("s.yaml"), source.replace("expect: { violation: tickets, within_seeds: 1 }", "")).unwrap();
    let annotated = |format: &str| {
        let mut command = Command::new(binary());
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", dir.path().join("summary.md")).current_dir(dir.path());
        let args = ["sweep", "s.yaml", "--count", "1", "--no-regressions", "--format", format];
        let out = command.args(args).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        [out.stdout, out.stderr].map(|bytes| text(&bytes).matches("::error ").count())
    };
    assert_eq!((annotated("text"), annotated("json"), annotated("github")), ([1, 0], [0, 1], [1, 0]));
    let summary = fs::read_to_string(dir.path().join("summary.md")).unwrap();
    assert_eq!(summary.matches("## squall\n").count(), 3, "{summary}");
    assert!(summary.contains("| tickets/"), "{summary}");
}

#[test]
fn a_format_of_histories_is_no_format_of_reports() {
    let dir = prepared();
    let out = with_format(dir.path(), &["check", "h.jsonl"], "edn");
    ends(&out, 2);
    assert!(text(&out.stderr).contains("`edn` is a format of histories, not of reports: write `--export edn`"), "{}", text(&out.stderr));
    assert!(ends(&squall(dir.path(), &["check", "h.jsonl", "--export", "edn"]), 0).contains(":type :invoke"));
    for (more, value) in [("--model", "kv"), ("--format", "json"), ("--time-limit", "1s"), ("--memory-limit", "1GB")] {
        let out = squall(dir.path(), &["check", "h.jsonl", "--export", "edn", more, value]);
        ends(&out, 2);
        assert!(text(&out.stderr).contains("cannot be used with"), "{more}: {}", text(&out.stderr));
    }
}
