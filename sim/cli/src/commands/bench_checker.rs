//! `squall bench checker`: CPU time and memory of the linearizability checker, a process for each row, medians of 9.
//!
//! With the feature `compare` the crates porcupine-rs and todc-utils are measured beside it, on the same histories.

use crate::{Exit, failure::Failure, session::peak_rss_mb};
use cpu_time::ProcessTime;
use serde_json::{Value as Json, json};
use squall_etcd_model::checks::{generate, linearizable};
use squall_history::{stream, write_jsonl};
use squall_linear::{Effort, Found, MODELS, Options, RawHistory, formats};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tabled::{builder::Builder, settings::Style};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A directory of recorded histories: `etcd/*.log` with `etcd/VERDICTS`, `kv/*.txt` with the verdict in the name
    #[arg(long, value_name = "DIR")]
    histories: Option<PathBuf>,
    /// How often each row is measured
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=99))]
    times: u64,
    /// Write a generated history to this file, and measure nothing
    #[arg(long, value_name = "FILE", conflicts_with = "histories")]
    generate: Option<PathBuf>,
    /// Decide this many random histories in every way that there is, and measure nothing
    #[arg(long, value_name = "N", conflicts_with_all = ["generate", "histories"])]
    differential: Option<u64>,
    /// How many operations a generated history has
    #[arg(long, requires = "generate", default_value_t = 100_000)]
    ops: u64,
    /// How many clients
    #[arg(long, requires = "generate", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    clients: u64,
    /// How many keys
    #[arg(long, requires = "generate", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    keys: u64,
    /// Of a thousand operations, how many have no known outcome
    #[arg(long, requires = "generate", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    unknown_per_mille: u64,
    /// Of a thousand operations, how many read every key
    #[arg(long, requires = "generate", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    ranges_per_mille: u64,
    /// The seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON: one object a row
    #[arg(long)]
    json: bool,
    /// One row, in this process
    #[arg(long, hide = true)]
    measure: Option<PathBuf>,
    /// With what
    #[arg(long, hide = true, default_value = "squall")]
    engine: String,
}

/// How long a row of another checker may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(n) = args.differential {
        return differential(n, args.seed);
    }
    if let Some(file) = &args.measure {
        println!("{}", measure(file, &args.engine, args.times)?);
        return Ok(Exit::Ok);
    }
    let spec = generate::Spec {
        ops: args.ops,
        clients: args.clients,
        keys: args.keys,
        unknown_per_mille: args.unknown_per_mille,
        ranges_per_mille: args.ranges_per_mille,
        seed: args.seed,
    };
    if let Some(file) = &args.generate {
        write_generated(file, spec)?;
        return Ok(Exit::Ok);
    }
    let mut rows = Rows { json: args.json, table: vec![], right: true };
    if let Some(dir) = &args.histories {
        recorded(dir, args.times, &mut rows)?;
    }
    generated(args, &mut rows)?;
    rows.print();
    Ok(if rows.right { Exit::Ok } else { Exit::Violation })
}

/// Decides random histories in every way, and says where two ways differ.
fn differential(n: u64, seed: u64) -> Result<Exit, Failure> {
    let (mut legal, mut illegal) = (0u64, 0u64);
    for i in 0..n {
        let mut draws = stream(seed.wrapping_add(i), "differential");
        let told = squall_linear::fuzz::round(&mut |n| draws.below(n)).map(|round| round.legal);
        match told.and_then(|legal| linearizable::differential(&mut draws).map(|other| [legal, other.legal])) {
            Ok(both) => both.iter().for_each(|l| if *l { legal += 1 } else { illegal += 1 }),
            Err(why) => {
                println!("seed {}: {why}", seed.wrapping_add(i));
                return Ok(Exit::Violation);
            }
        }
    }
    println!("{} histories, {legal} legal, {illegal} not: every way says the same, and every proof holds", legal + illegal);
    Ok(Exit::Ok)
}

fn write_generated(file: &Path, spec: generate::Spec) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(file).map_err(Failure::io(file))?);
    write_jsonl(generate::generate(spec), &mut out).and_then(|()| out.flush()).map_err(Failure::io(file))
}

