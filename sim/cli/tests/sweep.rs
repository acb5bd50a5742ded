//! Sweeps: a process for each seed; whatever happens to one of them, or to the sweep, what is done is kept.

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use support::{binary, ends, misbehaving, quick, run, scenario, squall, text};

fn records(dir: &Path) -> Vec<serde_json::Value> {
    let lines = fs::read_to_string(dir.join("records.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What of a record is the run's, and not the machine's.
fn runs(dir: &Path) -> BTreeSet<String> {
    records(dir).iter().map(|r| format!("{} {} {} {}", r["scenario"], r["seed"], r["verdict"], r["digest"])).collect()
}

fn write(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}

#[test]
fn a_sweep_says_what_it_did_in_a_table_in_json_and_in_files() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "quick.yaml", &quick("quick", ""));
    let broken = scenario("tutorial/00-broken-store.yaml");
    let out = squall(dir.path(), &["sweep", "quick.yaml", &broken, "--count", "4", "--junit", "junit.xml", "--github"]);
    let shown = ends(&out, 0);
    for expect in ["4/4", "00-broken-store (canary)", "failed by `tickets`, as it must, at seed 0", "5 runs in", "95 % bound"] {
        assert!(shown.contains(expect), "missing {expect:?}:\n{shown}");
    }
    assert!(shown.lines().all(|l| l.chars().count() <= 100), "{shown}");
    let latest = dir.path().join("reports/latest");
    assert_eq!(records(&latest).len(), 5, "a canary's second seed is not run once its first has failed");
    for file in
        ["README.md", "sweep.json", "00-broken-store/0/plan.yaml", "00-broken-store/0/nodes/n1.log", "00-broken-store/0/timeline.txt"]
    {
        assert!(latest.join(file).exists(), "{file} is missing");
    }
    assert!(!latest.join("quick").exists(), "what is valid is not kept");
    let junit = fs::read_to_string(dir.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<testsuite name=\"quick\" tests=\"4\"") && junit.contains("failures=\"0\""), "{junit}");

    let out = squall(dir.path(), &["sweep", "quick.yaml", "--seeds", "5..7", "--json", "--recheck", "100%"]);
    let json: serde_json::Value = serde_json::from_str(&ends(&out, 0)).unwrap();
    assert_eq!((&json["runs"], &json["rechecked"], &json["failures"]), (&2.into(), &2.into(), &serde_json::json!([])));
}

#[test]
fn failures_are_grouped_kept_and_counted_and_the_exit_code_says_so() {
    let dir = tempfile::tempdir().unwrap();
    // The broken store, expected to be a good one.
    let source = fs::read_to_string(scenario("tutorial/00-broken-store.yaml")).unwrap();
    write(
        dir.path(),
        "hopeful.yaml",
        &source.replace("expect: { violation: tickets, within_seeds: 1 }", "").replace("00-broken-store", "hopeful"),
    );
    let out =
        squall(dir.path(), &["sweep", "hopeful.yaml", "--count", "6", "--max-fail", "2", "--jobs", "1", "--github", "--junit", "j.xml"]);
    let shown = ends(&out, 1);
    assert!(shown.contains("cut short: as many failures as --max-fail allows"), "{shown}");
    let replay = shown.lines().find(|l| l.trim().starts_with("squall replay ")).unwrap_or_else(|| panic!("{shown}"));
    let kept = replay.trim().strip_prefix("squall replay ").unwrap();
    assert!(shown.contains("::error title=") && text(&out.stderr).contains("hopeful seed "), "{shown}");
    assert!(fs::read_to_string(dir.path().join("j.xml")).unwrap().contains("<failure"));
    ends(&squall(dir.path(), &["replay", kept]), 1);
}

