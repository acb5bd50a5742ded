//! What goes wrong in the harness is the harness' failure, never a verdict on the system.

mod support;

use squall_history::{Dialect, Op, Outcome};
use squall_run::{BoxFuture, Checker, Client, ClientContext, NodeContext, Pack, RunError, run};
use squall_scenario::{plan, workloads::WorkloadKind};
use std::{path::Path, process::Command, sync::Arc};
use support::parse;

/// Nodes that do nothing, and clients that panic.
struct Panicky;

struct Panics;

impl Pack for Panicky {
    fn name(&self) -> &'static str {
        "panicky"
    }

    fn about(&self) -> &'static str {
        "its clients panic"
    }

    fn workloads(&self) -> &'static [WorkloadKind] {
        &[]
    }

    fn checkers(&self) -> &'static [Checker] {
        &[]
    }

    fn dialect(&self) -> Dialect {
        Dialect::UNTYPED
    }

    fn boot(&self, _node: NodeContext) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(std::future::pending())
    }

    fn client(&self, _client: ClientContext) -> Box<dyn Client> {
        Box::new(Panics)
    }
}

impl Client for Panics {
    fn call<'a>(&'a mut self, _op: &'a Op) -> BoxFuture<'a, Outcome> {
        Box::pin(async { panic!("a reply without a value") })
    }
}

#[test]
fn a_clients_panic_is_the_harness_failure() {
    let scenario =
        parse("x", "format: 1\nname: x\ncluster: { nodes: 1 }\nworkloads: [ register: {} ]\nduration: 1s\nliveness: { within: 2s }\n");
    let ended = run(&plan(&scenario.unwrap(), 1), Arc::new(Panicky)).unwrap_err();
    let RunError::Harness(why) = ended else { panic!("{ended:?}") };
    assert!(why.contains("panicked: a reply without a value"), "{why}");
}

#[test]
fn a_canary_has_no_more_seeds_than_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let canary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/canary/forget-vote.yaml");
    let healthy =
        std::fs::read_to_string(canary).unwrap().replace("bugs: [forget-vote]\n", "").replace("within_seeds: 100", "within_seeds: 2");
    std::fs::write(dir.path().join("healthy.yaml"), healthy).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["run", "healthy.yaml", "--seeds", "0..50"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains(": 2 runs"), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("a canary that did not fail within 2 seeds"), "{out:?}");
}
