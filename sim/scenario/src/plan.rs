//! Planning: every author-visible choice, drawn from ChaCha streams forked by stable label.
//!
//! A label is the fault's id, else its kind and its arguments in their canonical encoding (an ordinal only between identical ones),
//! so that deleting one fault never renames another; each argument has a stream of its own. Planning a plan changes nothing.

use crate::{
    Service,
    effect::Size,
    faults::PlannedAction,
    language::{Draws, canonical},
    model::{FAULTS_MAX, Heal, Nodes, PlannedFault, Scenario, ScheduledFault, Start, Swarm, Vary, Wait, When},
    possible::idle,
    values::{Each, Number, Span},
    workloads::{self, PlannedLoad},
};
use squall_effect::{
    Party,
    budget::{Budget, Voters},
};
use squall_history::{SeededStream, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A scenario in which nothing is left to a seed: what can be run. It is read as the scenario that it is, and prints as one.
#[derive(Clone, Debug)]
pub struct Plan {
    written: Scenario,
    nodes: u32,
    world_seed: u64,
    workloads: Vec<Box<dyn PlannedLoad>>,
    faults: Vec<PlannedFault>,
}

impl std::ops::Deref for Plan {
    type Target = Scenario;

    fn deref(&self) -> &Scenario {
        &self.written
    }
}

impl Plan {
    /// How many nodes there are at first.
    pub fn nodes(&self) -> u32 {
        self.nodes
    }

    /// The key of the world's draws.
    pub fn world_seed(&self) -> u64 {
        self.world_seed
    }

    /// Its faults.
    pub fn planned_faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    /// What its clients ask.
    pub fn planned_workloads(&self) -> &[Box<dyn PlannedLoad>] {
        &self.workloads
    }

    /// The same plan in another world.
    pub fn with_world_seed(&self, world_seed: u64) -> Plan {
        Plan { written: Scenario { world_seed: Some(world_seed), ..self.written.clone() }, world_seed, ..self.clone() }
    }

    /// As it is written, to be changed.
    pub fn into_scenario(self) -> Scenario {
        self.written
    }
}

/// Why a scenario is no plan: what of it is left to a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftToChance(Vec<String>);

/// How many of them are named.
const NAMED_MAX: usize = 4;

impl std::fmt::Display for LeftToChance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let more = self.0.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        write!(f, "left to a seed: {}{more}", self.0[..self.0.len().min(NAMED_MAX)].join(", "))
    }
}

impl std::error::Error for LeftToChance {}

impl TryFrom<Scenario> for Plan {
    type Error = LeftToChance;

    fn try_from(written: Scenario) -> Result<Plan, LeftToChance> {
        let mut left = Vec::new();
        let nodes = if let [one] = written.cluster.nodes.0[..] { Some(one) } else { None };
        if nodes.is_none() {
            left.push("`cluster.nodes`".to_string());
        }
        if written.world_seed.is_none() {
            left.push("`world_seed`".to_string());
        }
        if written.swarm.is_some() {
            left.push("`swarm`".to_string());
        }
        let mut faults = Vec::new();
        for (i, fault) in written.faults.iter().enumerate() {
            match (&fault.id, fault.start(), fault.fault.planned()) {
                (Some(id), Some(start), Some(planned)) => {
                    faults.push(PlannedFault { id: id.clone(), bind: fault.bind.clone(), start, fault: planned });
                }
                (None, ..) => left.push(format!("the id of `faults[{i}]`")),
                (Some(id), None, _) => left.push(format!("when the fault `{id}` happens")),
                (Some(id), Some(_), None) => left.push(format!("what the fault `{id}` does")),
            }
        }
        let mut workloads = Vec::new();
        for workload in &written.workloads {
            match workload.planned() {
                Some(planned) => workloads.push(planned),
                None => left.push(format!("what the workload `{}` asks", workload.kind())),
            }
        }
        match (nodes, written.world_seed) {
            (Some(nodes), Some(world_seed)) if left.is_empty() => Ok(Plan { written, nodes, world_seed, workloads, faults }),
            _ => Err(LeftToChance(left)),
        }
    }
}

