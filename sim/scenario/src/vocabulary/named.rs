//! What a system has that a scenario can name, one by one.

use squall_history::{Event, Op};

/// What a system has, besides clients that are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gives {
    /// Nodes tell who leads.
    pub leaders: bool,
    /// It takes an administrator's requests, and members may come and go.
    pub admin: bool,
    /// It writes to its disk, a log and snapshots.
    pub durable: bool,
    /// Its consensus heeds `heartbeat`, `election_timeout`, `pre_vote` and `snapshot_every`.
    pub tuning: bool,
}

impl Gives {
    /// All of it.
    pub const EVERYTHING: Gives = Gives { leaders: true, admin: true, durable: true, tuning: true };
    /// Nothing of it.
    pub const NOTHING: Gives = Gives { leaders: false, admin: false, durable: false, tuning: false };
}

/// A name, and what it stands for in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
}

/// An event of a system.
#[derive(Clone, Copy, Debug)]
pub struct EventInfo {
    /// The event.
    pub event: Event,
    /// Why it can never happen where clients ask only such operations; `None` where it may.
    pub never: fn(&[Op]) -> Option<&'static str>,
}

/// The client that has what only one of them can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The target's name.
    pub name: &'static str,
    /// Who that is.
    pub about: &'static str,
    /// The event by which a client comes to be it.
    pub comes: Event,
}

/// A seam of a system's code, at which a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub about: &'static str,
    /// Whether what comes next can fail, so that `action: error` is possible.
    pub can_fail: bool,
    /// Whether a swarm only makes it late: who dies there dies as elsewhere.
    pub only_late: bool,
}
