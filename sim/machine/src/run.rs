//! The life of a machine: its thread, its runtime, the pump that makes events happen, and its end.

use crate::{
    ids::HostId,
    machine::{Machine, MachineConfig, State},
    process,
    queue::TimerEvent,
    watcher::{Seen, Watcher},
};
use squall_history::{DiskHealth, Observation, SimTime};
use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// This thread's CPU clock: for measuring, never for deciding. Not to be read inside a simulation.
pub fn cpu_clock() -> cpu_time::ThreadTime {
    cpu_time::ThreadTime::now()
}

/// In a simulation, what its clocks show to code that is no node's: the monotonic one, and the wall clock since 1970. `None` elsewhere.
pub fn virtual_time() -> Option<(Duration, Duration)> {
    // What is monotonic begins somewhere: a program may go back from it for a while.
    const BEGINS: Duration = Duration::from_secs(86_400);
    let time = madsim::time::TimeHandle::try_current()?;
    let wall = time.now_time().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some((BEGINS + time.elapsed(), wall))
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

    /// The task that makes events happen.
    async fn pump(machine: Arc<Machine>) {
        let mut sleep = Box::pin(madsim::time::sleep(Duration::ZERO));
        poll_fn::<(), _>(|cx| {
            loop {
                let mut crashes = Vec::new();
                let rearm = {
                    let (now, mut state) = machine.lock();
                    while let Some(due) = state.queue.pop(now) {
                        if let TimerEvent::Crash { host, incarnation, power_loss } = due {
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
    fn happen(&mut self, now: SimTime, due: TimerEvent) {
        match due {
            TimerEvent::Timer(id) => self.timers.fire(id),
            TimerEvent::Arrival { conn, end } => self.traffic().segments_arrive(now, conn, end),
            TimerEvent::Retransmit { conn, end } => self.traffic().retransmit(now, conn, end),
            TimerEvent::AckProbe { conn, end } => self.traffic().ack_probe(now, conn, end),
            TimerEvent::Reset { conn, end } => self.traffic().reset_arrives(now, conn, end),
            TimerEvent::Syn { conn } => self.traffic().syn_arrives(now, conn),
            TimerEvent::SynAnswer { conn, accepted } => self.traffic().syn_answer_arrives(now, conn, accepted),
            TimerEvent::SynRetry { conn } => self.traffic().syn_retry(now, conn),
            TimerEvent::Synced { host, ticket } => {
                if self.hosts[host].disk.sync_done(ticket) {
                    self.observe(now, host, Observation::Disk { disk: DiskHealth::Damaged });
                }
            }
            TimerEvent::Crash { .. } => unreachable!("the pump handles crashes outside of the lock"),
        }
    }
}
