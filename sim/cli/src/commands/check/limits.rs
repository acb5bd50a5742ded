//! Limits on CPU time and memory, which hold whoever forgets to ask.
//!
//! A search asks whether it may go on, and ends in good order when it may not. What comes before and after it (reading,
//! sorting, explaining) need not ask: a thread looks at the clock and at the memory, too, and where a limit is passed by more
//! than a little it says what is decided by then, and ends the process.

use crate::{Exit, session::rss_mb};
use cpu_time::ProcessTime;
use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

/// What a command may take, all of it together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// CPU time since the process began.
    pub(super) time: Option<Duration>,
    /// Resident memory, in bytes.
    pub(super) memory: Option<u64>,
}

/// How much more than a limit is waited for.
const GRACE: f64 = 1.02;

/// How often the memory is looked at: a process fills about a megabyte in that time.
const LOOKS_EVERY: Duration = Duration::from_millis(1);

/// And the clock.
const LOOKS_AT_LEAST_EVERY: Duration = Duration::from_secs(3600);

impl Limits {
    fn are_passed(&self, by: f64) -> bool {
        self.time.is_some_and(|limit| cpu().as_secs_f64() >= limit.as_secs_f64() * by)
            || self.memory.is_some_and(|limit| rss_mb() * f64::from(1 << 20) >= limit as f64 * by)
    }

    /// When it is worth looking again. A process of one busy thread takes no more CPU time than passes.
    fn look_again(&self, by: f64) -> Duration {
        let left = self.time.map_or(f64::MAX, |limit| limit.as_secs_f64() * by - cpu().as_secs_f64());
        let left = Duration::from_secs_f64(left.clamp(0.0, LOOKS_AT_LEAST_EVERY.as_secs_f64()));
        if self.memory.is_some() { left.min(LOOKS_EVERY) } else { left.max(LOOKS_EVERY) }
    }
}

/// The CPU time of the process, from its beginning.
pub(super) fn cpu() -> Duration {
    // A clock that counts from there, too.
    ProcessTime::now().as_duration()
}

/// Keeps limits.
pub(super) struct Guard {
    over: Arc<AtomicBool>,
    /// Whose turn it is to speak: whoever takes this does, and nobody else.
    word: Arc<Mutex<bool>>,
    /// Ends the thread.
    _end: Option<Sender<()>>,
}

impl Guard {
    /// Where nobody asks in time, `report_limit` are said in another thread, and the process ends as they tell.
    pub(super) fn start(limits: Limits, report_limit: impl FnOnce() -> Exit + Send + 'static) -> Guard {
        let (over, word) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(false)));
        if limits.time.is_none() && limits.memory.is_none() {
            return Guard { over, word, _end: None };
        }
        let (end, ended) = mpsc::channel();
        let (tell, may_speak) = (Arc::clone(&over), Arc::clone(&word));
        thread::spawn(move || {
            let looks_until = |by: f64| {
                while !limits.are_passed(by) {
                    if ended.recv_timeout(limits.look_again(by)) == Err(RecvTimeoutError::Disconnected) {
                        return false;
                    }
                }
                true
            };
            if !looks_until(1.0) {
                return;
            }
            tell.store(true, Ordering::Relaxed);
            if looks_until(GRACE) && take(&may_speak) {
                // Where they cannot be said, it is over all the same.
                let exit = catch_unwind(AssertUnwindSafe(report_limit)).unwrap_or(Exit::Harness);
                _ = std::io::stdout().flush();
                process::exit(exit as i32);
            }
        });
        Guard { over, word, _end: Some(end) }
    }

    /// Whether no limit is passed.
    pub(super) fn may_go_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// From now on the caller speaks; what he says is not limited.
    pub(super) fn claim_output(&self) {
        if !take(&self.word) {
            // The other one speaks, and ends the process.
            loop {
                thread::park();
            }
        }
    }
}

fn take(word: &Mutex<bool>) -> bool {
    !std::mem::replace(&mut *word.lock().unwrap_or_else(PoisonError::into_inner), true)
}
