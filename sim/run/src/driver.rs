//! Clients: they ask, and what they see is written down. In simulated time or in real time.

use crate::{
    pack::{Client, CurrentOp, StreamSink},
    pen::Pen,
    service_events::Leftovers,
    tempo::Tempo,
};
use squall_env::{Env, LocalInstant};
use squall_history::{Answer, ClientId, EntryKind, Failure, Op, OpId, Outcome, SimTime};
use squall_scenario::workloads::{OpSource, Pace, PlannedLoad};
use std::{
    collections::BTreeMap,
    future::Future,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
    time::Duration,
};
use tokio::sync::Notify;

/// A client that holds on to an operation for longer than this is not waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a client whose operations are over waits between two probes.
const PROBE: Duration = Duration::from_millis(100);

/// Makes the client with this number, where it runs; what it hears goes into the sink.
pub type Connect = Arc<dyn Fn(u32, StreamSink) -> Box<dyn Client> + Send + Sync>;

/// The life of one client.
type Life = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Progress {
    stop: bool,
    /// Since when the faults are over: every client is to show whether it is served, at once.
    healed: Option<SimTime>,
    clients: u32,
    running: u32,
    leftovers: Box<dyn Leftovers>,
    next_op: u64,
    /// For each client, when its last successful operation was invoked.
    served: BTreeMap<ClientId, SimTime>,
}

/// What is looked at once more when the load is over.
pub(crate) struct Left {
    reads: Vec<Op>,
    looks: Vec<Op>,
    /// How long the looks may take.
    pub(crate) lives: Duration,
}

impl Left {
    /// How many operations that takes at the least.
    pub(crate) fn count(&self) -> u32 {
        (self.reads.len() + self.looks.len()) as u32
    }
}

/// The clients of a run.
pub struct Driver<E: Env> {
    shared: Arc<Shared>,
    env: PhantomData<fn() -> E>,
}

struct Shared {
    pen: Arc<dyn Pen>,
    tempo: Arc<Tempo>,
    connect: Connect,
    progress: Mutex<Progress>,
    changed: Notify,
    /// Ends the pauses of every client.
    hurry: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no panic under this lock")
    }
}

impl<E: Env> Driver<E> {
    /// Clients: where they write, how often they ask, how they are made, what they leave behind.
    pub fn new(pen: Arc<dyn Pen>, tempo: Arc<Tempo>, connect: Connect, leftovers: Box<dyn Leftovers>) -> Driver<E> {
        let progress = Progress { stop: false, healed: None, clients: 0, running: 0, leftovers, next_op: 0, served: BTreeMap::new() };
        let shared = Shared { pen, tempo, connect, progress: Mutex::new(progress), changed: Notify::new(), hurry: Notify::new() };
        Driver { shared: Arc::new(shared), env: PhantomData }
    }

    /// Starts the clients of these workloads: `start` is given the number of each, and its life.
    pub fn start(&self, workloads: &[Box<dyn PlannedLoad>], mut start: impl FnMut(u32, Life)) {
        let mut ordinal = 0;
        for workload in workloads {
            for i in 1..=workload.clients() {
                ordinal += 1;
                let source = workload.source(i, &ClientId(ordinal).to_string());
                {
                    let mut progress = self.shared.lock();
                    (progress.clients, progress.running) = (progress.clients + 1, progress.running + 1);
                }
                let session = Session::<E>::new(&self.shared, ClientId(ordinal));
                start(ordinal, Box::pin(session.live(source)));
            }
        }
    }

    /// From now on every client asks at once, however slow its pace is, until it has shown that it is served.
    pub(crate) fn hurry(&self, healed: SimTime) {
        self.shared.lock().healed = Some(healed);
        self.shared.hurry.notify_waiters();
    }

    /// Whether every client was served after the heal.
    pub(crate) fn all_served(&self, healed: SimTime) -> bool {
        let progress = self.shared.lock();
        progress.served.values().filter(|at| **at >= healed).count() == progress.clients as usize
    }

