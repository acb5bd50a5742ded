//! What openraft leaves to its user, and defaults to nothing: pre-vote, leader transfer, snapshots to
//! lagging nodes, and recovery from what a power loss leaves of a disk.

use squall_cluster::{LogMark, Node, NodeConfig, Observer, RaftRole};
use squall_env::Env;
use squall_history::NodeId;
use squall_world::{DiskProfile, LinkProfile, Machine, MachineConfig, Ratio, SimDisk, SimEnv, SimNet};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

/// What happened, by node: `lead 3`, `stand 2`, `install 57`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u64, String)>>>);

struct Tell(u64, Log);

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
    fn truncated(&self, _after: Option<u64>) {}
    fn purged(&self, _index: u64, _term: u64) {}
    fn committed(&self, _index: u64, _term: u64) {}
    fn applied(&self, _first: u64, _state: &[u32]) {}
    fn snapshot_built(&self, _index: u64, _term: u64) {}
    fn snapshot_installed(&self, index: u64, _term: u64, _state: u32) {
        self.say(format!("install {index}"));
    }
    fn restored(&self, _index: u64, _term: u64, _state: u32) {}
}

impl Log {
    fn count(&self, matches: impl Fn(u64, &str) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|(node, what)| matches(*node, what)).count()
    }

    fn leader(&self) -> Option<u64> {
        self.0.lock().unwrap().iter().rev().find(|(_, what)| what.starts_with("lead")).map(|(node, _)| *node)
    }
}

/// An order to a node: hand over to that one; the answer goes back.
type Handover = (u64, tokio::sync::oneshot::Sender<Result<bool, String>>);

struct Cluster {
    machine: Arc<Machine>,
    log: Log,
    orders: BTreeMap<u64, mpsc::UnboundedSender<Handover>>,
    pre_vote: bool,
}

impl Cluster {
    fn boot(&mut self, id: u64) {
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

    async fn sleep(&self, ms: u64) {
        self.machine.sleep_until(self.machine.now() + Duration::from_millis(ms)).await;
    }

    fn isolate(&self, id: u64, cut: bool) {
        let host = |i: u64| self.machine.node(NodeId(i as u32));
        for other in (1..=3).filter(|i| *i != id) {
            for (from, to) in [(host(id), host(other)), (host(other), host(id))] {
                if cut { self.machine.cut(from, to) } else { self.machine.heal(from, to) }
            }
        }
    }
}

fn on_cluster<F: Future<Output = ()>>(seed: u64, pre_vote: bool, story: impl FnOnce(Cluster) -> F + Send + 'static) {
    let (latency_min, latency_max) = (Duration::from_millis(1), Duration::from_millis(5));
    let config = MachineConfig {
        world_seed: seed,
        nodes: 3,
        clients: 1,
        link: LinkProfile { latency_min, latency_max, loss: Ratio::NEVER, bandwidth: None },
        disk: DiskProfile { sync_min: Duration::from_millis(2), sync_max: Duration::from_millis(2) },
        bugs: 0,
    };
    let ran = Machine::run(config, move |machine| async move {
        let mut cluster = Cluster { machine, log: Log::default(), orders: BTreeMap::new(), pre_vote };
        (1..=3).for_each(|id| cluster.boot(id));
        cluster.sleep(3000).await;
        assert!(cluster.log.leader().is_some(), "nobody leads after three seconds");
        story(cluster).await;
    });
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn a_leader_hands_over_at_once_and_refuses_nonsense() {
    for seed in 0..5 {
        on_cluster(seed, true, move |cluster| async move {
            let leader = cluster.log.leader().unwrap();
            let to = leader % 3 + 1;
            let ask = async |from: u64, to: u64| {
                let (tell, told) = tokio::sync::oneshot::channel();
                cluster.orders[&from].send((to, tell)).unwrap();
                told.await.unwrap()
            };
            assert!(ask(leader, leader).await.is_err() && ask(leader, 9).await.is_err() && ask(to, leader).await.is_err());
            let asked = cluster.machine.now();
            assert_eq!(ask(leader, to).await, Ok(true), "seed {seed}");
            let took = cluster.machine.now().since(asked);
            assert_eq!(cluster.log.leader(), Some(to));
            assert!(took < Duration::from_millis(250), "no election timeout was waited for: {took:?}");
        });
    }
}

#[test]
fn with_pre_vote_an_isolated_node_stands_for_nothing_and_without_it_does() {
    for (pre_vote, expect) in [(true, 0..1), (false, 3..100)] {
        on_cluster(7, pre_vote, move |cluster| async move {
            let victim = cluster.log.leader().unwrap() % 3 + 1;
            let stood = || cluster.log.count(|node, what| node == victim && what.starts_with("stand"));
            let before = stood();
            cluster.isolate(victim, true);
            cluster.sleep(8000).await;
            let times = stood() - before;
            assert!(expect.contains(&times), "pre_vote {pre_vote}: it stood {times} times");
            let (led, leader) = (cluster.log.count(|_, what| what.starts_with("lead")), cluster.log.leader());
            cluster.isolate(victim, false);
            cluster.sleep(5000).await;
            if pre_vote {
                let still = (cluster.log.count(|_, what| what.starts_with("lead")), cluster.log.leader());
                assert_eq!(still, (led, leader), "its return disturbs nobody");
            }
        });
    }
}

#[test]
fn a_node_that_lags_behind_the_logs_head_gets_a_snapshot() {
    use squall_cluster::pb::etcdserverpb::{PutRequest, kv_client::KvClient};
    on_cluster(9, true, |mut cluster| async move {
        let leader = cluster.log.leader().unwrap();
        let victim = leader % 3 + 1;
        cluster.machine.end_process(cluster.machine.node(NodeId(victim as u32)), true);
        let addr = cluster.machine.addr(cluster.machine.node(NodeId(leader as u32)), 80);
        let (tell, told) = tokio::sync::oneshot::channel();
        cluster.machine.boot(cluster.machine.client_host(1), |_| async move {
            let channel = squall_rpc::Channel::<SimEnv>::new(SimNet::current(), addr, Default::default());
            let mut kv = KvClient::new(channel);
            for i in 0..100 {
                kv.put(PutRequest { key: format!("k{i}").into(), value: vec![7; 100].into(), ..Default::default() }).await.unwrap();
            }
            let _ = tell.send(());
            std::future::pending().await
        });
        told.await.unwrap();
        cluster.boot(victim);
        cluster.sleep(5000).await;
        assert_eq!(cluster.log.count(|node, what| node == victim && what.starts_with("install")), 1);
    });
}
