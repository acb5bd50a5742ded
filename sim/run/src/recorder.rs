//! The recorder: it writes the history, derives the events, and tells those who wait for one.

use crate::{
    events::{Derived, EventDeriver},
    service_events::ServiceEvents,
};
use squall_effect::{
    Party,
    budget::{Configuration, Voters},
};
use squall_history::{ClientId, Entry, EntryKind, Event, History, NodeId, Observation, SimTime};
use squall_machine::{HostId, Machine, Watcher};
use std::{
    collections::{BTreeSet, VecDeque},
    future::{Future, poll_fn},
    sync::{Mutex, MutexGuard},
    task::{Poll, Waker},
};

/// The most entries that one history may hold: a run that passes it is cut off, and says so.
pub const HISTORY_MAX: usize = 4_000_000;

/// Looks at what a history has got since the last time; says whether the run is to go on.
///
/// It is called in the middle of a simulation, so it may neither draw nor read a clock nor make a hash map of std's: the run
/// must be the same whether or not somebody looks on. (Let a thread that is there already do the work.)
pub type ContinueFn = Box<dyn FnMut(&[Entry]) -> bool + Send>;

struct Monitor {
    go_on: ContinueFn,
    /// How many entries it has seen, and with how many it is asked again.
    seen: usize,
    next: usize,
}

impl Monitor {
    /// It is not asked before there are this many entries.
    const FIRST: usize = 256;

    /// Then whenever there is an eighth more: to judge the whole anew each time costs about nine times what it costs once.
    fn later(entries: usize) -> usize {
        entries + (entries / 8).max(Monitor::FIRST / 2)
    }
}

/// An event that was waited for: when, what, and whom it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AwaitedEvent {
    pub(crate) at: SimTime,
    pub(crate) event: Event,
    pub(crate) subject: Option<Party>,
}

struct Books {
    history: History,
    events: EventDeriver,
    /// The events that somebody waits for, those that happened and were not looked at, and whom to wake.
    awaited: BTreeSet<Event>,
    unseen: VecDeque<AwaitedEvent>,
    watcher: Option<Waker>,
    /// Hosts whose process gave up for an error that a fault had made, and whom to wake then.
    gave_up: VecDeque<HostId>,
    gave_up_waker: Option<Waker>,
    /// A panic in a part of the harness, if there was one.
    harness_failure: Option<String>,
    overflowed: bool,
    /// Who looks at the history while it is made.
    monitor: Option<Monitor>,
    /// Whether the monitor has seen enough, and whom to wake then.
    stopped: bool,
    stop_waker: Option<Waker>,
}

/// What a run is like when it is over.
pub(crate) struct Recorded {
    pub(crate) history: History,
    pub(crate) overflowed: bool,
    pub(crate) stopped: bool,
    pub(crate) harness_failure: Option<String>,
}

/// Writes one run's history. It is told things under the machine's lock, and asks the machine nothing.
pub(crate) struct Recorder {
    nodes: u32,
    books: Mutex<Books>,
}

impl Watcher for Recorder {
    fn saw(&self, at: SimTime, host: HostId, saw: Observation, any_cut: bool) {
        let mut books = self.lock();
        match host.node(self.nodes) {
            Ok(node) => books.record(at, EntryKind::Node { node, saw }, any_cut),
            // A client is a part of the harness: its panic is no verdict on the system.
            Err(client) => {
                if let Observation::Panicked { message } = saw {
                    books.harness_failure.get_or_insert(format!("client c{client} panicked: {message}"));
                }
            }
        }
    }

    fn gave_up(&self, host: HostId) {
        let mut books = self.lock();
        books.gave_up.push_back(host);
        books.gave_up_waker.take().into_iter().for_each(Waker::wake);
    }
}

impl Recorder {
    /// Of a run on a machine with this many nodes; `service_events` finds the service's own events.
    pub(crate) fn new(nodes: u32, service_events: Box<dyn ServiceEvents>) -> Recorder {
        let books = Books {
            history: History::new(),
            events: EventDeriver::new(service_events),
            awaited: BTreeSet::new(),
            unseen: VecDeque::new(),
            watcher: None,
            gave_up: VecDeque::new(),
            gave_up_waker: None,
            harness_failure: None,
            overflowed: false,
            monitor: None,
            stopped: false,
            stop_waker: None,
        };
        Recorder { nodes, books: Mutex::new(books) }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no panic under this lock")
    }

