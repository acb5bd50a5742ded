//! Planning: every author-visible choice, drawn from ChaCha streams forked by stable label.
//!
//! A label is the fault's id, else its kind and its own text (an ordinal only between identical ones),
//! so that deleting one fault never renames another. Planning a plan changes nothing.

use crate::model::{PlannedFault, Scenario, ScheduledFault, When};
use crate::values::Span;
use squall_history::{SeededStream, stream};
use std::{collections::BTreeMap, time::Duration};

/// No plan has more faults; a scenario that asks for more is cut off there.
const FAULTS_MAX: usize = 10_000;

/// The plan of a scenario under a seed.
pub fn plan(scenario: &Scenario, seed: u64) -> Scenario {
    let mut plan = scenario.clone();
    // A plan keeps its provenance; a scenario gets it here.
    if scenario.world_seed.is_none() {
        plan.seed = Some(seed.to_string());
    }
    plan.world_seed.get_or_insert_with(|| stream(seed, "world").bits() >> 1);
    if let [_, _, ..] = plan.cluster.nodes[..] {
        plan.cluster.nodes = vec![*stream(seed, "cluster nodes").pick(&scenario.cluster.nodes)];
    }
    let nodes = plan.cluster.size();
    plan.workloads =
        scenario.workloads.iter().enumerate().map(|(i, w)| w.fix(&mut stream(seed, &format!("workload {} {}", w.kind(), i + 1)))).collect();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    plan.faults = Vec::new();
    for fault in &scenario.faults {
        let text = fault.id.clone().unwrap_or_else(|| {
            let when = match fault.when {
                When::At(span) => format!("at {}", span.to_text()),
                When::Every(span) => format!("every {}", span.to_text()),
            };
            let arguments = serde_yaml::to_string(&fault.fault.to_yaml()).expect("plain values have a YAML form");
            format!("{} {when} {arguments}", fault.fault.kind())
        });
        let twin = seen.entry(text.clone()).or_default();
        *twin += 1;
        let label = if *twin == 1 { text } else { format!("{text} twin {twin}") };
        schedule(&mut plan.faults, fault, &label, seed, nodes, scenario.duration);
    }
    plan.faults.sort_by_key(at);
    name_them(&mut plan.faults);
    plan
}

fn at(fault: &ScheduledFault) -> Duration {
    match fault.when {
        When::At(span) | When::Every(span) => span.min,
    }
}

/// One scheduled fault becomes its occurrences. Each draws from a stream of its own.
fn schedule(into: &mut Vec<ScheduledFault>, fault: &ScheduledFault, label: &str, seed: u64, nodes: u32, duration: Duration) {
    match fault.when {
        When::At(span) => {
            let mut draws = stream(seed, &format!("fault {label}"));
            let at = Span::fixed(span.draw(&mut draws));
            into.push(ScheduledFault { id: fault.id.clone(), when: When::At(at), fault: fault.fault.fix(&mut draws, nodes) });
        }
        When::Every(span) => {
            let mut times = stream(seed, &format!("times of {label}"));
            let mut at = span.draw(&mut times);
            for ordinal in 1.. {
                if at >= duration || into.len() >= FAULTS_MAX {
                    break;
                }
                let fixed = fault.fault.fix(&mut stream(seed, &format!("fault {label} #{ordinal}")), nodes);
                // A start that would overlap its own fault waits for its end.
                let next = at + span.draw(&mut times).max(fixed.lasts() + Duration::from_millis(1));
                let id = fault.id.as_ref().map(|id| format!("{id}-{ordinal}"));
                into.push(ScheduledFault { id, when: When::At(Span::fixed(at)), fault: fixed });
                at = next;
            }
        }
    }
}

/// Gives each fault without an id one: its kind and an ordinal.
fn name_them(faults: &mut [ScheduledFault]) {
    let taken: std::collections::BTreeSet<String> = faults.iter().filter_map(|f| f.id.clone()).collect();
    let mut counts: BTreeMap<&'static str, u32> = BTreeMap::new();
    // Two ids that were made from others' may be the same: `a-1` of `a`, and one that was written so.
    let mut used = std::collections::BTreeSet::new();
    for id in faults.iter_mut().filter_map(|f| f.id.as_mut()) {
        while !used.insert(id.clone()) {
            id.push_str("-again");
        }
    }
    for fault in faults.iter_mut().filter(|f| f.id.is_none()) {
        let count = counts.entry(fault.fault.kind()).or_default();
        loop {
            *count += 1;
            let id = format!("{}-{count}", fault.fault.kind());
            if !taken.contains(&id) {
                fault.id = Some(id);
                break;
            }
        }
    }
}

