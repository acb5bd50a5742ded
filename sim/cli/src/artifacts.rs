//! Report directories: `reports/runs/<time>/<scenario>/<seed>/`, written whole or not at all. `reports/latest` leads to the newest: beside
//! `runs`, so that `reports/runs/*` has each once.

use crate::{failure::Failure, session::Judged};
use serde_json::{Value, json};
use squall_history::write_jsonl;
use squall_report::{Format, REGISTRY, kept_files};
use squall_scenario::Plan;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What this binary was made of.
pub(crate) const SOURCE: &str = env!("SQUALL_SOURCE");
pub(crate) const LOCK: &str = env!("SQUALL_LOCK");
pub(crate) const COMMIT: &str = env!("SQUALL_COMMIT");

/// The version of the files in a report directory.
pub(crate) const FORMAT: u64 = 1;

/// What is found in a report directory, but for the report formats. It is written into every directory of runs.
const PAGE: &str = include_str!("reports_page.md");

fn page() -> String {
    let row = |(file, what): (&str, &str)| format!("| `{file}` | {what} |\n");
    let formats: String = REGISTRY.iter().filter_map(Format::kept_as).map(row).collect();
    PAGE.replace("{{formats}}\n", &formats)
}

/// Where they are, below the directory of reports.
const RUNS: &str = "runs";

/// A directory for the runs of one command, named by the time it began: `2026-11-23T21-07-25Z`, and a
/// number behind that if that is taken.
pub(crate) fn new_directory(reports: &Path) -> Result<PathBuf, Failure> {
    let runs = reports.join(RUNS);
    fs::create_dir_all(&runs).map_err(Failure::io(&runs))?;
    #[allow(clippy::disallowed_methods, reason = "it names a directory, and decides nothing")]
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    let name = now.format("%Y-%m-%dT%H-%M-%SZ").to_string();
    for twin in 1..10_000 {
        let dir = runs.join(if twin == 1 { name.clone() } else { format!("{name}-{twin}") });
        match fs::create_dir(&dir) {
            Ok(()) => {
                fs::write(dir.join("README.md"), page()).map_err(Failure::io(&dir))?;
                link_latest(reports, &dir);
                return Ok(dir);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Failure::io(&dir)(e)),
        }
    }
    Err(Failure::Usage(format!("{} is full of reports of this second", reports.display())))
}

/// `latest` leads to the newest directory; where links cannot be made, there is none.
fn link_latest(reports: &Path, dir: &Path) {
    let (link, fresh) = (reports.join("latest"), reports.join(format!(".latest-{}", std::process::id())));
    #[cfg(unix)]
    if let Some(name) = dir.file_name() {
        let _ = fs::remove_file(&fresh);
        if std::os::unix::fs::symlink(Path::new(RUNS).join(name), &fresh).is_ok() && fs::rename(&fresh, &link).is_err() {
            let _ = fs::remove_file(&fresh);
        }
    }
}

/// Where a run is kept within the directory of its command.
pub(crate) fn place(dir: &Path, plan: &Plan) -> PathBuf {
    dir.join(&plan.name).join(plan.seed.as_deref().unwrap_or("plan"))
}

/// How to run it again.
pub(crate) fn replay_command(dir: &Path) -> String {
    match squall_report::program() {
        "squall" => format!("cargo run --release -- replay {}", dir.display()),
        other => format!("{other} replay {}", dir.display()),
    }
}

fn run_json(plan: &Plan, judged: &Judged) -> Value {
    let command: Vec<String> = std::env::args().collect();
    json!({
        "format": FORMAT,
        "squall": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "source_sha256": SOURCE,
        "lock_sha256": LOCK,
        "scenario": plan.name,
        "seed": plan.seed,
        "world_seed": plan.world_seed(),
        "digest": judged.run.digest,
        "entries": judged.run.history.len(),
        "stopped": judged.run.stopped,
        "cpu_s": judged.report.cpu_s,
        "command": command,
    })
}

/// Writes everything about a run into `dir`, atomically: what was there is replaced.
pub(crate) fn keep(plan: &Plan, source: Option<&str>, judged: &Judged, dir: &Path) -> Result<(), Failure> {
    let fresh = dir.with_extension("partial");
    let write = || -> io::Result<()> {
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::create_dir_all(&fresh)?;
        if let Some(source) = source {
            fs::write(fresh.join("scenario.yaml"), source)?;
        }
        fs::write(fresh.join("plan.yaml"), plan.to_yaml_text())?;
        let mut file = io::BufWriter::new(fs::File::create(fresh.join("history.jsonl"))?);
        write_jsonl(&judged.run.history, &mut file)?;
        io::Write::flush(&mut file)?;
        fs::write(fresh.join("run.json"), pretty(&run_json(plan, judged)))?;
        for (name, text) in kept_files(&judged.report, &judged.run.history) {
            let path = fresh.join(name);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, text)?;
        }
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::rename(&fresh, dir)
    };
    write().map_err(Failure::io(dir))
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a value has a JSON form");
    text.push('\n');
    text
}

/// A sentence when a report directory was written by other code than this, or by a newer one.
pub(crate) fn differs(dir: &Path) -> Result<Option<String>, Failure> {
    let path = dir.join("run.json");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let run: Value = serde_json::from_str(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
    if run["format"].as_u64().is_some_and(|format| format > FORMAT) {
        let text = format!("{} has format {}, newer than {FORMAT}: use a newer squall", path.display(), run["format"]);
        return Err(Failure::Usage(text));
    }
    let mut other = Vec::new();
    for (key, ours, what) in [("source_sha256", SOURCE, "sources"), ("lock_sha256", LOCK, "dependencies (Cargo.lock)")] {
        if run[key].as_str().is_some_and(|theirs| theirs != ours) {
            other.push(what);
        }
    }
    let commit = run["commit"].as_str().unwrap_or("unknown");
    Ok((!other.is_empty()).then(|| {
        format!(
            "this run was made by other code ({} differ; commit {commit}, this is {COMMIT}): it may go another way",
            other.join(" and ")
        )
    }))
}

/// What a report directory says of its run: its digest, and if it was stopped, how many entries that is of.
pub(crate) fn digest_of(dir: &Path) -> Option<(String, Option<usize>)> {
    let run: Value = serde_json::from_str(&fs::read_to_string(dir.join("run.json")).ok()?).ok()?;
    let stopped = run["stopped"].as_bool() == Some(true);
    let entries = if stopped { Some(run["entries"].as_u64()? as usize) } else { None };
    Some((run["digest"].as_str()?.to_string(), entries))
}