    /// Writes a line of the history.
    pub(crate) fn record(&self, (now, any_cut): (SimTime, bool), what: EntryKind) {
        self.lock().record(now, what, any_cut);
    }

    /// From now on, these events are what [`Recorder::next_event`] answers.
    pub(crate) fn await_events(&self, events: BTreeSet<Event>) {
        self.lock().awaited = events;
    }

    /// The next event that is waited for, or `None` once it is that late.
    pub(crate) async fn next_event(&self, machine: &Machine, until: SimTime) -> Option<AwaitedEvent> {
        let mut late = std::pin::pin!(machine.sleep_until(until));
        poll_fn(|cx| {
            {
                let mut books = self.lock();
                if let Some(happening) = books.unseen.pop_front() {
                    return Poll::Ready(Some(happening));
                }
                books.watcher = Some(cx.waker().clone());
            }
            late.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// The next host whose process gives up for an error that a fault had made.
    pub(crate) async fn next_to_give_up(&self) -> HostId {
        poll_fn(|cx| {
            let mut books = self.lock();
            books.gave_up_waker = Some(cx.waker().clone());
            books.gave_up.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Whoever gave up by now is known.
    pub(crate) fn forget_who_gave_up(&self) {
        self.lock().gave_up.clear();
    }

    /// Who was last seen to become leader, and still runs.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.lock().events.leader()
    }

    /// The client that has what only one of them can have, as far as it knows.
    pub(crate) fn holder(&self) -> Option<ClientId> {
        self.lock().events.holder()
    }

    /// The nodes that belong to the cluster, by the last membership that was told; `None` before any was.
    pub(crate) fn members(&self) -> Option<BTreeSet<NodeId>> {
        self.lock().events.members().cloned()
    }

    /// Those of them that vote.
    pub(crate) fn voters(&self) -> BTreeSet<NodeId> {
        self.lock().events.voters().clone()
    }

    /// The configurations that are in force, or may come to be; before any was told, these founders.
    pub(crate) fn configurations(&self, founders: &Voters) -> BTreeSet<Configuration> {
        self.lock().events.configurations().now(founders)
    }

    /// From now on, somebody looks on.
    pub(crate) fn monitor(&self, go_on: ContinueFn) {
        self.lock().monitor = Some(Monitor { go_on, seen: 0, next: Monitor::FIRST });
    }

    /// Does this, until it is done or the monitor has seen enough.
    pub(crate) async fn unless_stopped(&self, body: impl Future<Output = ()>) {
        let mut body = std::pin::pin!(body);
        poll_fn(|cx| {
            if body.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut books = self.lock();
            books.stop_waker = Some(cx.waker().clone());
            if books.stopped { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // Whoever looked on need not wait for the machine to go.
        let gone = self.lock().monitor.take();
        drop(gone);
    }

    /// Takes what was written so far.
    pub(crate) fn take(&self) -> Recorded {
        let mut books = self.lock();
        Recorded {
            history: std::mem::take(&mut books.history),
            overflowed: books.overflowed,
            stopped: books.stopped,
            harness_failure: books.harness_failure.clone(),
        }
    }
}

impl Books {
    fn record(&mut self, t: SimTime, what: EntryKind, any_cut: bool) {
        if self.stopped {
            return;
        }
        if self.history.len() >= HISTORY_MAX {
            self.overflowed = true;
            return;
        }
        let events = self.events.derive(&what, any_cut);
        self.history.push(Entry { t, what });
        for derived in events {
            let Derived { event, subject, told } = derived;
            if self.awaited.contains(&event) {
                self.unseen.push_back(AwaitedEvent { at: t, event, subject });
                if let Some(watcher) = self.watcher.take() {
                    watcher.wake();
                }
            }
            if told {
                let node = subject.and_then(|party| if let Party::Node(id) = party { Some(id) } else { None });
                self.history.push(Entry { t, what: EntryKind::Event { event, node } });
            }
        }
        self.ask_onlooker();
    }

    fn ask_onlooker(&mut self) {
        let entries = self.history.len();
        let Some(monitor) = self.monitor.as_mut().filter(|o| o.next <= entries) else { return };
        let go_on = (monitor.go_on)(&self.history[monitor.seen..]);
        (monitor.seen, monitor.next) = (entries, Monitor::later(entries));
        if !go_on {
            self.stopped = true;
            self.stop_waker.take().into_iter().for_each(Waker::wake);
        }
    }
}
