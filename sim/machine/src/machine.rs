//! The simulated machine: hosts, their clocks, disks and processes, and the network between them.
//!
//! One [`Machine`] is one run's world. All its state is behind one lock; the run is single-threaded,
//! so the lock is never waited for, and it is never held while a task is polled or dropped.

use crate::{
    clock::{Clock, Timers},
    disk::{DiskProfile, DiskState},
    failpoint::{Hit, Trap},
    net::{LinkProfile, Network},
    process::{self, Process},
    queue::{Due, Queue},
    watcher::{Seen, Watcher},
};
use madsim::time::TimeHandle;
use squall_env::LocalInstant;
use squall_history::{DiskHealth, NodeId, Saw, SimTime, stream};
use std::{
    collections::BTreeSet,
    future::{Future, poll_fn},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
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

/// A computer: it has power or not, and runs at most one process of ours.
pub(crate) struct Host {
    pub(crate) label: String,
    pub(crate) ip: IpAddr,
    pub(crate) powered: bool,
    /// How many faults hold it still.
    pub(crate) pauses: u32,
    pub(crate) clock: Clock,
    pub(crate) disk: DiskState,
    pub(crate) process: Option<Arc<Process>>,
    /// The failpoints that are armed here.
    pub(crate) traps: Vec<Trap>,
    /// Whether a fault made an access of this process fail: it may give up for that, whenever it comes to it.
    pub(crate) was_failed: bool,
    pub(crate) incarnations: u32,
}

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
    time: TimeHandle,
    pub(crate) config: MachineConfig,
    pub(crate) madsim: madsim::runtime::Handle,
    state: Mutex<State>,
}

/// This thread's CPU clock: for measuring, never for deciding. Not to be read inside a simulation.
pub fn cpu_clock() -> cpu_time::ThreadTime {
    cpu_time::ThreadTime::now()
}

/// Names a host of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub(crate) usize);

impl HostId {
    /// The node that this host is, on a machine with so many; else which client's it is, from 1.
    ///
    /// # Errors
    /// With the client's number.
    pub fn node(self, nodes: u32) -> Result<NodeId, u32> {
        let number = self.0 as u32 + 1;
        if number <= nodes { Ok(NodeId(number)) } else { Err(number - nodes) }
    }
}

impl Machine {
    /// Runs `body` with a fresh machine, on a fresh OS thread: the keys of std's hash maps are per
    /// thread, and must come from the run's own seed.
    ///
    /// # Errors
    /// With the panic of `body`, if it panics.
    pub fn run<T, F>(config: MachineConfig, body: impl FnOnce(Arc<Machine>) -> F + Send + 'static) -> std::thread::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        Machine::run_watched(config, Arc::new(Seen::default()), body).map(|(result, _)| result)
    }