/// The plan of a scenario under a seed. A plan is its own plan, under any seed.
pub fn plan(scenario: &Scenario, seed: u64) -> Plan {
    if let Ok(plan) = Plan::try_from(Scenario { bites: None, bitten: None, ..scenario.clone() }) {
        return plan;
    }
    let mut plan = scenario.clone();
    (plan.bites, plan.bitten) = (None, None);
    plan.seed = Some(seed.to_string());
    let world_seed = plan.world_seed.unwrap_or_else(|| stream(seed, "world").bits() >> 1);
    plan.world_seed = Some(world_seed);
    let mut nodes = match scenario.cluster.nodes.0[..] {
        [one] => one,
        _ => *stream(seed, "cluster nodes").pick(&scenario.cluster.nodes.0),
    };
    if let Some(swarm) = &scenario.swarm {
        for vary in &swarm.vary.0 {
            vary.draw(&mut plan, &mut nodes, &mut stream(seed, &format!("swarm varies {}", vary.name())));
        }
    }
    plan.cluster.nodes = Nodes(vec![nodes]);
    let size = Size { nodes, clients: plan.clients() };
    let loads = plan.workloads.iter().enumerate();
    let workloads: Vec<Box<dyn PlannedLoad>> =
        loads.map(|(i, load)| load.plan(&Draws::new(seed, format!("workload {} {}", load.kind(), i + 1), size))).collect();
    plan.workloads = workloads.iter().map(|load| load.written()).collect();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut drawn = Vec::new();
    for fault in &scenario.faults {
        let text = fault
            .id
            .clone()
            .unwrap_or_else(|| format!("{} {} {}", fault.fault.kind(), fault.when.to_text(), canonical(&fault.fault.to_yaml())));
        let twin = seen.entry(text.clone()).or_default();
        *twin += 1;
        let label = if *twin == 1 { text } else { format!("{text} twin {twin}") };
        schedule(&mut drawn, fault, &label, seed, size, scenario.duration);
    }
    if let Some(swarm) = plan.swarm.take() {
        draw_swarm(&mut drawn, &swarm, &scenario.service, seed, size, scenario.duration);
    }
    // What waits for an event comes first.
    drawn.sort_by_key(|fault| if let Start::At(at) = fault.start { at } else { Duration::ZERO });
    let mut faults = named(drawn);
    spare_a_quorum(&mut plan, nodes, &mut faults);
    plan.faults = faults.iter().map(ScheduledFault::from).collect();
    Plan { written: plan, nodes, world_seed, workloads, faults }
}

/// A fault that was drawn, and has perhaps no name yet.
struct Drawn {
    id: Option<String>,
    bind: Option<String>,
    start: Start,
    fault: Box<dyn PlannedAction>,
}

/// Leaves out the faults that would destroy what is durable on more than a minority. Whom a fault hits that only
/// the run knows (`leader`), the run judges by the same rule.
fn spare_a_quorum(plan: &mut Scenario, nodes: u32, faults: &mut Vec<PlannedFault>) {
    if plan.allow_data_loss {
        return;
    }
    let founders: Voters = (1..=u64::from(nodes)).collect();
    let (mut damaged, mut dropped) = (Voters::new(), Vec::new());
    faults.retain(|fault| {
        if !fault.fault.destroys() {
            return true;
        }
        let mut with_these = damaged.clone();
        let spares =
            fault.fault.named().into_iter().filter_map(|party| if let Party::Node(id) = party { Some(id) } else { None }).all(|node| {
                let budget = Budget { configurations: [vec![founders.clone()]].into(), damaged: &with_these, leaving: &Voters::new() };
                let may = budget.may_destroy(node.0.into());
                with_these.insert(node.0.into());
                may
            });
        match spares {
            true => damaged = with_these,
            false => dropped.push(format!("{}: a minority's disks are damaged at the most", fault.id)),
        }
        spares
    });
    plan.dropped.extend(dropped);
}

impl Vary {
    fn draw(self, plan: &mut Scenario, nodes: &mut u32, draws: &mut SeededStream) {
        let cluster = &mut plan.cluster;
        match self {
            Vary::Size => *nodes = draws.in_range(u64::from((*nodes).min(7))..=7) as u32,
            Vary::Timeouts => {
                let gives = plan.service.gives;
                let (heartbeat, low) = *draws.pick(&[(50, 150), (100, 300), (100, 300), (250, 1_000)]);
                let snapshot_every = *draws.pick(&[40, 200, 500, 5_000]);
                let sync = *draws.pick(&[Span::fixed(Duration::from_micros(200)), Span::millis(1, 3), Span::millis(3, 25)]);
                if gives.tuning {
                    cluster.heartbeat = Duration::from_millis(heartbeat);
                    cluster.election_timeout = Each(Span::millis(low, 2 * low));
                    cluster.snapshot_every = Number(snapshot_every);
                }
                if gives.durable {
                    cluster.disk.sync = Each(sync);
                }
            }
            Vary::Latency => {
                let near = Span { min: Duration::from_micros(100), max: Duration::from_millis(1) };
                // A round trip must fit into an election timeout several times.
                let far = cluster.election_timeout.0.min / 10;
                cluster.network.latency = Each(*draws.pick(&[near, Span::millis(1, 10), Span { min: far / 3, max: far }]));
            }
            Vary::Keys | Vary::Clients => {
                let key = if self == Vary::Keys { "keys" } else { "clients" };
                let most = if self == Vary::Keys { 40 } else { 12 };
                plan.workloads = plan
                    .workloads
                    .iter()
                    .map(|workload| {
                        workloads::with_number(&**workload, key, |n| (*draws.pick(&[1, n.div_ceil(2), n, 2 * n])).clamp(1, most))
                    })
                    .collect();
            }
            Vary::Heal => plan.liveness.heal = *draws.pick(&[Heal::All, Heal::Quorum]),
        }
    }
}