struct Rows {
    json: bool,
    table: Vec<[String; 6]>,
    right: bool,
}

impl Rows {
    fn add(&mut self, name: &str, engine: &str, row: Option<&Json>, expect: &str) {
        let number = |key: &str| row.and_then(|row| row[key].as_f64()).map_or("-".to_string(), |n| format!("{n:.3}"));
        let verdict = row.and_then(|row| row["verdict"].as_str()).unwrap_or("-").to_string();
        if engine.starts_with("squall") && verdict != expect {
            self.right = false;
        }
        if self.json {
            println!("{}", json!({ "row": name, "engine": engine, "expect": expect, "found": row }));
        }
        let peak = row.and_then(|row| row["peak_mb"].as_f64()).map_or("-".to_string(), |mb| format!("{mb:.0}"));
        self.table.push([name.into(), engine.into(), verdict, number("read_ms"), number("check_ms"), peak]);
    }

    fn print(&self) {
        if self.json {
            return;
        }
        let mut builder = Builder::new();
        builder.push_record(["history", "checker", "verdict", "read ms", "check ms", "peak MB"]);
        self.table.iter().for_each(|row| builder.push_record(row));
        println!("{}", builder.build().with(Style::markdown()));
        println!("CPU time, medians; a dash: no answer within {} s of CPU time", PATIENCE.as_secs());
    }
}

/// A row in a process of its own.
fn child(arguments: &[&str]) -> Option<Json> {
    let mut child =
        Command::new(std::env::current_exe().ok()?).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut output = child.stdout.take()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut output, &mut text).ok()?;
    child.wait().ok()?;
    serde_json::from_str(text.lines().last()?).ok()
}

fn recorded(dir: &Path, times: u64, rows: &mut Rows) -> Result<(), Failure> {
    let path = dir.join("etcd/VERDICTS");
    let verdicts = fs::read_to_string(&path).map_err(Failure::io(&path))?;
    let etcd: Vec<(PathBuf, &str)> = verdicts
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, verdict)| (dir.join(format!("etcd/{name}.log")), verdict))
        .collect();
    let mut engines = vec!["squall"];
    if cfg!(feature = "compare") {
        engines.extend(["porcupine-rs", "todc-utils"]);
    }
    let times = times.to_string();
    let measure = |file: &Path, engine: &str| {
        child(&["bench", "checker", "--measure", &file.display().to_string(), "--engine", engine, "--times", &times])
    };
    let word = |valid: bool| if valid { "valid" } else { "invalid" };
    for engine in &engines {
        let (mut total, mut peak, mut right, mut missing) = (0.0, 0f64, true, 0);
        for (file, expect) in &etcd {
            match measure(file, engine) {
                Some(row) => {
                    total += row["check_ms"].as_f64().unwrap_or(0.0);
                    peak = peak.max(row["peak_mb"].as_f64().unwrap_or(0.0));
                    right &= row["verdict"] == **expect;
                    if file.ends_with("etcd_002.log") {
                        rows.add("etcd_002", engine, Some(&row), expect);
                    }
                }
                None => missing += 1,
            }
        }
        let verdict = if right && missing == 0 {
            "valid".to_string()
        } else if right {
            format!("{missing} without")
        } else {
            "WRONG".to_string()
        };
        let row = json!({ "verdict": verdict, "check_ms": total, "peak_mb": peak });
        rows.add(&format!("{} etcd logs", etcd.len()), engine, Some(&row), "valid");
    }
    let mut worst: Option<(String, Json)> = None;
    let kv = ["c10-bad", "c10-ok", "c50-ok", "c01-bad"];
    let bad = etcd.iter().filter(|(_, verdict)| *verdict == "invalid").map(|(file, _)| file.clone());
    let bad = bad.chain(["c01-bad", "c10-bad"].map(|name| dir.join(format!("kv/{name}.txt"))));
    for file in bad {
        let Some(row) = measure(&file, "squall-explain") else { continue };
        let slower = worst.as_ref().is_none_or(|(_, w)| w["check_ms"].as_f64() < row["check_ms"].as_f64());
        if slower {
            worst = Some((file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), row));
        }
    }
    if let Some((name, row)) = worst {
        rows.add(&format!("{name}, counterexample (the slowest)"), "squall", Some(&row), "invalid");
    }
    for name in kv {
        let file = dir.join(format!("kv/{name}.txt"));
        for engine in &engines {
            rows.add(name, engine, measure(&file, engine).as_ref(), word(name.ends_with("ok")));
        }
    }
    Ok(())
}

