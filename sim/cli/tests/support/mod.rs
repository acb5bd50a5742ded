//! Running the binary as its users do.

#![allow(dead_code, reason = "each test file uses its part of this")]

use squall_run::service;
use squall_scenario::{Diagnostics, Scenario, Vocabulary};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

/// A source without its tests.
pub fn product(source: &str) -> String {
    let mut kept = String::new();
    let mut rest = source;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let item = &rest[at + "#[cfg(test)]".len()..];
        // A module in a file of its own ends with its line; one that stands here, with the file.
        match (item.find(';'), item.find('{')) {
            (Some(end), brace) if brace.is_none_or(|brace| end < brace) => rest = &item[end + 1..],
            _ => return kept,
        }
    }
    kept + rest
}

/// Reads a scenario of the systems that we ship.
pub fn parse(name: &str, text: &str) -> Result<Scenario, Diagnostics> {
    let (etcd, tickets) = (service(&squall_etcd::Etcd), service(&squall_primary_backup::PrimaryBackup));
    squall_scenario::parse(name, text, &Vocabulary { services: vec![Arc::new(etcd), Arc::new(tickets)] })
}

pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_squall"))
}

/// The example whose systems misbehave: `cargo test` builds it beside the tests, `--test` alone does not.
pub fn misbehaving() -> PathBuf {
    let built = binary().parent().unwrap().join("examples/misbehaving");
    if !built.exists() {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut building = Command::new(cargo);
        building.args(["build", "--locked", "--example", "misbehaving"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(building.status().unwrap().success());
    }
    built
}

pub fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").canonicalize().unwrap()
}

/// The path of a scenario of the repository.
pub fn scenario(name: &str) -> String {
    scenarios().join(name).display().to_string()
}

pub fn squall(dir: &Path, args: &[&str]) -> Output {
    run(binary(), dir, args)
}

pub fn run(binary: &Path, dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(binary);
    // On a CI server these would have a say.
    ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"].iter().for_each(|name| _ = command.env_remove(name));
    command.args(args).current_dir(dir).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a command printed, if it ended with this exit code.
pub fn ends(output: &Output, code: i32) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    out
}

/// A scenario whose runs are short.
pub fn quick(name: &str, extra: &str) -> String {
    format!(
        "format: 1\nname: {name}\nsystem: primary-backup\ncluster: {{ nodes: 3 }}\nworkloads: [ tickets: {{ clients: 2, think: 50ms }} ]\n\
         duration: 500ms\nliveness: {{ within: 2s }}\n{extra}"
    )
}
