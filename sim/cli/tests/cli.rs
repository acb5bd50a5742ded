//! The command line, as its users meet it: answers, exit codes, machine-readable output.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn squall(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_squall")).args(args).current_dir(dir).output().unwrap()
}

fn scenario(name: &str) -> String {
    scenarios().join(name).canonicalize().unwrap().display().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_broken_store_goes_red_shows_why_and_replays() {
    let dir = tempfile::tempdir().unwrap();
    let out = squall(dir.path(), &["run", &scenario("tutorial/00-broken-store.yaml")]);
    let shown = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "it is expected to fail: {shown}");
    for expect in ["INVALID  00-broken-store", "linearizable     invalid", "no order of the operations", "partition-1", "███", "replay"]
    {
        assert!(shown.contains(expect), "missing {expect:?} in:\n{shown}");
    }
    let digest = |shown: &str| shown.lines().find(|l| l.starts_with("digest")).unwrap().to_string();
    let again = squall(dir.path(), &["replay", "reports/00-broken-store/0"]);
    assert_eq!(digest(&text(&again.stdout)), digest(&shown), "the replay is the same run");
    let history = std::fs::read(dir.path().join("reports/00-broken-store/0/history.jsonl")).unwrap();
    let back = squall_history::read_jsonl(&history[..]).unwrap();
    assert!(digest(&shown).ends_with(&squall_history::digest_of(&back)), "the kept history is the run's");
}

#[test]
fn json_has_the_promised_keys() {
    let dir = tempfile::tempdir().unwrap();
    let out = squall(dir.path(), &["run", "--json", &scenario("tutorial/00-broken-store.yaml")]);
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["scenario"], "00-broken-store");
    assert_eq!(json["verdict"], "invalid");
    assert_eq!(json["checkers"]["linearizable"], "invalid");
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
    std::fs::write(&evil, std::fs::read_to_string(&plan).unwrap().replace("seed: '0'", "seed: /etc")).unwrap();
    let cases: [(&[&str], i32, &str); 10] = [
        (&["run", "plan.yaml", "--seeds", "0..9"], 2, "is a plan: nothing in it is left to a seed"),
        (&["run", "evil.yaml"], 65, "`/etc` is not a seed of letters, digits and dashes"),
        (&["run", "nowhere.yaml"], 2, "nowhere.yaml: No such file"),
        (&["run", "bad.yaml"], 65, "without a workload there is nothing to check"),
        (&["run", "stranger.yaml"], 2, "there is no system `oracle`; there are etcd, primary-backup"),
        (&["run", &first, "--bug", "no-such"], 65, "there is no planted bug `no-such`; there are forget-vote"),
        (&["replay", &first], 2, "is a scenario, not a plan"),
        (&["run", &first, "--seeds", "5..5"], 2, "5..5 is empty"),
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
        ("bugs", "ack-before-sync"),
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
