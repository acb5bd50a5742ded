//! Three simulated nodes, and what they tell.
#![allow(dead_code, unreachable_pub)]

use squall_cluster::{LogMark, Node, NodeConfig, Observer, RaftRole};
use squall_effect::Probability;
use squall_env::Env;
use squall_history::{NodeId, Observation};
use squall_machine::{DiskProfile, LinkProfile, Machine, MachineConfig, Seen, SimDisk, SimEnv, SimNet};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

/// What happened, by node: `lead 3`, `stand 2`, `install 57`.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(u64, String)>>>);

pub struct Tell(u64, Log);

impl Tell {
    fn say(&self, what: String) {
        self.1.0.lock().unwrap().push((self.0, what));
    }
}

impl Observer for Tell {
    fn vote(&self, _term: u64, _voted_for: u64, _committed: bool) {}
    fn role(&self, term: u64, role: RaftRole, _leader: Option<u64>) {
        match role {
            RaftRole::Leader => self.say(format!("lead {term}")),
            RaftRole::Candidate => self.say(format!("stand {term}")),
            RaftRole::Follower => {}
        }
    }
    fn appended(&self, _entries: &[LogMark]) {}
    fn synced(&self, _index: u64) {}
    fn compacted(&self, _revision: u64) {}
    fn membership(&self, _index: u64, _voters: &[Vec<u64>], _learners: &[u64]) {}
    fn truncated(&self, _after: Option<u64>) {}
    fn purged(&self, _index: u64, _term: u64) {}
    fn committed(&self, _index: u64, _term: u64) {}
    fn applied(&self, _first: u64, _state: &[u32]) {}
    fn snapshot_built(&self, _index: u64, _term: u64) {}
    fn snapshot_installed(&self, index: u64, _term: u64, _state: u32) {
        self.say(format!("install {index}"));
    }
    fn restored(&self, _index: u64, _term: u64, _state: u32) {}
    fn members(&self, _index: u64, _voters: &[u64], _learners: &[u64]) {}
}

impl Log {
    pub fn count(&self, matches: impl Fn(u64, &str) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|(node, what)| matches(*node, what)).count()
    }

    pub fn leader(&self) -> Option<u64> {
        self.0.lock().unwrap().iter().rev().find(|(_, what)| what.starts_with("lead")).map(|(node, _)| *node)
    }
}

/// An order to a node: hand over to that one; the answer goes back.
pub type Handover = (u64, tokio::sync::oneshot::Sender<Result<bool, String>>);

pub struct Cluster {
    pub machine: Arc<Machine>,
    pub log: Log,
    pub orders: BTreeMap<u64, mpsc::UnboundedSender<Handover>>,
    seen: Arc<Seen>,
    pre_vote: bool,
}

impl Cluster {
    pub fn boot(&mut self, id: u64) {
        let machine = self.machine.clone();
        let members: BTreeMap<u64, SocketAddr> = (1..=3).map(|i| (i, machine.addr(machine.node(NodeId(i as u32)), 80))).collect();
        let (order, mut orders) = mpsc::unbounded_channel::<Handover>();
        self.orders.insert(id, order);
        let (log, pre_vote) = (self.log.clone(), self.pre_vote);
        machine.boot(machine.node(NodeId(id as u32)), |_| async move {
            let config = NodeConfig {
                election_timeout_min: Duration::from_millis(300),
                election_timeout_max: Duration::from_millis(600),
                snapshot_every: 20,
                keep_entries: 2,
                segment_bytes: 2000,
                pre_vote,
                ..NodeConfig::new(id, members)
            };
            let tell = Arc::new(Tell(id, log));
            let (node, service) =
                Node::<SimEnv>::start(config, SimNet::current(), SimDisk::current(), tell).await.map_err(|e| e.to_string())?;
            drop(SimEnv::spawn(async move {
                while let Some((to, answer)) = orders.recv().await {
                    let _ = answer.send(node.admin().transfer_leader(to).await);
                }
            }));
            Err(service.await.to_string())
        });
    }

    /// The panics of nodes and clients.
    pub fn panics(&self) -> Vec<Observation> {
        self.seen.all().into_iter().map(|(_, _, saw)| saw).filter(|saw| matches!(saw, Observation::Panicked { .. })).collect()
    }

    pub async fn sleep(&self, ms: u64) {
        self.machine.sleep_until(self.machine.now() + Duration::from_millis(ms)).await;
    }

    pub fn isolate(&self, id: u64, cut: bool) {
        let host = |i: u64| self.machine.node(NodeId(i as u32));
        for other in (1..=3).filter(|i| *i != id) {
            for (from, to) in [(host(id), host(other)), (host(other), host(id))] {
                if cut { self.machine.cut(from, to) } else { self.machine.heal(from, to) }
            }
        }
    }
}

pub fn on_cluster<F: Future<Output = ()>>(seed: u64, pre_vote: bool, story: impl FnOnce(Cluster) -> F + Send + 'static) {
    let (latency_min, latency_max) = (Duration::from_millis(1), Duration::from_millis(5));
    let config = MachineConfig {
        world_seed: seed,
        nodes: 3,
        clients: 1,
        link: LinkProfile { latency_min, latency_max, loss: Probability::NEVER, bandwidth: None },
        disk: DiskProfile { sync_min: Duration::from_millis(2), sync_max: Duration::from_millis(2) },
        bugs: Default::default(),
    };
    let seen = Arc::new(Seen::default());
    let ran = Machine::run_watched(config, seen.clone(), move |machine| async move {
        let mut cluster = Cluster { machine, log: Log::default(), orders: BTreeMap::new(), seen, pre_vote };
        (1..=3).for_each(|id| cluster.boot(id));
        cluster.sleep(3000).await;
        assert!(cluster.log.leader().is_some(), "nobody leads after three seconds");
        story(cluster).await;
    });
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
