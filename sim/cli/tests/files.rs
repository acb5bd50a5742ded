//! The house, file by file: within a room, too, arrows between files make no circle.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Files that know each other in a circle, by room, and why. Nothing may be added here; what is untied must go.
const KNOTS: &[(&str, &[&str], &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The directories of sources, by room.
fn rooms() -> Vec<(String, PathBuf)> {
    let (mut found, mut todo) = (vec![], vec![root().join("sim"), root().join("cluster-under-test")]);
    while let Some(dir) = todo.pop() {
        let src = dir.join("src");
        if dir.join("Cargo.toml").exists() && src.is_dir() {
            found.push((dir.strip_prefix(root()).unwrap().display().to_string(), src));
        }
        let below = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        todo.extend(below.filter(|path| path.is_dir() && !path.ends_with("src")));
    }
    found
}

/// A file of a room: its module, and its text without comments and tests.
type Modules = BTreeMap<String, String>;

fn modules(src: &Path) -> Modules {
    let (mut found, mut todo) = (Modules::new(), vec![src.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|name| name != "tests.rs") {
                let mut parts: Vec<String> =
                    path.strip_prefix(src).unwrap().with_extension("").iter().map(|part| part.to_str().unwrap().to_string()).collect();
                if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] || parts == ["main"] {
                    parts.pop();
                }
                let text = fs::read_to_string(&path).unwrap();
                let product = support::product(&text);
                let code: Vec<&str> = product.lines().map(|line| line.split("//").next().unwrap()).collect();
                found.insert(parts.join("::"), code.join("\n"));
            }
        }
    }
    found
}

/// `{a, b::{c, d}}` as its paths.
fn leaves(tree: &str, before: &[String], into: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some(inner) = tree.strip_prefix('{') else {
        match tree.split_once("::") {
            Some((head, rest)) => leaves(rest, &[before, &[head.trim().to_string()]].concat(), into),
            None if tree.is_empty() => {}
            None => into.push([before, &[tree.split_whitespace().next().unwrap().to_string()]].concat()),
        }
        return;
    };
    let (mut depth, mut part) = (0, String::new());
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                leaves(&std::mem::take(&mut part), before, into);
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    leaves(&part, before, into);
}

/// What follows each `use`, up to its end; and whether it is told on.
fn uses(code: &str) -> impl Iterator<Item = (bool, &str)> {
    code.match_indices("use ").filter(|(at, _)| *at == 0 || code[..*at].ends_with(['\n', ' ', ')'])).filter_map(|(at, word)| {
        let line = code[..at].rsplit('\n').next().unwrap().trim();
        (line.is_empty() || line.starts_with("pub")).then(|| (line.starts_with("pub"), code[at + word.len()..].split(';').next().unwrap()))
    })
}

/// The paths from the root of the room that a file's `use` names, its own prefix resolved.
fn absolute(module: &str, path: &[String]) -> Option<Vec<String>> {
    let own: Vec<String> = module.split("::").filter(|part| !part.is_empty()).map(str::to_string).collect();
    match path[0].as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([&own[..], &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            Some([&own[..own.len().saturating_sub(ups)], &path[ups..]].concat())
        }
        _ => None,
    }
}

/// The file that has this, as far as the names of modules and what they tell on lead.
fn home(modules: &Modules, told_on: &BTreeMap<(String, String), String>, path: &[String]) -> String {
    let mut here = String::new();
    for part in path {
        let below = if here.is_empty() { part.clone() } else { format!("{here}::{part}") };
        if modules.contains_key(&below) {
            here = below;
        } else {
            return told_on.get(&(here.clone(), part.clone())).cloned().unwrap_or(here);
        }
    }
    here
}

