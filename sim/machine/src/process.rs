//! Processes and their incarnations.
//!
//! Each boot of a host is a [`Process`] with an incarnation of its own, on a madsim node of its own.
//! Every handle (stream, file, timer, spawner) carries its process from its creation; nothing is
//! looked up in a Drop. The process is marked dead *before* madsim's kill, and a dead process'
//! writes, syncs and spawns do nothing. A paused process is resumed before it is killed, because
//! madsim would drop its futures inside `kill()` on the supervisor.

use crate::{ids::HostId, life::Life, machine::Machine, queue::TimerEvent};
use pin_project_lite::pin_project;
use squall_effect::PowerLoss;
use squall_env::{Bug, JoinError};
use squall_history::{BootData, Observation, stream};
use std::{
    cell::RefCell,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Once},
    task::{Context, Poll},
};

thread_local! {
    /// The process whose task is being polled or dropped right now.
    static CURRENT: RefCell<Option<Arc<Process>>> = const { RefCell::new(None) };
    /// The message of the last panic inside a process, for the entry that records it.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// One incarnation of a host's software.
pub struct Process {
    machine: Arc<Machine>,
    pub(crate) host: usize,
    /// How many processes its host has had, with this one.
    pub incarnation: u32,
    life: Arc<Life>,
}

impl Process {
    /// The process of the running task.
    ///
    /// # Panics
    /// Outside of any process: code of the system under test must run on a node.
    pub(crate) fn current() -> Arc<Process> {
        Process::try_current().expect("this runs outside of any simulated process: spawn it on a host")
    }

    pub(crate) fn try_current() -> Option<Arc<Process>> {
        CURRENT.with_borrow(Clone::clone)
    }

    pub(crate) fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.life.is_alive()
    }

    /// It does nothing any more; its end is due.
    pub(crate) fn stops(&self) {
        self.life.ends();
    }

    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.machine.config.bugs.contains(bug.0)
    }

    /// The process of the running task comes to a place that has a name. Outside of any, nothing.
    pub fn reaches(place: &str) {
        let Some(process) = Process::try_current().filter(|process| process.is_alive()) else { return };
        let (now, mut state) = process.machine.lock();
        state.observe(now, process.host, Observation::Reached { place: place.to_string() });
    }

    pub(crate) fn fork_rng(&self) -> rand_chacha::ChaCha8Rng {
        self.life.fork_rng()
    }

    /// Runs `future` as a task of this process. A dead process starts nothing.
    pub fn spawn<F>(self: &Arc<Self>, future: F) -> SimJoin<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let scoped = Scoped { process: self.clone(), future: Some(future) };
        SimJoin(self.is_alive().then(|| self.life.node.spawn(scoped)))
    }

    fn enter(self: &Arc<Self>) -> Entered {
        Entered(CURRENT.replace(Some(self.clone())))
    }
}

/// Restores the process that was current before, when dropped.
struct Entered(Option<Arc<Process>>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

pin_project! {
    /// A task's future with its process around it: polled and dropped in its scope, its panics caught.
    struct Scoped<F: Future> {
        process: Arc<Process>,
        #[pin]
        future: Option<F>,
    }

    impl<F: Future> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.process.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = Result<F::Output, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !this.process.is_alive() {
            return Poll::Pending;
        }
        let _entered = this.process.enter();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(Err(JoinError::Panicked)) };
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => {
                let message = LAST_PANIC.take().unwrap_or_else(|| panic_text(&*payload));
                this.process.machine.panicked(this.process, message);
                Poll::Pending
            }
        }
    }
}

/// Awaits a task of a process; never ends when the process is dead.
pub struct SimJoin<T>(Option<madsim::task::JoinHandle<Result<T, JoinError>>>);

impl<T> Future for SimJoin<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            None => Poll::Pending,
            Some(join) => Pin::new(join).poll(cx).map(|ended| ended.unwrap_or(Err(JoinError::Cancelled))),
        }
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_string()
}

/// What a process panicked with of late that nobody has made anything of yet: a runtime within the process may have caught the panic.
pub fn take_panic() -> Option<String> {
    LAST_PANIC.take()
}

/// Panics inside a process are entries of the history, not noise on the terminal.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if Process::try_current().is_none() {
                return before(info);
            }
            let place = info.location().map(|l| {
                // The path as the compiler saw it may hold the builder's home; the file's name will do.
                let file = l.file().rsplit('/').next().unwrap_or_default();
                format!(" at {file}:{}", l.line())
            });
            let message = format!("{}{}", panic_text(info.payload()), place.unwrap_or_default());
            LAST_PANIC.set(Some(message));
        }));
    });
}

