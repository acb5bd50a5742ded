//! The command line, as its users meet it: answers, exit codes, machine-readable output.

mod support;

use std::fs;
use support::{ends, quick, scenario, scenarios, squall, text};

#[test]
fn the_broken_store_goes_red_shows_why_and_replays() {
    let dir = tempfile::tempdir().unwrap();
    let out = squall(dir.path(), &["run", &scenario("tutorial/00-broken-store.yaml")]);
    let shown = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "it is expected to fail: {shown}");
    for expect in
        ["INVALID  00-broken-store", "tickets          invalid", "no order of the operations allows that", "partition-1", "█", "replay"]
    {
        assert!(shown.contains(expect), "missing {expect:?} in:\n{shown}");
    }
    let digest = |shown: &str| shown.lines().find(|l| l.starts_with("digest")).unwrap().to_string();
    let again = squall(dir.path(), &["replay", "reports/latest/00-broken-store/0"]);
    assert_eq!(digest(&text(&again.stdout)), digest(&shown), "the replay is the same run");
    let history = std::fs::read(dir.path().join("reports/latest/00-broken-store/0/history.jsonl")).unwrap();
    let back = squall_history::read_jsonl(&history[..], squall_history::Dialect::UNTYPED).unwrap();
    assert!(digest(&shown).ends_with(&squall_history::digest_of(&back)), "the kept history is the run's");
}

#[test]
fn json_has_the_promised_keys() {
    let dir = tempfile::tempdir().unwrap();
    let out = squall(dir.path(), &["run", "--json", &scenario("tutorial/00-broken-store.yaml")]);
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(json["format"], 2);
    assert_eq!(json["scenario"], "00-broken-store");
    assert_eq!(json["verdict"], "invalid");
    assert_eq!(json["checkers"]["tickets"], "invalid");
    assert_eq!(json["digest"].as_str().unwrap().len(), 64);
    for key in ["seed", "sometimes", "sim_s", "cpu_s", "rss_mb"] {
        assert!(!json[key].is_null(), "{key} is missing: {json}");
    }
    assert!(json["ops"]["ok"].as_u64().unwrap() > 100 && json["ops"]["fail"].is_u64() && json["ops"]["info"].is_u64());
}

#[test]
fn mistakes_get_an_answer_and_their_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "format: 1\nname: bad\nworkloads: []\nduration: 5s\n").unwrap();
    let stranger = dir.path().join("stranger.yaml");
    std::fs::write(&stranger, "format: 1\nname: s\nsystem: oracle\nworkloads: [ register: {} ]\nduration: 1s\n").unwrap();
    let first = scenario("smoke/first.yaml");
    let plan = dir.path().join("plan.yaml");
    std::fs::write(&plan, squall(dir.path(), &["plan", &first]).stdout).unwrap();
    let evil = dir.path().join("evil.yaml");
    std::fs::write(&evil, std::fs::read_to_string(&plan).unwrap().replace("seed: \"0\"", "seed: /etc")).unwrap();
    std::fs::write(dir.path().join("asks.yaml"), quick("asks", "").replace("tickets: { clients: 2, think: 50ms }", "kv: {}")).unwrap();
    let cases: [(&[&str], i32, &str); 11] = [
        (&["run", "asks.yaml"], 65, "a workload needs one of the keys `tickets`, `script`"),
        (&["run", "plan.yaml", "--seeds", "0..9"], 2, "is a plan: nothing in it is left to a seed"),
        (&["run", "evil.yaml"], 65, "`/etc` is not a name of letters, digits and dashes"),
        (&["run", "nowhere.yaml"], 2, "nowhere.yaml: No such file"),
        (&["run", "bad.yaml"], 65, "without a workload there is nothing to check"),
        (&["run", "stranger.yaml"], 65, "`oracle` is not a system under test"),
        (&["run", &first, "--bug", "no-such"], 65, "there is no planted bug `no-such`; there are forget-vote"),
        (&["replay", &first], 2, "is a scenario, not a plan"),
        (&["run", &first, "--seeds", "5..5"], 2, "5..5 has no seed in it: the last one is left out"),
        (&["run", &first, "--no-such-option"], 2, "unexpected argument"),
        (&["list", "faults", "--help"], 0, ""),
    ];
    for (args, code, expect) in cases {
        let out = squall(dir.path(), args);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {}", text(&out.stderr));
        assert!(text(&out.stderr).contains(expect), "{args:?}: {}", text(&out.stderr));
    }
}

#[test]
fn lists_name_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    for (what, expect) in [
        ("systems", "primary-backup"),
        ("faults", "isolate"),
        ("workloads", "compare-and-swap"),
        ("checkers", "replicas-equal"),
        ("models", "store"),
        ("bugs", "ack-before-sync"),
        ("bugs", "Of the system `etcd`:"),
        ("checkers", "Of any system:"),
        ("failpoints", "Of the system `etcd`:"),
        ("workloads", "Of the system `primary-backup`:"),
        ("targets", "followers"),
        ("events", "leader-changed"),
        ("formats", "json"),
    ] {
        let out = squall(dir.path(), &["list", what]);
        let shown = text(&out.stdout);
        assert!(out.status.success() && shown.contains(expect), "{what}: {shown}");
        assert!(shown.lines().all(|l| l.chars().count() <= 110), "{what} is too wide:\n{shown}");
    }
}