impl Scenario {
    /// Whether nothing is left to chance.
    pub fn is_plan(&self) -> bool {
        self.world_seed.is_some()
            && self.cluster.nodes.len() == 1
            && self.faults.iter().all(|f| f.id.is_some() && matches!(f.when, When::At(span) if span.is_fixed()))
            && self.faults.iter().all(|f| self.draws_nothing(&f.fault.to_yaml(), |d| f.fault.fix(d, self.cluster.size()).to_yaml()))
            && self.workloads.iter().all(|w| self.draws_nothing(&w.to_yaml(), |d| w.fix(d).to_yaml()))
    }

    /// Whether drawing what is random changes nothing, whatever is drawn.
    fn draws_nothing(&self, as_written: &serde_yaml::Value, draw: impl Fn(&mut SeededStream) -> serde_yaml::Value) -> bool {
        (0..4).all(|seed| draw(&mut stream(seed, "is anything drawn")) == *as_written)
    }

    /// The faults of a plan, in order of time.
    ///
    /// # Panics
    /// When this is no plan.
    pub fn planned_faults(&self) -> Vec<PlannedFault> {
        let planned = self.faults.iter().map(|f| match (&f.id, f.when) {
            (Some(id), When::At(span)) if span.is_fixed() => PlannedFault { id: id.clone(), at: span.min, fault: f.fault.clone() },
            _ => panic!("this scenario is not planned yet"),
        });
        planned.collect()
    }

    /// How many clients all workloads have together.
    pub fn clients(&self) -> u32 {
        self.workloads.iter().map(|w| w.clients()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    const SCENARIO: &str = "
format: 1
name: mix
cluster: { nodes: [3, 5] }
workloads: [ register: { clients: 2 } ]
duration: 20s
faults:
  - every: 2s..4s
    partition: { isolate: one, for: 1s..2s }
  - id: crash
    every: 3s..5s
    kill: { target: minority, restart_after: 1s }
  - at: 7s..9s
    pause: { target: leader, for: 1s }
";

    fn printed(scenario: &Scenario) -> String {
        scenario.to_yaml_text()
    }

    #[test]
    fn a_plan_is_a_scenario_that_planning_does_not_change() {
        let scenario = parse("mix", SCENARIO).unwrap();
        assert!(!scenario.is_plan());
        for seed in 0..20 {
            let planned = plan(&scenario, seed);
            assert!(planned.is_plan());
            let text = printed(&planned);
            let back = parse("plan", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(printed(&back), text);
            assert_eq!(printed(&plan(&back, 999)), text, "planning a plan is the identity");
        }
        assert_ne!(printed(&plan(&scenario, 1)), printed(&plan(&scenario, 2)));
    }

    #[test]
    fn taking_one_fault_away_leaves_the_others_as_they_were() {
        let whole = plan(&parse("mix", SCENARIO).unwrap(), 5);
        let mut less = parse("mix", SCENARIO).unwrap();
        less.faults.remove(0);
        let less = plan(&less, 5);
        let others = |p: &Scenario| -> Vec<String> {
            let kept = p.planned_faults().into_iter().filter(|f| f.fault.kind() != "partition");
            kept.map(|f| format!("{} {:?} {:?}", f.id, f.at, f.fault)).collect()
        };
        assert_eq!(others(&whole), others(&less));
        assert_eq!(less.world_seed, whole.world_seed);
    }

    #[test]
    fn what_leaves_something_to_chance_is_no_plan() {
        let text = printed(&plan(&parse("mix", SCENARIO).unwrap(), 5));
        assert!(parse("plan", &text).unwrap().is_plan());
        for (from, to) in [("isolate: n", "isolate: one #"), ("  for: ", "  for: 1s..2s #"), ("    seed: ", "    #"), ("world_seed: ", "#")]
        {
            let edited = text.replacen(from, to, 1);
            assert_ne!(edited, text, "{from} is not there:\n{text}");
            assert!(!parse("edited", &edited).unwrap_or_else(|e| panic!("{e}")).is_plan(), "{to}");
        }
    }

    #[test]
    fn a_fault_never_overlaps_itself() {
        let scenario = parse("x", &SCENARIO.replace("every: 2s..4s", "every: 100ms")).unwrap();
        let faults = plan(&scenario, 3).planned_faults();
        let partitions: Vec<_> = faults.iter().filter(|f| f.fault.kind() == "partition").collect();
        assert!(partitions.len() > 5);
        assert!(partitions.windows(2).all(|w| w[0].at + w[0].fault.lasts() < w[1].at));
    }
}