fn arrows(modules: &Modules) -> BTreeMap<String, BTreeSet<String>> {
    let mut told_on = BTreeMap::new();
    for (module, code) in modules {
        for (_, tree) in uses(code).filter(|(on, _)| *on) {
            let mut paths = vec![];
            leaves(tree, &[], &mut paths);
            for mut path in paths {
                let name = path.pop().unwrap();
                let from = if path.is_empty() { None } else { absolute(module, &path) };
                let beside = || if module.is_empty() { path.clone() } else { [std::slice::from_ref(module), &path[..]].concat() };
                let from = from.unwrap_or_else(beside).join("::");
                if modules.contains_key(&from) {
                    told_on.insert((module.clone(), name), from);
                }
            }
        }
    }
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, code) in modules {
        let mut paths = vec![];
        uses(code).for_each(|(_, tree)| leaves(tree, &[], &mut paths));
        // Paths in the middle of the code.
        for (at, word) in code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(['$', '_'])) {
            let rest: String = code[at + word.len()..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
            // What ends so is followed by a brace: a `use`, which is read already.
            if !rest.ends_with("::") {
                paths.push(["crate".to_string()].into_iter().chain(rest.split("::").map(str::to_string)).collect());
            }
        }
        let to = paths.iter().filter_map(|path| absolute(module, path)).map(|path| home(modules, &told_on, &path));
        // What the root of a room has is everybody's.
        arrows.insert(module.clone(), to.filter(|to| to != module && !to.is_empty()).collect());
    }
    arrows
}

fn reachable<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
    while let Some(module) = todo.pop() {
        for to in &arrows[module] {
            if seen.insert(to.as_str()) {
                todo.push(to);
            }
        }
    }
    seen
}

/// The circles of a room: files each of which leads to all the others.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|module| (module.as_str(), reachable(arrows, module))).collect();
    let circle = |module: &&str| -> BTreeSet<String> {
        reach[module].iter().filter(|other| reach[**other].contains(module)).map(|other| other.to_string()).collect()
    };
    reach.keys().filter(|module| reach[**module].contains(**module)).map(circle).collect()
}

#[test]
fn arrows_between_files_make_no_circle() {
    let mut untied: BTreeSet<&str> = KNOTS.iter().map(|(room, ..)| *room).collect();
    for (room, src) in rooms() {
        for circle in circles(&arrows(&modules(&src))) {
            let is_known = KNOTS.iter().any(|(knotted, files, _)| *knotted == room && circle.iter().eq(files.iter()));
            assert!(is_known, "{room}: these files, and no others, know each other in a circle: {circle:?}");
            untied.remove(room.as_str());
        }
    }
    assert!(untied.is_empty(), "no circle any more, so no knot to name: {untied:?}");
}

#[test]
fn a_circle_is_seen() {
    let of = |files: &[(&str, &str)]| -> Modules { files.iter().map(|(name, code)| (name.to_string(), code.to_string())).collect() };
    let found = |files| circles(&arrows(&of(files))).into_iter().flatten().collect::<Vec<_>>();
    assert!(found(&[("a", "use crate::b::B;"), ("b", "use std::fmt;")]).is_empty());
    assert_eq!(found(&[("a", "use crate::b::B;"), ("b", "use crate::{c, a::A};"), ("c", "")]), ["a", "b"]);
    // Through what a module tells on, by `super`, and in the middle of the code.
    let on = [("", "mod m;"), ("m", "mod x;\npub use x::X;"), ("m::x", "fn f() { crate::y::g() }"), ("y", "use crate::m::X;")];
    assert_eq!(found(&on), ["m::x", "y"]);
    let groups = [
        ("m", "mod a;"),
        ("m::a", "use crate::n::{B};"),
        ("n::b", "use crate::m::a::A;"),
        ("n", "mod b;\npub use b::B;\nuse crate::m::a::A;"),
    ];
    assert_eq!(found(&groups), ["m::a", "n::b"]);
    assert_eq!(found(&[("m::a", "use super::b::B;"), ("m::b", "use super::a;"), ("m", "")]), ["m::a", "m::b"]);
}

/// The longest that a file may be, without its tests; longer ones are named.
const LINES_MAX: usize = 400;

/// Files that are longer. Nothing may be added here; what has become shorter must go.
const LONG: &[&str] = &[];

#[test]
fn files_are_short() {
    let mut long = BTreeMap::new();
    for (room, src) in rooms() {
        let lines = |(module, code): (String, String)| (format!("{room} {module}"), code.lines().count());
        long.extend(modules(&src).into_iter().map(lines).filter(|(_, lines)| *lines > LINES_MAX));
    }
    let new: Vec<_> = long.iter().filter(|(name, _)| !LONG.contains(&name.as_str())).collect();
    assert!(new.is_empty(), "longer than {LINES_MAX} lines: {new:?}");
    let short: Vec<_> = LONG.iter().filter(|name| !long.contains_key(**name)).collect();
    assert!(short.is_empty(), "not longer than {LINES_MAX} lines any more: {short:?}");
}
