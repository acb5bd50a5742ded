//! How much clients ask, beside what their workloads say.

use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// How many times as often as their workloads say clients ask. Several faults may change that at once.
#[derive(Default)]
pub struct Tempo {
    times: Mutex<Vec<u32>>,
    changes: Arc<Notify>,
}

impl Tempo {
    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.times.lock().expect("no panic under this lock")
    }

    /// Clients ask this many times as often, or, with 0, not at all; faults multiply.
    pub(crate) fn quicken(&self, times: u32) {
        self.lock().push(times);
        self.changes.notify_waiters();
    }

    /// Takes one such change back.
    pub(crate) fn take_back(&self, times: u32) {
        let mut all = self.lock();
        if let Some(at) = all.iter().position(|other| *other == times) {
            all.remove(at);
        }
        drop(all);
        self.changes.notify_waiters();
    }

    /// Takes all of them back.
    pub(crate) fn normal(&self) {
        self.lock().clear();
        self.changes.notify_waiters();
    }

    /// How many times as often clients ask, and what tells that this changed.
    pub(crate) fn now(&self) -> (u32, Arc<Notify>) {
        let times = self.lock().iter().fold(1u32, |all, times| all.saturating_mul(*times));
        (times, self.changes.clone())
    }
}
