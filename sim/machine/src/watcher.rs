//! Who is told what is seen of the hosts of a machine.

use crate::ids::HostId;
use squall_history::{Observation, SimTime};
use std::sync::Mutex;

/// Is told what happens, when it does. It is called under the machine's lock: it must not ask the machine anything.
pub trait Watcher: Send + Sync {
    /// This was seen of a host. `any_cut`: whether any link is cut.
    fn saw(&self, at: SimTime, host: HostId, saw: Observation, any_cut: bool);

    /// The process of a host gave up, for an error that a fault had made.
    fn gave_up(&self, _host: HostId) {}
}

/// A watcher that remembers what it was told.
#[derive(Default)]
pub struct Seen(Mutex<Vec<(SimTime, HostId, Observation)>>);

impl Seen {
    /// All of it by now.
    ///
    /// # Panics
    /// When another thread panicked while it was told something.
    pub fn all(&self) -> Vec<(SimTime, HostId, Observation)> {
        self.0.lock().expect("no panic under this lock").clone()
    }
}

impl Watcher for Seen {
    fn saw(&self, at: SimTime, host: HostId, saw: Observation, _any_cut: bool) {
        self.0.lock().expect("no panic under this lock").push((at, host, saw));
    }
}
