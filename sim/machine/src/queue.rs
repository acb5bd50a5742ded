//! The one event queue: ordered by (time, sequence), cancellable, driven by one task.
//!
//! ```text
//!   push(at, due) ──► [ (t1,s1) (t1,s2) (t5,s3) ... ] ──► pump: one madsim Sleep, re-armed with reset()
//! ```
//!
//! Time jumps from event to event; nothing polls on a tick. The work is done in the pump's task,
//! never in a timer's waker.

use crate::ids::{ConnId, TimerId};
use squall_effect::PowerLoss;
use squall_history::SimTime;
use std::{collections::BTreeMap, task::Waker};

/// Where an event stands in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(SimTime, u64);

/// What is due. An end of a connection is 0 (it connected) or 1 (it accepted).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerEvent {
    /// A node-local timer.
    Timer(TimerId),
    /// Segments sent by `end` reach the other end's host.
    Arrival { conn: ConnId, end: usize },
    /// `end` retransmits what was not delivered.
    Retransmit { conn: ConnId, end: usize },
    /// `end` asks again for an acknowledgement that was lost.
    AckProbe { conn: ConnId, end: usize },
    /// A reset reaches `end`'s host.
    Reset { conn: ConnId, end: usize },
    /// A SYN reaches its target.
    Syn { conn: ConnId },
    /// The answer to a SYN reaches the connecting host.
    SynAnswer { conn: ConnId, accepted: bool },
    /// A SYN that was not answered is sent again.
    SynRetry { conn: ConnId },
    /// A disk finished a sync.
    Synced { host: usize, ticket: u64 },
    /// A process panicked, ended, or came to where it is to die: it dies now.
    Crash { host: usize, incarnation: u32, power_loss: Option<PowerLoss> },
}

#[derive(Default)]
pub(crate) struct Queue {
    events: BTreeMap<Key, TimerEvent>,
    next: u64,
    /// The time that the pump's timer is set to; `SimTime::MAX` when it is not.
    armed: Option<SimTime>,
    pump: Option<Waker>,
}

impl Queue {
    pub(crate) fn push(&mut self, at: SimTime, due: TimerEvent) -> Key {
        let key = Key(at, self.next);
        self.next += 1;
        self.events.insert(key, due);
        if self.armed.is_none_or(|armed| at < armed)
            && let Some(pump) = self.pump.take()
        {
            pump.wake();
        }
        key
    }

    /// Takes an event back. False when it has happened already.
    pub(crate) fn cancel(&mut self, key: Key) -> bool {
        self.events.remove(&key).is_some()
    }

    /// The next event that is due at `now`.
    pub(crate) fn pop(&mut self, now: SimTime) -> Option<TimerEvent> {
        let entry = self.events.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the pump must run next, if its timer is not set to that or an earlier moment already.
    pub(crate) fn rearm(&mut self, now: SimTime, pump: &Waker) -> Option<SimTime> {
        self.pump = Some(pump.clone());
        let next = self.events.first_key_value().map(|(key, _)| key.0);
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        match (next, self.armed) {
            (Some(next), armed) if armed.is_none_or(|armed| next < armed) => {
                self.armed = Some(next);
                Some(next)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_then_of_their_making() {
        let mut queue = Queue::default();
        let due = |host| TimerEvent::Crash { host, incarnation: 1, power_loss: None };
        queue.push(SimTime(5), due(1));
        let gone = queue.push(SimTime(3), due(2));
        queue.push(SimTime(3), due(3));
        assert!(queue.cancel(gone) && !queue.cancel(gone));
        assert_eq!(queue.pop(SimTime(2)), None);
        assert_eq!(queue.pop(SimTime(9)), Some(due(3)));
        assert_eq!(queue.pop(SimTime(9)), Some(due(1)));
        assert_eq!(queue.pop(SimTime(9)), None);
    }
}
