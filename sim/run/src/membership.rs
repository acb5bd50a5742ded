//! Who is there: the nodes that found the cluster, those that join it, those that are asked to leave; how they are booted and asked.

use crate::{
    pack::{Administrator, NodeContext, Pack, Probe, Reporter},
    stage::Stage,
};
use squall_effect::{Admin, Party, budget::Voters};
use squall_history::{Effect, EffectChange as Change, EffectResult, EntryKind, FaultRef, NodeId, Observation};
use squall_machine::{SimDisk, SimNet};
use squall_scenario::{Plan, PlannedFault, Start};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};

/// Where every node listens.
const PORT: u16 = 2379;

/// How many nodes may join at the most, whatever a plan's faults ask for: later faults find no target.
const NEWCOMERS_MAX: u32 = 12;

/// How many hosts are kept for nodes that join.
pub(crate) fn newcomers(plan: &Plan) -> u32 {
    let times = |fault: &PlannedFault| if let Start::On(wait) = fault.start { wait.repeat } else { 1 };
    let asked = plan.planned_faults().iter().fold(0u32, |sum, f| sum.saturating_add(f.fault.newcomers().saturating_mul(times(f))));
    asked.min(NEWCOMERS_MAX)
}

pub(crate) struct Membership {
    stage: Arc<Stage>,
    pack: Arc<dyn Pack>,
    /// Those that found the cluster.
    founders: BTreeMap<NodeId, SocketAddr>,
    /// Those, and those that may join.
    hosts: BTreeMap<NodeId, SocketAddr>,
    /// How many of those that may join were started.
    joined: AtomicU32,
    /// Who was asked to leave.
    leaving: Mutex<BTreeSet<NodeId>>,
    probes: BTreeMap<NodeId, Arc<Mutex<Option<Probe>>>>,
    administrators: BTreeMap<NodeId, Arc<Mutex<Option<Administrator>>>>,
}

impl Membership {
    pub(crate) fn new(stage: Arc<Stage>, pack: Arc<dyn Pack>) -> Membership {
        let (machine, size) = (&stage.machine, stage.plan.nodes());
        let ids = (1..=size + newcomers(&stage.plan)).map(NodeId);
        let hosts: BTreeMap<NodeId, SocketAddr> = ids.clone().map(|id| (id, machine.addr(machine.node(id), PORT))).collect();
        let founders = hosts.iter().filter(|(id, _)| id.0 <= size).map(|(id, addr)| (*id, *addr)).collect();
        let probes = ids.clone().map(|id| (id, Arc::default())).collect();
        let administrators = ids.map(|id| (id, Arc::default())).collect();
        Membership { stage, pack, founders, hosts, joined: AtomicU32::new(0), leaving: Mutex::default(), probes, administrators }
    }

    fn leaving(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.leaving.lock().expect("no panic under this lock")
    }

    /// Every node that there is or may be, and where it listens.
    pub(crate) fn hosts(&self) -> &BTreeMap<NodeId, SocketAddr> {
        &self.hosts
    }

    /// Those that found the cluster.
    pub(crate) fn founders(&self) -> Vec<NodeId> {
        self.founders.keys().copied().collect()
    }

    /// Starts a node, if none runs there.
    pub(crate) fn boot(&self, id: NodeId) {
        let machine = &self.stage.machine;
        let host = machine.node(id);
        if machine.is_running(host) {
            return;
        }
        let (probe, administrator) = (self.probes[&id].clone(), self.administrators[&id].clone());
        *probe.lock().expect("no panic under this lock") = None;
        *administrator.lock().expect("no panic under this lock") = None;
        machine.boot(host, |process| {
            self.pack.boot(NodeContext {
                id,
                members: self.founders.clone(),
                hosts: self.hosts.clone(),
                joins: !self.founders.contains_key(&id) || machine.was_wiped(host),
                cluster: self.stage.plan.cluster.clone(),
                net: SimNet::current(),
                disk: SimDisk::current(),
                reporter: Reporter { stage: self.stage.clone(), node: id, incarnation: process.incarnation },
                probe,
                administrator,
            })
        });
    }

    /// Every node that was ever started.
    pub(crate) fn started(&self) -> Vec<NodeId> {
        let count = self.founders.len() + self.joined.load(Ordering::Relaxed) as usize;
        self.hosts.keys().copied().take(count).collect()
    }

    /// Those of them that belong to the cluster now, as far as anybody told.
    pub(crate) fn members(&self) -> Vec<NodeId> {
        let told = self.stage.recorder.members();
        self.started().into_iter().filter(|id| told.as_ref().is_none_or(|members| members.contains(id))).collect()
    }