impl When {
    fn to_text(self) -> String {
        match self {
            When::At(at) => format!("at {}", Span::fixed(at).to_text()),
            When::Between(span) => format!("between {}", span.to_text()),
            When::Every { gap, repeat, within } => {
                let within = within.map_or(String::new(), |w| format!(" within {}", w.to_text()));
                format!("every {} repeat {repeat:?}{within}", gap.to_text())
            }
            When::On(t) => format!("when {} {} {} {}", t.event.name(), t.count, t.after.to_text(), t.repeat),
        }
    }
}

/// A range may end with the faults; what is drawn from it must come before.
fn before_end(span: Span, drawn: Duration, end: Duration) -> Duration {
    if drawn < end { drawn } else { span.min.max(end.saturating_sub(Duration::from_micros(1))) }
}

/// One scheduled fault becomes its occurrences. Each draws from a stream of its own.
fn schedule(into: &mut Vec<Drawn>, fault: &ScheduledFault, label: &str, seed: u64, size: Size, duration: Duration) {
    let arguments = Draws::new(seed, format!("fault {label}"), size);
    let mut draws = arguments.at("at").stream();
    let mut once = |start| {
        into.push(Drawn { id: fault.id.clone(), bind: fault.bind.clone(), start, fault: fault.fault.plan(&arguments) });
    };
    match fault.when {
        When::At(at) => once(Start::At(at)),
        When::Between(span) => {
            let at = before_end(span, span.draw(&mut draws), duration);
            once(Start::At(at));
        }
        When::On(trigger) => {
            let after = trigger.after.draw(&mut draws);
            let after = before_end(trigger.after, after, duration);
            once(Start::On(Wait { event: trigger.event, count: trigger.count, after, repeat: trigger.repeat, within: trigger.within }));
        }
        When::Every { gap, repeat, within } => {
            let (from, until) = within.map_or((Duration::ZERO, duration), |w| (w.min, w.max.min(duration)));
            let times = stream(seed, &format!("times of {label}"));
            let make = |ordinal: u32| fault.fault.plan(&Draws::new(seed, format!("fault {label} #{ordinal}"), size));
            again_and_again(
                into,
                (fault.id.as_deref(), fault.bind.as_deref()),
                times,
                gap,
                repeat.unwrap_or(u32::MAX),
                (from, until),
                make,
            );
        }
    }
}

/// Occurrence after occurrence, until the end.
fn again_and_again(
    into: &mut Vec<Drawn>,
    (id, bind): (Option<&str>, Option<&str>),
    mut times: SeededStream,
    gap: Span,
    repeat: u32,
    (from, until): (Duration, Duration),
    make: impl Fn(u32) -> Box<dyn PlannedAction>,
) {
    let mut at = from + gap.draw(&mut times);
    for ordinal in 1..=repeat {
        if at >= until || into.len() >= FAULTS_MAX {
            break;
        }
        let fault = make(ordinal);
        // A start that would overlap its own fault waits for its end.
        let next = at + gap.draw(&mut times).max(fault.max_duration() + Duration::from_millis(1));
        into.push(Drawn { id: id.map(|id| format!("{id}-{ordinal}")), bind: bind.map(str::to_string), start: Start::At(at), fault });
        at = next;
    }
}

