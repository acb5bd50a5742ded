//! What a seed means is pinned: the labels of random streams, and what is drawn from them. If one of these snapshots changes, every
//! seed of every scenario means another run.

use squall_run::service;
use squall_scenario::{Diagnostics, Scenario, Vocabulary, faults, language::canonical, plan};
use std::sync::Arc;

fn scenario(faults: &str) -> String {
    format!(
        "format: 1\nname: all\ncluster: {{ nodes: 3..7 }}\nworkloads:\n  - kv: {{ clients: 3, keys: 4 }}\n  - lock: {{}}\nduration: 20s\n\
         swarm: {{ pick: 2, vary: [size, timeouts, latency, keys, clients, heal] }}\nfaults:\n{faults}"
    )
}

fn parse(name: &str, text: &str) -> Result<Scenario, Diagnostics> {
    squall_scenario::parse(name, text, &Vocabulary { services: vec![Arc::new(service(&squall_etcd::Etcd))] })
}

/// Each kind by its example, without an id.
fn of_every_kind() -> String {
    let when = |example: &str| if example.contains("subject") { "when: { event: leader-changed }" } else { "between: 1s..9s" };
    faults::REGISTRY.iter().map(|kind| format!("  - {}\n    {}\n", when(kind.example), kind.example)).collect()
}

#[test]
fn the_labels_of_faults_without_an_id_are_pinned() {
    let all = parse("all", &scenario(&of_every_kind())).unwrap_or_else(|e| panic!("{e}"));
    let labels: Vec<String> = all.faults.iter().map(|f| format!("{} {}", f.fault.kind(), canonical(&f.fault.to_yaml()))).collect();
    insta::assert_snapshot!(labels.join("\n"));
}

#[test]
fn what_seeds_draw_is_pinned() {
    let all = parse("all", &scenario(&of_every_kind())).unwrap_or_else(|e| panic!("{e}"));
    let plans: Vec<String> = (0..2).map(|seed| plan(&all, seed).to_yaml_text()).collect();
    insta::assert_snapshot!(plans.join("\n---\n"));
}

#[test]
fn an_argument_that_changes_leaves_the_draws_of_the_others() {
    let with = |fault: &str| {
        let text = scenario(&format!("  - id: it\n    at: 2s\n    {fault}\n"));
        let planned = plan(&parse("one", &text).unwrap_or_else(|e| panic!("{e}")), 5).to_yaml_text();
        planned.lines().find(|line| line.contains("kill: {")).unwrap().to_string()
    };
    let (one, other) = (with("kill: { target: minority }"), with("kill: { target: minority, power_loss: true, restart_after: 1s..3s }"));
    let target = |line: &str| line.split("target: ").nth(1).unwrap().split([']', ',', '}']).next().unwrap().trim().to_string();
    assert_eq!(target(&one), target(&other), "{one}\n{other}");
}
