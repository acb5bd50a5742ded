//! Named happenings. `when:` and `sometimes:` use the same names.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{cmp::Ordering, collections::BTreeMap, sync::Mutex};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A node.
    Node,
    /// A client.
    Client,
}

macro_rules! events {
    ($($variant:ident = $name:literal, $subject:expr, $about:literal;)*) => {
        /// A named happening. `when:` and `sometimes:` use the same names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Event {
            $(#[doc = $about] $variant,)*
            /// One of a service.
            Own(OwnEvent),
        }

        impl Event {
            /// Those that any service may have, in the order of their declaration.
            pub const ALL: &'static [Event] = &[$(Event::$variant,)*];

            /// The name that people write.
            pub fn name(self) -> &'static str {
                match self { $(Event::$variant => $name,)* Event::Own(own) => own.0.name }
            }

            /// What it is about: a fault may have that as its subject.
            pub fn subject(self) -> Option<Subject> {
                match self { $(Event::$variant => $subject,)* Event::Own(own) => own.0.subject }
            }

            /// One sentence.
            pub fn about(self) -> &'static str {
                match self { $(Event::$variant => $about,)* Event::Own(own) => own.0.about }
            }
        }
    };
}

// The event, its name, what it is about, what it is.
events! {
    LeaderChanged = "leader-changed", Some(Subject::Node), "a node became leader of a term, other than the first leader of the run";
    ElectionStarted = "election-started", Some(Subject::Node), "a node became a candidate, after the run had its first leader";
    NodeRestarted = "node-restarted", Some(Subject::Node), "a process started again";
    SnapshotBuilt = "snapshot-built", Some(Subject::Node), "a node wrote a snapshot";
    SnapshotInstalled = "snapshot-installed", Some(Subject::Node), "a snapshot from a peer replaced a node's state";
    LogTruncated = "log-truncated", Some(Subject::Node), "a log suffix that conflicted with the leader's was removed";
    MembershipProposed = "membership-proposed", Some(Subject::Node), "a leader put a membership into its log, and nobody else has it yet";
    MembershipTruncated = "membership-truncated", Some(Subject::Node), "a membership was among what was removed from a log";
    LogPurged = "log-purged", Some(Subject::Node), "a log's head was dropped, a snapshot covers it";
    MemberAdded = "member-added", Some(Subject::Node), "the members of the cluster grew by this node: it learns first, and votes later";
    MemberRemoved = "member-removed", Some(Subject::Node), "this node is a member of the cluster no more";
    WriteDuringPartition = "write-during-partition", None, "a write was acknowledged while a partition was in force";
    WriteAcknowledged = "write-acknowledged", Some(Subject::Client), "a write was acknowledged; the history has the first one only";
    SpaceExceeded = "space-exceeded", Some(Subject::Client), "a write was refused because a disk is full";
    FailpointHit = "failpoint-hit", Some(Subject::Node), "a node came to a seam of its code where a fault was armed";
    DiskDamaged = "disk-damaged", Some(Subject::Node), "what was durable on a node's disk was damaged, or lost";
    NodeRefused = "node-refused", Some(Subject::Node), "a node refused to go on, and said why";
    OutcomeUnknown = "outcome-unknown", Some(Subject::Client), "an operation ended without anybody knowing whether it happened";
}

/// An event that only one service has, as its pack declares it.
#[derive(Debug)]
pub struct EventKind {
    /// The name that people write.
    pub name: &'static str,
    /// What it is about: a fault may have that as its subject.
    pub subject: Option<Subject>,
    /// One sentence.
    pub about: &'static str,
}

/// An event of a service. Two of the same name are the same.
#[derive(Clone, Copy, Debug)]
pub struct OwnEvent(&'static EventKind);

impl PartialEq for OwnEvent {
    fn eq(&self, other: &OwnEvent) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for OwnEvent {}

impl PartialOrd for OwnEvent {
    fn partial_cmp(&self, other: &OwnEvent) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OwnEvent {
    fn cmp(&self, other: &OwnEvent) -> Ordering {
        self.0.name.cmp(other.0.name)
    }
}

impl Event {
    /// An event of a service.
    pub const fn own(kind: &'static EventKind) -> Event {
        Event::Own(OwnEvent(kind))
    }

    /// The event of this name among those that any service may have, if there is one.
    pub fn from_name(name: &str) -> Option<Event> {
        Event::ALL.iter().copied().find(|e| e.name() == name)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How many names of other services' events are kept.
const STRANGERS_MAX: usize = 1_000;

/// Events that were read, and that no service here has. They are few, and kept for good.
static STRANGERS: Mutex<BTreeMap<String, &'static EventKind>> = Mutex::new(BTreeMap::new());

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        let name = String::deserialize(deserializer)?;
        if let Some(known) = Event::from_name(&name) {
            return Ok(known);
        }
        let mut strangers = STRANGERS.lock().expect("no panic under this lock");
        if let Some(kind) = strangers.get(&name) {
            return Ok(Event::own(kind));
        }
        if strangers.len() >= STRANGERS_MAX || name.len() > 100 {
            return Err(D::Error::custom(format_args!("there are too many unknown events: {}", crate::brief(&name))));
        }
        let kind = EventKind { name: name.clone().leak(), subject: None, about: "an event of another service" };
        Ok(Event::own(strangers.entry(name).or_insert(Box::leak(Box::new(kind)))))
    }
}