#[test]
fn a_crash_a_hang_and_a_memory_hog_are_that_seeds_result() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "quick.yaml", &quick("quick", ""));
    for system in ["crashes", "hangs", "eats"] {
        write(dir.path(), &format!("{system}.yaml"), &quick(system, "").replace("primary-backup", system));
    }
    let args = [
        "sweep",
        "quick.yaml",
        "crashes.yaml",
        "hangs.yaml",
        "eats.yaml",
        "--count",
        "2",
        "--timeout",
        "3s",
        "--memory-limit",
        "300MiB",
        "--recheck",
        "0%",
    ];
    let shown = ends(&run(&misbehaving(), dir.path(), &args), 70);
    let all = records(&dir.path().join("reports/latest"));
    let verdicts =
        |scenario: &str| all.iter().filter(|r| r["scenario"] == scenario).map(|r| r["verdict"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(verdicts("quick"), ["valid", "valid"], "{shown}");
    assert_eq!(verdicts("crashes"), ["crashed", "crashed"], "{shown}");
    assert_eq!(verdicts("hangs"), ["timed-out", "timed-out"], "{shown}");
    assert_eq!(verdicts("eats"), ["out-of-memory", "out-of-memory"], "{shown}");
    for expect in ["harness/crashed: 2 runs", "harness/timed-out: 2 runs", "it took longer than 3s", "it took more than 300 MiB"] {
        assert!(shown.contains(expect), "missing {expect:?}:\n{shown}");
    }
}

#[test]
fn two_runs_of_one_plan_that_differ_are_shown_where_they_part() {
    let dir = tempfile::tempdir().unwrap();
    let source = quick("coins", "checkers: [no-panic]\n").replace("primary-backup", "tosses-coins");
    write(dir.path(), "coins.yaml", &source);
    let shown = ends(&run(&misbehaving(), dir.path(), &["sweep", "coins.yaml", "--count", "1"]), 5);
    assert!(shown.contains("the same plan gave two runs") && shown.contains("harness/non-deterministic"), "{shown}");
    let record = &records(&dir.path().join("reports/latest"))[0];
    let why = record["reasons"]["harness"].as_str().unwrap();
    assert!(why.contains("they part at entry") && why.matches("\"hash\":").count() == 2, "{why}");
    let twice = dir.path().join("reports/latest/coins/0-twice");
    assert_ne!(fs::read(twice.join("a.jsonl")).unwrap(), fs::read(twice.join("b.jsonl")).unwrap());
}

#[test]
fn whatever_kills_the_sweep_resuming_gives_the_same_records() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "quick.yaml", &quick("quick", ""));
    let args = ["sweep", "quick.yaml", "--count", "24", "--jobs", "2"];
    ends(&squall(dir.path(), &[&args[..], &["--reports", "whole"]].concat()), 0);
    let whole = runs(&dir.path().join("whole/latest"));
    assert_eq!(whole.len(), 24);
    for (i, (signal, after)) in [("-KILL", 150), ("-KILL", 600), ("-INT", 400)].into_iter().enumerate() {
        let reports = format!("part-{i}");
        let mut child = Command::new(binary())
            .args(args)
            .args(["--reports", &reports])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It is killed some time, wherever it is then.
        std::thread::park_timeout(Duration::from_millis(after));
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        if signal == "-INT" && !status.success() {
            assert_eq!(status.code(), Some(130), "interrupted");
        }
        let latest = dir.path().join(&reports).join("latest");
        if !latest.join("sweep.json").exists() {
            continue;
        }
        // The end of a write that never came to its end.
        let mut torn = fs::read(latest.join("records.jsonl")).unwrap();
        let done = torn.iter().filter(|b| **b == b'\n').count();
        torn.extend_from_slice(b"{\"format\":1,\"scen");
        fs::write(latest.join("records.jsonl"), torn).unwrap();
        ends(&squall(dir.path(), &["sweep", "--resume", "--reports", &reports]), 0);
        assert_eq!(runs(&latest), whole, "after {signal} with {done} runs done");
        assert_eq!(records(&latest).len(), 24, "none twice");
    }
    // Another scenario, or another code, is another sweep.
    write(dir.path(), "quick.yaml", &quick("quick", "sometimes: []\n"));
    let out = squall(dir.path(), &["sweep", "--resume", "whole/latest"]);
    ends(&out, 2);
    assert!(text(&out.stderr).contains("quick.yaml has changed since the sweep began"), "{}", text(&out.stderr));
}

