//! A run that is stopped at its first violation: it is the same run up to there, and what was found there is found at the end.

mod support;

use squall_etcd_model::checks::ALL as CHECKERS;
use squall_history::{Entry, EntryKind, View, read_jsonl};
use squall_judge::{Verdict, check_all, violations_so_far};
use squall_scenario::plan;
use std::{collections::BTreeSet, path::Path, sync::Arc};
use support::parse;
use support::{ends, scenario, scenarios, squall};

/// The checkers that find a violation in the beginning of a history, up to its final reads.
fn so_far(history: &[Entry]) -> BTreeSet<&'static str> {
    violations_so_far(&View::new(history), &[], CHECKERS).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn what_is_invalid_in_the_beginning_is_invalid_at_the_end() {
    let canaries = std::fs::read_dir(scenarios().join("canary")).unwrap().map(|entry| entry.unwrap().path());
    let nightly = ["everything.yaml", "swarm-kv.yaml"].map(|name| scenarios().join("nightly").join(name));
    let mut files: Vec<_> = canaries.chain(nightly).collect();
    files.sort();
    let (mut early, mut green) = (BTreeSet::new(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let plan = plan(&parse("scenario", &text).unwrap(), 1);
        let system: Arc<dyn squall_run::Pack> = Arc::new(squall_etcd::Etcd);
        let history = squall_run::run(&plan, system).unwrap().history;
        let whole = check_all(&View::new(&history), &[], CHECKERS);
        let invalid: BTreeSet<&str> = whole.iter().filter(|(_, v)| matches!(v, Verdict::Invalid(_))).map(|(name, _)| *name).collect();
        let end = history.iter().position(|entry| entry.what == EntryKind::FinalReads).unwrap_or(history.len());
        for part in 1..=12 {
            let found = so_far(&history[..end * part / 12]);
            assert!(found.is_subset(&invalid), "{}: {found:?} in {part}/12, and {invalid:?} in the whole", file.display());
            early.extend(found);
        }
        green += usize::from(invalid.is_empty());
    }
    assert!(green > 0, "all of them fail");
    for checker in ["linearizable", "revisions", "watch", "lease", "mutual-exclusion", "replicas-equal", "raft", "no-panic"] {
        assert!(early.contains(checker), "{checker} finds nothing before the end: {early:?}");
    }
}

fn history(dir: &Path, name: &str) -> Vec<Entry> {
    read_jsonl(std::io::BufReader::new(std::fs::File::open(dir.join(name)).unwrap()), squall_history::Dialect::UNTYPED).unwrap()
}

#[test]
fn a_stopped_run_is_the_beginning_of_the_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let canary = scenario("canary/watch-resume-off-by-one.yaml");
    let json = |output: String| serde_json::from_str::<serde_json::Value>(output.lines().next().unwrap()).unwrap();
    let run = |more: &[&str]| ends(&squall(dir.path(), &[&["run", &canary, "--seed", "0", "--json"], more].concat()), 0);
    run(&["--history", "whole.jsonl"]);
    let stopped = json(run(&["--history", "stopped.jsonl", "--fail-fast", "--recheck", "--keep"]));
    let (whole, part) = (history(dir.path(), "whole.jsonl"), history(dir.path(), "stopped.jsonl"));
    assert!(part.len() < whole.len() / 2, "{} of {} entries", part.len(), whole.len());
    assert!(whole.starts_with(&part), "it went another way");
    assert!(stopped["reasons"].to_string().contains("stopped at its first violation"), "{stopped}");

    // What was kept is replayed, whole, and nobody complains that it is another run.
    let kept = dir.path().join("reports/latest/watch-resume-off-by-one/0");
    ends(&squall(dir.path(), &["replay", kept.to_str().unwrap()]), 1);
    ends(&squall(dir.path(), &["replay", "--fail-fast", kept.to_str().unwrap()]), 1);
    // Unless it is.
    let file = kept.join("run.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let digest = serde_json::from_str::<serde_json::Value>(&text).unwrap()["digest"].as_str().unwrap().to_string();
    std::fs::write(&file, text.replace(&digest, &"0".repeat(64))).unwrap();
    ends(&squall(dir.path(), &["replay", kept.to_str().unwrap()]), 5);
}

#[test]
fn a_valid_run_is_not_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let kv = scenario("nightly/swarm-kv.yaml");
    let digest = |more: &[&str]| {
        let out = ends(&squall(dir.path(), &[&["run", &kv, "--seed", "3", "--json"], more].concat()), 0);
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["digest"].clone()
    };
    assert_eq!(digest(&[]), digest(&["--fail-fast"]));
}
