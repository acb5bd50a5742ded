//! The table of timers: each has a deadline on its host's clock, and a place in the event queue.

use super::Clock;
use crate::{
    ids::TimerId,
    queue::{Key, Queue, TimerEvent},
};
use squall_env::LocalInstant;
use squall_history::SimTime;
use std::task::Waker;

struct Timer {
    host: usize,
    deadline: LocalInstant,
    key: Key,
    waker: Waker,
}

/// Every timer of the machine.
#[derive(Default)]
pub(crate) struct Timers {
    slots: Vec<Option<Timer>>,
    free: Vec<usize>,
}

impl Timers {
    /// Starts a timer on the clock of a host.
    pub(super) fn start(&mut self, queue: &mut Queue, clock: &Clock, host: usize, deadline: LocalInstant, waker: Waker) -> TimerId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let key = queue.push(clock.when(deadline), TimerEvent::Timer(TimerId(slot)));
        self.slots[slot] = Some(Timer { host, deadline, key, waker });
        TimerId(slot)
    }

    /// From now on it wakes this task.
    pub(super) fn wakes(&mut self, id: TimerId, waker: &Waker) {
        if let Some(timer) = &mut self.slots[id.0]
            && !timer.waker.will_wake(waker)
        {
            timer.waker = waker.clone();
        }
    }

    /// A timer is due: its task runs.
    pub(crate) fn fire(&self, id: TimerId) {
        if let Some(timer) = &self.slots[id.0] {
            timer.waker.wake_by_ref();
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn stop(&mut self, queue: &mut Queue, id: TimerId) {
        if let Some(timer) = self.slots[id.0].take() {
            queue.cancel(timer.key);
            self.free.push(id.0);
        }
    }

    /// The clock of a host was changed: its timers are due at other moments.
    pub(crate) fn rearm(&mut self, queue: &mut Queue, clock: &Clock, now: SimTime, host: usize) {
        for (slot, timer) in self.slots.iter_mut().enumerate() {
            let Some(timer) = timer else { continue };
            if timer.host == host && queue.cancel(timer.key) {
                timer.key = queue.push(clock.when(timer.deadline).max(now), TimerEvent::Timer(TimerId(slot)));
            }
        }
    }
}