/// A set of signals that a process tells of itself in /proc: `SigCgt`, those that it handles; `SigIgn`, those that it ignores.
#[cfg(target_os = "linux")]
fn signals(process: &str, set: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Starts a command, and sends it a signal once it handles that it is to end (SIGTERM); how it ended, and what it said.
#[cfg(target_os = "linux")]
fn signalled(dir: &std::path::Path, command: &[&str], signal: &str) -> (std::process::ExitStatus, String) {
    let mut child =
        Command::new(command[0]).args(&command[1..]).current_dir(dir).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id().to_string();
    while signals(&id, "SigCgt") >> 14 & 1 == 0 && child.try_wait().unwrap().is_none() {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    // Some of its work is done by then, or none.
    std::thread::park_timeout(Duration::from_millis(300));
    Command::new("kill").args([signal, &id]).status().unwrap();
    let out = child.wait_with_output().unwrap();
    (out.status, text(&out.stdout) + &text(&out.stderr))
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_run_of_many_seeds_tells_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    // Only the interrupt is to end it.
    write(dir.path(), "quick.yaml", &quick("quick", "checkers: [no-panic]\n"));
    let binary = binary();
    let many = [binary.to_str().unwrap(), "run", "quick.yaml", "--seeds", "0..100000", "--jobs", "1"];
    // Whoever started this test may have had it ignored, which is inherited.
    let hangs_up = signals("self", "SigIgn") & 1 == 0;
    for signal in ["-INT", "-TERM", "-HUP"].into_iter().filter(|signal| *signal != "-HUP" || hangs_up) {
        let (status, shown) = signalled(dir.path(), &many, signal);
        assert_eq!(status.code(), Some(130), "{signal}: {shown}");
        assert!(shown.contains("of 100000 runs") && shown.contains("quick: "), "{signal}: {shown}");
    }
    // Whoever starts it with nohup does not want it to end with the terminal.
    write(dir.path(), "few.yaml", &quick("few", "checkers: [no-panic]\n"));
    let nohup = ["nohup", binary.to_str().unwrap(), "sweep", "few.yaml", "--count", "12", "--jobs", "1"];
    let (status, shown) = signalled(dir.path(), &nohup, "-HUP");
    assert!(status.success() && shown.contains("12 runs"), "{shown}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_shrink_writes_what_it_found() {
    let dir = tempfile::tempdir().unwrap();
    squall(dir.path(), &["run", &scenario("canary/txn-revision-per-op.yaml"), "--seed", "0", "--keep"]);
    let kept = "reports/latest/txn-revision-per-op/0";
    let binary = binary();
    let shrink = [binary.to_str().unwrap(), "shrink", kept, "--budget", "1000"];
    let (status, shown) = signalled(dir.path(), &shrink, "-INT");
    assert_eq!(status.code(), Some(130), "{shown}");
    assert!(shown.contains("interrupted: this is what was found so far"), "{shown}");
    assert!(fs::read_to_string(dir.path().join(kept).join("plan.min.yaml")).unwrap().contains("world_seed"));
}

#[test]
fn parts_make_a_whole_and_what_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "quick.yaml", &quick("quick", ""));
    let mut parts = BTreeSet::new();
    for part in ["1/3", "2/3", "3/3"] {
        ends(
            &squall(dir.path(), &["sweep", "quick.yaml", "--seeds-from", "2026-11-23", "--count", "7", "--shard", part, "--reports", part]),
            0,
        );
        let some = runs(&dir.path().join(part).join("latest"));
        assert!(!some.is_empty() && some.len() <= 3);
        parts.extend(some);
    }
    assert_eq!(parts.len(), 7);
    write(dir.path(), "twin.yaml", &quick("quick", ""));
    fs::create_dir(dir.path().join("empty")).unwrap();
    let long = quick("long", "").replace("duration: 500ms", "duration: 60s");
    write(dir.path(), "long.yaml", &long);
    let cases: [(&[&str], i32, &str); 9] = [
        (&["sweep", "empty"], 3, "nothing is selected"),
        (&["sweep", "quick.yaml", "--count", "1", "--shard", "2/2"], 3, "nothing is selected"),
        (&["sweep", "quick.yaml", "twin.yaml"], 2, "are both named `quick`"),
        (&["sweep", "quick.yaml", "--shard", "3/2"], 2, "`3/2` is not a part such as 1/4"),
        (&["sweep", "quick.yaml", "--recheck", "5"], 2, "`5` is not a share such as 5%"),
        (&["sweep", "quick.yaml", "--memory-limit", "1GB"], 2, "not an amount of memory"),
        (&["sweep", "quick.yaml", "--timeout", "5"], 2, "`5` is not a duration"),
        (&["sweep", "quick.yaml", "--resume"], 2, "give no scenarios"),
        (&["sweep", "nowhere.yaml"], 2, "nowhere.yaml: No such file"),
    ];
    for (args, code, expect) in cases {
        let out = squall(dir.path(), args);
        ends(&out, code);
        assert!(text(&out.stderr).contains(expect), "{args:?}: {}", text(&out.stderr));
    }
    write(dir.path(), "quiet.yaml", &quick("quiet", "sometimes: [outcome-unknown]\n"));
    let shown = ends(&squall(dir.path(), &["sweep", "quiet.yaml", "--count", "20", "--strict"]), 4);
    assert!(shown.contains("quiet: `outcome-unknown` never happened, although the scenario says sometimes"), "{shown}");
    ends(&squall(dir.path(), &["sweep", "quiet.yaml", "--count", "20"]), 0);
    // The broken store breaks under some seed before long: under none of the first few of these.
    let shown = ends(&squall(dir.path(), &["sweep", "long.yaml", "--seeds", "3..10000", "--jobs", "1", "--time-budget", "1s"]), 0);
    assert!(shown.contains("cut short: the time budget is spent"), "{shown}");
}

#[test]
fn what_is_kept_is_run_first_by_every_sweep() {
    let dir = tempfile::tempdir().unwrap();
    ends(&squall(dir.path(), &["run", &scenario("tutorial/00-broken-store.yaml"), "--keep"]), 0);
    let failing = "reports/latest/00-broken-store/0";
    let shown = ends(&squall(dir.path(), &["shrink", failing, "--budget", "20"]), 0);
    assert!(shown.contains("tickets/") && shown.contains("fresh world seeds fail too"), "{shown}");
    let small = fs::read_to_string(dir.path().join(failing).join("plan.min.yaml")).unwrap();
    assert!(small.starts_with("# Shrunk from `00-broken-store`, seed 0: it fails by tickets/"), "{small}");
    assert!(small.lines().count() < 60, "{small}");
    let out = squall(dir.path(), &["replay", &format!("{failing}/plan.min.yaml")]);
    assert!(ends(&out, 1).starts_with("INVALID"), "the small plan fails in the same way");
    ends(&squall(dir.path(), &["keep", failing, "--name", "two-primaries"]), 0);
    let kept = fs::read_to_string(dir.path().join("scenarios/regressions/two-primaries.yaml")).unwrap();
    assert!(kept.contains("# Kept from `00-broken-store`, seed 0"), "{kept}");
    assert!(text(&squall(dir.path(), &["keep", failing, "--name", "two-primaries"]).stderr).contains("exists: give another --name"));
    // It has no planted bug: that it fails is what must not be.
    write(dir.path(), "quick.yaml", &quick("quick", ""));
    let shown = ends(&squall(dir.path(), &["sweep", "quick.yaml", "--count", "2", "--jobs", "1"]), 1);
    let first = &records(&dir.path().join("reports/latest"))[0];
    assert_eq!((first["scenario"].as_str(), first["verdict"].as_str()), (Some("two-primaries"), Some("invalid")), "{shown}");
    ends(&squall(dir.path(), &["sweep", "quick.yaml", "--count", "2", "--no-regressions"]), 0);
}

#[test]
fn a_canary_gets_all_its_seeds_and_is_undecided_without_them() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "mute.yaml", &quick("mute", "expect: { violation: no-panic, within_seeds: 3 }\n"));
    let shown = ends(&squall(dir.path(), &["sweep", "mute.yaml", "--count", "1"]), 1);
    assert!(shown.contains("mute: a canary that did not fail by `no-panic` in 3 seeds"), "{shown}");
    // It belongs to one part, whole.
    ends(&squall(dir.path(), &["sweep", "mute.yaml", "--shard", "2/2"]), 3);
    write(dir.path(), "long.yaml", &quick("long", "expect: { violation: no-panic, within_seeds: 10000 }\n"));
    let shown = ends(&squall(dir.path(), &["sweep", "long.yaml", "--jobs", "1", "--time-budget", "1s"]), 4);
    assert!(shown.contains("of its 10000 seeds: undecided"), "{shown}");
}

