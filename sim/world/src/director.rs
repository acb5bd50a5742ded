//! The run of a plan: boot, load, faults, heal, liveness, final reads.
//!
//! ```text
//!   0 ───────── faults and load ───────── duration │ heal │ served again? │ final reads │ replicas settle │ end
//! ```

use crate::{
    budget::{Budget, Voters},
    clock::{ClockChange, PERFECT_RATE_PPM},
    disk::{DiskProfile, SimDisk},
    driver::{self, Load},
    machine::{GoOn, HostId, Machine, MachineConfig},
    net::{LinkProfile, Ratio, SimNet},
    system::{Administrator, NodeContext, Probe, Reporter, System},
};
use squall_env::Bug;
use squall_history::{
    ClientId, DiskHealth, Effect as Done, EffectChange as Change, EffectResult, Event, FaultRef, History, NodeId, Saw, SimTime, What,
    digest_of,
};
use squall_scenario::{
    Admin, ClusterView, DiskChange, Effect, Heal, Party, Plan, PlannedFault, PowerLoss, Scenario, Span, Start, Strike, Wait,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
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
    /// Whether the onlooker had seen enough: then the history has no end.
    pub stopped: bool,
}

/// Why a plan cannot be run.
#[derive(Debug, PartialEq, Eq)]
pub enum RunError {
    /// It asks for a planted bug that there is not.
    NoSuchBug(String),
    /// A workload asks what the system under test does not take.
    NotTaken {
        /// The system.
        system: &'static str,
        /// The workload.
        workload: &'static str,
        /// An operation that it cannot do.
        op: String,
    },
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
            RunError::NotTaken { system, workload, op } => {
                write!(f, "the system `{system}` cannot do what the workload `{workload}` asks, such as `{op}`")
            }
            RunError::Harness(why) => write!(f, "the harness itself failed: {why}"),
        }
    }
}

impl std::error::Error for RunError {}

/// Whether a system can do what a plan asks of it.
pub fn check(plan: &Scenario, system: &dyn System) -> Result<(), RunError> {
    for workload in &plan.workloads {
        if let Some(op) = workload.asks().into_iter().find(|op| !system.takes(op)) {
            return Err(RunError::NotTaken { system: system.name(), workload: workload.kind(), op: op.to_string() });
        }
    }
    Ok(())
}

/// Runs a plan on a fresh machine.
///
/// # Errors
/// When the plan asks for what the system does not have, or the harness itself failed.
pub fn run(plan: &Plan, system: Arc<dyn System>) -> Result<Run, RunError> {
    run_while(plan, system, None)
}

/// The same, and somebody may look on, and stop it. Whether somebody does changes nothing in the run up to there.
///
/// # Errors
/// As [`run`].
pub fn run_while(plan: &Plan, system: Arc<dyn System>, go_on: Option<GoOn>) -> Result<Run, RunError> {
    check(plan, &*system)?;
    let mut bugs = 0;
    for name in &plan.bugs {
        bugs |= Bug::from_name(name).ok_or_else(|| RunError::NoSuchBug(name.clone()))?.bit();
    }
    let c = &plan.cluster;
    let config = MachineConfig {
        world_seed: plan.world_seed(),
        nodes: plan.nodes() + newcomers(plan),
        clients: plan.clients(),
        link: LinkProfile {
            latency_min: c.network.latency.0.min,
            latency_max: c.network.latency.0.max,
            loss: Ratio { numerator: c.network.loss.numerator, denominator: c.network.loss.denominator },
            bandwidth: None,
        },
        disk: DiskProfile { sync_min: c.disk.sync.0.min, sync_max: c.disk.sync.0.max },
        bugs,
    };
    let plan = plan.clone();
    let ran = Machine::run_timed(config, move |machine| async move {
        let director = Director::new(machine.clone(), plan, system);
        go_on.into_iter().for_each(|go_on| machine.look_on(go_on));
        machine.unless_stopped(director.direct()).await;
        let cut = (machine.history_overflowed(), machine.was_stopped());
        (machine.take_history(), machine.now(), cut, machine.harness_failure())
    });
    let mut failure = None;
    let ran = ran.map(|((history, sim, (overflowed, stopped), harness), cpu)| {
        failure = harness;
        let digesting = crate::cpu_clock();
        let digest = digest_of(&history);
        Run { digest, history, sim: Duration::from_nanos(sim.0), cpu: cpu + digesting.elapsed(), overflowed, stopped }
    });
    if let Some(why) = failure {
        return Err(RunError::Harness(why));
    }
    ran.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        RunError::Harness(text.unwrap_or_else(|| "a panic without a message".to_string()))
    })
}

