//! How far transactions are kept apart, and what shows that they were not.

use crate::call::CallId;

/// How far transactions are to be kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// No dirty writes: G0 is forbidden.
    ReadUncommitted,
    /// And no dirty reads: G1.
    ReadCommitted,
    /// And no skewed reads or lost updates: G-single, G-nonadjacent.
    SnapshotIsolation,
    /// And no skewed writes: G2-item. There is one order of all.
    Serializable,
    /// And that order is each process's own, too. Of single reads and writes, that is sequential consistency.
    StrongSessionSerializable,
    /// And it is the order of real time.
    #[default]
    StrictSerializable,
}

impl Isolation {
    /// All of them, the weakest first.
    pub const ALL: [(Isolation, &'static str); 6] = [
        (Isolation::ReadUncommitted, "read-uncommitted"),
        (Isolation::ReadCommitted, "read-committed"),
        (Isolation::SnapshotIsolation, "snapshot-isolation"),
        (Isolation::Serializable, "serializable"),
        (Isolation::StrongSessionSerializable, "strong-session-serializable"),
        (Isolation::StrictSerializable, "strict-serializable"),
    ];

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Isolation> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(level, _)| *level)
    }
}

/// Something that no history of that isolation shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Its name: `G0`, `G1a`, `G-single-realtime`, ...
    pub kind: &'static str,
    /// What happened, a line for each step; of a cycle, from each transaction to the next, and back to the first.
    pub steps: Vec<String>,
    /// The transactions that show it.
    pub calls: Vec<CallId>,
}