impl Machine {
    /// Gives a host power (if it has none) and starts a process on it that runs `main`.
    /// A process whose main future ends is gone.
    ///
    /// # Panics
    /// When a process runs there already.
    pub fn boot<F>(self: &Arc<Self>, host: HostId, main: impl FnOnce(Arc<Process>) -> F) -> u32
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (label, incarnation) = {
            let (now, mut state) = self.lock();
            state.net.nics[host.0].powered = true;
            let entry = &mut state.hosts[host.0];
            assert!(entry.life.is_none(), "{} runs already", entry.label);
            entry.incarnations += 1;
            entry.was_failed = false;
            let data = if entry.disk.is_empty() { BootData::Empty } else { BootData::Kept };
            let (label, incarnation) = (entry.label.clone(), entry.incarnations);
            state.observe(now, host.0, Observation::Booted { incarnation, data });
            (label, incarnation)
        };
        let node = self.madsim.create_node().name(format!("{label}/{incarnation}")).build();
        let draws = stream(self.config.world_seed, &format!("process {label}/{incarnation}"));
        let life = Arc::new(Life::new(incarnation, node, draws));
        self.lock().1.hosts[host.0].life = Some(life.clone());
        let process = Arc::new(Process { machine: self.clone(), host: host.0, incarnation, life });
        let main = {
            let _entered = process.enter();
            main(process.clone())
        };
        let machine = self.clone();
        drop(process.spawn(async move {
            let ended = main.await;
            let (now, mut state) = machine.lock();
            if let Err(why) = ended {
                state.refuses_to_go_on(now, host, why);
            }
            state.queue.push(now, TimerEvent::Crash { host: host.0, incarnation, power_loss: None });
        }));
        incarnation
    }

    /// Gives a host power: without a process, its kernel refuses connections.
    pub fn power_on(&self, host: HostId) {
        self.lock().1.net.nics[host.0].powered = true;
    }

    /// The process that runs on a host, if one does.
    pub fn process(self: &Arc<Self>, host: HostId) -> Option<Arc<Process>> {
        let life = self.lock().1.hosts[host.0].life.clone()?;
        Some(Arc::new(Process { machine: self.clone(), host: host.0, incarnation: life.incarnation, life }))
    }

    /// Whether a process runs on this host (paused or not).
    pub fn is_running(&self, host: HostId) -> bool {
        self.lock().1.hosts[host.0].life.is_some()
    }

    /// SIGKILL (`power_loss: false`): the kernel lives on, resets the process' connections, keeps its
    /// page cache. Power loss: silence on every connection, and unsynced writes are lost, kept or torn.
    /// True when a process ended by it.
    pub fn end_process(&self, host: HostId, power_loss: bool) -> bool {
        self.end(host, power_loss.then_some(PowerLoss::Chance))
    }

    /// The same; a power loss may have one fate for everything that was not synced.
    pub fn end(&self, host: HostId, power_loss: Option<PowerLoss>) -> bool {
        let (fate, power_loss) = (power_loss, power_loss.is_some());
        let life = {
            let (now, mut guard) = self.lock();
            let state = &mut *guard;
            let entry = &mut state.hosts[host.0];
            if let Some(fate) = fate {
                state.net.nics[host.0].powered = false;
                entry.disk.power_loss(fate);
            }
            let Some(life) = entry.life.take() else {
                // Nothing runs, but the kernel may still be delivering for what ran: not without power.
                if power_loss {
                    state.traffic().process_sockets_die(now, host.0, 0, true);
                }
                return false;
            };
            if std::mem::take(&mut entry.pauses) > 0 {
                self.madsim.resume(life.node.id());
            }
            life.ends();
            state.traffic().process_sockets_die(now, host.0, life.incarnation, power_loss);
            state.observe(now, host.0, Observation::Stopped);
            life
        };
        self.madsim.kill(life.node.id());
        true
    }

    /// SIGSTOP, once more than before: tasks stop, timers and packets queue up. False when nothing runs.
    pub fn pause(&self, host: HostId) -> bool {
        let (_, mut state) = self.lock();
        let entry = &mut state.hosts[host.0];
        let Some(life) = &entry.life else { return false };
        entry.pauses += 1;
        if entry.pauses == 1 {
            self.madsim.pause(life.node.id());
        }
        true
    }

    /// Takes one pause back: SIGCONT with the last. False when the process was not paused.
    pub fn resume(&self, host: HostId) -> bool {
        let (_, mut state) = self.lock();
        let entry = &mut state.hosts[host.0];
        let Some(life) = &entry.life else { return false };
        if entry.pauses == 0 {
            return false;
        }
        entry.pauses -= 1;
        if entry.pauses == 0 {
            self.madsim.resume(life.node.id());
        }
        true
    }

    /// SIGCONT, however often it was paused.
    pub fn resume_entirely(&self, host: HostId) {
        while self.resume(host) {}
    }

    /// A process ended by itself, or panicked.
    pub(crate) fn crashed(&self, host: HostId, incarnation: u32, power_loss: Option<PowerLoss>) {
        let runs = self.lock().1.hosts[host.0].life.as_ref().is_some_and(|life| life.incarnation == incarnation);
        if runs {
            self.end(host, power_loss);
        }
    }

    fn panicked(&self, process: &Process, message: String) {
        let (now, mut state) = self.lock();
        process.stops();
        state.observe(now, process.host, Observation::Panicked { message });
        state.queue.push(now, TimerEvent::Crash { host: process.host, incarnation: process.incarnation, power_loss: None });
    }
}