/// So many nodes may join at the most, whatever a plan's faults ask for: later ones find nobody.
const NEWCOMERS_MAX: u32 = 12;

/// Who gave up for an error that is told after the heal is started again this much later.
const RESTARTS_AFTER: Duration = Duration::from_millis(100);

/// How many hosts are kept for nodes that join.
fn newcomers(plan: &Plan) -> u32 {
    let times = |fault: &PlannedFault| if let Start::On(trigger) = fault.start { trigger.repeat } else { 1 };
    let asked = plan.planned_faults().iter().fold(0u32, |sum, f| sum.saturating_add(f.fault.newcomers().saturating_mul(times(f))));
    asked.min(NEWCOMERS_MAX)
}

/// What the director has in store.
enum Action {
    /// A fault begins; the party is whom the event was about that it waited for.
    Fire(PlannedFault, Option<Party>),
    Then(FaultRef, Effect),
}

/// A fault that waits for an event.
struct Waiting {
    fault: PlannedFault,
    trigger: Wait,
    /// How often the event happened since the last firing.
    seen: u32,
    /// How many firings are left.
    left: u32,
    /// A start that would overlap its own fault waits until then.
    free_at: SimTime,
}

/// What is to come, in order of time.
#[derive(Default)]
struct Agenda {
    actions: BTreeMap<(SimTime, u64), Action>,
    ordinal: u64,
}

impl Agenda {
    fn put(&mut self, at: SimTime, action: Action) {
        self.ordinal += 1;
        self.actions.insert((at, self.ordinal), action);
    }

