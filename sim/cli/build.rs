//! Writes down what this binary was made of: a hash of the sources, one of Cargo.lock, the commit.

use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("Cargo.toml")];
    println!("cargo::rerun-if-changed={}", files[0].display());
    for room in rooms(&root) {
        println!("cargo::rerun-if-changed={}", room.display());
        collect(&room, &mut files);
    }
    files.sort();
    let mut sha = Sha256::new();
    for file in &files {
        sha.update(file.strip_prefix(&root).unwrap_or(file).to_string_lossy().as_bytes());
        sha.update([0]);
        sha.update(fs::read(file).unwrap_or_default());
        sha.update([0]);
    }
    let lock = root.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rustc-env=SQUALL_SOURCE={}", hex(sha));
    println!("cargo::rustc-env=SQUALL_LOCK={}", hex(Sha256::new_with_prefix(fs::read(lock).unwrap_or_default())));
    // Without git, or outside of a checkout, the sources' hash must do.
    let log = root.join(".git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(&root).output();
    let head = head.ok().filter(|out| out.status.success()).and_then(|out| String::from_utf8(out.stdout).ok());
    println!("cargo::rustc-env=SQUALL_COMMIT={}", head.as_deref().map_or("unknown", str::trim));
}

/// Where our own sources are. The worked service is a workspace of its own: no change of it is one of the command line.
fn rooms(root: &Path) -> Vec<PathBuf> {
    let in_sim = fs::read_dir(root.join("sim")).into_iter().flatten().flatten().map(|entry| entry.path());
    in_sim.filter(|path| path.is_dir() && !path.ends_with("worked")).chain([root.join("cluster-under-test")]).collect()
}

/// The sources of what runs: no tests, nothing that a build writes.
fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" && name != "target" {
                collect(&path, into);
            }
        } else if [".rs", ".proto", ".toml", ".yaml"].iter().any(|end| name.ends_with(end)) {
            into.push(path);
        }
    }
}

fn hex(sha: Sha256) -> String {
    sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