fn generated(args: &Args, rows: &mut Rows) -> Result<(), Failure> {
    let dir = tempfile::tempdir().map_err(Failure::io(Path::new("a temporary directory")))?;
    let file = dir.path().join("history.jsonl");
    for (name, ops, clients, keys, unknown) in [
        ("1,000,000 operations, 10 clients", 1_000_000, 10, 100, 0),
        ("1,000,000 operations, 10 clients, 1 % unknown", 1_000_000, 10, 100, 10),
        ("100,000 operations, 50 clients, whole store", 100_000, 50, 100, 0),
        ("100,000 operations, 10 clients, 10 % unknown", 100_000, 10, 100, 100),
    ] {
        let ranges_per_mille = if ops == 100_000 { 1 } else { 0 };
        write_generated(&file, generate::Spec { ops, clients, keys, unknown_per_mille: unknown, ranges_per_mille, seed: args.seed })?;
        let told: Vec<Json> =
            (0..args.times).filter_map(|_| child(&["check", &file.display().to_string(), "--model", "kv", "--json"])).collect();
        let middle = |key: &str| {
            let mut all: Vec<f64> = told.iter().filter_map(|row| row[key].as_f64()).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        };
        let row = json!({
            "verdict": told.first().map(|row| row["verdict"].clone()), "read_ms": middle("read_cpu_ms"),
            "check_ms": middle("check_cpu_ms"), "peak_mb": middle("peak_mb"),
        });
        rows.add(name, "squall", Some(&row), "valid");
    }
    Ok(())
}

/// One history, one checker, some times over.
fn measure(file: &Path, engine: &str, times: u64) -> Result<Json, Failure> {
    let text = fs::read_to_string(file).map_err(Failure::io(file))?;
    let started = ProcessTime::now();
    let bad = |e: String| Failure::Usage(format!("{}: {e}", file.display()));
    let (format, history) = formats::read(&text, formats::ReadOptions::default()).map_err(|e| bad(e.to_string()))?;
    let read_ms = started.elapsed().as_secs_f64() * 1e3;
    let model = if format == formats::Format::JepsenLog { "cas-register" } else { "append-kv" };
    let (mut all, mut verdict, begun) = (Vec::new(), "", ProcessTime::now());
    for _ in 0..times {
        let started = ProcessTime::now();
        verdict = decide(&history, model, engine).map_err(&bad)?;
        all.push(started.elapsed().as_secs_f64() * 1e3);
        if begun.elapsed() > PATIENCE {
            break;
        }
    }
    all.sort_by(f64::total_cmp);
    Ok(json!({ "verdict": verdict, "read_ms": read_ms, "check_ms": all[all.len() / 2], "peak_mb": peak_rss_mb(), "times": all.len() }))
}

fn decide(history: &RawHistory, model: &str, engine: &str) -> Result<&'static str, String> {
    match engine {
        "squall" | "squall-explain" => {
            let named = MODELS.iter().find(|m| m.name == model).ok_or("no such model")?;
            let explain = if engine == "squall-explain" { Effort::Bounded } else { Effort::Nothing };
            Ok(match (named.judge)(history, &mut Options { explain, ..Options::default() }).map_err(|e| e.to_string())?.verdict {
                Found::Linearizable(_) => "valid",
                Found::Not(_) | Found::Anomalies(_) => "invalid",
                Found::Unknown(_) => "unknown",
            })
        }
        #[cfg(feature = "compare")]
        other => super::bench_others::decide(history, other),
        #[cfg(not(feature = "compare"))]
        other => Err(format!("{other} is not in this build: build with --features compare")),
    }
}
