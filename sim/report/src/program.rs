//! The program that people are told to start: `squall`, or one of theirs that has our command line.

use std::sync::OnceLock;

static PROGRAM: OnceLock<String> = OnceLock::new();

/// What people type to start this program: `squall` until somebody says otherwise, once.
pub fn program() -> &'static str {
    PROGRAM.get().map_or("squall", String::as_str)
}

/// Says how this program was started: `target/release/harness`. `squall` by whatever path stays `squall`, as people have installed it.
pub fn was_started_as(path: &str) {
    let name = path.rsplit('/').next().unwrap_or_default();
    if !name.is_empty() && name != "squall" {
        // Who says it a second time says the same.
        _ = PROGRAM.set(path.to_string());
    }
}

/// A command line of this program.
pub fn command(arguments: &str) -> String {
    format!("{} {arguments}", program())
}
