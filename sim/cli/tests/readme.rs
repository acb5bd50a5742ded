//! The README's console blocks, run as they stand. `...` stands for any lines; within a line, for anything.

mod support;

use std::{fs, os::unix::fs::symlink, path::Path};
use support::{scenarios, squall, text};

/// A command of a console block, and what it is said to print.
struct Step {
    line: usize,
    command: String,
    expect: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let (mut steps, mut inside) = (Vec::<Step>::new(), false);
    for (i, line) in page.lines().enumerate() {
        match line {
            "```console" => inside = true,
            line if line.starts_with("```") => inside = false,
            line if inside => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { line: i + 1, command: command.to_string(), expect: vec![] }),
                None => steps.last_mut().expect("output follows a command").expect.push(line.trim_end().to_string()),
            },
            _ => {}
        }
    }
    steps
}

/// Whether the lines are these, where `...` is any number of lines.
fn fits(lines: &[&str], expect: &[String]) -> bool {
    match expect.split_first() {
        None => lines.is_empty(),
        Some((dots, rest)) if dots == "..." => (0..=lines.len()).any(|skip| fits(&lines[skip..], rest)),
        Some((line, rest)) => lines.first().is_some_and(|l| fits_line(l.trim_end(), line)) && fits(&lines[1..], rest),
    }
}

fn fits_line(line: &str, expect: &str) -> bool {
    match expect.split_once("...") {
        None => line == expect,
        Some((head, rest)) => line
            .strip_prefix(head)
            .is_some_and(|tail| (0..=tail.len()).filter(|i| tail.is_char_boundary(*i)).any(|i| fits_line(&tail[i..], rest))),
    }
}

#[test]
fn the_readmes_console_blocks_do_what_they_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dir = tempfile::tempdir().unwrap();
    // A checkout of one's own: `new` and `keep` write into scenarios.
    fs::create_dir_all(dir.path().join("scenarios")).unwrap();
    fs::create_dir_all(dir.path().join("reports/nightly")).unwrap();
    for room in ["tutorial", "smoke", "canary", "nightly"] {
        symlink(scenarios().join(room), dir.path().join("scenarios").join(room)).unwrap();
    }
    let mut ran = 0;
    for step in steps(&fs::read_to_string(root.join("README.md")).unwrap()) {
        let Some(args) = step.command.strip_prefix("cargo run --release -- ") else { continue };
        let out = squall(dir.path(), &args.split(' ').collect::<Vec<_>>());
        let shown = text(&out.stdout);
        let lines: Vec<&str> = shown.lines().collect();
        let expected = step.expect.is_empty() || fits(&lines, &step.expect);
        assert!(expected, "README.md:{}: $ {}\nprinted:\n{shown}\n{}", step.line, step.command, text(&out.stderr));
        // A violation that is shown on purpose is none of the command's mistakes.
        assert!(matches!(out.status.code(), Some(0 | 1)), "README.md:{}: {}\n{}", step.line, step.command, text(&out.stderr));
        ran += 1;
    }
    assert!(ran >= 10, "only {ran} commands were run");
}
