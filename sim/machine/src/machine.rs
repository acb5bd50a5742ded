//! The simulated machine: hosts, their clocks, disks and processes, and the network between them.
//!
//! One [`Machine`] is one run's world. All its state is behind one lock; the run is single-threaded,
//! so the lock is never waited for, and it is never held while a task is polled or dropped.

use crate::{
    clock::{Clock, Timers},
    disk::{DiskProfile, DiskState},
    host::Host,
    ids::HostId,
    net::{LinkProfile, Network, Nic, Traffic},
    queue::Queue,
    trap::Hit,
    watcher::Watcher,
};
use madsim::time::TimeHandle;
use squall_effect::Probability;
use squall_env::LocalInstant;
use squall_history::{NodeId, Observation, SimTime, stream};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// The key of every draw that the world makes.
    pub world_seed: u64,
    /// Nodes: hosts `n1..=nN`, at 10.0.0.1 and up.
    pub nodes: u32,
    /// Client hosts: `c1..=cM`, at 10.0.1.1 and up.
    pub clients: u32,
    /// Every link, until a fault changes one.
    pub link: LinkProfile,
    /// Every disk, until a fault changes one.
    pub disk: DiskProfile,
    /// The names of the planted bugs that are on.
    pub bugs: BTreeSet<String>,
}

impl MachineConfig {
    /// Three nodes and a client, for whoever has no cluster in mind: links of 1 to 10 ms, syncs of 2 ms.
    pub fn bare(world_seed: u64) -> MachineConfig {
        let (latency_min, latency_max, sync) = (Duration::from_millis(1), Duration::from_millis(10), Duration::from_millis(2));
        MachineConfig {
            world_seed,
            nodes: 3,
            clients: 1,
            link: LinkProfile { latency_min, latency_max, loss: Probability::NEVER, bandwidth: None },
            disk: DiskProfile { sync_min: sync, sync_max: sync },
            bugs: BTreeSet::new(),
        }
    }
}

/// All that changes. Each part has its state, and is given the parts below it.
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) timers: Timers,
    pub(crate) hosts: Vec<Host>,
    pub(crate) net: Network,
    /// The failpoints that were hit, for whoever armed them.
    pub(crate) hits: Vec<Hit>,
    watcher: Arc<dyn Watcher>,
}

/// One simulated machine.
pub struct Machine {
    pub(crate) time: TimeHandle,
    pub(crate) config: MachineConfig,
    pub(crate) madsim: madsim::runtime::Handle,
    state: Mutex<State>,
}

impl Machine {
    /// A fresh one, in the madsim runtime that runs now.
    pub(crate) fn new(config: MachineConfig, watcher: Arc<dyn Watcher>) -> Arc<Machine> {
        let seed = config.world_seed;
        let (mut hosts, mut nics) = (Vec::new(), Vec::new());
        for (count, subnet, letter) in [(config.nodes, 0, 'n'), (config.clients, 1, 'c')] {
            for i in 1..=count {
                let label = format!("{letter}{i}");
                let mut draws = stream(seed, &format!("clock {label}"));
                // Each monotonic clock starts somewhere else: nothing may compare them.
                let start = LocalInstant(draws.in_range(1_000_000_000..=3_600_000_000_000));
                let ip = IpAddr::V4(Ipv4Addr::new(10, 0, subnet, u8::try_from(i).expect("at most 255 hosts of a kind")));
                nics.push(Nic::new(label.clone(), ip));
                hosts.push(Host {
                    pauses: 0,
                    clock: Clock::new(start),
                    disk: DiskState::new(
                        config.disk.clone(),
                        stream(seed, &format!("disk {label}")),
                        stream(seed, &format!("slow disk {label}")),
                    ),
                    life: None,
                    traps: Vec::new(),
                    was_failed: false,
                    incarnations: 0,
                    label,
                });
            }
        }
        let net = Network::new(seed, nics, config.link.clone());
        let state = State { queue: Queue::default(), timers: Timers::default(), hosts, net, hits: Vec::new(), watcher };
        Arc::new(Machine { time: TimeHandle::current(), madsim: madsim::runtime::Handle::current(), config, state: Mutex::new(state) })
    }

    /// Virtual time since the start.
    pub fn now(&self) -> SimTime {
        SimTime(self.time.elapsed().as_nanos() as u64)
    }

    pub(crate) fn lock(&self) -> (SimTime, MutexGuard<'_, State>) {
        (self.now(), self.state.lock().expect("nothing panics under the machine's lock"))
    }

    /// What it is made of.
    pub fn config(&self) -> &MachineConfig {
        &self.config
    }

    /// The host of a node.
    pub fn node(&self, id: NodeId) -> HostId {
        assert!(id.0 >= 1 && id.0 <= self.config.nodes, "there is no node {id}");
        HostId(id.0 as usize - 1)
    }

    /// The `i`th client host, counted from 1.
    pub fn client_host(&self, i: u32) -> HostId {
        assert!(i >= 1 && i <= self.config.clients, "there is no client host {i}");
        HostId((self.config.nodes + i) as usize - 1)
    }

    /// An address on a host.
    pub fn addr(&self, host: HostId, port: u16) -> SocketAddr {
        SocketAddr::new(self.lock().1.net.nics[host.0].ip, port)
    }

    /// Virtual time for the supervisor: not on any node's clock.
    pub async fn sleep_until(&self, at: SimTime) {
        let deadline = self.time.now_instant() + at.since(self.now());
        let mut sleep = Box::pin(madsim::time::sleep_until(deadline));
        sleep.as_mut().reset(deadline);
        sleep.await;
    }

    /// Now, and whether any link is cut.
    pub fn now_and_cut(&self) -> (SimTime, bool) {
        let (now, state) = self.lock();
        (now, state.net.any_cut())
    }

    /// The node that a host is; `None` of a client's.
    pub fn node_of(&self, host: HostId) -> Option<NodeId> {
        host.node(self.config.nodes).ok()
    }
}

impl State {
    /// The network at work.
    pub(crate) fn traffic(&mut self) -> Traffic<'_> {
        Traffic { net: &mut self.net, queue: &mut self.queue }
    }

    /// A process ends by itself, and says why.
    pub(crate) fn refuses_to_go_on(&mut self, now: SimTime, host: HostId, why: String) {
        self.observe(now, host.0, Observation::Refused { why });
        if self.hosts[host.0].was_failed {
            self.watcher.gave_up(host);
        }
    }

    /// Tells what is seen of a host.
    pub(crate) fn observe(&mut self, now: SimTime, host: usize, saw: Observation) {
        self.watcher.saw(now, HostId(host), saw, self.net.any_cut());
    }
}