    /// Ends the load: every client ends the operation that it is in.
    pub fn stop(&self) {
        self.shared.lock().stop = true;
        self.shared.hurry.notify_waiters();
    }

    /// Whether every client has ended.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().running == 0
    }

    /// A client was served, or ended.
    pub fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.shared.changed.notified()
    }

    /// What is to be looked at in the end.
    pub(crate) fn leftovers(&self) -> Left {
        let leftovers = &self.shared.lock().leftovers;
        Left { reads: leftovers.reads(), looks: leftovers.looks(), lives: leftovers.lives() }
    }

    /// Asks what is left, as client c1. Each read is tried until it succeeds or time is up, and time is never up before `everybody`
    /// has been asked once: members that were let go may be up, and lead nobody. Then looks at what is to be gone, until it is, or
    /// should be.
    pub(crate) fn final_reads(&self, left: Left, deadline: SimTime, everybody: u32) -> impl Future<Output = ()> + Send + use<E> {
        let session = Session::<E>::new(&self.shared, ClientId(1));
        async move {
            let pen = session.shared.pen.clone();
            let mut client = session.connect();
            let mut unasked = everybody;
            for read in left.reads {
                while session.perform(&mut *client, &read).await.is_none() && (pen.now() < deadline || unasked > 0) {
                    unasked = unasked.saturating_sub(1);
                    E::sleep(Duration::from_millis(50)).await;
                }
            }
            let mut looks = left.looks;
            let gone_by = pen.now() + left.lives;
            while !looks.is_empty() {
                for look in &looks {
                    session.perform(&mut *client, look).await;
                }
                let still = session.shared.lock().leftovers.looks();
                looks.retain(|look| still.contains(look));
                if pen.now() > gone_by {
                    break;
                }
                E::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// The same, within this time, of everything that was asked for.
    pub fn read_again(&self, within: Duration) -> impl Future<Output = ()> + Send + use<E> {
        let deadline = self.shared.pen.now() + within;
        self.final_reads(self.leftovers(), deadline, 1)
    }
}

/// How often what is to be gone is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A pace this many times as fast; what has a time of its own keeps it.
fn faster(pace: Pace, times: u32) -> Pace {
    match pace {
        Pace::AfterLast(pause) => Pace::AfterLast(pause / times.max(1)),
        Pace::AfterStart(interval) => Pace::AfterStart(interval / times.max(1)),
        Pace::At(at) => Pace::At(at),
    }
}

fn due(pace: Pace, begun: LocalInstant, started: LocalInstant, ended: LocalInstant) -> LocalInstant {
    match pace {
        Pace::At(after) => begun + after,
        Pace::AfterLast(pause) => ended + pause,
        Pace::AfterStart(interval) => started + interval,
    }
}

/// One client.
struct Session<E: Env> {
    shared: Arc<Shared>,
    id: ClientId,
    current: CurrentOp,
    env: PhantomData<fn() -> E>,
}

impl<E: Env> Session<E> {
    fn new(shared: &Arc<Shared>, id: ClientId) -> Session<E> {
        Session { shared: shared.clone(), id, current: CurrentOp::default(), env: PhantomData }
    }

    fn connect(&self) -> Box<dyn Client> {
        (self.shared.connect)(self.id.0, self.current.sink(&self.shared.pen))
    }

    /// Asks what its source says, when it says, until the load is over.
    async fn live(self, mut source: Box<dyn OpSource>) {
        let mut client = self.connect();
        let begun = E::now();
        let (mut started, mut ended, mut refused) = (begun, begun, false);
        loop {
            let (pace, op) = match source.next() {
                // Whoever is to show that it is served does not wait in line, or listen, for that.
                // Nor is a refusal, which may be right, held against the system.
                Some((_, op)) if self.is_waited_for() && (refused || !op.max_duration().is_zero()) => {
                    (Pace::AfterLast(PROBE), source.probe())
                }
                Some(next) => next,
                None => {
                    self.until_healed().await;
                    (Pace::AfterLast(PROBE), source.probe())
                }
            };
            let (times, tempo_changes) = self.shared.tempo.now();
            let mut until = due(faster(pace, times), begun, started, ended);
            if self.is_waited_for() {
                until = until.min(ended + PROBE);
            }
            self.pause(until).await;
            self.while_idle(tempo_changes).await;
            if self.shared.lock().stop {
                break;
            }
            started = E::now();
            match self.perform(&mut *client, &op).await {
                Some(answer) => {
                    refused = false;
                    source.answered(&op, &answer);
                }
                None => {
                    refused = true;
                    source.unanswered(&op);
                }
            }
            ended = E::now();
        }
        client.close();
        self.shared.lock().running -= 1;
        self.shared.changed.notify_one();
    }

    /// Whether the run waits for this client to be served, or to end.
    fn is_waited_for(&self) -> bool {
        let progress = self.shared.lock();
        let unserved = |healed: SimTime| progress.served.get(&self.id).is_none_or(|at| *at < healed);
        progress.stop || progress.healed.is_some_and(unserved)
    }

    /// Waits for the heal, or the end of the load.
    async fn until_healed(&self) {
        let mut hurried = pin!(self.shared.hurry.notified());
        hurried.as_mut().enable();
        let is_over = {
            let progress = self.shared.lock();
            progress.healed.is_some() || progress.stop
        };
        if !is_over {
            hurried.await;
        }
    }

    /// Waits until then, or until everybody is to hurry.
    async fn pause(&self, until: LocalInstant) {
        let (mut sleep, mut hurried) = (pin!(E::sleep_until(until)), pin!(self.shared.hurry.notified()));
        std::future::poll_fn(|cx| match hurried.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => sleep.as_mut().poll(cx),
        })
        .await;
    }

    /// Waits as long as clients are to ask for nothing, but for who is waited for.
    async fn while_idle(&self, changes: Arc<Notify>) {
        loop {
            let (mut changed, mut hurried) = (pin!(changes.notified()), pin!(self.shared.hurry.notified()));
            changed.as_mut().enable();
            hurried.as_mut().enable();
            if self.shared.tempo.now().0 > 0 || self.is_waited_for() || self.shared.lock().healed.is_some() {
                return;
            }
            std::future::poll_fn(|cx| match hurried.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => changed.as_mut().poll(cx),
            })
            .await;
        }
    }

    /// Asks, and writes down question and answer. The output when it happened.
    async fn perform(&self, client: &mut dyn Client, op: &Op) -> Option<Answer> {
        let id = {
            let mut progress = self.shared.lock();
            progress.next_op += 1;
            progress.leftovers.asked(op);
            OpId(progress.next_op)
        };
        let pen = &self.shared.pen;
        let invoked = pen.now();
        pen.write(EntryKind::Invoke { client: self.id, op: id, ask: op.clone() });
        self.current.set(Some(id));
        let called = squall_env::timeout::<E, _>(PATIENCE + op.max_duration(), client.call(op)).await;
        self.current.set(None);
        let outcome = called.unwrap_or_else(|_| Outcome::Info("the client never said how it ended".to_string()));
        let (what, answer) = match outcome {
            Outcome::Ok(answer) => (EntryKind::Ok { op: id, output: answer.output.clone(), position: answer.position }, Some(answer)),
            Outcome::Fail(Failure { code, why }) => (EntryKind::Fail { op: id, code: code.to_string(), why }, None),
            Outcome::Info(why) => (EntryKind::Info { op: id, why }, None),
        };
        pen.write(what);
        if let Some(answer) = &answer {
            let mut progress = self.shared.lock();
            progress.leftovers.answered(op, answer);
            progress.served.insert(self.id, invoked);
            drop(progress);
            self.shared.changed.notify_one();
        }
        answer
    }
}
