//! Clients: they ask, and what they see is written down.

use crate::{
    env::SimEnv,
    machine::Machine,
    net::SimNet,
    system::{Client, ClientContext, CurrentOp, System},
};
use squall_env::{Env, LocalInstant};
use squall_history::{
    Answer, ClientId, Failure, LeaseId, LeaseOp, LeaseOutput, LineOp, NodeId, Op, OpId, Outcome, Output, SimTime, What, work_key,
};
use squall_scenario::{Plan, workloads::Pace};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::sync::Notify;

/// The longest that one operation may take.
const OP_TIMEOUT: Duration = Duration::from_secs(1);

/// A client that holds on to an operation for longer than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a client whose operations are over waits between two probes.
const PROBE: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Progress {
    stop: bool,
    /// Since when the faults are over: every client is to show whether it is served, at once.
    healed: Option<SimTime>,
    running: u32,
    keys: BTreeSet<String>,
    /// The leases that were granted, and are not known to be gone; the longest time to live of any.
    leases: BTreeSet<LeaseId>,
    ttl_max: u64,
    next_op: u64,
    /// For each client, when its last successful operation was invoked.
    served: BTreeMap<ClientId, SimTime>,
}

impl Progress {
    fn are_served(&self, healed: SimTime, clients: u32) -> bool {
        self.served.values().filter(|at| **at >= healed).count() == clients as usize
    }

    fn follow(&mut self, ask: &LeaseOp, output: &LeaseOutput) {
        match output {
            LeaseOutput::Granted { lease, ttl } => {
                self.leases.insert(*lease);
                self.ttl_max = self.ttl_max.max(*ttl);
            }
            LeaseOutput::Renewed { ttl: 0 } | LeaseOutput::Left { ttl: -1, .. } | LeaseOutput::Revoked => {
                _ = ask.lease().map(|lease| self.leases.remove(&lease));
            }
            LeaseOutput::Renewed { .. } | LeaseOutput::Left { .. } | LeaseOutput::Attached => {}
        }
    }
}

/// What is looked at once more when the load is over.
pub(crate) struct Leftovers {
    keys: BTreeSet<String>,
    leases: BTreeSet<LeaseId>,
    ttl_max: u64,
    next_op: u64,
}

/// The load of a plan's workloads.
pub(crate) struct Load {
    machine: Arc<Machine>,
    clients: u32,
    progress: Arc<Mutex<Progress>>,
    changed: Arc<Notify>,
    /// Ends the pauses of every client.
    hurry: Arc<Notify>,
}

impl Load {
    /// Starts every client on a host of its own.
    pub(crate) fn start(machine: &Arc<Machine>, plan: &Plan, system: Arc<dyn System>, members: &BTreeMap<NodeId, SocketAddr>) -> Load {
        let load = Load {
            machine: machine.clone(),
            clients: plan.clients(),
            progress: Arc::default(),
            changed: Arc::default(),
            hurry: Arc::default(),
        };
        let mut ordinal = 0;
        for workload in plan.planned_workloads() {
            for i in 1..=workload.clients() {
                ordinal += 1;
                let id = ClientId(ordinal);
                load.lock().running += 1;
                let mut source = workload.source(i, &id.to_string());
                let (session, system, members, hurry) = (load.session(id), system.clone(), members.clone(), load.hurry.clone());
                machine.boot(machine.client_host(ordinal), |_| async move {
                    let net = SimNet::current();
                    let ear = session.current.ear(&session.machine);
                    let mut client = system.client(ClientContext { members, net, op_timeout: OP_TIMEOUT, ordinal, ear });
                    let begun = SimEnv::now();
                    let (mut started, mut ended, mut refused) = (begun, begun, false);
                    loop {
                        let (pace, op) = match source.next() {
                            // Whoever is to show that it is served does not wait in line, or listen, for that.
                            // Nor is a refusal, which may be right, held against the system.
                            Some((_, op)) if session.is_waited_for() && (refused || !op.lasts().is_zero()) => {
                                (Pace::AfterLast(PROBE), source.probe())
                            }
                            Some(next) => next,
                            None => {
                                if session.lock().healed.is_none() {
                                    hurry.notified().await;
                                }
                                (Pace::AfterLast(PROBE), source.probe())
                            }
                        };
                        let (times, load_changes) = session.machine.load_now();
                        let mut until = due(faster(pace, times), begun, started, ended);
                        if session.is_waited_for() {
                            until = until.min(ended + PROBE);
                        }
                        pause(until, &hurry).await;
                        session.while_idle(&hurry, load_changes).await;
                        if session.lock().stop {
                            break;
                        }
                        started = SimEnv::now();
                        match session.perform(&mut *client, &op).await {
                            Some(answer) => {
                                refused = false;
                                source.answered(&op, &answer);
                            }
                            None => {
                                refused = true;
                                source.unanswered(&op);
                            }
                        }
                        ended = SimEnv::now();
                    }
                    session.lock().running -= 1;
                    session.changed.notify_one();
                    Ok(())
                });
            }
        }
        load
    }