    /// Whether the cluster has let it go.
    pub(crate) fn has_left(&self, node: NodeId) -> bool {
        self.stage.recorder.members().is_some_and(|members| !members.contains(&node))
    }

    /// Who votes, as far as anybody told.
    pub(crate) fn voters(&self) -> BTreeSet<NodeId> {
        let told = self.stage.recorder.voters();
        if told.is_empty() { self.founders.keys().copied().collect() } else { told }
    }

    /// Whether a change is, or was, under way: it may need other quorums than the members that were told last.
    pub(crate) fn is_changing(&self) -> bool {
        self.joined.load(Ordering::Relaxed) > 0 || !self.leaving().is_empty()
    }

    /// Who was asked to leave, by the ids of the system.
    pub(crate) fn asked_to_leave(&self) -> Voters {
        self.leaving().iter().map(|id| u64::from(id.0)).collect()
    }

    /// A new node starts, and the cluster is asked to take it in.
    pub(crate) fn grow(&self, fault: &FaultRef) {
        let joined = self.joined.load(Ordering::Relaxed) as usize;
        let Some((&node, _)) = self.hosts.iter().nth(self.founders.len() + joined) else {
            return self.stage.tell(fault, vec![], Change::Join, EffectResult::NoTarget);
        };
        self.joined.fetch_add(1, Ordering::Relaxed);
        self.boot(node);
        self.stage.tell(fault, vec![Party::Node(node)], Change::Join, EffectResult::Applied);
        self.ask_cluster(fault, node, Admin::AddMember { node });
    }

    /// The cluster is asked to let a node go.
    pub(crate) fn shrink(&self, fault: &FaultRef, node: NodeId) {
        self.leaving().insert(node);
        self.ask_cluster(fault, node, Admin::RemoveMember { node });
    }

    /// Asks something about a node of the leader, or of whoever else is up: every node passes it on.
    fn ask_cluster(&self, fault: &FaultRef, about: NodeId, ask: Admin) {
        let machine = &self.stage.machine;
        let up = |id: &NodeId| *id != about && machine.is_running(machine.node(*id));
        match self.stage.recorder.leader().filter(up).or_else(|| self.members().into_iter().find(up)) {
            Some(node) => self.administer(fault, node, ask),
            None => {
                let change = Change::Admin { ask: ask.to_string(), said: Some("nobody is up to ask".to_string()) };
                self.stage.tell(fault, vec![], change, EffectResult::NoTarget);
            }
        }
    }

    /// Asks a node's administration interface; its answer is written down when it comes.
    pub(crate) fn administer(&self, fault: &FaultRef, node: NodeId, ask: Admin) {
        let process = self.stage.machine.process(self.stage.machine.node(node));
        let asked = self.administrators[&node].lock().expect("no panic under this lock").as_ref().map(|administrator| administrator(ask));
        let on = vec![Party::Node(node)];
        let change = move |said: Option<&str>| Change::Admin { ask: ask.to_string(), said: said.map(str::to_string) };
        match (process, asked) {
            (None, _) => self.stage.tell(fault, on, change(Some("it is down")), EffectResult::NoTarget),
            (Some(_), None) => self.stage.tell(fault, on, change(Some("it has no administration, or not yet")), EffectResult::NoTarget),
            (Some(process), Some(asked)) => {
                self.stage.tell(fault, on.clone(), change(None), EffectResult::Asked);
                let (stage, fault) = (self.stage.clone(), fault.clone());
                drop(process.spawn(async move {
                    let (said, result) = match asked.await {
                        Ok(()) => (None, EffectResult::Applied),
                        Err(why) => (Some(why), EffectResult::Refused),
                    };
                    stage.record(EntryKind::Effect(Effect { fault, on, change: change(said.as_deref()), result }));
                }));
            }
        }
    }

    /// What each running member holds; `None` from one that cannot tell (yet).
    pub(crate) fn finals(&self) -> Vec<(NodeId, Option<Observation>)> {
        let (members, machine) = (self.members(), &self.stage.machine);
        let is_up = |id: &NodeId| members.contains(id) && machine.is_running(machine.node(*id));
        let running = self.probes.iter().filter(|(id, _)| is_up(id));
        let ask = |probe: &Mutex<Option<Probe>>| probe.lock().expect("no panic under this lock").as_ref().map(|probe| probe());
        running.map(|(id, probe)| (*id, ask(probe))).collect()
    }
}
