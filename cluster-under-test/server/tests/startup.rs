//! What a node says when it cannot start: one sentence that says why, and what to do.

mod support;

use std::process::Command;
use support::{Cluster, free_ports};

/// Starts a node that must not start; what it says.
fn refused(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_squall-node")).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "{args:?} started: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn has(said: &str, words: &[&str]) {
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} are not all in: {said}");
}

#[test]
fn mistakes_are_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let ports = free_ports(2);
    let (client, peer) = (format!("http://{}", ports[0]), format!("http://{}", ports[1]));
    let base = ["--listen-client", &client, "--listen-peer", &peer, "--data-dir", data];
    let with = |more: &[&str]| refused(&[&base[..], more].concat());
    has(&with(&["--name", "n9", "--initial-cluster", "n1=http://127.0.0.1:1,n2=http://127.0.0.1:2"]), &["n9", "n1, n2"]);
    has(&with(&["--name", "n1", "--initial-cluster", "n1"]), &["initial-cluster", "NAME=URL"]);
    has(&with(&["--name", "n1", "--initial-cluster", "n1=http://example"]), &["no address", "http://ADDRESS:PORT"]);
    has(&with(&["--election-ms", "10"]), &["election-ms"]);
    has(&with(&["--cert", "/nowhere.pem", "--key", "/nowhere.key"]), &["/nowhere.pem"]);
    has(&with(&["--name", "n1", "--initial-cluster", &format!("n1={peer}"), "--initial-cluster-state", "existing"]), &["initial-cluster"]);
    let secure = format!("https://{}", ports[0]);
    has(&refused(&["--listen-client", &secure, "--listen-peer", &peer, "--data-dir", data]), &["--cert", "TLS"]);
}

#[tokio::test]
async fn what_is_there_already_is_not_touched() {
    let mut cluster = Cluster::start(1);
    support::persist(&cluster.clients, |channel| async move {
        let put = squall_cluster::pb::etcdserverpb::PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
        squall_cluster::pb::etcdserverpb::kv_client::KvClient::new(channel).put(put).await
    })
    .await;
    let data = cluster.data_dir(0);
    let ports = free_ports(2);
    let free = [format!("http://{}", ports[0]), format!("http://{}", ports[1])];
    let other = cluster.dir.path().join("other");
    let one = format!("n1=http://{}", cluster.peers[0]);
    let taken = format!("http://{}", cluster.clients[0]);
    // Its directory, while it runs.
    let flags = ["--name", "n1", "--initial-cluster", &one, "--listen-client", &free[0], "--listen-peer", &free[1]];
    has(&refused(&[&flags[..], &["--data-dir", data.to_str().unwrap()]].concat()), &["another process"]);
    // Its port.
    let flags = ["--name", "n1", "--initial-cluster", &one, "--listen-client", &taken, "--listen-peer", &free[1]];
    has(&refused(&[&flags[..], &["--data-dir", other.to_str().unwrap()]].concat()), &["cannot listen on", &cluster.clients[0].to_string()]);
    cluster.kill(0);
    // Its directory, as another cluster's, and as another member's.
    let flags = ["--name", "n1", "--listen-client", &free[0], "--listen-peer", &free[1], "--data-dir", data.to_str().unwrap()];
    has(&refused(&[&flags[..], &["--initial-cluster", &format!("n1={}", free[1])]].concat()), &["cluster", "--data-dir"]);
    // A log with a byte that is not as it was written.
    let mut segments: Vec<_> = std::fs::read_dir(data.join("wal")).unwrap().map(|e| e.unwrap().path()).collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    // Where something is written: most of the file is reserved, and empty.
    bytes[100] ^= 0x40;
    std::fs::write(&segments[0], &bytes).unwrap();
    let flags = ["--name", "n1", "--initial-cluster", &one, "--listen-client", &free[0], "--listen-peer", &free[1]];
    has(&refused(&[&flags[..], &["--data-dir", data.to_str().unwrap()]].concat()), &["wal"]);
}
