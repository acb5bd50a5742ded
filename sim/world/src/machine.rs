//! The simulated machine: hosts, their clocks, disks and processes, and the network between them.
//!
//! One [`Machine`] is one run's world. All its state is behind one lock; the run is single-threaded,
//! so the lock is never waited for, and it is never held while a task is polled or dropped.

use crate::{
    budget::{Configuration, Voters},
    clock::{Clock, Timers},
    disk::{DiskProfile, DiskState},
    events::{Derived, Deriver},
    failpoint::{Hit, Trap},
    net::{LinkProfile, Network},
    process::{self, Process},
    queue::{Due, Queue},
};
use madsim::time::TimeHandle;
use squall_env::LocalInstant;
use squall_history::{ClientId, DiskHealth, Entry, Event, History, NodeId, Saw, SimTime, What, stream};
use squall_scenario::Party;
use std::{
    collections::{BTreeSet, VecDeque},
    future::{Future, poll_fn},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Duration,
};

/// The most entries that one history may hold: a run that passes it is cut off, and says so.
pub const HISTORY_MAX: usize = 4_000_000;

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
    /// The planted bugs that are on, as [`squall_env::Bug::bit`]s.
    pub bugs: u64,
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
    pub(crate) nodes: u32,
    /// The failpoints that were hit, for the director.
    pub(crate) hits: Vec<Hit>,
    /// How many times as often as their workloads say clients ask, for each fault that says so.
    load: Vec<u32>,
    load_changes: Arc<tokio::sync::Notify>,
    /// A panic in a part of the harness, if there was one.
    pub(crate) harness_failure: Option<String>,
    history: History,
    events: Deriver,
    /// The events that somebody waits for, those that happened and were not looked at, and whom to wake.
    awaited: BTreeSet<Event>,
    unseen: VecDeque<Happening>,
    watcher: Option<Waker>,
    /// Hosts whose process gave up for an error that a fault had made, and whom to wake then.
    pub(crate) gave_up: VecDeque<HostId>,
    gave_up_waker: Option<Waker>,
    overflowed: bool,
    /// Who looks at the history while it is made.
    onlooker: Option<Onlooker>,
    /// Whether the onlooker has seen enough, and whom to wake then.
    stopped: bool,
    stop_waker: Option<Waker>,
}

/// Looks at what a history has got since the last time; says whether the run is to go on.
///
/// It is called in the middle of a simulation, so it may neither draw nor read a clock nor make a hash map of std's: the run
/// must be the same whether or not somebody looks on. (Let a thread that is there already do the work.)
pub type GoOn = Box<dyn FnMut(&[Entry]) -> bool + Send>;

struct Onlooker {
    go_on: GoOn,
    /// How many entries it has seen, and with how many it is asked again.
    seen: usize,
    next: usize,
}

impl Onlooker {
    /// It is not asked before there are so many entries.
    const FIRST: usize = 256;

    /// Then whenever there is an eighth more: to judge the whole anew each time costs about nine times what it costs once.
    fn later(entries: usize) -> usize {
        entries + (entries / 8).max(Onlooker::FIRST / 2)
    }
}

/// An event that was waited for: when, what, and whom it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) at: SimTime,
    pub(crate) event: Event,
    pub(crate) subject: Option<Party>,
}

/// One run's world.
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

impl Machine {
    /// Runs `body` with a fresh machine, on a fresh OS thread: the keys of std's hash maps are per
    /// thread, and must come from the run's own seed.
    pub fn run<T, F>(config: MachineConfig, body: impl FnOnce(Arc<Machine>) -> F + Send + 'static) -> std::thread::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        Machine::run_timed(config, body).map(|(result, _)| result)
    }

