//! What the product once said badly, each case with what it says now; and forms that no text for people may have.

mod support;

use std::{fs, path::Path};
use support::{scenario, squall, text};

/// A form that only programmers read, if the text has one.
fn not_for_people(shown: &str) -> Option<&str> {
    let forms = ["Some(", "None)", "..=", "Ok(", "Err(", " { ..", "Error {", "SimTime(", "NodeId(", "another value"];
    let line = |line: &&str| {
        // What a library says as it panics is told as it says it.
        if line.contains(" panicked: ") {
            return false;
        }
        let minus_zero = line.split_whitespace().any(|word| matches!(word.trim_end_matches(['s', ',']), "-0.0" | "-0" | "-0.00"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let twice = words.windows(3).any(|w| w[1] == "and" && w[0] == w[2] && w[0].starts_with('n') && w[0][1..].parse::<u32>().is_ok());
        minus_zero || twice || forms.iter().any(|form| line.contains(form))
    };
    shown.lines().find(line)
}

fn lint(dir: &Path, yaml: &str) -> String {
    fs::write(dir.join("x.yaml"), yaml).unwrap();
    let out = squall(dir, &["lint", "x.yaml"]);
    assert_eq!(out.status.code(), Some(65));
    text(&out.stderr)
}

const HEAD: &str = "format: 1\nname: x\ncluster: { nodes: 3 }\nworkloads:\n  - kv: { clients: 2 }\nduration: 2m\n";

#[test]
fn authors_are_told_what_to_write_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str]); 8] = [
        // Durations as people write them.
        ("faults:\n  - { at: 1m30s, kill: { target: leedr } }\n", &["error: `leedr` is not a target", "did you mean `leader`?"]),
        ("faults:\n  - { at: 5s..2s, kill: { target: one } }\n", &["a random moment is `between: 5s..2s`"]),
        ("faults:\n  - { every: 5s..2s, kill: { target: one } }\n", &["`5s..2s` goes back", "write `2s..5s`"]),
        // The mark is below the word that is wrong.
        ("faults:\n  - at: 1s\n    every: 2s\n    kill: { target: one }\n", &["9 |     every: 2s\n   |     ^^^^^"]),
        // A mistake does not hide another one.
        (
            "faults:\n  - { at: 1s, partition: { isolate: leader, forr: 5s }, name: x }\nsedd: 1\n",
            &["a partition has no key `forr`", "did you mean `for`?", "a fault has no key `name`", "a scenario has no key `sedd`"],
        ),
        // A kind of a group, without its group; a word of other tools.
        (
            "faults:\n  - at: 1s\n    isolate: leader\n",
            &["write `partition: { isolate: ... }`", "9 |     isolate: leader\n   |     ^^^^^^^"],
        ),
        ("faults:\n  - at: 1s\n    crash: { target: one }\n", &["here that is `kill`"]),
        // What only plans have is not offered.
        ("nemesis: []\n", &["here that is `faults`"]),
    ];
    for (tail, expect) in cases {
        let shown = lint(dir.path(), &format!("{HEAD}{tail}"));
        for expect in expect {
            assert!(shown.contains(expect), "{tail}: missing {expect:?} in:\n{shown}");
        }
        assert_eq!(not_for_people(&shown), None, "{shown}");
    }
    let shown = lint(dir.path(), &format!("{HEAD}zebra: 1\n"));
    assert!(shown.contains("it is one of `format`") && !shown.contains("world_seed") && !shown.contains("dropped"), "{shown}");
    let shown = lint(dir.path(), &format!("{HEAD}faults:\n  - at: 1m30s\n    kill: {{ target: zebra }}\n"));
    assert!(!shown.contains("1m30s` is not"), "{shown}");
}

#[test]
fn files_of_others_are_told_of_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let check = |file: &str, args: &[&str]| {
        fs::write(dir.path().join("h.edn"), file).unwrap();
        let out = squall(dir.path(), &[&["check", "h.edn"], args].concat());
        text(&out.stdout) + &text(&out.stderr)
    };
    // Broken EDN: the line, and what is wrong.
    let shown =
        check("{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value [1 2}\n", &["--model", "set"]);
    assert!(shown.contains("line 2"), "{shown}");
    assert_eq!(not_for_people(&shown), None, "{shown}");
    // Nothing to put in order.
    let shown = check("{:process 0, :type :invoke, :f :write, :value 1}\n", &["--model", "register", "--witness"]);
    assert!(shown.contains("No call needs to have happened") && !shown.contains("in this order"), "{shown}");
    // An answer that the model does not know.
    let file = "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value [1]}\n";
    let shown = check(file, &["--model", "counter"]);
    assert!(shown.contains("answered with `[1]`; this model takes a number"), "{shown}");
    assert_eq!(not_for_people(&shown), None, "{shown}");
    // What is missing in a store: not "another value", where there was none.
    let store = "\
{\"squall_history\":5}
{\"t\":1000,\"what\":{\"invoke\":{\"client\":1,\"op\":1,\"ask\":{\"put\":{\"key\":\"kv/5\",\"value\":\"a\"}}}}}
{\"t\":2000,\"what\":{\"invoke\":{\"client\":2,\"op\":2,\"ask\":{\"put\":{\"key\":\"kv/6\",\"value\":\"b\"}}}}}
{\"t\":3000,\"what\":{\"ok\":{\"client\":2,\"op\":2,\"output\":\"done\",\"revision\":3}}}
{\"t\":4000,\"what\":{\"invoke\":{\"client\":2,\"op\":3,\"ask\":{\"range\":{\"prefix\":\"kv/\"}}}}}
{\"t\":5000,\"what\":{\"ok\":{\"client\":2,\"op\":3,\"output\":{\"ranged\":{\"kvs\":[{\"key\":\"kv/6\",\"value\":\"b\"}]}},\"revision\":3}}}
";
    fs::write(dir.path().join("h.jsonl"), store).unwrap();
    let out = squall(dir.path(), &["check", "h.jsonl", "--model", "kv"]);
    let shown = text(&out.stdout) + &text(&out.stderr);
    assert!(shown.contains("INVALID"), "{shown}");
    assert_eq!(not_for_people(&shown), None, "{shown}");
}

/// Reports of violations of several checkers have no such forms, and a picture each.
#[test]
fn reports_are_for_people() {
    for canary in ["forget-vote", "truncate-one-too-many", "txn-revision-per-op", "watch-splits-revision", "lease-revives"] {
        let dir = tempfile::tempdir().unwrap();
        let name = scenario(&format!("canary/{canary}.yaml"));
        let run = |seed: u32| text(&squall(dir.path(), &["run", &name, "--seed", &seed.to_string()]).stdout);
        let report = (0..40).map(run).find(|shown| shown.contains("INVALID")).unwrap_or_else(|| panic!("{canary}: no violation"));
        assert_eq!(not_for_people(&report), None, "{canary}:\n{report}");
        assert!(report.contains('█') || report.contains("L leads") || report.contains('├'), "{canary}: no picture in\n{report}");
    }
}
