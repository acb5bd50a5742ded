//! What may happen in an etcd-style service, beside what may happen in any.

use crate::ops::{LEASE_NOT_FOUND, LeaseOutput, LineOp, LineOutput, Op, Output, StreamEvent};
use squall_history::{ClientId, Event, EventKind, OpId, Subject};
use squall_scenario::{EventInfo, Holder};
use std::collections::BTreeSet;

macro_rules! events {
    ($($name:ident = $word:literal, $subject:expr, $about:literal, $never:expr;)*) => {
        $(
            #[doc = $about]
            pub const $name: Event = Event::own(&EventKind { name: $word, subject: $subject, about: $about });
        )*

        pub(crate) const ALL: &[EventInfo] = &[$(EventInfo { event: $name, never: $never },)*];
    };
}

// The event, its name, what it is about, what it is, and why it can never happen.
events! {
    WATCH_EVENT = "watch-event", None, "a watch told of a change", |asks| {
        if asks.iter().any(|ask| ask.may_write()) { unless(asks, watches, NO_WATCH) } else { Some("no workload writes") }
    };
    WATCH_RESUMED = "watch-resumed", None, "a watch was taken up again from an earlier revision, and is there", |asks| unless(asks, watches, NO_WATCH);
    WATCH_COMPACTED = "watch-compacted", None, "a watch was ended because its start is compacted away", |asks| unless(asks, watches, NO_WATCH);
    LEASE_EXPIRED = "lease-expired", Some(Subject::Client), "a client was told that a lease is gone", |asks| {
        unless(asks, |op| matches!(op, Op::Lease(_) | Op::Line(_)), "no workload has leases")
    };
    LOCK_ACQUIRED = "lock-acquired", Some(Subject::Client), "a client came to hold a lock, or to lead an election", |asks| {
        unless(asks, |op| matches!(op, Op::Line(LineOp::Acquire { .. })), "no workload takes locks, or stands for election")
    };
    WORK_REFUSED = "work-refused", Some(Subject::Client), "fenced work was refused, because its place in line is gone", |asks| {
        unless(asks, |op| matches!(op, Op::Line(LineOp::Work { fenced: true, .. })), "no workload does fenced work")
    };
}

const NO_WATCH: &str = "no workload watches";

fn watches(op: &Op) -> bool {
    matches!(op, Op::Watch { .. })
}

/// Why it cannot be, unless such an operation is asked.
fn unless(asks: &[squall_history::Op], which: fn(&Op) -> bool, why: &'static str) -> Option<&'static str> {
    (!asks.iter().filter_map(|ask| ask.get()).any(which)).then_some(why)
}

/// The client that last came to hold a lock, or to lead an election.
pub const HOLDER: Holder =
    Holder { name: "lease-holder", about: "the client that holds a lock, or leads an election", comes: LOCK_ACQUIRED };

/// What is derived from a line, as it is recorded.
#[derive(Default)]
pub struct ServiceEvents {
    /// Watches that begin in the past.
    resumed: BTreeSet<OpId>,
    holder: Option<ClientId>,
}

/// An event of a line.
pub type Derived = Option<Event>;

impl ServiceEvents {
    /// The client that last came to hold a lock, or to lead an election, and has not let go of it as far as it knows.
    pub fn holder(&self) -> Option<ClientId> {
        self.holder
    }

    /// The event that this line is, if it is one; `client` is the one whose operation it is about.
    pub fn of(&mut self, what: &squall_history::EntryKind, client: Option<ClientId>) -> Derived {
        use squall_history::EntryKind as Plain;
        match what {
            Plain::Invoke { op, ask, .. } => {
                if let Some(Op::Watch { from: Some(_), .. }) = ask.get() {
                    self.resumed.insert(*op);
                }
                None
            }
            Plain::Ok { output, .. } => self.of_answer(output.get()?, client),
            Plain::Heard { op, heard } => match heard.get()? {
                StreamEvent::Created { .. } => self.resumed.remove(op).then_some(WATCH_RESUMED),
                StreamEvent::Events { .. } => Some(WATCH_EVENT),
                StreamEvent::Canceled { compacted, .. } => (*compacted > 0).then_some(WATCH_COMPACTED),
                StreamEvent::Progress { .. } | StreamEvent::Observing | StreamEvent::Leader { .. } => None,
            },
            Plain::Fail { code, .. } => (code == LEASE_NOT_FOUND).then_some(LEASE_EXPIRED),
            _ => None,
        }
    }

    fn of_answer(&mut self, output: &Output, client: Option<ClientId>) -> Derived {
        match output {
            Output::Line(LineOutput::Held { .. }) => self.holder = client,
            Output::Line(LineOutput::Released | LineOutput::Worked { yes: false }) | Output::Lease(LeaseOutput::Renewed { ttl: 0 })
                if self.holder == client =>
            {
                self.holder = None;
            }
            _ => {}
        }
        match output {
            Output::Lease(LeaseOutput::Renewed { ttl: 0 } | LeaseOutput::Left { ttl: -1, .. }) => Some(LEASE_EXPIRED),
            Output::Line(LineOutput::Held { .. }) => Some(LOCK_ACQUIRED),
            Output::Line(LineOutput::Worked { yes: false }) => Some(WORK_REFUSED),
            _ => None,
        }
    }
}
