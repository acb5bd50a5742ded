//! Mistakes are shown where they are, all at once, with what would be accepted.

use squall_scenario::parse;

const GOOD: &str = "\
format: 1
name: good
cluster: { nodes: 3 }
workloads:
  - register: { clients: 2 }
duration: 10s
faults:
  - at: 3s
    partition: { isolate: leader, for: 1s }
";

#[test]
fn a_whole_file_of_mistakes_is_shown_at_once() {
    let source = "\
format: 1
name: bad
cluster: { nodes: 3, pre_vot: true }
workloads:
  - register: { clients: 0, think: 1s, rate: 5/s }
duration: 10
faults:
  - at: 3s
    partiton: { isolate: leader, for: 1s }
  - every: 0s
    kill: { target: n9 }
  - at: 1s
    every: 2s
    pause: { target: leder, for: 5s..2s }
";
    let shown = parse("bad.yaml", source).unwrap_err().to_string();
    for expect in [
        "error: `cluster` has no key `pre_vot`\n  --> bad.yaml:3:22\n   |\n 3 | cluster: { nodes: 3, pre_vot: true }\n   |                      ^^^^^^^\n   help: did you mean `pre_vote`?",
        "error: `0` is not a whole number from 1 to 200\n  --> bad.yaml:5:26",
        "error: `rate` cannot stand beside `think`",
        "error: `10` is not a duration such as 250ms or 5s\n  --> bad.yaml:6:11",
        "error: a fault needs one of the keys `partition`, `kill`, `restart`, `pause`\n  --> bad.yaml:9:5",
        "help: did you mean `partition`?",
        "error: `every` needs a time above zero",
        "error: this fault names n9, but the cluster may have only 3 nodes",
        "error: `every` cannot stand beside `at` in a fault: give one of them",
        "help: did you mean `leader`?",
        "error: `5s..2s` is not a duration such as 250ms, or a range such as 2s..6s",
    ] {
        assert!(shown.contains(expect), "missing:\n{expect}\n\nin:\n{shown}");
    }
}

#[test]
fn each_mistake_is_found_where_it_is() {
    assert!(parse("good.yaml", GOOD).is_ok());
    for (from, to, place, expect) in [
        ("format: 1", "format: 2", "1:9", "format 2 is newer than 1"),
        ("format: 1\n", "", "1:1", "a scenario needs the key `format`"),
        ("name: good", "name: not good", "2:7", "is not a name of letters, digits and dashes"),
        ("name: good", "name: good\nname: again", "3:1", "the key `name` is given twice"),
        ("  - register: { clients: 2 }\n", "  []\n", "5:3", "without a workload there is nothing to check"),
        ("nodes: 3", "nodes: 12", "3:19", "`12` is not a number of nodes from 1 to 9"),
        ("nodes: 3", "election_timeout: 300ms", "3:30", "the election timeout must be a range that begins above the heartbeat"),
        ("isolate: leader, ", "", "9:18", "a partition needs one of the keys `isolate`, `shape`, `groups`"),
        ("isolate: leader", "isolate: [n1, n1]", "9:32", "n1 is named twice"),
        ("isolate: leader", "shape: thirds", "9:25", "`thirds` is not a shape of partitions"),
        ("isolate: leader", "groups: [[n1], [n2], [n3]], direction: to", "9:57", "a direction needs two sides"),
        ("isolate: leader", "isolate: { fixed: none }", "9:36", "is not a whole number"),
        (", for: 1s", "", "9:18", "a partition needs the key `for`"),
        ("at: 3s", "at: -3s", "8:9", "`-3s` is not a duration"),
        ("at: 3s", "at: &x 3s", "8:9", "anchors"),
        ("at: 3s", "at: !!str 3s", "8:9", "tags"),
        ("duration: 10s", "duration: [10s]", "6:11", "a list, where a duration such as 250ms or 5s is expected"),
        ("duration: 10s", "duration: 10s\nexpect: fine", "7:9", "`fine` is not what is expected"),
        ("duration: 10s", "duration: 10s\nsometimes: [leader-change]", "7:13", "`leader-change` is not an event"),
        ("duration: 10s", "duration: 10s\nliveness: { heal: most, within: 1s }", "7:19", "`most` is not what is healed"),
        ("duration: 10s", "duration: 10s\n---\nformat: 1", "7:1", "a second document"),
        ("faults:", "faults: [", "", "this is not YAML"),
    ] {
        let source = GOOD.replacen(from, to, 1);
        assert_ne!(source, GOOD, "{from:?} is not there");
        let shown = parse("x.yaml", &source).err().unwrap_or_else(|| panic!("{to:?} was accepted")).to_string();
        assert!(shown.contains(expect), "{to:?}: missing {expect:?} in:\n{shown}");
        assert!(shown.contains(&format!("x.yaml:{place}")), "{to:?}: not at {place}:\n{shown}");
    }
    assert!(parse("empty.yaml", "").unwrap_err().to_string().contains("the file is empty"));
    let deep = format!("format: {}1{}", "[".repeat(60), "]".repeat(60));
    assert!(parse("deep.yaml", &deep).unwrap_err().to_string().contains("too deep"));
}