#[test]
fn what_cannot_be_told_apart_or_done_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    // Two plans of one name, of which different things are expected.
    for (file, seed, extra) in [("a.yaml", 0, "expect: { violation: tickets }\n"), ("b.yaml", 1, "")] {
        write(dir.path(), "source.yaml", &quick("same", extra));
        let plan = ends(&squall(dir.path(), &["plan", "source.yaml", "--seed", &seed.to_string()]), 0);
        write(dir.path(), file, &plan);
    }
    let out = squall(dir.path(), &["sweep", "a.yaml", "b.yaml"]);
    ends(&out, 2);
    assert!(text(&out.stderr).contains("are both named `same`"), "{}", text(&out.stderr));
    write(dir.path(), "asks.yaml", &quick("asks", "").replace("tickets: { clients: 2, think: 50ms }", "kv: {}"));
    ends(&squall(dir.path(), &["sweep", "asks.yaml"]), 65);
    // A fixed world seed leaves the rest to the seed: each run has a name of its own.
    write(dir.path(), "fixed.yaml", &quick("fixed", "world_seed: 5\n"));
    ends(&squall(dir.path(), &["sweep", "fixed.yaml", "--count", "3"]), 0);
    let seeds: Vec<String> = records(&dir.path().join("reports/latest")).iter().map(|r| r["seed"].to_string()).collect();
    assert_eq!(seeds.iter().collect::<BTreeSet<_>>().len(), 3, "{seeds:?}");
    ends(&squall(dir.path(), &["shrink", "a.yaml"]), 2);
    ends(&squall(dir.path(), &["run", "source.yaml", "--seeds", "0..2", "--keep"]), 2);
}

#[test]
fn a_planted_bug_that_is_kept_must_go_on_failing() {
    let dir = tempfile::tempdir().unwrap();
    ends(&squall(dir.path(), &["run", &scenario("tutorial/02-partition.yaml"), "--bug", "stale-read", "--seeds", "0..60"]), 1);
    let failed = fs::read_dir(dir.path().join("reports/latest/02-partition")).unwrap().next().unwrap().unwrap().path();
    ends(&squall(dir.path(), &["keep", failed.to_str().unwrap(), "--name", "stale"]), 0);
    let shown = ends(&squall(dir.path(), &["sweep", "scenarios/regressions"]), 0);
    assert!(shown.contains("stale: failed by `linearizable`, as it must"), "{shown}");
    // What does not fail is nothing to keep.
    write(dir.path(), "quick.yaml", &quick("quick", ""));
    ends(&squall(dir.path(), &["run", "quick.yaml", "--keep"]), 0);
    ends(&squall(dir.path(), &["keep", "reports/latest/quick/0"]), 2);
}
