//! Sleeping on a node's monotonic clock.

use crate::{ids::TimerId, machine::State, process::Process};
use squall_env::LocalInstant;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A timer on a node's monotonic clock.
pub struct SimSleep {
    process: Arc<Process>,
    deadline: LocalInstant,
    timer: Option<TimerId>,
}

impl SimSleep {
    pub(crate) fn new(process: Arc<Process>, deadline: LocalInstant) -> SimSleep {
        SimSleep { process, deadline, timer: None }
    }
}

impl Future for SimSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let (now, mut state) = this.process.machine().lock();
        if state.hosts[this.process.host].clock.local(now) >= this.deadline {
            return Poll::Ready(());
        }
        if !this.process.is_alive() {
            return Poll::Pending;
        }
        match this.timer {
            None => {
                let State { timers, queue, hosts, .. } = &mut *state;
                let host = this.process.host;
                this.timer = Some(timers.start(queue, &hosts[host].clock, host, this.deadline, cx.waker().clone()));
            }
            Some(id) => state.timers.wakes(id, cx.waker()),
        }
        Poll::Pending
    }
}

impl Drop for SimSleep {
    fn drop(&mut self) {
        if let Some(id) = self.timer.take() {
            let (_, mut state) = self.process.machine().lock();
            let State { timers, queue, .. } = &mut *state;
            timers.stop(queue, id);
        }
    }
}
