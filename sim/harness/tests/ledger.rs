//! The example `ledger`, as its user would use it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn ledger() -> PathBuf {
    let here = std::env::current_exe().expect("a test has a path");
    here.parent().and_then(Path::parent).expect("target/PROFILE/deps").join("examples/ledger")
}

fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new(ledger()).args(args).current_dir(dir).output().expect("it starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A directory with these scenarios.
fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        fs::write(dir.path().join(name), text).expect("it can be written");
    }
    dir
}

const FAULTS: &str = "format: 1
name: faults
cluster: { nodes: 3 }
duration: 20s
workloads:
  - mixed: { clients: 3, think: 50ms }
faults:
  - { at: 5s, kill: { target: n1, power_loss: true, restart_after: 1s } }
  - { at: 10s, partition: { isolate: leader, for: 2s } }
  - { at: 14s, pause: { target: leader, for: 1s } }
sometimes: [read-nothing]
";

#[test]
fn a_correct_service_is_valid_and_the_same_twice() {
    let dir = with(&[("faults.yaml", FAULTS)]);
    assert_eq!(run(dir.path(), &["lint", "faults.yaml"]).status.code(), Some(0));
    let sweep = run(dir.path(), &["sweep", "faults.yaml", "--count", "6", "--recheck", "100%", "--reports", "reports"]);
    let text = said(&sweep);
    assert_eq!(sweep.status.code(), Some(0), "{text}");
    assert!(text.contains("6 runs") && text.contains("none failed"), "{text}");
    let one = said(&run(dir.path(), &["run", "faults.yaml", "--seed", "1", "--reports", "reports"]));
    for line in ["linearizable", "liveness", "no-panic"] {
        assert!(one.contains(line), "{line}: {one}");
    }
}

#[test]
fn a_planted_bug_is_found_by_the_model_and_shrunk_to_a_script() {
    let dir = with(&[("faults.yaml", FAULTS)]);
    let found = run(dir.path(), &["run", "faults.yaml", "--bug", "no-sync", "--seed", "3", "--reports", "reports"]);
    let text = said(&found);
    assert_eq!(found.status.code(), Some(1), "{text}");
    assert!(text.contains("linearizable") && text.contains("INVALID"), "{text}");
    let plan = run(dir.path(), &["plan", "faults.yaml", "--bug", "no-sync", "--seed", "3"]);
    fs::write(dir.path().join("plan.yaml"), &plan.stdout).expect("it can be written");
    let shrunk = run(dir.path(), &["shrink", "plan.yaml", "--out", "small.yaml"]);
    assert_eq!(shrunk.status.code(), Some(0), "{}", said(&shrunk));
    let small = fs::read_to_string(dir.path().join("small.yaml")).expect("it was written");
    assert!(small.contains("script:") && small.contains("op:") && small.contains("power_loss: true"), "{small}");
    assert!(!small.contains("partition") && !small.contains("pause:"), "{small}");
    assert!(small.matches("op:").count() <= 2, "{small}");
    let again = run(dir.path(), &["replay", "small.yaml"]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
}

#[test]
fn places_with_names_are_listed_and_struck() {
    let dir = with(&[(
        "strike.yaml",
        "format: 1\nname: strike\ncluster: { nodes: 3 }\nduration: 10s\nworkloads: [ { mixed: { clients: 2 } } ]
faults:\n  - { at: 2s, failpoint: { point: before-ack, target: n1, action: kill, for: 3s, restart_after: 500ms } }
sometimes: [failpoint-hit]\n",
    )]);
    let list = |what: &str| said(&run(dir.path(), &["list", what]));
    assert!(list("bugs").contains("no-sync"), "{}", list("bugs"));
    assert!(list("failpoints").contains("before-ack"), "{}", list("failpoints"));
    assert!(list("events").contains("read-nothing"), "{}", list("events"));
    assert!(list("workloads").contains("mixed"), "{}", list("workloads"));
    let struck = run(dir.path(), &["run", "strike.yaml", "--seed", "3", "--reports", "reports"]);
    assert_eq!(struck.status.code(), Some(0), "{}", said(&struck));
    let wrong = run(dir.path(), &["lint", "wrong.yaml"]);
    assert_ne!(wrong.status.code(), Some(0), "a file that is not there");
    fs::write(
        dir.path().join("wrong.yaml"),
        "format: 1\nname: wrong\nduration: 5s\nbugs: [no-such]\nworkloads:\n  - script: { ops: [ { at: 1s, op: { get: { kee: a } } } ] }\n",
    )
    .expect("it can be written");
    let text = said(&run(dir.path(), &["lint", "wrong.yaml"]));
    assert!(text.contains("no-such") && text.contains("kee"), "{text}");
}

/// A server that really runs, of the same protocol. One that forgets has lost everything at its tenth write.
fn server(forgets: bool) -> std::net::SocketAddr {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it has an address");
    let values = std::sync::Arc::new(std::sync::Mutex::new((0, std::collections::BTreeMap::new())));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, values) = (stream.expect("a connection"), values.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(stream.try_clone().expect("a second handle")).lines() {
                    let Ok(line) = line else { return };
                    let (writes, values) = &mut *values.lock().expect("no panic under this lock");
                    let answer = match line.split(' ').collect::<Vec<_>>()[..] {
                        ["put", key, value] => {
                            values.insert(key.to_string(), value.to_string());
                            *writes += 1;
                            if forgets && *writes == 10 {
                                values.clear();
                            }
                            "ok\n".to_string()
                        }
                        ["get", key] => format!("= {}\n", values.get(key).cloned().unwrap_or_default()),
                        _ => "refused\n".to_string(),
                    };
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

#[test]
fn a_cluster_that_really_runs_is_asked_by_the_same_clients() {
    let scenario = "format: 1\nname: real\ncluster: { nodes: 1 }\nduration: 2s\nworkloads:\n  - mixed: { clients: 3, think: 10ms }\n";
    for (forgets, code) in [(false, 0), (true, 1)] {
        let dir = with(&[("real.yaml", scenario)]);
        let endpoint = server(forgets).to_string();
        let recorded = run(dir.path(), &["record", "real.yaml", "--endpoints", &endpoint, "--history", "history.jsonl"]);
        assert_eq!(recorded.status.code(), Some(code), "{}", said(&recorded));
        assert!(said(&recorded).contains("linearizable"), "{}", said(&recorded));
        let again = run(dir.path(), &["check", "history.jsonl"]);
        assert_eq!(again.status.code(), Some(code), "{}", said(&again));
        assert!(!said(&again).contains("liveness"), "nobody told of any node: {}", said(&again));
    }
}