    /// The first action, if it is due.
    fn take(&mut self, now: SimTime) -> Option<Action> {
        let first = self.actions.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

struct Director {
    machine: Arc<Machine>,
    plan: Plan,
    system: Arc<dyn System>,
    /// Those that found the cluster.
    founders: BTreeMap<NodeId, SocketAddr>,
    /// Those, and those that may join.
    hosts: BTreeMap<NodeId, SocketAddr>,
    /// How many of those that may join were started.
    joined: AtomicU32,
    /// Whom faults with `as:` were done to.
    bound: Mutex<BTreeMap<String, Vec<Party>>>,
    /// Who was asked to leave.
    leaving: Mutex<BTreeSet<NodeId>>,
    /// Whose disk said no at any time.
    failing: Mutex<BTreeMap<NodeId, u32>>,
    /// Whose disk was damaged.
    destroyed: Mutex<BTreeSet<NodeId>>,
    /// When the last one gave up, after the heal, for an error that a fault had made.
    late_error: Mutex<Option<SimTime>>,
    probes: BTreeMap<NodeId, Arc<Mutex<Option<Probe>>>>,
    administrators: BTreeMap<NodeId, Arc<Mutex<Option<Administrator>>>>,
}

impl Director {
    fn new(machine: Arc<Machine>, plan: Plan, system: Arc<dyn System>) -> Director {
        let size = plan.nodes();
        let ids = (1..=size + newcomers(&plan)).map(NodeId);
        let hosts: BTreeMap<NodeId, SocketAddr> = ids.clone().map(|id| (id, machine.addr(machine.node(id), PORT))).collect();
        let founders = hosts.iter().filter(|(id, _)| id.0 <= size).map(|(id, addr)| (*id, *addr)).collect();
        let probes = ids.clone().map(|id| (id, Arc::default())).collect();
        let administrators = ids.map(|id| (id, Arc::default())).collect();
        Director {
            machine,
            plan,
            system,
            founders,
            hosts,
            joined: AtomicU32::new(0),
            bound: Mutex::default(),
            leaving: Mutex::default(),
            failing: Mutex::default(),
            destroyed: Mutex::default(),
            late_error: Mutex::default(),
            probes,
            administrators,
        }
    }

    async fn direct(&self) {
        if let Some(available) = &self.plan.available {
            self.machine.record(What::Available { max_gap: available.max_gap.as_nanos() as u64, until: available.until });
        }
        self.lay_out();
        for &id in self.founders.keys() {
            self.boot(id);
        }
        let load = Load::start(&self.machine, &self.plan, self.system.clone(), &self.hosts);
        self.faults().await;
        let healed = self.heal().await;
        self.starting_again(self.after_the_heal(load, healed)).await;
        self.machine.record(What::End);
    }

    async fn after_the_heal(&self, load: Load, healed: SimTime) {
        let mut deadline = healed + self.plan.liveness.within;
        loop {
            load.served_again(healed, deadline).await;
            // Whoever had to be started again has as long from then on.
            let later = self.grace(healed);
            if load.all_served(healed) || later <= deadline {
                break;
            }
            deadline = later;
        }
        load.stop().await;
        self.machine.record(What::FinalReads);
        // A client that was served late still gets its time to find the nodes that are left.
        let until = deadline.max(self.machine.now() + Duration::from_secs(5));
        driver::final_reads(&self.machine, self.system.clone(), &self.hosts, load.leftovers(), until).await;
        // To wait for leases to end may have taken longer than that.
        self.settle(self.grace(healed).max(self.machine.now() + Duration::from_secs(3))).await;
    }

    /// Until when everything must be well: so long after the heal, or after the last one gave up for an error of a fault.
    fn grace(&self, healed: SimTime) -> SimTime {
        let last = *self.late_error.lock().expect("no panic under this lock");
        last.map_or(healed, |at| at.max(healed)) + self.plan.liveness.within
    }

    /// While this goes on, whoever gives up for an error that a fault had made is started again: the error belongs to the fault,
    /// however late its process comes to it, and so does the restart.
    async fn starting_again(&self, meanwhile: impl Future<Output = ()>) {
        let starts = async {
            loop {
                let host = self.machine.next_to_give_up().await;
                *self.late_error.lock().expect("no panic under this lock") = Some(self.machine.now());
                self.machine.sleep_until(self.machine.now() + RESTARTS_AFTER).await;
                let gave_up = |id: &NodeId| self.machine.node(*id) == host && !self.machine.is_running(host) && !self.has_left(*id);
                if let Some(id) = self.started().into_iter().find(gave_up) {
                    self.tell(&FaultRef::heal(), vec![Party::Node(id)], Change::Boot, EffectResult::Applied);
                    self.boot(id);
                }
            }
        };
        let (mut meanwhile, mut starts) = (std::pin::pin!(meanwhile), std::pin::pin!(starts));
        std::future::poll_fn(|cx| {
            if meanwhile.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            starts.as_mut().poll(cx)
        })
        .await;
    }

    fn boot(&self, id: NodeId) {
        let host = self.machine.node(id);
        if self.machine.is_running(host) {
            return;
        }
        let probe = self.probes[&id].clone();
        *probe.lock().expect("no panic under this lock") = None;
        let administrator = self.administrators[&id].clone();
        *administrator.lock().expect("no panic under this lock") = None;
        self.machine.boot(host, |process| {
            self.system.boot(NodeContext {
                id,
                members: self.founders.clone(),
                hosts: self.hosts.clone(),
                joins: !self.founders.contains_key(&id) || self.machine.was_wiped(host),
                cluster: self.plan.cluster.clone(),
                net: SimNet::current(),
                disk: SimDisk::current(),
                reporter: Reporter { machine: self.machine.clone(), node: id, incarnation: process.incarnation },
                probe,
                administrator,
            })
        });
    }

    /// Links between zones are longer than those within one.
    fn lay_out(&self) {
        let Some(zones) = &self.plan.cluster.network.zones else { return };
        let zone = |party: &Party| zones.groups.iter().position(|group| group.contains(party));
        let nodes = self.hosts.keys().map(|id| Party::Node(*id));
        let all: Vec<Party> = nodes.chain((1..=self.plan.clients()).map(|id| Party::Client(ClientId(id)))).collect();
        let near = self.machine.config.link.clone();
        let latency_min = near.latency_min + zones.between.0.min;
        let far = LinkProfile { latency_min, latency_max: near.latency_max + zones.between.0.max, ..near };
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from, to))) {
            if zone(from) != zone(to) {
                self.machine.set_link(self.host(*from), self.host(*to), far.clone());
            }
        }
    }

    async fn faults(&self) {
        let (mut agenda, mut waiting) = (Agenda::default(), Vec::new());
        for fault in self.plan.planned_faults().iter().cloned() {
            match fault.start {
                Start::At(at) => agenda.put(SimTime(0) + at, Action::Fire(fault, None)),
                Start::On(trigger) => waiting.push(Waiting { fault, trigger, seen: 0, left: trigger.repeat, free_at: SimTime(0) }),
            }
        }
        // Who dies at a failpoint is booted again by the director.
        self.machine.await_events(waiting.iter().map(|w| w.trigger.event).chain([Event::FailpointHit]).collect());
        let end = SimTime(0) + self.plan.duration;
        loop {
            let next = agenda.actions.first_key_value().map_or(end, |((at, _), _)| (*at).min(end));
            if let Some(happening) = self.machine.next_event(next).await {
                if happening.event == Event::FailpointHit {
                    self.follow_hits(&mut agenda);
                }
                let counts = |trigger: &Wait| {
                    let within = |w: &Span| SimTime(0) + w.min <= happening.at && happening.at < SimTime(0) + w.max;
                    trigger.event == happening.event && trigger.within.as_ref().is_none_or(within)
                };
                for waiting in waiting.iter_mut().filter(|w| counts(&w.trigger) && w.left > 0) {
                    waiting.seen += 1;
                    if waiting.seen == waiting.trigger.count {
                        (waiting.seen, waiting.left) = (0, waiting.left - 1);
                        let start = (happening.at + waiting.trigger.after).max(waiting.free_at);
                        waiting.free_at = start + waiting.fault.fault.lasts() + Duration::from_millis(1);
                        agenda.put(start, Action::Fire(waiting.fault.clone(), happening.subject));
                    }
                }
                continue;
            }
            let now = self.machine.now();
            if next >= end {
                break;
            }
            match agenda.take(now) {
                Some(Action::Fire(fault, subject)) => self.fire(&mut agenda, &fault, subject),
                Some(Action::Then(fault, effect)) => self.perform(&fault, effect),
                None => {}
            }
        }
        self.machine.await_events(BTreeSet::new());
    }

    /// What follows from a failpoint that was hit.
    fn follow_hits(&self, agenda: &mut Agenda) {
        let now = self.machine.now();
        for hit in self.machine.take_hits() {
            let change = Change::Failpoint { point: hit.armed.point.clone(), how: hit.armed.strike.to_string(), hits: 1 };
            self.tell(&hit.fault, vec![Party::Node(hit.node)], change, EffectResult::Applied);
            match hit.armed.strike {
                Strike::Pause(lasts) => agenda.put(now + lasts, Action::Then(hit.fault, Effect::Resume { party: Party::Node(hit.node) })),
                Strike::Delay(_) => {}
                Strike::Kill | Strike::PowerLoss | Strike::Error(_) => {
                    if let Some(after) = hit.armed.restart_after {
                        agenda.put(now + after.max(Duration::from_millis(1)), Action::Then(hit.fault, Effect::Boot { node: hit.node }));
                    }
                }
            }
        }
    }

    fn fire(&self, agenda: &mut Agenda, fault: &PlannedFault, subject: Option<Party>) {
        let view = self.view(subject);
        let named = FaultRef { id: fault.id.clone(), kind: fault.fault.kind().to_string() };
        let effects = fault.fault.effects(&view);
        if let (Some(name), Some(target)) = (&fault.bind, fault.fault.target()) {
            let victims = target.resolve(&view);
            self.bound.lock().expect("no panic under this lock").insert(name.clone(), victims);
        }
        if effects.is_empty() {
            self.tell(&named, vec![], Change::Nothing, EffectResult::NoTarget);
        }
        let now = self.machine.now();
        for (after, effect) in effects {
            match after.is_zero() {
                true => self.perform(&named, effect),
                false => agenda.put(now + after, Action::Then(named.clone(), effect)),
            }
        }
    }

    fn view(&self, subject: Option<Party>) -> ClusterView {
        ClusterView {
            nodes: self.started(),
            clients: (1..=self.plan.clients()).map(ClientId).collect(),
            leader: self.machine.leader(),
            subject,
            lease_holder: self.machine.lease_holder(),
            bound: self.bound.lock().expect("no panic under this lock").clone(),
        }
    }

    /// Every node that was ever started.
    fn started(&self) -> Vec<NodeId> {
        let count = self.founders.len() + self.joined.load(Ordering::Relaxed) as usize;
        self.hosts.keys().copied().take(count).collect()
    }

    /// Those of them that belong to the cluster now, as far as anybody told.
    fn members(&self) -> Vec<NodeId> {
        let told = self.machine.members();
        self.started().into_iter().filter(|id| told.as_ref().is_none_or(|members| members.contains(id))).collect()
    }

    /// Whether the cluster has let it go.
    fn has_left(&self, node: NodeId) -> bool {
        self.machine.members().is_some_and(|members| !members.contains(&node))
    }

    fn tell(&self, fault: &FaultRef, on: Vec<Party>, change: Change, result: EffectResult) {
        self.machine.record(What::Effect(Done { fault: fault.clone(), on, change, result }));
    }

    fn host(&self, party: Party) -> HostId {
        match party {
            Party::Node(id) => self.machine.node(id),
            Party::Client(id) => self.machine.client_host(id.0),
        }
    }

    /// The one interpreter of effects.
    fn perform(&self, fault: &FaultRef, effect: Effect) {
        use EffectResult::{Applied, Armed, NoTarget, NotHit, Spared, Started, Stopped};
        let on = |node| vec![Party::Node(node)];
        let if_done = |done: bool, result| if done { result } else { NoTarget };
        let (on, change, result) = match effect {
            Effect::Cut(links) => {
                links.iter().for_each(|(from, to)| self.machine.cut(self.host(*from), self.host(*to)));
                (vec![], Change::Cut { links }, Started)
            }
            Effect::Heal(links) => {
                links.iter().for_each(|(from, to)| self.machine.heal(self.host(*from), self.host(*to)));
                (vec![], Change::Cut { links }, Stopped)
            }
            Effect::Shape { links, change } => {
                links.iter().for_each(|(from, to)| self.machine.shape(self.host(*from), self.host(*to), change));
                (vec![], Change::Shape { links, how: change.to_string() }, Started)
            }
            Effect::Unshape { links, change } => {
                links.iter().for_each(|(from, to)| self.machine.unshape(self.host(*from), self.host(*to), change));
                (vec![], Change::Shape { links, how: change.to_string() }, Stopped)
            }
            Effect::ResetConnections(links) => {
                let count: usize = links.iter().map(|(a, b)| self.machine.reset_connections(self.host(*a), self.host(*b))).sum();
                (vec![], Change::ResetConnections { links, count: count as u64 }, if_done(count > 0, Applied))
            }
            Effect::Refuse { node } => {
                self.machine.refuse(self.machine.node(node), true);
                (on(node), Change::Refuse, Started)
            }
            Effect::Accept { node } => {
                self.machine.refuse(self.machine.node(node), false);
                (on(node), Change::Refuse, Stopped)
            }
            Effect::Admin { node, ask } => return self.administer(fault, node, ask),
            Effect::Clock { party, change } => {
                self.change_clock(party, change);
                (vec![party], Change::Clock { how: change.to_string() }, Applied)
            }
            Effect::Arm { node, armed } => {
                let change = Change::Failpoint { point: armed.point.clone(), how: armed.strike.to_string(), hits: 0 };
                if matches!(armed.strike, Strike::Error(_)) {
                    self.failing(node, true);
                }
                self.machine.arm(self.machine.node(node), fault, armed);
                (on(node), change, Armed)
            }
            Effect::Disarm { node, armed } => {
                let hits = self.machine.disarm(self.machine.node(node), fault, &armed);
                if matches!(armed.strike, Strike::Error(_)) {
                    self.failing(node, false);
                }
                let how = armed.strike.to_string();
                (on(node), Change::Failpoint { point: armed.point, how, hits }, if hits > 0 { Stopped } else { NotHit })
            }
            Effect::Load { times } => {
                self.machine.load(times);
                (vec![], Change::Load { times }, Started)
            }
            Effect::LoadNormal { times } => {
                self.machine.load_normal(times);
                (vec![], Change::Load { times }, Stopped)
            }
            Effect::DiskWorse { node, change: change @ DiskChange::Misdirect { .. } } if !self.may_destroy(node) => {
                (on(node), Change::Disk { how: change.to_string() }, Spared)
            }
            Effect::Damage { node, .. } if !self.may_destroy(node) => (on(node), Change::Damage { how: "damage".to_string() }, Spared),
            Effect::Wipe { node } if !self.may_destroy(node) => (on(node), Change::Wipe, Spared),
            Effect::DiskWorse { node, change } => {
                let how = change.to_string();
                match change {
                    DiskChange::Errors { .. } => self.failing(node, true),
                    DiskChange::Misdirect { .. } => _ = self.destroyed.lock().expect("no panic under this lock").insert(node),
                    DiskChange::Slow(_) | DiskChange::Full { .. } => {}
                }
                self.machine.worsen_disk(self.machine.node(node), change);
                (on(node), Change::Disk { how }, Started)
            }
            Effect::DiskBetter { node, change } => {
                self.machine.mend_disk(self.machine.node(node), &change);
                if matches!(change, DiskChange::Errors { .. }) {
                    self.failing(node, false);
                }
                (on(node), Change::Disk { how: change.to_string() }, Stopped)
            }
            Effect::Damage { node, damage } => match self.machine.damage_disk(self.machine.node(node), &damage) {
                None => (on(node), Change::Damage { how: "damage".to_string() }, NoTarget),
                Some(how) => {
                    self.destroyed.lock().expect("no panic under this lock").insert(node);
                    self.tell_disk(node, DiskHealth::Damaged);
                    (on(node), Change::Damage { how }, Applied)
                }
            },
            Effect::Wipe { node } => {
                self.machine.end(self.machine.node(node), Some(PowerLoss::Chance));
                self.machine.wipe_disk(self.machine.node(node));
                self.destroyed.lock().expect("no panic under this lock").insert(node);
                self.tell_disk(node, DiskHealth::Damaged);
                (on(node), Change::Wipe, Started)
            }
            Effect::Grow => return self.grow(fault),
            Effect::Shrink { node } if !self.may_shrink(node) => (on(node), Change::Leave, Spared),
            Effect::Shrink { node } => {
                self.leaving.lock().expect("no panic under this lock").insert(node);
                return self.ask_cluster(fault, node, Admin::RemoveMember { node });
            }
            Effect::Kill { node, power_loss } => {
                let change = power_loss.map_or(Change::Kill, |unsynced| Change::PowerLoss { unsynced });
                let ran = self.machine.end(self.machine.node(node), power_loss);
                (on(node), change, if_done(ran, Started))
            }
            Effect::Boot { node } if self.has_left(node) => (on(node), Change::Boot, NoTarget),
            Effect::Boot { node } => {
                self.boot(node);
                (on(node), Change::Boot, Stopped)
            }
            Effect::Pause { party } => {
                let done = self.machine.pause(self.host(party));
                (vec![party], Change::Pause, if_done(done, Started))
            }
            Effect::Resume { party } => {
                self.machine.resume(self.host(party));
                (vec![party], Change::Pause, Stopped)
            }
        };
        self.tell(fault, on, change, result);
    }

    /// One more, or one less, makes accesses of this node's disk fail.
    fn failing(&self, node: NodeId, more: bool) {
        let (told, left) = {
            let mut failing = self.failing.lock().expect("no panic under this lock");
            let count = failing.entry(node).or_default();
            let told = more && *count == 0;
            *count = if more { *count + 1 } else { count.saturating_sub(1) };
            (told, *count)
        };
        if told {
            self.tell_disk(node, DiskHealth::Failing);
        }
        if !more && left == 0 {
            self.tell_disk(node, DiskHealth::Sound);
        }
    }

    fn tell_disk(&self, node: NodeId, disk: DiskHealth) {
        self.machine.record(What::Node { node, saw: Saw::Disk { disk } });
    }

    /// Whether this node's disk may be damaged, too.
    fn may_destroy(&self, node: NodeId) -> bool {
        self.plan.allow_data_loss || self.by_budget(|budget| budget.may_destroy(node.0.into()))
    }

    /// Whether the cluster can do without this member.
    fn may_shrink(&self, node: NodeId) -> bool {
        self.plan.allow_data_loss || self.by_budget(|budget| budget.may_shrink(node.0.into()))
    }

    fn by_budget<T>(&self, ask: impl FnOnce(&Budget<'_>) -> T) -> T {
        let ids = |nodes: &mut dyn Iterator<Item = NodeId>| -> Voters { nodes.map(|id| u64::from(id.0)).collect() };
        let founders = ids(&mut self.founders.keys().copied());
        let destroyed = self.destroyed.lock().expect("no panic under this lock").clone();
        let damaged = ids(&mut destroyed.into_iter().filter(|id| !self.has_left(*id)));
        let leaving = ids(&mut self.leaving.lock().expect("no panic under this lock").iter().copied());
        ask(&Budget { configurations: self.machine.configurations(&founders), damaged: &damaged, leaving: &leaving })
    }

    /// Who votes, as far as anybody told.
    fn voters(&self) -> BTreeSet<NodeId> {
        let told = self.machine.voters();
        if told.is_empty() { self.founders.keys().copied().collect() } else { told }
    }

    /// Clocks go wrong, or right; what that makes of the promise that the monotonic one keeps is written down.
    fn change_clock(&self, party: Party, change: squall_scenario::ClockChange) {
        use squall_scenario::ClockChange as Asked;
        let (change, bound) = match change {
            Asked::Wall(nanos) => (ClockChange::WallJump { nanos }, None),
            Asked::Rate(ppm) => {
                let rate = PERFECT_RATE_PPM.saturating_add_signed(ppm).max(1);
                (ClockChange::Rate { ppm: rate }, Some(Saw::ClockBound { off_ppm: ppm.unsigned_abs(), leapt: 0 }))
            }
            Asked::Leap(by) => (ClockChange::Leap(by), Some(Saw::ClockBound { off_ppm: 0, leapt: by.as_nanos() as u64 })),
            Asked::Reset => (ClockChange::Reset, Some(Saw::ClockBound { off_ppm: 0, leapt: 0 })),
        };
        self.machine.change_clock(self.host(party), change);
        if let (Some(saw), Party::Node(node)) = (bound, party) {
            self.machine.record(What::Node { node, saw });
        }
    }

    /// A new node starts, and the cluster is asked to take it in.
    fn grow(&self, fault: &FaultRef) {
        let joined = self.joined.load(Ordering::Relaxed) as usize;
        let Some((&node, _)) = self.hosts.iter().nth(self.founders.len() + joined) else {
            return self.tell(fault, vec![], Change::Join, EffectResult::NoTarget);
        };
        self.joined.fetch_add(1, Ordering::Relaxed);
        self.boot(node);
        self.tell(fault, vec![Party::Node(node)], Change::Join, EffectResult::Applied);
        self.ask_cluster(fault, node, Admin::AddMember { node });
    }

    /// Asks something about a node of the leader, or of whoever else is up: every node passes it on.
    fn ask_cluster(&self, fault: &FaultRef, about: NodeId, ask: Admin) {
        let up = |id: &NodeId| *id != about && self.machine.is_running(self.machine.node(*id));
        match self.machine.leader().filter(up).or_else(|| self.members().into_iter().find(up)) {
            Some(node) => self.administer(fault, node, ask),
            None => {
                let change = Change::Admin { ask: ask.to_string(), said: Some("nobody is up to ask".to_string()) };
                self.tell(fault, vec![], change, EffectResult::NoTarget);
            }
        }
    }

    /// Asks a node's administration interface; its answer is written down when it comes.
    fn administer(&self, fault: &FaultRef, node: NodeId, ask: Admin) {
        let process = self.machine.process(self.machine.node(node));
        let asked = self.administrators[&node].lock().expect("no panic under this lock").as_ref().map(|administrator| administrator(ask));
        let on = vec![Party::Node(node)];
        let change = move |said: Option<&str>| Change::Admin { ask: ask.to_string(), said: said.map(str::to_string) };
        match (process, asked) {
            (None, _) => self.tell(fault, on, change(Some("it is down")), EffectResult::NoTarget),
            (Some(_), None) => self.tell(fault, on, change(Some("it has no administration, or not yet")), EffectResult::NoTarget),
            (Some(process), Some(asked)) => {
                self.tell(fault, on.clone(), change(None), EffectResult::Asked);
                let (machine, fault) = (self.machine.clone(), fault.clone());
                drop(process.spawn(async move {
                    let (said, result) = match asked.await {
                        Ok(()) => (None, EffectResult::Applied),
                        Err(why) => (Some(why), EffectResult::Refused),
                    };
                    machine.record(What::Effect(Done { fault, on, change: change(said.as_deref()), result }));
                }));
            }
        }
    }

    /// Mends everything, or everything but a minority of dead nodes.
    async fn heal(&self) -> SimTime {
        self.machine.heal_all_links();
        self.machine.disarm_all();
        self.machine.load_entirely_normal();
        for id in 1..=self.plan.clients() {
            self.machine.change_clock(self.machine.client_host(id), ClockChange::Reset);
        }
        for node in self.started() {
            self.machine.change_clock(self.machine.node(node), ClockChange::Reset);
            self.machine.mend_disk_entirely(self.machine.node(node));
        }
        (1..=self.plan.clients()).for_each(|id| self.machine.resume_entirely(self.machine.client_host(id)));
        // Who only learns takes part in no quorum, and is always started.
        let voters = self.voters();
        // A change that is under way may need other quorums than the members that were told last.
        let changing = self.joined.load(Ordering::Relaxed) > 0 || !self.leaving.lock().expect("no panic under this lock").is_empty();
        let mut may_stay_dead = match self.plan.liveness.heal {
            Heal::All => 0,
            Heal::Quorum if changing => 0,
            // Whose disk is damaged may not come up: they are of the minority that may be dead.
            Heal::Quorum => self.by_budget(|budget| budget.may_stay_dead()),
        };
        // Whoever does not belong any more must not hold up clients either: nor must a host that is silent.
        for id in self.started().into_iter().filter(|id| self.has_left(*id)) {
            self.machine.power_on(self.machine.node(id));
        }
        for id in self.started() {
            self.machine.resume_entirely(self.machine.node(id));
        }
        let failing = std::mem::take(&mut *self.failing.lock().expect("no panic under this lock"));
        failing.iter().filter(|(_, count)| **count > 0).for_each(|(node, _)| self.tell_disk(*node, DiskHealth::Sound));
        // Whoever gives up at once for an error that it was told is booted with the others.
        if failing.keys().any(|id| self.started().contains(id)) {
            self.machine.sleep_until(self.machine.now() + Duration::from_millis(50)).await;
        }
        let mut running = Vec::new();
        for id in self.members() {
            let host = self.machine.node(id);
            let is_damaged = self.destroyed.lock().expect("no panic under this lock").contains(&id);
            if !self.machine.is_running(host) && may_stay_dead > 0 && voters.contains(&id) && !is_damaged {
                may_stay_dead -= 1;
                continue;
            }
            self.boot(id);
            running.push(id);
        }
        self.machine.forget_who_gave_up();
        self.tell(&FaultRef::heal(), vec![], Change::Healed, EffectResult::Applied);
        self.machine.record(What::Healed { within: self.plan.liveness.within.as_nanos() as u64, nodes: running });
        self.machine.now()
    }

    /// What each running member holds; `None` from one that cannot tell (yet).
    fn finals(&self) -> Vec<(NodeId, Option<Saw>)> {
        let members = self.members();
        let is_up = |id: &NodeId| members.contains(id) && self.machine.is_running(self.machine.node(*id));
        let running = self.probes.iter().filter(|(id, _)| is_up(id));
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
