//! One incarnation of a host's software, as far as its host knows it: whether it lives, and where its tasks are.

use squall_history::SeededStream;
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

/// The life of a process, from its boot to its end.
pub(crate) struct Life {
    /// How many processes its host has had, with this one.
    pub(crate) incarnation: u32,
    /// Where its tasks run.
    pub(crate) node: madsim::runtime::NodeHandle,
    alive: AtomicBool,
    draws: Mutex<SeededStream>,
}

impl Life {
    /// One that begins.
    pub(crate) fn new(incarnation: u32, node: madsim::runtime::NodeHandle, draws: SeededStream) -> Life {
        Life { incarnation, node, alive: AtomicBool::new(true), draws: Mutex::new(draws) }
    }

    /// Whether it may still do something.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// It does nothing any more.
    pub(crate) fn ends(&self) {
        self.alive.store(false, Ordering::Relaxed);
    }

    /// A generator of its own for whoever asks.
    pub(crate) fn fork_rng(&self) -> rand_chacha::ChaCha8Rng {
        self.draws.lock().expect("nothing panics while drawing").fork()
    }
}
