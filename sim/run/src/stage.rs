//! What every part of a run stands on: the machine, the recorder, the plan.

use crate::{pen::Pen, recorder::Recorder};
use squall_effect::Party;
use squall_history::{Effect, EffectChange, EffectResult, EntryKind, FaultRef, SimTime};
use squall_machine::{HostId, Machine};
use squall_scenario::Plan;
use std::{sync::Arc, time::Duration};

/// The machine, the recorder, the plan.
pub(crate) struct Stage {
    pub(crate) machine: Arc<Machine>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) plan: Plan,
}

impl Stage {
    pub(crate) fn now(&self) -> SimTime {
        self.machine.now()
    }

    pub(crate) async fn sleep(&self, lasts: Duration) {
        self.machine.sleep_until(self.machine.now() + lasts).await;
    }

    /// Writes a line of the history.
    pub(crate) fn record(&self, what: EntryKind) {
        self.recorder.record(self.machine.now_and_cut(), what);
    }

    /// Writes down what a fault did.
    pub(crate) fn tell(&self, fault: &FaultRef, on: Vec<Party>, change: EffectChange, result: EffectResult) {
        self.record(EntryKind::Effect(Effect { fault: fault.clone(), on, change, result }));
    }

    /// The host of a node or a client.
    pub(crate) fn host(&self, party: Party) -> HostId {
        match party {
            Party::Node(id) => self.machine.node(id),
            Party::Client(id) => self.machine.client_host(id.0),
        }
    }
}

impl Pen for Stage {
    fn now(&self) -> SimTime {
        self.machine.now()
    }

    fn write(&self, what: EntryKind) {
        self.record(what);
    }
}