    /// The same, while somebody is told what happens; with the CPU time that it took.
    ///
    /// # Errors
    /// With the panic of `body`, if it panics.
    pub fn run_watched<T, F>(
        config: MachineConfig,
        watcher: Arc<dyn Watcher>,
        body: impl FnOnce(Arc<Machine>) -> F + Send + 'static,
    ) -> std::thread::Result<(T, Duration)>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        process::install_panic_hook();
        let thread = std::thread::Builder::new().name(format!("world-{}", config.world_seed)).stack_size(8 << 20);
        let running = thread.spawn(move || {
            let cpu = cpu_clock();
            let runtime = madsim::runtime::Runtime::with_seed_and_config(config.world_seed, madsim::Config::default());
            let result = runtime.block_on(async move {
                let machine = Machine::new(config, watcher);
                let pump = madsim::task::spawn(Machine::pump(machine.clone()));
                let result = body(machine.clone()).await;
                machine.power_off().await;
                pump.abort();
                result
            });
            drop(runtime);
            (result, cpu.elapsed())
        });
        running.expect("the operating system gives a thread").join()
    }

    fn new(config: MachineConfig, watcher: Arc<dyn Watcher>) -> Arc<Machine> {
        let seed = config.world_seed;
        let mut hosts = Vec::new();
        for (count, subnet, letter) in [(config.nodes, 0, 'n'), (config.clients, 1, 'c')] {
            for i in 1..=count {
                let label = format!("{letter}{i}");
                let mut draws = stream(seed, &format!("clock {label}"));
                // Each monotonic clock starts somewhere else: nothing may compare them.
                let start = LocalInstant(draws.in_range(1_000_000_000..=3_600_000_000_000));
                hosts.push(Host {
                    ip: IpAddr::V4(Ipv4Addr::new(10, 0, subnet, u8::try_from(i).expect("at most 255 hosts of a kind"))),
                    powered: true,
                    pauses: 0,
                    clock: Clock::new(start),
                    disk: DiskState::new(
                        config.disk.clone(),
                        stream(seed, &format!("disk {label}")),
                        stream(seed, &format!("slow disk {label}")),
                    ),
                    process: None,
                    traps: Vec::new(),
                    was_failed: false,
                    incarnations: 0,
                    label,
                });
            }
        }
        let labels: Vec<&str> = hosts.iter().map(|h| h.label.as_str()).collect();
        let net = Network::new(seed, &labels, config.link.clone());
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
        SocketAddr::new(self.lock().1.hosts[host.0].ip, port)
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

    /// The task that makes events happen.
    async fn pump(machine: Arc<Machine>) {
        let mut sleep = Box::pin(madsim::time::sleep(Duration::ZERO));
        poll_fn::<(), _>(|cx| {
            loop {
                let mut crashes = Vec::new();
                let rearm = {
                    let (now, mut state) = machine.lock();
                    while let Some(due) = state.queue.pop(now) {
                        if let Due::Crash { host, incarnation, power_loss } = due {
                            crashes.push((host, incarnation, power_loss));
                        } else {
                            state.happen(now, due);
                        }
                    }
                    state.queue.rearm(now, cx.waker()).map(|at| at.since(now))
                };
                for (host, incarnation, power_loss) in crashes {
                    machine.crashed(HostId(host), incarnation, power_loss);
                }
                let Some(after) = rearm else { return Poll::Pending };
                let deadline = machine.time.now_instant() + after;
                sleep.as_mut().reset(deadline);
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Ends every process and lets the executor drop their tasks, so that a run leaves nothing behind.
    async fn power_off(&self) {
        let hosts = self.lock().1.hosts.len();
        for host in 0..hosts {
            self.end_process(HostId(host), true);
        }
        madsim::time::sleep(Duration::from_millis(5)).await;
    }
}

impl State {
    fn happen(&mut self, now: SimTime, due: Due) {
        match due {
            Due::Timer(id) => self.timer_fire(id),
            Due::Arrival { conn, end } => self.segments_arrive(now, conn, end),
            Due::Retransmit { conn, end } => self.retransmit(now, conn, end),
            Due::AckProbe { conn, end } => self.ack_probe(now, conn, end),
            Due::Reset { conn, end } => self.reset_arrives(now, conn, end),
            Due::Syn { conn } => self.syn_arrives(now, conn),
            Due::SynAnswer { conn, accepted } => self.syn_answer_arrives(now, conn, accepted),
            Due::SynRetry { conn } => self.syn_retry(now, conn),
            Due::Synced { host, ticket } => {
                if self.hosts[host].disk.sync_done(ticket) {
                    self.observe(now, host, Saw::Disk { disk: DiskHealth::Damaged });
                }
            }
            Due::Crash { .. } => unreachable!("the pump handles crashes outside of the lock"),
        }
    }

    /// A process ends by itself, and says why.
    pub(crate) fn refuses_to_go_on(&mut self, now: SimTime, host: HostId, why: String) {
        self.observe(now, host.0, Saw::Refused { why });
        if self.hosts[host.0].was_failed {
            self.watcher.gave_up(host);
        }
    }

    /// Tells what is seen of a host.
    pub(crate) fn observe(&mut self, now: SimTime, host: usize, saw: Saw) {
        self.watcher.saw(now, HostId(host), saw, self.net.any_cut());
    }
}