    /// The same, with the CPU time that it took.
    pub fn run_timed<T, F>(
        config: MachineConfig,
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
                let machine = Machine::new(config);
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

    fn new(config: MachineConfig) -> Arc<Machine> {
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
        let state = State {
            queue: Queue::default(),
            timers: Timers::default(),
            hosts,
            net,
            nodes: config.nodes,
            hits: Vec::new(),
            load: Vec::new(),
            load_changes: Arc::default(),
            harness_failure: None,
            history: Vec::new(),
            events: Deriver::default(),
            awaited: BTreeSet::new(),
            unseen: VecDeque::new(),
            watcher: None,
            gave_up: VecDeque::new(),
            gave_up_waker: None,
            overflowed: false,
            onlooker: None,
            stopped: false,
            stop_waker: None,
        };
        Arc::new(Machine { time: TimeHandle::current(), madsim: madsim::runtime::Handle::current(), config, state: Mutex::new(state) })
    }

    /// Virtual time since the start.
    pub fn now(&self) -> SimTime {
        SimTime(self.time.elapsed().as_nanos() as u64)
    }

    pub(crate) fn lock(&self) -> (SimTime, MutexGuard<'_, State>) {
        (self.now(), self.state.lock().expect("nothing panics under the machine's lock"))
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

    /// From now on, these events are what [`Machine::next_event`] answers.
    pub(crate) fn await_events(&self, events: BTreeSet<Event>) {
        self.lock().1.awaited = events;
    }

    /// The next event that is waited for, or `None` once it is that late.
    pub(crate) async fn next_event(&self, until: SimTime) -> Option<Happening> {
        let mut late = std::pin::pin!(self.sleep_until(until));
        poll_fn(|cx| {
            {
                let (_, mut state) = self.lock();
                if let Some(happening) = state.unseen.pop_front() {
                    return Poll::Ready(Some(happening));
                }
                state.watcher = Some(cx.waker().clone());
            }
            late.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// The next host whose process gives up for an error that a fault had made.
    pub(crate) async fn next_to_give_up(&self) -> HostId {
        poll_fn(|cx| {
            let (_, mut state) = self.lock();
            state.gave_up_waker = Some(cx.waker().clone());
            state.gave_up.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Whoever gave up by now is known.
    pub(crate) fn forget_who_gave_up(&self) {
        self.lock().1.gave_up.clear();
    }

    /// Writes a line of the history.
    pub fn record(&self, what: What) {
        let (now, mut state) = self.lock();
        state.record(now, what);
    }

    /// Who was last seen to become leader, and still runs.
    pub fn leader(&self) -> Option<NodeId> {
        self.lock().1.events.leader()
    }

    /// Who last came to hold a lock, or to lead an election, as far as it knows.
    pub(crate) fn lease_holder(&self) -> Option<ClientId> {
        self.lock().1.events.lease_holder()
    }

    /// Clients ask so many times as often, or, with 0, not at all; faults multiply.
    pub(crate) fn load(&self, times: u32) {
        let (_, mut state) = self.lock();
        state.load.push(times);
        state.load_changes.notify_waiters();
    }

    /// Takes one such change back.
    pub(crate) fn load_normal(&self, times: u32) {
        let (_, mut state) = self.lock();
        if let Some(at) = state.load.iter().position(|other| *other == times) {
            state.load.remove(at);
        }
        state.load_changes.notify_waiters();
    }

    /// Takes all of them back.
    pub(crate) fn load_entirely_normal(&self) {
        let (_, mut state) = self.lock();
        state.load.clear();
        state.load_changes.notify_waiters();
    }

    /// How many times as often clients ask, and what tells that this changed.
    pub(crate) fn load_now(&self) -> (u32, Arc<tokio::sync::Notify>) {
        let (_, state) = self.lock();
        let times = state.load.iter().fold(1u32, |all, times| all.saturating_mul(*times));
        (times, state.load_changes.clone())
    }

    /// The nodes that belong to the cluster, by the last membership that was told; `None` before any was.
    pub(crate) fn members(&self) -> Option<BTreeSet<NodeId>> {
        self.lock().1.events.members().cloned()
    }

    /// Those of them that vote.
    pub(crate) fn voters(&self) -> BTreeSet<NodeId> {
        self.lock().1.events.voters().clone()
    }

    /// The configurations that are in force, or may come to be; before any was told, these founders.
    pub(crate) fn configurations(&self, founders: &Voters) -> BTreeSet<Configuration> {
        self.lock().1.events.configurations().now(founders)
    }

    /// Whether the history had to be cut off at [`HISTORY_MAX`].
    pub fn history_overflowed(&self) -> bool {
        self.lock().1.overflowed
    }

    /// From now on, somebody looks on.
    pub(crate) fn look_on(&self, go_on: GoOn) {
        self.lock().1.onlooker = Some(Onlooker { go_on, seen: 0, next: Onlooker::FIRST });
    }

    /// Whether the onlooker had seen enough.
    pub(crate) fn was_stopped(&self) -> bool {
        self.lock().1.stopped
    }

    /// Does this, until it is done or the onlooker has seen enough.
    pub(crate) async fn unless_stopped(&self, body: impl Future<Output = ()>) {
        let mut body = std::pin::pin!(body);
        poll_fn(|cx| {
            if body.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let (_, mut state) = self.lock();
            state.stop_waker = Some(cx.waker().clone());
            if state.stopped { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // Whoever looked on need not wait for the machine to go.
        let gone = self.lock().1.onlooker.take();
        drop(gone);
    }

    /// What went wrong in the harness itself, if anything did.
    pub fn harness_failure(&self) -> Option<String> {
        self.lock().1.harness_failure.clone()
    }

    /// Takes the history written so far.
    pub fn take_history(&self) -> History {
        std::mem::take(&mut self.lock().1.history)
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

    pub(crate) fn record(&mut self, t: SimTime, what: What) {
        if self.stopped {
            return;
        }
        if self.history.len() >= HISTORY_MAX {
            self.overflowed = true;
            return;
        }
        let events = self.events.derive(&what, self.net.any_cut());
        self.history.push(Entry { t, what });
        for derived in events {
            let Derived { event, subject, told } = derived;
            if self.awaited.contains(&event) {
                self.unseen.push_back(Happening { at: t, event, subject });
                if let Some(watcher) = self.watcher.take() {
                    watcher.wake();
                }
            }
            if told {
                let node = subject.and_then(|party| if let Party::Node(id) = party { Some(id) } else { None });
                self.history.push(Entry { t, what: What::Event { event, node } });
            }
        }
        self.ask_onlooker();
    }

    /// A process ends by itself, and says why.
    pub(crate) fn refuses_to_go_on(&mut self, now: SimTime, host: HostId, why: String) {
        self.observe(now, host.0, Saw::Refused { why });
        if self.hosts[host.0].was_failed {
            self.gave_up.push_back(host);
            self.gave_up_waker.take().into_iter().for_each(Waker::wake);
        }
    }

    fn ask_onlooker(&mut self) {
        let entries = self.history.len();
        let Some(onlooker) = self.onlooker.as_mut().filter(|o| o.next <= entries) else { return };
        let go_on = (onlooker.go_on)(&self.history[onlooker.seen..]);
        (onlooker.seen, onlooker.next) = (entries, Onlooker::later(entries));
        if !go_on {
            self.stopped = true;
            self.stop_waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Records an observation of a host, when the host is a node.
    pub(crate) fn observe(&mut self, now: SimTime, host: usize, saw: Saw) {
        if (host as u32) < self.nodes {
            self.record(now, What::Node { node: NodeId(host as u32 + 1), saw });
        }
    }
}
