//! The run of a plan: boot, load, faults, heal, liveness, final reads.
//!
//! ```text
//!   0 ───────── faults and load ───────── duration │ heal │ served again? │ final reads │ replicas settle │ end
//! ```

use crate::{
    disk::{DiskProfile, SimDisk},
    driver::{self, Load},
    machine::{HostId, Machine, MachineConfig},
    net::{LinkProfile, Ratio, SimNet},
    system::{NodeContext, Probe, Reporter, System},
};
use squall_env::Bug;
use squall_history::{ClientId, EffectPhase, History, NodeId, Saw, SimTime, What, digest_of};
use squall_scenario::{ClusterView, Effect, Heal, Party, PlannedFault, Scenario};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Where every node listens.
const PORT: u16 = 2379;

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    /// Everything that was seen.
    pub history: History,
    /// The history's digest: it identifies the run.
    pub digest: String,
    /// How much virtual time it took.
    pub sim: Duration,
    /// How much CPU time, of its thread.
    pub cpu: Duration,
    /// Whether the history had to be cut off.
    pub overflowed: bool,
}

/// Why a plan cannot be run.
#[derive(Debug, PartialEq, Eq)]
pub enum RunError {
    /// It asks for a planted bug that there is not.
    NoSuchBug(String),
    /// The world itself panicked: a bug of the harness.
    Harness(String),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunError::NoSuchBug(name) => {
                let names: Vec<&str> = Bug::ALL.iter().map(|b| b.name()).collect();
                write!(f, "there is no planted bug `{name}`; there are {}", names.join(", "))
            }
            RunError::Harness(why) => write!(f, "the harness itself failed: {why}"),
        }
    }
}

impl std::error::Error for RunError {}

/// Runs a plan on a fresh machine.
///
/// # Panics
/// When the scenario is not a plan.
pub fn run(plan: &Scenario, system: Arc<dyn System>) -> Result<Run, RunError> {
    assert!(plan.is_plan(), "only a plan can be run");
    let mut bugs = 0;
    for name in &plan.bugs {
        bugs |= Bug::from_name(name).ok_or_else(|| RunError::NoSuchBug(name.clone()))?.bit();
    }
    let c = &plan.cluster;
    let config = MachineConfig {
        world_seed: plan.world_seed.expect("a plan has its world seed"),
        nodes: c.size(),
        clients: plan.clients(),
        link: LinkProfile {
            latency_min: c.latency.min,
            latency_max: c.latency.max,
            loss: Ratio { numerator: c.loss.numerator, denominator: c.loss.denominator },
            bandwidth: None,
        },
        disk: DiskProfile { sync_min: c.sync.min, sync_max: c.sync.max },
        bugs,
    };
    let plan = plan.clone();
    let ran = Machine::run_timed(config, move |machine| async move {
        let director = Director::new(machine.clone(), plan, system);
        director.direct().await;
        (machine.take_history(), machine.now(), machine.history_overflowed(), machine.harness_failure())
    });
    let mut failure = None;
    let ran = ran.map(|((history, sim, overflowed, harness), cpu)| {
        failure = harness;
        let digesting = crate::cpu_clock();
        let digest = digest_of(&history);
        Run { digest, history, sim: Duration::from_nanos(sim.0), cpu: cpu + digesting.elapsed(), overflowed }
    });
    if let Some(why) = failure {
        return Err(RunError::Harness(why));
    }
    ran.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        RunError::Harness(text.unwrap_or_else(|| "a panic without a message".to_string()))
    })
}

/// What the director has in store.
enum Action {
    Fire(PlannedFault),
    Then(String, Effect),
}

struct Director {
    machine: Arc<Machine>,
    plan: Scenario,
    system: Arc<dyn System>,
    members: BTreeMap<NodeId, SocketAddr>,
    probes: BTreeMap<NodeId, Arc<Mutex<Option<Probe>>>>,
}

impl Director {
    fn new(machine: Arc<Machine>, plan: Scenario, system: Arc<dyn System>) -> Director {
        let ids = (1..=plan.cluster.size()).map(NodeId);
        let members = ids.clone().map(|id| (id, machine.addr(machine.node(id), PORT))).collect();
        let probes = ids.map(|id| (id, Arc::default())).collect();
        Director { machine, plan, system, members, probes }
    }

    async fn direct(&self) {
        for &id in self.members.keys() {
            self.boot(id);
        }
        let load = Load::start(&self.machine, &self.plan, self.system.clone(), &self.members);
        self.faults().await;
        let healed = self.heal();
        let deadline = healed + self.plan.liveness.within;
        load.served_again(healed, deadline).await;
        load.stop().await;
        self.machine.record(What::FinalReads);
        driver::final_reads(&self.machine, self.system.clone(), &self.members, load.keys(), deadline).await;
        self.settle(deadline).await;
        self.machine.record(What::End);
    }

    fn boot(&self, id: NodeId) {
        let host = self.machine.node(id);
        if self.machine.is_running(host) {
            return;
        }
        let probe = self.probes[&id].clone();
        *probe.lock().expect("no panic under this lock") = None;
        self.machine.boot(host, |process| {
            self.system.boot(NodeContext {
                id,
                members: self.members.clone(),
                cluster: self.plan.cluster.clone(),
                net: SimNet::current(),
                disk: SimDisk::current(),
                reporter: Reporter { machine: self.machine.clone(), node: id, incarnation: process.incarnation },
                probe,
            })
        });
    }