#[test]
fn a_replay_stops_where_it_is_told_and_shows_where_runs_part() {
    let dir = tempfile::tempdir().unwrap();
    ends(&squall(dir.path(), &["run", &scenario("smoke/first.yaml"), "--seed", "3", "--keep"]), 0);
    let kept = "reports/latest/first/3";
    let shown = ends(&squall(dir.path(), &["replay", kept, "--until", "6.5s"]), 0);
    for expect in ["at 6.500000s", "leader", "log ends", "faults in force:", "open operations:"] {
        assert!(shown.contains(expect), "missing {expect:?}:\n{shown}");
    }
    assert_eq!(
        shown.lines().filter(|l| l.starts_with(" n") && (l.contains(" up, ") || l.contains(" down "))).count(),
        5,
        "five nodes:\n{shown}"
    );
    assert!(ends(&squall(dir.path(), &["replay", kept, "--diff", kept]), 0).contains("the same run"));
    // Another world seed is another run, from some entry on.
    let plan = fs::read_to_string(dir.path().join(kept).join("plan.yaml")).unwrap();
    let other: String =
        plan.lines().map(|l| if l.starts_with("world_seed") { "world_seed: 77\n".to_string() } else { format!("{l}\n") }).collect();
    fs::write(dir.path().join("other.yaml"), other).unwrap();
    let shown = ends(&squall(dir.path(), &["replay", "other.yaml", "--diff", kept]), 1);
    assert!(shown.contains("they part at entry "), "{shown}");
    // Made by other code: it says so, and runs.
    let run = dir.path().join(kept).join("run.json");
    let text_of = fs::read_to_string(&run).unwrap();
    let source = text_of.split("\"source_sha256\": \"").nth(1).unwrap()[..64].to_string();
    fs::write(&run, text_of.replace(&source, &"0".repeat(64))).unwrap();
    let out = squall(dir.path(), &["replay", kept]);
    ends(&out, 0);
    assert!(text(&out.stderr).contains("this run was made by other code (sources differ"), "{}", text(&out.stderr));
}

#[test]
fn a_report_directory_tells_the_whole_story() {
    let dir = tempfile::tempdir().unwrap();
    ends(&squall(dir.path(), &["run", &scenario("tutorial/04-when.yaml"), "--keep"]), 0);
    let kept = dir.path().join("reports/latest/04-when/0");
    let read = |name: &str| fs::read_to_string(kept.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(read("scenario.yaml"), fs::read_to_string(scenario("tutorial/04-when.yaml")).unwrap());
    assert!(read("plan.yaml").contains("world_seed"));
    let verdict: serde_json::Value = serde_json::from_str(&read("verdict.json")).unwrap();
    assert_eq!((&verdict["format"], &verdict["verdict"]), (&1.into(), &"valid".into()));
    let run: serde_json::Value = serde_json::from_str(&read("run.json")).unwrap();
    for key in ["squall", "commit", "source_sha256", "lock_sha256", "digest", "command"] {
        assert!(!run[key].is_null(), "{key}: {run}");
    }
    let timeline = read("timeline.txt");
    for expect in ["n1 ", "c5 ", "partition-1 ", "pause-1 ", "kill-1 ", "leads term", "L leads"] {
        assert!(timeline.contains(expect), "missing {expect:?}:\n{timeline}");
    }
    let log = read("nodes/n1.log");
    assert!(
        log.contains("starts for the 1. time, on an empty disk") && log.contains("appends") && log.contains("[partition-1] cut"),
        "{log}"
    );
    for file in ["history.jsonl", "report.txt"] {
        assert!(!read(file).is_empty());
    }
    assert!(!kept.with_extension("partial").exists());
}

#[test]
fn a_scenario_is_begun_linted_and_completed_in_an_editor() {
    let dir = tempfile::tempdir().unwrap();
    ends(&squall(dir.path(), &["new", "my-first.yaml"]), 0);
    assert!(ends(&squall(dir.path(), &["lint", "my-first.yaml"]), 0).contains("1 file, 0 mistakes"));
    ends(&squall(dir.path(), &["run", "my-first.yaml"]), 0);
    ends(&squall(dir.path(), &["new", "my-first.yaml"]), 2);
    ends(&squall(dir.path(), &["new", "my first.yaml"]), 2);
    fs::write(dir.path().join("bad.yaml"), quick("bad", "expect: { violation: liveliness }\nbugs: [forget-votes]\n")).unwrap();
    let out = squall(dir.path(), &["lint", ".", "--json"]);
    let mistakes: Vec<serde_json::Value> = ends(&out, 65).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert_eq!(
        (&mistakes[0]["line"], &mistakes[0]["column"], &mistakes[0]["help"]),
        (&8.into(), &22.into(), &"did you mean `liveness`?".into())
    );
    assert!(ends(&squall(dir.path(), &["completions", "bash"]), 0).contains("squall"));
    assert!(ends(&squall(dir.path(), &["lint", &scenarios().display().to_string()]), 0).contains("0 mistakes"));
}

#[test]
fn the_schema_in_the_repository_is_fresh() {
    let fresh = ends(&squall(&scenarios(), &["schema"]), 0);
    let kept = fs::read_to_string(scenarios().join("schema.json")).unwrap();
    assert!(fresh == kept, "scenarios/schema.json is stale: `squall schema > scenarios/schema.json`");
}
