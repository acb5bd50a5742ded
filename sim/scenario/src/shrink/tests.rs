//! Shrinking, with oracles that know what matters.

use super::*;
use crate::{
    plan,
    testing::{Note, parse},
};
use squall_history::{NodeId, Op, OpId};

const SCENARIO: &str = "
format: 1
name: big
cluster: { nodes: 5, network: { latency: 3ms..30ms } }
workloads: [ notes: { clients: 5, keys: 4 } ]
duration: 20s
faults:
  - every: 1s..2s
    kill: { target: one, power_loss: true, restart_after: 100ms..900ms }
  - every: 2s..3s
    partition: { isolate: leader, direction: from, for: 1s..2s }
";

struct Knows<F> {
    fails: F,
    asked: usize,
    most: usize,
}

impl<F: Fn(&Plan) -> bool> Oracle for Knows<F> {
    fn first(&mut self, candidates: &[Plan]) -> Option<usize> {
        if self.is_spent() {
            return None;
        }
        self.asked += candidates.len();
        candidates.iter().position(&self.fails)
    }
    fn width(&self) -> usize {
        2
    }
    fn is_spent(&self) -> bool {
        self.asked >= self.most
    }
    fn scores(&mut self, candidates: &[Plan], _beat: usize) -> Vec<usize> {
        self.asked += candidates.len();
        candidates.iter().map(|c| if (self.fails)(c) { self.trials() } else { 0 }).collect()
    }
    fn trials(&self) -> usize {
        4
    }
    fn demand(&mut self, _score: usize) {}
}

fn history() -> Vec<Entry> {
    let op = |i: u64| EntryKind::Invoke {
        client: ClientId(i as u32 % 5 + 1),
        op: OpId(i),
        ask: Op::new(if i.is_multiple_of(3) { Note::Get("k".into()) } else { Note::Put(format!("c-{i}~long")) }),
    };
    (0..400).map(|i| Entry { t: SimTime(i * 37_123_456 + 100_000_000), what: op(i) }).collect()
}

fn shrunk(fails: impl Fn(&Plan) -> bool, most: usize) -> (Plan, usize) {
    let plan = plan(&parse("big", SCENARIO).unwrap(), 3);
    assert!(fails(&plan), "the plan itself fails");
    let mut oracle = Knows { fails, asked: 0, most };
    let small = shrink(&plan, &history(), SimTime(9_000_000_000), &mut oracle);
    let text = small.to_yaml_text();
    let back = parse("small", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert!(back.to_yaml_text() == text && Plan::try_from(back).is_ok());
    (small, oracle.asked)
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.faults.iter().map(|f| f.fault.kind()).collect()
}

#[test]
fn one_fault_and_two_operations_are_found_among_hundreds() {
    let needs = |plan: &Plan| {
        let script = script_of(plan);
        let enough = script.is_none_or(|s| {
            let puts = s.ops.all.iter().filter(|line| line.op.may_write()).count();
            puts >= 1 && s.ops.all.iter().any(|line| !line.op.may_write())
        });
        enough && kinds(plan).contains(&"partition")
    };
    let (small, asked) = shrunk(needs, 10_000);
    let weight = Weight::of(&small);
    assert_eq!((weight.faults, weight.ops, weight.clients), (1, Some(2), 1), "{}", small.to_yaml_text());
    assert!(asked < 200, "{asked} candidates");
    let text = small.to_yaml_text();
    assert!(text.contains("put: v1"), "{text}");
    assert!(!text.contains("power_loss") && !text.contains("direction"), "{text}");
    assert!(text.contains("cluster: { nodes: 1 }"), "defaults: {text}");
    assert!(small.duration < Duration::from_secs(10), "{text}");
}

#[test]
fn a_fault_that_names_a_node_lives_in_a_smaller_cluster() {
    let needs = |plan: &Plan| kinds(plan).iter().filter(|k| **k == "kill").count() >= 2 && plan.nodes() >= 3;
    let (small, _) = shrunk(needs, 10_000);
    assert_eq!(kinds(&small), ["kill", "kill"]);
    assert_eq!(small.nodes(), 3);
    let names = |f: &crate::ScheduledFault| faults::named(&*f.fault);
    assert!(small.faults.iter().flat_map(names).all(|p| p <= crate::Party::Node(NodeId(3))), "{}", small.to_yaml_text());
}

#[test]
fn a_spent_oracle_ends_it_with_the_best_so_far() {
    let needs = |plan: &Plan| !plan.faults.is_empty();
    let (small, asked) = shrunk(needs, 12);
    assert!(asked <= 14, "{asked}");
    assert!(!small.faults.is_empty());
}

#[test]
fn what_is_generated_and_cannot_be_written_down_stays_generated() {
    let needs = |plan: &Plan| script_of(plan).is_none() && !plan.faults.is_empty();
    let (small, _) = shrunk(needs, 10_000);
    assert_eq!((Weight::of(&small).ops, Weight::of(&small).faults), (None, 1));
}

/// An oracle that tells under how many of eight world seeds a plan fails.
struct Luck<F>(F);

impl<F: Fn(&Plan) -> usize> Oracle for Luck<F> {
    fn first(&mut self, candidates: &[Plan]) -> Option<usize> {
        candidates.iter().position(|c| (self.0)(c) > 0)
    }
    fn width(&self) -> usize {
        1
    }
    fn is_spent(&self) -> bool {
        false
    }
    fn scores(&mut self, candidates: &[Plan], _beat: usize) -> Vec<usize> {
        candidates.iter().map(&self.0).collect()
    }
    fn trials(&self) -> usize {
        8
    }
    fn demand(&mut self, _score: usize) {}
}

fn kills(plan: &Plan) -> usize {
    kinds(plan).iter().filter(|k| **k == "kill").count()
}

#[test]
fn whom_a_fault_hits_is_said_by_role_if_that_is_steadier() {
    // A kill matters; that of the leader does always.
    let score = |plan: &Plan| match kills(plan) {
        0 => 0,
        _ if plan.to_yaml_text().contains("target: leader") => 8,
        _ => 2,
    };
    let plan = plan(&parse("big", SCENARIO).unwrap(), 3);
    let small = shrink(&plan, &history(), SimTime(9_000_000_000), &mut Luck(score));
    let text = small.to_yaml_text();
    assert_eq!(kinds(&small), ["kill"]);
    assert!(text.contains("target: leader"), "{text}");
    assert!(!text.contains("sometimes") && !text.contains("about"), "{text}");
}

#[test]
fn a_fault_comes_twice_if_that_is_steadier() {
    // Each kill fails under a third of the world seeds.
    let plan = plan(&parse("big", SCENARIO).unwrap(), 3);
    let small = shrink(&plan, &history(), SimTime(9_000_000_000), &mut Luck(|plan: &Plan| (3 * kills(plan)).min(7)));
    assert!(kills(&small) >= 2, "{}", small.to_yaml_text());
    let back = parse("small", &small.to_yaml_text()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(back.to_yaml_text(), small.to_yaml_text());
}