    fn session(&self, id: ClientId) -> Session {
        Session {
            machine: self.machine.clone(),
            id,
            progress: self.progress.clone(),
            changed: self.changed.clone(),
            current: CurrentOp::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no panic under this lock")
    }

    async fn until(&self, deadline: SimTime, mut done: impl FnMut(&Progress) -> bool) {
        let late = self.machine.sleep_until(deadline);
        let mut late = std::pin::pin!(late);
        while !done(&self.lock()) {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            let waited = std::future::poll_fn(|cx| match changed.as_mut().poll(cx) {
                std::task::Poll::Ready(()) => std::task::Poll::Ready(true),
                std::task::Poll::Pending => late.as_mut().poll(cx).map(|()| false),
            });
            if !waited.await {
                return;
            }
        }
    }

    /// Waits until every client was served after the heal, or the deadline. Every client asks at once,
    /// however slow its pace is.
    pub(crate) async fn served_again(&self, healed: SimTime, deadline: SimTime) {
        self.lock().healed = Some(healed);
        self.hurry.notify_waiters();
        self.until(deadline, |p| p.are_served(healed, self.clients)).await;
    }

    /// Whether every client was served after the heal.
    pub(crate) fn all_served(&self, healed: SimTime) -> bool {
        self.lock().are_served(healed, self.clients)
    }

    /// Ends the load: every client ends the operation that it is in.
    pub(crate) async fn stop(&self) {
        self.lock().stop = true;
        self.hurry.notify_waiters();
        self.until(self.machine.now() + Duration::from_secs(60), |p| p.running == 0).await;
    }

    /// Every key that was asked for, and every lease that may be left.
    pub(crate) fn leftovers(&self) -> Leftovers {
        let Progress { keys, leases, ttl_max, next_op, .. } = &*self.lock();
        Leftovers { keys: keys.clone(), leases: leases.clone(), ttl_max: *ttl_max, next_op: *next_op }
    }
}

/// Waits until then, or until the world says hurry.
async fn pause(until: LocalInstant, hurry: &Notify) {
    let (mut sleep, mut hurried) = (SimEnv::sleep_until(until), std::pin::pin!(hurry.notified()));
    std::future::poll_fn(|cx| match hurried.as_mut().poll(cx) {
        std::task::Poll::Ready(()) => std::task::Poll::Ready(()),
        std::task::Poll::Pending => std::pin::Pin::new(&mut sleep).poll(cx),
    })
    .await;
}

/// A pace so many times as fast; what is written down for a time keeps it.
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

/// One client's pen.
struct Session {
    machine: Arc<Machine>,
    id: ClientId,
    progress: Arc<Mutex<Progress>>,
    changed: Arc<Notify>,
    current: CurrentOp,
}

impl Session {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no panic under this lock")
    }

    /// Whether the run waits for this client to be served, or to end.
    fn is_waited_for(&self) -> bool {
        let progress = self.lock();
        let unserved = |healed: SimTime| progress.served.get(&self.id).is_none_or(|at| *at < healed);
        progress.stop || progress.healed.is_some_and(unserved)
    }

    /// Waits as long as clients are to ask for nothing, but for who is waited for.
    async fn while_idle(&self, hurry: &Notify, changes: Arc<Notify>) {
        loop {
            let (mut changed, mut hurried) = (std::pin::pin!(changes.notified()), std::pin::pin!(hurry.notified()));
            changed.as_mut().enable();
            hurried.as_mut().enable();
            if self.machine.load_now().0 > 0 || self.is_waited_for() || self.lock().healed.is_some() {
                return;
            }
            std::future::poll_fn(|cx| match hurried.as_mut().poll(cx) {
                std::task::Poll::Ready(()) => std::task::Poll::Ready(()),
                std::task::Poll::Pending => changed.as_mut().poll(cx),
            })
            .await;
        }
    }

