//! scenarios/README.md is what the code says, and every scenario and example in it runs.

mod support;

use squall_etcd_model::checks::ALL as CHECKERS;
use squall_history::View;
use squall_judge::check_all;
use squall_scenario::{faults, plan};
use std::{fs, sync::Arc};
use support::parse;
use support::{ends, scenarios, squall};

#[test]
fn the_reference_in_the_repository_is_fresh() {
    let fresh = ends(&squall(&scenarios(), &["list", "reference"]), 0);
    let kept = fs::read_to_string(scenarios().join("README.md")).unwrap();
    assert!(fresh == kept, "scenarios/README.md is stale: `squall list reference > scenarios/README.md`");
}

fn runs_valid(name: &str, text: &str, seed: u64) -> squall_run::Run {
    let scenario = parse(name, text).unwrap_or_else(|e| panic!("{e}"));
    let planned = plan(&scenario, seed);
    let ran = squall_run::run(&planned, Arc::new(squall_etcd::Etcd)).unwrap_or_else(|e| panic!("{name}: {e}"));
    for (checker, verdict) in check_all(&View::new(&ran.history), &planned.checkers, CHECKERS) {
        assert_eq!(verdict.word(), "valid", "{name}: {checker}: {verdict:?}\n{}", planned.to_yaml_text());
    }
    ran
}

#[test]
fn every_scenario_in_the_reference_runs() {
    let text = fs::read_to_string(scenarios().join("README.md")).unwrap();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 4, "{}", blocks.len());
    for (i, block) in blocks.iter().enumerate() {
        runs_valid(&format!("block {}", i + 1), block, 1);
    }
}

#[test]
fn every_example_of_a_fault_does_something_when_it_is_run() {
    for kind in faults::REGISTRY {
        let when = if kind.example.contains("subject") { "when: { event: leader-changed }" } else { "at: 2s" };
        let text = format!(
            "format: 1\nname: example\ncluster: {{ nodes: 5 }}\nworkloads:\n  - kv: {{ clients: 3, keys: 4 }}\nduration: 5s\nfaults:\n  - {when}\n    {}\n",
            kind.example
        );
        let ran = runs_valid(kind.name, &text, 3);
        let did = |entry: &squall_history::Entry| matches!(&entry.what, squall_history::EntryKind::Effect(effect) if effect.did_something() && !effect.fault.is_heal());
        assert!(ran.history.iter().any(did), "{}: nothing happened", kind.name);
    }
}
