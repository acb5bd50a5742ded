//! The house, checked: arrows between rooms, what a binary may link, what must be documented.

mod support;

use squall_run::Pack;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The floors: an arrow may only point down.
const FLOORS: &[(&str, u32)] = &[
    ("squall-harness", 7),
    ("squall", 6),
    ("squall-etcd", 5),
    ("squall-primary-backup", 5),
    ("squall-client", 4),
    ("squall-etcd-model", 4),
    ("squall-server", 4),
    ("squall-host", 3),
    ("squall-run", 3),
    ("squall-report", 3),
    ("squall-machine", 2),
    ("squall-scenario", 2),
    ("squall-cluster", 2),
    ("squall-effect", 1),
    ("squall-judge", 1),
    ("squall-rpc", 1),
    ("squall-history", 0),
    ("squall-linear", 0),
    ("squall-env", 0),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    // What other platforms would need was never downloaded here.
    let rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into())).arg("-vV").output().unwrap();
    let about = String::from_utf8(rustc.stdout).unwrap();
    let host = about.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
    let args = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
    let out = Command::new(cargo).args(args).current_dir(root()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Every package's normal and build dependencies, by id, and the names.
fn graph(metadata: &serde_json::Value) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, String>) {
    let (mut edges, mut names) = (BTreeMap::new(), BTreeMap::new());
    for package in metadata["packages"].as_array().unwrap() {
        names.insert(package["id"].as_str().unwrap().to_string(), package["name"].as_str().unwrap().to_string());
    }
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let deps =
            node["deps"].as_array().unwrap().iter().filter(|d| d["dep_kinds"].as_array().unwrap().iter().any(|k| k["kind"] != "dev"));
        edges.insert(node["id"].as_str().unwrap().to_string(), deps.map(|d| d["pkg"].as_str().unwrap().to_string()).collect());
    }
    (edges, names)
}

fn reachable(edges: &BTreeMap<String, Vec<String>>, names: &BTreeMap<String, String>, from: &str) -> BTreeSet<String> {
    let start = names.iter().find(|(_, name)| *name == from).unwrap_or_else(|| panic!("no package {from}")).0;
    let (mut seen, mut todo) = (BTreeSet::new(), vec![start.clone()]);
    while let Some(id) = todo.pop() {
        if seen.insert(names[&id].clone()) {
            todo.extend(edges[&id].iter().cloned());
        }
    }
    seen
}

#[test]
fn arrows_point_down() {
    let metadata = metadata();
    let (edges, names) = graph(&metadata);
    let floor: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
    for (id, deps) in &edges {
        let Some(from) = floor.get(names[id].as_str()) else { continue };
        for dep in deps {
            if let Some(to) = floor.get(names[dep].as_str()) {
                assert!(to < from, "{} (floor {from}) depends on {} (floor {to})", names[id], names[dep]);
            }
        }
    }
    let members: BTreeSet<&str> = names.values().map(String::as_str).filter(|n| n.starts_with("squall")).collect();
    assert_eq!(members, floor.keys().copied().collect(), "every room has its floor");
}

#[test]
fn rooms_do_not_know_what_they_must_not() {
    let metadata = metadata();
    let (edges, names) = graph(&metadata);
    let knows = |room: &str| reachable(&edges, &names, room);
    for (room, forbidden) in [
        ("squall-server", "madsim"),
        ("squall-cluster", "madsim"),
        ("squall-cluster", "squall-run"),
        ("squall-machine", "squall-scenario"),
        ("squall-machine", "tonic"),
        ("squall-effect", "squall-scenario"),
        ("squall-cluster", "squall-scenario"),
        ("squall-cluster", "squall-history"),
        ("squall-rpc", "madsim"),
        ("squall-rpc", "squall-history"),
        ("squall-judge", "tonic"),
        ("squall-judge", "madsim"),
        ("squall-judge", "squall-scenario"),
        ("squall-scenario", "madsim"),
        ("squall-scenario", "tonic"),
        ("squall-report", "squall-run"),
        ("squall-report", "madsim"),
        ("squall-history", "tokio"),
        ("squall-run", "tonic"),
        ("squall-run", "openraft"),
        ("squall-scenario", "tokio"),
        ("squall-etcd-model", "tonic"),
        ("squall-etcd-model", "madsim"),
    ] {
        assert!(!knows(room).contains(forbidden), "{room} must not know {forbidden}");
    }
    assert!(knows("squall-machine").contains("madsim"), "the test can see madsim where it is");
}

