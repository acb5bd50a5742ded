//! TLS, one-sided and mutual: between members, and for clients.

mod support;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use support::{Process, free_ports};

struct Files {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

/// A CA of its own, and a certificate for this machine that it signed.
fn files(dir: &Path, name: &str) -> Files {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, format!("ca of {name}"));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    params.subject_alt_names.push(rcgen::SanType::IpAddress(IpAddr::from([127, 0, 0, 1])));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, &ca).unwrap();
    let write = |what: &str, text: String| {
        let path = dir.join(format!("{name}-{what}.pem"));
        std::fs::write(&path, text).unwrap();
        path
    };
    Files { ca: write("ca", ca.pem()), cert: write("cert", cert.pem()), key: write("key", key.serialize_pem()) }
}

fn ctl(endpoint: &str, files: Option<&Files>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall-ctl"));
    command.args(["--endpoints", endpoint]);
    if let Some(Files { ca, cert, key }) = files {
        command.arg("--cert").arg(cert).arg("--key").arg(key).arg("--ca").arg(ca);
    }
    command.args(["hello", "tls"]).output().unwrap()
}

#[test]
fn members_and_clients_show_each_other_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, strangers) = (files(dir.path(), "ours"), files(dir.path(), "stranger"));
    let ports = free_ports(6);
    let member = |i: usize| format!("n{i}=https://{}", ports[i + 2]);
    let whole = [member(1), member(2), member(3)].join(",");
    let nodes: Vec<Process> = (1..=3)
        .map(|i| {
            let child = Command::new(env!("CARGO_BIN_EXE_squall-node"))
                .args(["--name", &format!("n{i}"), "--initial-cluster", &whole, "--election-ms", "300", "--heartbeat-ms", "50"])
                .args(["--listen-client", &format!("https://{}", ports[i - 1]), "--listen-peer", &format!("https://{}", ports[i + 2])])
                .arg("--cert")
                .arg(&ours.cert)
                .arg("--key")
                .arg(&ours.key)
                .arg("--ca")
                .arg(&ours.ca)
                .arg("--data-dir")
                .arg(dir.path().join(format!("n{i}")))
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            Process(child)
        })
        .collect();
    let endpoint = format!("https://{}", ports[0]);
    let deadline = 200;
    let greeted = (0..deadline).any(|_| {
        let out = ctl(&endpoint, Some(&ours));
        out.status.success() && String::from_utf8_lossy(&out.stdout).contains("Hello tls") || {
            pause(100);
            false
        }
    });
    assert!(greeted, "{:?}", ctl(&endpoint, Some(&ours)));
    // The members have elected a leader, so they talk to each other.
    let leads = (0..deadline).any(|_| {
        let all: Vec<String> = (0..3).map(|i| format!("https://{}", ports[i])).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall-ctl"));
        command.args(["--endpoints", &all.join(",")]).arg("--cert").arg(&ours.cert).arg("--key").arg(&ours.key).arg("--ca").arg(&ours.ca);
        let out = command.arg("describe").output().unwrap();
        String::from_utf8_lossy(&out.stdout).to_lowercase().contains("leader  ") || {
            pause(100);
            false
        }
    });
    assert!(leads, "no leader under TLS");
    // Whoever has no certificate, or one that somebody else signed, is not served.
    assert!(!ctl(&endpoint, Some(&strangers)).status.success());
    assert!(!ctl(&endpoint.replace("https", "http"), None).status.success());
    drop(nodes);
}

#[allow(clippy::disallowed_methods, reason = "a test of real processes")]
fn pause(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}