/// Swarm testing (Groce et al. 2012): each seed leaves most kinds out, so that those it keeps are not
/// masked by the others, and gives each that it keeps a rate of its own, from frantic to rare.
fn draw_swarm(into: &mut Vec<Drawn>, swarm: &Swarm, service: &Service, seed: u64, size: Size, duration: Duration) {
    let mut draws = stream(seed, "swarm");
    let mut kinds = swarm.candidates();
    kinds.retain(|kind| idle(kind.family, service).is_none());
    draws.shuffle(&mut kinds);
    let count = draws.in_range(u64::from(swarm.pick.0)..=u64::from(swarm.pick.1)) as usize;
    for kind in kinds.into_iter().take(count) {
        let mut times = stream(seed, &format!("swarm times of {}", kind.name));
        // Mean gaps of 0.3 s to 9.6 s: each doubling is as likely as the next.
        let mean = Duration::from_millis(300 << times.below(6));
        let gap = Span { min: mean / 3, max: mean * 5 / 3 };
        let make = |ordinal: u32| {
            let arguments = Draws::new(seed, format!("swarm {} #{ordinal}", kind.name), size);
            let mut draws = arguments.stream();
            // Not every use of a kind fits into every cluster.
            let drawn = (0..100).map(|_| (kind.draw)(&mut draws, service)).find(|fault| fault.least_nodes() <= size.nodes);
            drawn.unwrap_or_else(|| panic!("no use of {} fits into {} nodes", kind.name, size.nodes)).plan(&arguments)
        };
        again_and_again(into, (None, None), times, gap, u32::MAX, (Duration::ZERO, duration), make);
    }
}

/// Gives each fault without an id one: its kind and an ordinal.
fn named(drawn: Vec<Drawn>) -> Vec<PlannedFault> {
    let taken: BTreeSet<String> = drawn.iter().filter_map(|f| f.id.clone()).collect();
    let mut counts: BTreeMap<&'static str, u32> = BTreeMap::new();
    // Two ids that were made from others' may be the same: `a-1` of `a`, and one that was written so.
    let mut used = BTreeSet::new();
    let own: Vec<Option<String>> = drawn
        .iter()
        .map(|fault| {
            let mut id = fault.id.clone()?;
            while !used.insert(id.clone()) {
                id.push_str("-again");
            }
            Some(id)
        })
        .collect();
    let mut fresh = |kind: &'static str| {
        let count = counts.entry(kind).or_default();
        loop {
            *count += 1;
            let id = format!("{kind}-{count}");
            if !taken.contains(&id) {
                return id;
            }
        }
    };
    let name = |(Drawn { bind, start, fault, .. }, id): (Drawn, Option<String>)| {
        let id = id.unwrap_or_else(|| fresh(fault.kind()));
        PlannedFault { id, bind, start, fault }
    };
    drawn.into_iter().zip(own).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parse;

    const SCENARIO: &str = "
format: 1
name: mix
cluster: { nodes: [3, 5] }
workloads: [ notes: { clients: 2 } ]
duration: 20s
faults:
  - every: 2s..4s
    partition: { isolate: one, for: 1s..2s }
  - id: crash
    every: 3s..5s
    kill: { target: minority, restart_after: 1s }
  - between: 7s..9s
    as: slept
    pause: { target: leader, for: 1s }
  - at: 8s
    kill: { target: { as: slept } }