#[test]
fn the_library_without_features_links_no_pack() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let args = ["tree", "--offline", "--locked", "-p", "squall", "--no-default-features", "-e", "normal", "--prefix", "none"];
    let out = Command::new(cargo).args(args).current_dir(root()).output().unwrap();
    let tree = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && tree.contains("squall-run"), "{tree}{}", String::from_utf8_lossy(&out.stderr));
    for of_a_pack in ["openraft", "squall-etcd", "squall-cluster", "squall-primary-backup"] {
        assert!(!tree.contains(of_a_pack), "without features, squall links {of_a_pack}");
    }
}

fn sources() -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![root().join("sim"), root().join("cluster-under-test")]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.extend(Some(path).filter(|path| !path.ends_with("target")));
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn only_the_machine_names_madsim() {
    let home = root().join("sim/machine");
    for path in sources() {
        let names_it = fs::read_to_string(&path).unwrap().lines().any(|line| line.contains("madsim::") || line.contains("use madsim"));
        let allowed = path.starts_with(&home) || path.ends_with("tests/tidy.rs");
        assert!(!names_it || allowed, "{} names madsim", path.display());
    }
}

#[test]
fn yaml_has_one_reader() {
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let source = fs::read_to_string(&path).unwrap();
        let product = support::product(&source);
        let reads = product.contains("saphyr_parser::") || product.contains("serde_yaml::from_");
        let allowed = name == "sim/scenario/src/yaml/tree.rs" || name.contains("/tests/");
        assert!(!reads || allowed, "{name} reads YAML: that is done in sim/scenario/src/yaml/tree.rs");
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    for path in sources() {
        let first = fs::read_to_string(&path).unwrap().lines().next().unwrap_or_default().to_string();
        assert!(first.starts_with("//!"), "{} begins without a //! doc", path.display());
    }
    // A list to look at, not a verdict.
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > 450 {
            println!("long: {} ({lines} lines)", path.strip_prefix(root()).unwrap().display());
        }
    }
}

/// Words of one service. (Not `lock`: that is a mutex' word, too.)
const OF_A_SERVICE: &[&str] = &["etcd", "lease", "leases", "watch", "watches", "revision", "revisions", "raft"];

/// Where they stand nevertheless, and why.
const NAMES_A_SERVICE: &[(&str, &str)] = &[
    ("sim/cli/src/main.rs", "the binary brings the packs that we ship"),
    ("sim/cli/src/lib.rs", "the feature `etcd`"),
    ("sim/cli/src/commands/mod.rs", "the feature `etcd`"),
    ("sim/cli/src/commands/bench_checker.rs", "behind the feature `etcd`"),
    ("sim/scenario/fuzz/src/main.rs", "a workspace of its own, which fuzzes the language with a real pack"),
    ("sim/history/src/entry.rs", "the name in files of a position"),
    ("sim/history/src/observe.rs", "the name in files of a position"),
    ("sim/effect/src/effect.rs", "what an administrator asks, as histories have it"),
    ("sim/report/src/record.rs", "which checker is the most telling"),
];

#[test]
fn nobody_but_its_pack_names_a_service() {
    let mut idle: BTreeSet<&str> = NAMES_A_SERVICE.iter().map(|(name, _)| *name).collect();
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let is_of_a_service = name.starts_with("sim/packs/etcd/") || name.starts_with("sim/worked/");
        let is_generic = name.starts_with("sim/") && name.contains("/src/") && !is_of_a_service;
        if !is_generic || name.ends_with("tests.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let product = support::product(&source);
        let named = |line: &&str| {
            // `LeaseOp` says lease, too.
            let mut apart = String::new();
            for c in line.chars() {
                if c.is_ascii_uppercase() {
                    apart.push(' ');
                }
                apart.push(c.to_ascii_lowercase());
            }
            let mut words = apart.split(|c: char| !c.is_ascii_alphanumeric());
            !line.contains("sync::watch") && words.any(|word| OF_A_SERVICE.contains(&word) || word.starts_with("etcd"))
        };
        let Some(line) = product.lines().find(named) else { continue };
        let allowed = NAMES_A_SERVICE.iter().any(|(file, _)| *file == name);
        assert!(allowed, "{name} names a service, which is its pack's business: {}", line.trim());
        idle.remove(name.as_str());
    }
    assert!(idle.is_empty(), "these name no service any more: {idle:?}");
}

/// Where sentences are turned into data: what older histories said, and what a server says on the wire.
const READS_SENTENCES: &[&str] = &["sim/history/src/legacy.rs", "sim/packs/etcd/src/refusals.rs", "sim/packs/etcd/src/user/line.rs"];

