//! A tokio runtime inside one simulated process. Its clock is the node's own, and where it would wait, the process waits.
//!
//! ```text
//!   run ── polls the runtime until nothing is ready
//!            tokio asks its driver to wait until the next timer is due: a futex, of this thread's
//!            which does not wait, but says until when (`parks`), and ends the turn
//!   run ── awaits the node's own timer, or what wakes a task (`Bell`); and again
//! ```

use crate::{
    bell::{Bell, Within},
    inside::{As, ends_turn, has_leaked, take_leak},
};
use squall_env::{Env, LocalInstant};
use squall_machine::{SimEnv, take_panic};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// What the driver of the runtime said when there was nothing to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Tasks run.
    Runs,
    /// The runtime is about to wait.
    Parks,
    /// It waits: until then, or until it is woken.
    Parked(Option<LocalInstant>),
}

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn::Runs) };
    /// Until when the thread of the node that runs is blocked in a system call.
    static BLOCKED: Cell<Option<LocalInstant>> = const { Cell::new(None) };
}

/// A system call of the node that runs takes until then. Everything else of that node waits, as on a runtime of one thread.
pub(crate) fn blocks_until(at: LocalInstant) {
    BLOCKED.set(Some(BLOCKED.get().map_or(at, |before| before.max(at))));
}

/// The clock of the node that runs: a system call that takes time is over for the code that made it.
pub(crate) fn now() -> LocalInstant {
    let _as_machine = As::machine();
    let now = SimEnv::now();
    BLOCKED.get().map_or(now, |until| now.max(until))
}

/// The only thread of the node is to wait for another one: until then, if ever.
pub(crate) fn parks(until: Option<LocalInstant>) {
    let _as_machine = As::machine();
    match (TURN.get(), until) {
        (Turn::Parks | Turn::Parked(_), _) => {
            TURN.set(Turn::Parked(until));
            ends_turn();
        }
        // Nobody else can do anything before that.
        (Turn::Runs, Some(until)) => blocks_until(until),
        (Turn::Runs, None) => {
            eprintln!(
                "a node's only thread waits for another one, for ever: a lock, condition variable or channel of std (or `blocking_recv`) \
                 that only another task of the node could release. There are no threads in a simulated node; use those of tokio"
            );
            std::process::abort();
        }
    }
}

/// The runtime of a node. Whatever its tasks do when they are dropped, they do as the node.
struct Own(Option<tokio::runtime::Runtime>);

impl Own {
    fn get(&self) -> &tokio::runtime::Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }

    fn end(&mut self) {
        let _as_node = As::node();
        drop(self.0.take());
    }
}

impl Drop for Own {
    /// A process that is killed, or panics, runs nothing to its end: what its tasks would do then is refused, and no fault of theirs.
    fn drop(&mut self) {
        self.end();
        (_, _) = (take_leak(), BLOCKED.take());
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().on_thread_park(|| TURN.set(Turn::Parks)).on_thread_unpark(|| {
        if TURN.get() == Turn::Parks {
            TURN.set(Turn::Runs);
        }
    });
    #[cfg(tokio_unstable)]
    {
        use rand_chacha::rand_core::Rng;
        let mut seed = [0; 32];
        SimEnv::rng().fill_bytes(&mut seed);
        builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed));
    }
    let _as_node = As::node();
    builder.build().map_err(|e| format!("no tokio runtime: {e}"))
}

/// The node ends, if it did what cannot be simulated, or panicked.
fn faults() {
    if let Some(leak) = take_leak() {
        // What that made the service say is of no interest.
        drop(take_panic());
        std::panic::resume_unwind(Box::new(leak));
    }
    if let Some(panic) = take_panic() {
        std::panic::resume_unwind(Box::new(panic));
    }
}

/// Runs `main`, and whatever it spawns, on a tokio runtime of this process' own, until `main` ends.
///
/// The runtime's clock is the node's own: it drifts, leaps and stands still with it. Timers have the granularity of tokio's, a millisecond. A
/// panic anywhere on the runtime ends the process, as `panic = "abort"` would: tokio would keep that of a task to itself.
///
/// # Errors
/// When there can be no runtime.
///
/// # Panics
/// Outside of a simulated process; when the node panics; and with a sentence when it does what cannot be simulated: it opens a real file or
/// socket, or starts a thread or a process.
#[allow(clippy::disallowed_methods, reason = "these timers are of the runtime within: simulated")]
pub async fn run<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    let mut own = Own(Some(runtime()?));
    let bell = Arc::new(Bell::default());
    // With a timer, however late, tokio's driver waits until then, and not for ever: only that wait is over when nobody else woke it.
    drop(own.get().spawn(async {
        loop {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
    }));
    let main = own.get().spawn(main);
    loop {
        // What is ready runs, until the runtime would wait.
        TURN.set(Turn::Runs);
        {
            let (_within, _as_node) = (Within::of(&bell), As::node());
            let is_over = |cx: &Context<'_>| has_leaked(cx) || matches!(TURN.get(), Turn::Parked(_));
            own.get().block_on(poll_fn(|cx| if is_over(cx) { Poll::Ready(()) } else { Poll::Pending }));
        }
        let blocked = BLOCKED.take();
        faults();
        if main.is_finished() {
            let result = own.get().block_on(main).map_err(|e| e.to_string());
            own.end();
            faults();
            return result;
        }
        if let Some(until) = blocked {
            SimEnv::sleep_until(until).await;
            continue;
        }
        let Turn::Parked(until) = TURN.get() else { continue };
        let mut due = until.map(SimEnv::sleep_until);
        let mut waits = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waits, true) && bell.rang() {
                return Poll::Ready(());
            }
            bell.is_answered_by(cx.waker());
            due.as_mut().map_or(Poll::Pending, |due| Pin::new(due).poll(cx))
        })
        .await;
    }
}

/// Runs `main` as [`run`] does, beside whatever else the process does.
///
/// # Panics
/// Outside of a simulated process.
pub fn spawn<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) {
    drop(SimEnv::spawn(run(main)));
}

/// The node's thread sleeps for this long.
pub(crate) fn blocks_for(lasts: Duration) {
    blocks_until(now() + lasts);
}
