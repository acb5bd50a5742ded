//! The same plan gives the same run, bit for bit: again in this process, from its printed form, in
//! another thread beside others, and in another process.

mod support;

use squall_history::digest_of;
use squall_run::run;
use squall_scenario::{Plan, Scenario, plan};
use std::{path::Path, process::Command, sync::Arc};
use support::parse;

fn scenario() -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/nightly/swarm-kv.yaml");
    let source = std::fs::read_to_string(path).unwrap().replace("duration: 15s", "duration: 6s");
    parse("swarm-kv.yaml", &source).unwrap()
}

fn digest(plan: &Plan) -> String {
    let run = run(plan, Arc::new(squall_etcd::Etcd)).unwrap();
    assert_eq!(run.digest, digest_of(&run.history));
    assert!(run.history.len() > 500, "a run of {} lines proves little", run.history.len());
    run.digest
}

#[test]
fn the_same_plan_gives_the_same_digest_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = std::collections::BTreeSet::new();
    for seed in 0..3 {
        let plan = plan(&scenario(), seed);
        let first = digest(&plan);
        assert_eq!(digest(&plan), first, "seed {seed}: again");
        let printed = plan.to_yaml_text();
        assert_eq!(digest(&Plan::try_from(parse("plan", &printed).unwrap()).unwrap()), first, "seed {seed}: from its printed form");
        let beside: Vec<String> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..2).map(|_| scope.spawn(|| digest(&plan))).collect();
            running.into_iter().map(|r| r.join().unwrap()).collect()
        });
        assert_eq!(beside, [first.clone(), first.clone()], "seed {seed}: beside another run");

        let file = dir.path().join(format!("plan-{seed}.yaml"));
        std::fs::write(&file, printed).unwrap();
        let out =
            Command::new(env!("CARGO_BIN_EXE_squall")).args(["replay", "--json"]).arg(&file).current_dir(dir.path()).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        assert_eq!(json["digest"], first.as_str(), "seed {seed}: in another process, another directory");
        all.insert(first);
    }
    assert_eq!(all.len(), 3, "different seeds are different runs");
}
