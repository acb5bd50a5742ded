//! The guide, as its reader would follow it: commands run as they stand, and code is the code that `init` writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn harness(dir: &Path, args: &[&str]) -> String {
    let me = std::env::current_exe().expect("a test has a path");
    let ledger = me.parent().and_then(Path::parent).expect("target/PROFILE/deps").join("examples/ledger");
    let output = Command::new(ledger).args(args).current_dir(dir).output().expect("it starts");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The fenced blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let guide = fs::read_to_string(here().join("GUIDE.md")).expect("the guide");
    let parts = guide.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n').map(str::to_string)).collect()
}

/// Whether a line is as expected: `...` stands for anything.
fn fits(expected: &str, line: &str) -> bool {
    let parts: Vec<&str> = expected.trim_end().split("...").collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let mut left = line.trim_end();
    for part in &parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    line.starts_with(first) && line.trim_end().ends_with(last)
}

/// Whether it was shown, in this order; a line of `...` stands for any lines.
fn is_shown(expected: &[&str], shown: &str) -> bool {
    let mut left = shown.lines();
    expected.iter().filter(|pattern| pattern.trim() != "...").all(|pattern| left.any(|line| fits(pattern, line)))
}

#[test]
fn what_was_not_shown_is_not_taken_for_it() {
    assert!(is_shown(&["VALID  faults ...", "...", "...none of 20 failed..."], "VALID  faults (x)\na\n22 runs; none of 20 failed: b"));
    assert!(!is_shown(&["VALID  faults ..."], "INVALID  faults (x)"));
    assert!(!is_shown(&["b", "a"], "a\nb"));
    assert!(!is_shown(&["1 of 1 caught"], "1 of 1 caught, and more"));
}

#[test]
fn its_commands_show_what_it_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = harness(dir.path(), &["init", "mine"]);
    assert!(said.contains("cd mine"), "{said}");
    let mine = dir.path().join("mine");
    assert!(fs::read_to_string(mine.join("Cargo.toml")).expect("it was written").contains("/sim/harness\""));
    let again = harness(dir.path(), &["init", "mine"]);
    assert!(again.contains("not empty"), "{again}");
    let nowhere = harness(dir.path(), &["init", "other", "--squall", "mine"]);
    assert!(nowhere.contains("no checkout of squall"), "{nowhere}");
    let mut count = 0;
    for block in blocks("console") {
        let lines: Vec<&str> = block.lines().collect();
        let starts: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].starts_with("$ ")).collect();
        for (i, start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(lines.len());
            let args: Vec<&str> = lines[*start].split_whitespace().skip(2).collect();
            let shown = harness(&mine, &args);
            assert!(is_shown(&lines[start + 1..end], &shown), "{}\n{shown}", lines[*start]);
            count += 1;
        }
    }
    assert_eq!(count, 7);
}

#[test]
fn its_code_is_that_of_the_template() {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let template = ["template/harness/src/main.rs", "template/service/src/lib.rs"]
        .map(|file| flat(&fs::read_to_string(here().join(file)).expect("the template")));
    for block in blocks("rust") {
        assert!(template.iter().any(|text| text.contains(&flat(&block))), "{block}");
    }
    assert_eq!(blocks("rust").len(), 6);
}

#[test]
fn its_scenario_reads_as_it_stands() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = blocks("yaml").remove(0);
    let text = format!("format: 1\nname: written\ncluster: {{ nodes: 3 }}\nduration: 4s\nworkloads:\n  {script}");
    fs::write(dir.path().join("written.yaml"), text).expect("it can be written");
    let shown = harness(dir.path(), &["run", "written.yaml"]);
    assert!(shown.starts_with("VALID"), "{shown}");
}