    /// Asks, and writes down question and answer. The output when it happened.
    async fn perform(&self, client: &mut dyn Client, op: &Op) -> Option<Answer> {
        let id = {
            let mut progress = self.lock();
            progress.next_op += 1;
            // What hangs on a lease is to be gone with it.
            let attached = if let Op::Lease(LeaseOp::Attach { key, .. }) = op { Some(key.as_str()) } else { None };
            for key in op.keys().into_iter().chain(attached) {
                if !progress.keys.contains(key) {
                    progress.keys.insert(key.to_string());
                }
            }
            // What whoever holds a lock, or leads, has done is to be there at the end.
            if let Op::Line(LineOp::Work { name, .. }) = op {
                progress.keys.insert(work_key(name));
            }
            OpId(progress.next_op)
        };
        let invoked = self.machine.now();
        self.machine.record(What::Invoke { client: self.id, op: id, ask: op.clone() });
        self.current.set(Some(id));
        let called = squall_env::timeout::<SimEnv, _>(PATIENCE + op.lasts(), client.call(op)).await;
        self.current.set(None);
        let outcome = called.unwrap_or_else(|_| Outcome::Info("the client never said how it ended".to_string()));
        let (what, answer) = match outcome {
            Outcome::Ok(answer) => (What::Ok { op: id, output: answer.output.clone(), revision: answer.revision }, Some(answer)),
            Outcome::Fail(Failure { code, why }) => (What::Fail { op: id, code: code.to_string(), why }, None),
            Outcome::Info(why) => (What::Info { op: id, why }, None),
        };
        self.machine.record(what);
        if let (Op::Lease(ask), Some(Answer { output: Output::Lease(output), .. })) = (op, &answer) {
            self.lock().follow(ask, output);
        }
        if answer.is_some() {
            self.lock().served.insert(self.id, invoked);
            self.changed.notify_one();
        }
        answer
    }
}

/// A lease that nobody renews ends this much later than its time to live at the most.
const LEASE_GRACE: Duration = Duration::from_secs(9);

/// How often leases are looked at in the end.
const LEASE_LOOK: Duration = Duration::from_secs(1);

/// Reads every key once more, through client c1; each read is tried until it succeeds or time is up, and time is never up
/// before every member has been asked once: those that were let go may be up, and lead nobody. Then looks at every lease
/// until it is gone, or should be.
pub(crate) async fn final_reads(
    machine: &Arc<Machine>,
    system: Arc<dyn System>,
    members: &BTreeMap<NodeId, SocketAddr>,
    left: Leftovers,
    deadline: SimTime,
) {
    let host = machine.client_host(1);
    machine.end_process(host, false);
    let count = (left.keys.len() + left.leases.len()) as u32;
    let lives = if left.leases.is_empty() { Duration::ZERO } else { Duration::from_secs(left.ttl_max) + LEASE_GRACE };
    let progress = Progress { next_op: left.next_op, ..Default::default() };
    let current = CurrentOp::default();
    let ear = current.ear(machine);
    let progress = Arc::new(Mutex::new(progress));
    let session = Session { machine: machine.clone(), id: ClientId(1), progress, changed: Arc::default(), current };
    let everybody = members.len() as u32;
    let (members, clock) = (members.clone(), machine.clone());
    let finished = Arc::new(Notify::new());
    let tell = finished.clone();
    machine.boot(host, |_| async move {
        let net = SimNet::current();
        let mut client = system.client(ClientContext { members, net, op_timeout: OP_TIMEOUT, ordinal: 1, ear });
        let mut unasked = everybody;
        for key in left.keys {
            let read = Op::Get { key };
            while session.perform(&mut *client, &read).await.is_none() && (clock.now() < deadline || unasked > 0) {
                unasked = unasked.saturating_sub(1);
                SimEnv::sleep(Duration::from_millis(50)).await;
            }
        }
        let mut leases = left.leases;
        let gone_by = clock.now() + lives;
        while !leases.is_empty() {
            for lease in leases.clone() {
                let answer = session.perform(&mut *client, &Op::Lease(LeaseOp::TimeLeft { lease })).await;
                if matches!(answer, Some(Answer { output: Output::Lease(LeaseOutput::Left { ttl: -1, .. }), .. })) {
                    leases.remove(&lease);
                }
            }
            if clock.now() > gone_by {
                break;
            }
            SimEnv::sleep(LEASE_LOOK).await;
        }
        tell.notify_one();
        Ok(())
    });
    // Bounded, should the client die: its panic is seen by the one who asked for the run.
    let late = machine.sleep_until(deadline.max(machine.now()) + lives + PATIENCE * (count + everybody + 1));
    let (mut late, mut done) = (std::pin::pin!(late), std::pin::pin!(finished.notified()));
    std::future::poll_fn(|cx| match done.as_mut().poll(cx) {
        std::task::Poll::Ready(()) => std::task::Poll::Ready(()),
        std::task::Poll::Pending => late.as_mut().poll(cx),
    })
    .await;
}