";

    fn read(text: &str) -> Result<Plan, LeftToChance> {
        Plan::try_from(parse("plan", text).unwrap_or_else(|e| panic!("{}", e.all[0].message)))
    }

    fn printed(scenario: &Scenario) -> String {
        scenario.to_yaml_text()
    }

    #[test]
    fn a_plan_is_a_scenario_that_planning_does_not_change() {
        let scenario = parse("mix", SCENARIO).unwrap();
        assert!(Plan::try_from(scenario.clone()).is_err());
        for seed in 0..20 {
            let planned = plan(&scenario, seed);
            let text = printed(&planned);
            let back = read(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            let faults = |plan: &Plan| format!("{:?}", plan.planned_faults());
            assert_eq!((back.nodes(), back.world_seed(), faults(&back)), (planned.nodes(), planned.world_seed(), faults(&planned)));
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
        let others = |p: &Plan| -> Vec<String> {
            let kept = p.planned_faults().iter().filter(|f| f.fault.kind() != "partition");
            kept.map(|f| format!("{} {:?} {:?}", f.id, f.start, f.fault)).collect()
        };
        assert_eq!(others(&whole), others(&less));
        assert_eq!(less.world_seed, whole.world_seed);
    }

    #[test]
    fn what_leaves_something_to_chance_is_no_plan() {
        let text = printed(&plan(&parse("mix", SCENARIO).unwrap(), 5));
        assert!(read(&text).is_ok());
        let seed = &text[text.find(", seed: ").unwrap()..];
        let seed = &seed[..seed.find(" }").unwrap()];
        let isolated = &text[text.find("isolate: n").unwrap()..][.."isolate: n1".len()];
        for (from, to, expect) in [
            (isolated, "isolate: one", "left to a seed: what the fault `partition-1` does"),
            (", for: ", ", for: 0s..", "left to a seed: what the fault `partition-1` does"),
            (seed, "", "left to a seed: what the workload `notes` asks"),
            ("world_seed: ", "#", "left to a seed: `world_seed`"),
            ("id: partition-1\n    at: ", "id: partition-1\n    between: 0s..", "left to a seed: when the fault `partition-1` happens"),
            ("id: partition-1\n    at", "at", "left to a seed: the id of `faults[0]`"),
        ] {
            let edited = text.replacen(from, to, 1);
            assert_ne!(edited, text, "{from} is not there:\n{text}");
            assert_eq!(read(&edited).unwrap_err().to_string(), expect);
        }
    }

    #[test]
    fn a_fault_never_overlaps_itself() {
        let scenario = parse("x", &SCENARIO.replace("every: 2s..4s", "every: 100ms")).unwrap();
        let planned = plan(&scenario, 3);
        let faults = planned.planned_faults();
        let partitions: Vec<_> = faults.iter().filter(|f| f.fault.kind() == "partition").collect();
        assert!(partitions.len() > 5);
        let at = |f: &PlannedFault| if let Start::At(at) = f.start { at } else { panic!("{f:?}") };
        assert!(partitions.windows(2).all(|w| at(w[0]) + w[0].fault.max_duration() < at(w[1])));
    }

    /// A fuzzer found this: the plan was longer than what is read.
    #[test]
    fn the_longest_plan_can_be_read_back() {
        let head = SCENARIO[..SCENARIO.find("duration:").unwrap()].replace("nodes: [3, 5]", "nodes: 9");
        let text = head + "duration: 999s\nfaults:\n  - every: 100ms\n    partition: { shape: majorities-ring, for: 99ms }\n";
        let planned = plan(&parse("x", &text).unwrap_or_else(|e| panic!("{e}")), 1);
        assert!(planned.faults.len() > 9_000);
        let text = planned.to_yaml_text();
        assert!(read(&text).is_ok());
        let too_many = SCENARIO.replace("every: 2s..4s", "every: 1ms");
        let refused = parse("x", &too_many).unwrap_err().to_string();
        assert!(refused.contains("up to 20000 of this fault; a plan has at most 10000"), "{refused}");
    }

    #[test]
    fn a_swarm_uses_every_kind_over_many_seeds_and_few_in_each() {
        let text = SCENARIO[..SCENARIO.find("faults:").unwrap()].to_string() + "swarm: { pick: 1..3 }\n";
        let scenario = parse("swarm", &text).unwrap();
        let mut all = BTreeSet::new();
        for seed in 0..200 {
            let planned = plan(&scenario, seed);
            let text = printed(&planned);
            let back = read(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert!(printed(&back) == text, "{text}");
            let kinds: BTreeSet<&str> = planned.faults.iter().map(|f| f.fault.kind()).collect();
            assert!(kinds.len() <= 3, "{kinds:?}");
            all.extend(kinds);
        }
        assert_eq!(all.len(), crate::faults::REGISTRY.len(), "{all:?}");
    }

    #[test]
    fn a_range_that_ends_with_the_faults_is_due_before_their_end() {
        for (due, expect) in
            [("between: 9999999us..10s", "at: 9999.999ms"), ("when: { event: leader-changed, after: 9999999us..10s }", "after: 9999.999ms")]
        {
            let head = &SCENARIO[..SCENARIO.find("faults:").unwrap()];
            let text = format!("{head}faults:\n  - {due}\n    kill: {{ target: one }}\n").replace("duration: 20s", "duration: 10s");
            for seed in 0..5 {
                let printed = printed(&plan(&parse("x", &text).unwrap_or_else(|e| panic!("{e}")), seed));
                assert!(printed.contains(expect) && read(&printed).is_ok(), "{printed}");
            }
        }
    }

    #[test]
    fn repeat_bounds_every_and_a_trigger_keeps_it() {
        let text = SCENARIO
            .replace("every: 2s..4s", "every: 1s\n    repeat: 2")
            .replace("between: 7s..9s\n", "when: { event: leader-changed, count: 2, after: 1s..2s }\n    repeat: 3\n");
        let planned = plan(&parse("x", &text).unwrap_or_else(|e| panic!("{e}")), 1);
        assert_eq!(planned.faults.iter().filter(|f| f.fault.kind() == "partition").count(), 2);
        let printed = printed(&planned);
        assert!(printed.contains("when: { event: leader-changed, count: 2, after: 1"), "{printed}");
        assert!(printed.contains("repeat: 3"), "{printed}");
        assert!(read(&printed).is_ok());
    }
}
