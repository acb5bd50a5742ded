//! Failpoints: what happens to a process when it comes to a seam of its code, and who asks for it.

use crate::{
    ids::HostId,
    machine::Machine,
    process::Process,
    queue::TimerEvent,
    trap::{Hit, Trap},
};
use squall_effect::{Armed, PowerLoss, Strike};
use squall_env::Failpoint;
use squall_history::{FaultRef, Observation};
use std::sync::Arc;
use tokio::sync::Notify;

impl Machine {
    /// Arms a failpoint on a host.
    pub fn arm(&self, host: HostId, fault: &FaultRef, armed: Armed) {
        let trap = Trap { fault: fault.clone(), armed, passes: 0, struck: 0, over: Arc::default() };
        self.lock().1.hosts[host.0].traps.push(trap);
    }

    /// Disarms it; says on how many passes it struck.
    pub fn disarm(&self, host: HostId, fault: &FaultRef, armed: &Armed) -> u32 {
        let traps = &mut self.lock().1.hosts[host.0].traps;
        let at = traps.iter().position(|trap| trap.fault == *fault && trap.armed == *armed);
        let trap = at.map(|at| traps.remove(at));
        trap.map_or(0, |trap| {
            trap.over.notify_waiters();
            trap.struck
        })
    }

    /// Disarms every failpoint.
    pub fn disarm_all(&self) {
        for trap in self.lock().1.hosts.iter_mut().flat_map(|host| host.traps.drain(..)) {
            trap.over.notify_waiters();
        }
    }

    /// What was hit since this was asked last.
    pub fn take_hits(&self) -> Vec<Hit> {
        std::mem::take(&mut self.lock().1.hits)
    }
}

impl Process {
    /// This process comes to a seam: what happens there, if anything does, and what tells that it is over.
    pub(crate) fn hit_failpoint(&self, point: Failpoint) -> Option<(Strike, Arc<Notify>)> {
        if !self.is_alive() {
            return None;
        }
        let machine = self.machine();
        let (now, mut guard) = machine.lock();
        let state = &mut *guard;
        let trap = state.hosts[self.host].traps.iter_mut().find(|trap| trap.armed.point == point.0 && trap.struck < trap.armed.times)?;
        trap.passes += 1;
        if trap.passes <= trap.armed.skip {
            return None;
        }
        trap.struck += 1;
        let (strike, fault, armed, over) = (trap.armed.strike, trap.fault.clone(), trap.armed.clone(), trap.over.clone());
        state.hosts[self.host].was_failed |= matches!(strike, Strike::Error(_));
        state.observe(now, self.host, Observation::Failpoint { point: point.0.to_string() });
        state.hits.push(Hit { host: HostId(self.host), fault, armed });
        let power_loss = match strike {
            Strike::Kill => None,
            Strike::PowerLoss => Some(PowerLoss::Chance),
            Strike::Pause(_) | Strike::Delay(_) | Strike::Error(_) => {
                drop(guard);
                if let Strike::Pause(_) = strike {
                    machine.pause(HostId(self.host));
                }
                return Some((strike, over));
            }
        };
        // It does nothing any more, from here on.
        self.stops();
        state.queue.push(now, TimerEvent::Crash { host: self.host, incarnation: self.incarnation, power_loss });
        Some((strike, over))
    }
}