/// The literals of several words that a source compares texts with, outside its tests.
fn compared_sentences(source: &str) -> Vec<String> {
    let product = support::product(source);
    let mut found = Vec::new();
    for call in ["contains(\"", "starts_with(\"", "ends_with(\"", "strip_prefix(\"", "strip_suffix(\"", "== \"", "!= \""] {
        for (at, _) in product.match_indices(call) {
            let literal = product[at + call.len()..].split('"').next().unwrap();
            let words = literal.split(' ').filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1).count();
            if words > 1 {
                found.push(literal.to_string());
            }
        }
    }
    found
}

#[test]
fn no_room_matches_on_a_sentence() {
    assert_eq!(compared_sentences("if why.contains(\"has been compacted\") && name == \"a b\" {}"), ["has been compacted"]);
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let is_room = name.starts_with("sim/") && name.contains("/src/") && !name.ends_with("tests.rs");
        if is_room && !READS_SENTENCES.contains(&name.as_str()) {
            let found = compared_sentences(&fs::read_to_string(&path).unwrap());
            assert!(found.is_empty(), "{name} compares texts with {found:?}: give what is said a type");
        }
    }
}

#[test]
fn lanes_over_time_are_drawn_in_one_place() {
    let home = root().join("sim/linear/src/lanes.rs");
    let draws = |source: &str| {
        let product = support::product(source);
        product.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(['├', '┤', '┼', '┄', '╌']))
    };
    assert!(draws(&fs::read_to_string(&home).unwrap()), "the test can see what is drawn where it is");
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let is_room = name.contains("/src/") && !name.ends_with("tests.rs");
        let alone = !is_room || path == home || !draws(&fs::read_to_string(&path).unwrap());
        assert!(alone, "{name} draws a lane of its own: sim/linear's `Lanes` does that");
    }
}

#[test]
fn registry_entries_are_documented_and_their_examples_parse() {
    use squall_scenario::faults;
    let packs: [&dyn Pack; 2] = [&squall_etcd::Etcd, &squall_primary_backup::PrimaryBackup];
    for pack in packs {
        let scenario = |workload: &str, fault: &str| {
            let system = pack.name();
            format!("format: 1\nname: x\nsystem: {system}\nworkloads:\n  - {workload}\nduration: 9s\nfaults:\n  - at: 1s\n    {fault}\n")
        };
        let (some_load, some_fault) = (pack.workloads()[0].example, "kill: { target: one }");
        // Not every system has everything that faults are about.
        for kind in faults::REGISTRY.iter().filter(|_| pack.gives() == squall_run::Gives::EVERYTHING) {
            assert!(kind.about().ends_with('.') && !kind.arguments().is_empty(), "{}", kind.name);
            let parsed = support::parse("example", &scenario(some_load, kind.example));
            assert_eq!(parsed.unwrap_or_else(|e| panic!("{e}")).faults[0].fault.kind(), kind.name);
        }
        for kind in pack.workloads() {
            assert!(kind.about().ends_with('.') && !kind.arguments().is_empty(), "{}", kind.name);
            support::parse("example", &scenario(kind.example, some_fault)).unwrap_or_else(|e| panic!("{e}"));
        }
        for checker in squall_judge::every(pack.checkers()) {
            assert!(checker.about.len() > 20, "{}", checker.name);
        }
    }
}

#[test]
fn every_planted_bug_has_a_canary_that_names_its_checker() {
    let etcd = squall_etcd::Etcd;
    for bug in etcd.bugs() {
        let path = root().join(format!("scenarios/canary/{}.yaml", bug.name));
        let source = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let scenario = support::parse(&path.display().to_string(), &source).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(scenario.bugs, [bug.name]);
        let squall_scenario::Expect::Violation { checker, .. } = scenario.expect else { panic!("{} expects no violation", bug.name) };
        assert!(squall_judge::every(etcd.checkers()).any(|c| c.name == checker), "{checker} is no checker");
    }
}

#[test]
fn every_scenario_of_the_repository_parses_and_plans_and_its_plan_prints_and_parses() {
    let mut todo = vec![root().join("scenarios")];
    let mut count = 0;
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                let scenario = support::parse(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
                let plan = squall_scenario::plan(&scenario.unwrap_or_else(|e| panic!("{e}")), 1).to_yaml_text();
                let back = support::parse("plan", &plan).unwrap_or_else(|e| panic!("{e}"));
                assert!(back.to_yaml_text() == plan && squall_scenario::Plan::try_from(back).is_ok());
                count += 1;
            }
        }
    }
    assert!(count >= 6, "only {count} scenarios found");
}