    async fn faults(&self) {
        let mut agenda: BTreeMap<(SimTime, u64), Action> = BTreeMap::new();
        let mut ordinal = 0u64;
        let mut put = |agenda: &mut BTreeMap<_, _>, at: SimTime, action| {
            ordinal += 1;
            agenda.insert((at, ordinal), action);
        };
        for fault in self.plan.planned_faults() {
            put(&mut agenda, SimTime(0) + fault.at, Action::Fire(fault));
        }
        let end = SimTime(0) + self.plan.duration;
        while let Some(entry) = agenda.first_entry()
            && entry.key().0 < end
        {
            let ((at, _), action) = entry.remove_entry();
            self.machine.sleep_until(at).await;
            let now = self.machine.now();
            match action {
                Action::Fire(fault) => {
                    let effects = fault.fault.effects(&self.view());
                    if effects.is_empty() {
                        self.say(&fault.id, EffectPhase::Once, format!("{}: nobody to do it to", fault.fault.kind()));
                    }
                    for (after, effect) in effects {
                        match after.is_zero() {
                            true => self.perform(&fault.id, effect),
                            false => put(&mut agenda, now + after, Action::Then(fault.id.clone(), effect)),
                        }
                    }
                }
                Action::Then(fault, effect) => self.perform(&fault, effect),
            }
        }
        self.machine.sleep_until(end).await;
    }

    fn view(&self) -> ClusterView {
        ClusterView {
            nodes: self.members.keys().copied().collect(),
            clients: (1..=self.plan.clients()).map(ClientId).collect(),
            leader: self.machine.leader(),
        }
    }

    fn say(&self, fault: &str, phase: EffectPhase, text: String) {
        self.machine.record(What::Effect { fault: fault.to_string(), phase, text });
    }

    fn host(&self, party: Party) -> HostId {
        match party {
            Party::Node(id) => self.machine.node(id),
            Party::Client(id) => self.machine.client_host(id.0),
        }
    }

    /// The one interpreter of effects.
    fn perform(&self, fault: &str, effect: Effect) {
        let (phase, text) = match effect {
            Effect::Cut(links) => {
                links.iter().for_each(|(from, to)| self.machine.cut(self.host(*from), self.host(*to)));
                (EffectPhase::Start, format!("cut {}", links_text(&links)))
            }
            Effect::Heal(links) => {
                links.iter().for_each(|(from, to)| self.machine.heal(self.host(*from), self.host(*to)));
                (EffectPhase::Stop, format!("heal {}", links_text(&links)))
            }
            Effect::Kill { node, power_loss } => {
                let how = if power_loss { "power loss of" } else { "kill" };
                let ran = self.machine.end_process(self.machine.node(node), power_loss);
                (EffectPhase::Start, format!("{how} {node}{}", if ran { "" } else { " (it was down)" }))
            }
            Effect::Boot { node } => {
                let down = !self.machine.is_running(self.machine.node(node));
                self.boot(node);
                (EffectPhase::Stop, format!("boot {node}{}", if down { "" } else { " (it was up)" }))
            }
            Effect::Pause { node } => {
                let done = self.machine.pause(self.machine.node(node));
                (EffectPhase::Start, format!("pause {node}{}", if done { "" } else { " (not running)" }))
            }
            Effect::Resume { node } => {
                let done = self.machine.resume(self.machine.node(node));
                (EffectPhase::Stop, format!("resume {node}{}", if done { "" } else { " (not paused)" }))
            }
        };
        self.say(fault, phase, text);
    }

    /// Mends everything, or everything but a minority of dead nodes.
    fn heal(&self) -> SimTime {
        self.machine.heal_all_links();
        let mut may_stay_dead = match self.plan.liveness.heal {
            Heal::All => 0,
            Heal::Quorum => (self.members.len() - 1) / 2,
        };
        let mut running = Vec::new();
        for &id in self.members.keys() {
            let host = self.machine.node(id);
            self.machine.resume(host);
            if !self.machine.is_running(host) && may_stay_dead > 0 {
                may_stay_dead -= 1;
                continue;
            }
            self.boot(id);
            running.push(id);
        }
        self.say("heal", EffectPhase::Once, "everything is healed".to_string());
        self.machine.record(What::Healed { within: self.plan.liveness.within.as_nanos() as u64, nodes: running });
        self.machine.now()
    }

    /// What each running node holds; `None` from one that cannot tell (yet).
    fn finals(&self) -> Vec<(NodeId, Option<Saw>)> {
        let running = self.probes.iter().filter(|(id, _)| self.machine.is_running(self.machine.node(**id)));
        let ask = |probe: &Mutex<Option<Probe>>| probe.lock().expect("no panic under this lock").as_ref().map(|probe| probe());
        running.map(|(id, probe)| (*id, ask(probe))).collect()
    }

    /// Waits until every running replica holds the same state, or the deadline; then writes down what
    /// each of them holds.
    async fn settle(&self, deadline: SimTime) {
        loop {
            let finals = self.finals();
            let settled = finals.iter().all(|(_, saw)| saw.is_some() && *saw == finals[0].1);
            if settled || self.machine.now() >= deadline {
                for (node, saw) in finals {
                    if let Some(saw) = saw {
                        self.machine.record(What::Node { node, saw });
                    }
                }
                return;
            }
            self.machine.sleep_until(self.machine.now() + Duration::from_millis(50)).await;
        }
    }
}

fn links_text(links: &[(Party, Party)]) -> String {
    let text = |(from, to): &(Party, Party)| format!("{from}>{to}");
    let shown: Vec<String> = links.iter().take(12).map(text).collect();
    let more = links.len().saturating_sub(12);
    if more > 0 { format!("{} and {more} more", shown.join(" ")) } else { shown.join(" ") }
}
