//! etcd's watches: what changes in a range of keys, from any revision that is not compacted away.
//!
//! ```text
//!   applied ──► "more was applied" ──► each stream pulls what is new since its own revision
//! ```
//!
//! Nothing is queued for a watch: it remembers up to which revision it was told, and reads on from
//! there when its client takes more. So a slow client costs a position, not a buffer; when the position
//! is compacted away, its watches are cancelled with the compaction's revision.
//!
//! Watches that were told as much as the others of their stream go together, at its `told`; one that
//! reads history catches up on its own first. Answers are whole revisions, unless a client asks for
//! fragments. A header's revision says how far the stream has come: everything up to there was told.

use super::{
    replica::{REQUEST_BYTES_MAX, Replica},
    require_leader,
};
use crate::{Bug, Failpoint};
use crate::{
    mvcc::KeyChange,
    pb::{
        etcdserverpb::{
            WatchCreateRequest, WatchRequest, WatchResponse, watch_create_request::FilterType, watch_request::RequestUnion, watch_server,
        },
        mvccpb::{Event, event::EventType},
    },
    raft::OrderedReceiver,
};
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, stream};
use openraft_rt::WatchReceiver as _;
use prost::Message as _;
use squall_env::{Env, LocalInstant};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::ControlFlow,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tonic::{Request, Response, Status, Streaming};

/// How many watches a node has at most.
const WATCHES_MAX: usize = 1 << 16;

/// An answer is closed once it has so many changes, or so many bytes of them.
const CHANGES_MAX: usize = 1000;
const BYTES_MAX: usize = 1 << 20;

/// How many changes are looked at while nothing else can be applied.
const SEEN_MAX: usize = 20_000;

/// A planted bug drops what is more revisions behind.
const LAG_DROPPED: i64 = 10;

/// Where an answer is cut if its client takes fragments: etcd's limit on a request and its overhead.
const FRAGMENT_BYTES: usize = REQUEST_BYTES_MAX + (512 << 10);

/// How often a silent watch that asked for it is told how far it is (as etcd).
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(600);

/// The Watch service of one node.
pub(crate) struct WatchService<E: Env> {
    pub(crate) replica: Replica<E>,
    /// How many watches there are.
    pub(crate) open: Arc<AtomicUsize>,
    /// How often a watch that was told nothing is told how far it is, if its client wishes.
    pub(crate) progress_every: Duration,
}

#[tonic::async_trait]
impl<E: Env> watch_server::Watch for WatchService<E> {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let requires_leader = require_leader::asks(request.metadata());
        let progress = self.replica.machine.progress();
        let told = self.replica.machine.applying().store.revision();
        let watching = Watching::<E> {
            replica: self.replica.clone(),
            open: self.open.clone(),
            requests: Some(request.into_inner()),
            progress,
            watches: BTreeMap::new(),
            index: Index::default(),
            behind: BTreeSet::new(),
            told,
            next_id: 0,
            how_far: None,
            progressive: 0,
            tell_at: E::now() + self.progress_every,
            progress_every: self.progress_every,
            answers: VecDeque::new(),
        };
        let answers = stream::unfold(watching, |mut watching| async move { watching.next().await.map(|answer| (answer, watching)) });
        Ok(Response::new(match requires_leader {
            true => require_leader::while_led(Box::pin(answers), self.replica.clone()),
            false => Box::pin(answers),
        }))
    }
}

/// One watch.
struct Watch {
    key: Bytes,
    /// Empty: the one key; "\0": from the key on.
    range_end: Bytes,
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
    progress: bool,
    fragment: bool,
    /// The first revision that it was not told yet.
    next: i64,
    /// It was told something since it was last told how far it is.
    lively: bool,
}

impl Watch {
    fn covers(&self, key: &[u8]) -> bool {
        key >= self.key.as_ref()
            && match self.range_end.as_ref() {
                [] => key == self.key,
                [0] => true,
                end => key < end,
            }
    }

    /// The event that a change is for this watch. `unfiltered` is a planted bug's.
    fn event(&self, change: &KeyChange<'_>, unfiltered: bool) -> Option<Event> {
        let deleted = change.version.value.is_none();
        if change.version.mod_revision < self.next || (!unfiltered && if deleted { self.no_delete } else { self.no_put }) {
            return None;
        }
        let mut kv = change.version.to_kv(change.key, false);
        if deleted {
            // etcd tells the key and the revision of a deletion, and no more.
            kv = crate::pb::KeyValue { key: kv.key, mod_revision: kv.mod_revision, ..Default::default() };
        }
        let prev_kv = change.before.filter(|_| self.prev_kv).map(|before| before.to_kv(change.key, false));
        let kind = if deleted { EventType::Delete } else { EventType::Put };
        Some(Event { r#type: kind.into(), kv: Some(kv), prev_kv })
    }
}

/// Which watches of a stream a key concerns.
#[derive(Default)]
struct Index {
    single: BTreeMap<Bytes, BTreeSet<i64>>,
    ranges: BTreeSet<i64>,
}

impl Index {
    fn insert(&mut self, id: i64, watch: &Watch) {
        if watch.range_end.is_empty() {
            self.single.entry(watch.key.clone()).or_default().insert(id);
        } else {
            self.ranges.insert(id);
        }
    }

    fn remove(&mut self, id: i64, watch: &Watch) {
        self.ranges.remove(&id);
        if let Some(ids) = self.single.get_mut(&watch.key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.single.remove(&watch.key);
            }
        }
    }
}

/// When a batch is full: at the end of a revision, once it has enough, or has looked at enough.
#[derive(Default)]
struct Batch {
    seen: usize,
    changes: usize,
    bytes: usize,
    last: i64,
}

impl Batch {
    /// Whether this change is still looked at.
    fn looks_at(&mut self, change: &KeyChange<'_>) -> bool {
        let revision = change.version.mod_revision;
        if revision != self.last && (self.changes >= CHANGES_MAX || self.bytes >= BYTES_MAX || self.seen >= SEEN_MAX) {
            return false;
        }
        self.last = revision;
        self.seen += 1;
        true
    }

    fn take(&mut self, change: &KeyChange<'_>) {
        self.changes += 1;
        self.bytes += change.key.len() + change.version.value.as_ref().map_or(0, Bytes::len);
    }
}

/// One stream of watches.
struct Watching<E: Env> {
    replica: Replica<E>,
    open: Arc<AtomicUsize>,
    /// `None` once the client has said that no more come.
    requests: Option<Streaming<WatchRequest>>,
    progress: OrderedReceiver<()>,
    watches: BTreeMap<i64, Watch>,
    /// Of the watches that are not behind.
    index: Index,
    /// The watches that were not told everything up to `told`.
    behind: BTreeSet<i64>,
    /// Up to which revision everything was told.
    told: i64,
    next_id: i64,
    /// The client asked how far it is: told once this revision is reached by all; and how often it asked.
    how_far: Option<(i64, u32)>,
    /// How many watches want to be told from time to time.
    progressive: usize,
    tell_at: LocalInstant,
    progress_every: Duration,
    answers: VecDeque<WatchResponse>,
}

impl<E: Env> Drop for Watching<E> {
    fn drop(&mut self) {
        self.open.fetch_sub(self.watches.len(), Ordering::Relaxed);
    }
}

/// What a stream waits for.
enum Woken {
    Applied(bool),
    Asked(Result<Option<WatchRequest>, Status>),
    TimeToTell,
}

impl<E: Env> Watching<E> {
    async fn next(&mut self) -> Option<Result<WatchResponse, Status>> {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                if !answer.events.is_empty() {
                    // It cannot fail.
                    let _ = E::failpoint(Failpoint::BeforeWatchSend).await;
                }
                return Some(Ok(answer));
            }
            // What its client asks comes first: one that cannot keep up must be able to cancel.
            if let Some(asked) = self.requests.as_mut().and_then(|requests| requests.message().now_or_never()) {
                match asked {
                    Ok(Some(request)) => self.asked(request),
                    Ok(None) => self.requests = None,
                    Err(status) => return Some(Err(status)),
                }
                continue;
            }
            if self.tell_more() {
                self.tell_how_far_if_asked();
                // History is read piece by piece, and others have their turn in between.
                if self.answers.is_empty() {
                    a_turn_for_others().await;
                }
                continue;
            }
            match self.wait().await {
                Woken::Applied(true) => {}
                Woken::Applied(false) => return Some(Err(Status::unavailable("etcdserver: server stopped"))),
                Woken::Asked(Ok(Some(request))) => self.asked(request),
                Woken::Asked(Ok(None)) => self.requests = None,
                Woken::Asked(Err(status)) => return Some(Err(status)),
                Woken::TimeToTell => self.tell_how_far(),
            }
        }
    }

    async fn wait(&mut self) -> Woken {
        let wants_progress = self.progressive > 0;
        let asked = async {
            match &mut self.requests {
                Some(requests) => requests.message().await,
                None => std::future::pending().await,
            }
        };
        let time_to_tell = async {
            match wants_progress {
                true => E::sleep_until(self.tell_at).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            applied = self.progress.changed() => Woken::Applied(applied.is_ok()),
            asked = asked => Woken::Asked(asked),
            () = time_to_tell => Woken::TimeToTell,
        }
    }

    fn asked(&mut self, request: WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.create(create),
            Some(RequestUnion::CancelRequest(cancel)) => self.cancel(cancel.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => {
                let now = self.replica.machine.applying().store.revision();
                let asked = self.how_far.map_or(0, |(_, asked)| asked);
                self.how_far = Some((now, asked + 1));
                self.tell_how_far_if_asked();
            }
            None => {}
        }
    }

    /// Puts an answer into the queue, with the revision up to which everything before it was told.
    fn answer(&mut self, answer: WatchResponse) {
        let term = self.replica.machine.applying().term();
        let header = self.replica.header(self.told, term);
        self.answers.push_back(WatchResponse { header, ..answer });
    }

    fn create(&mut self, create: WatchCreateRequest) {
        // As etcd: an empty key is the lowest one.
        let key = if create.key.is_empty() { Bytes::from_static(b"\0") } else { create.key };
        let range_end = create.range_end;
        let refused = if !matches!(range_end.as_ref(), [] | [0]) && range_end <= key {
            Some("mvcc: watcher range is empty")
        } else if create.watch_id != 0 && self.watches.contains_key(&create.watch_id) {
            Some("mvcc: duplicate watch ID provided on the WatchStream")
        } else if self.open.load(Ordering::Relaxed) >= WATCHES_MAX {
            Some("etcdserver: too many watches on this member")
        } else {
            None
        };
        if let Some(why) = refused {
            let answer =
                WatchResponse { watch_id: -1, created: true, canceled: true, cancel_reason: why.to_string(), ..Default::default() };
            return self.answer(answer);
        }
        let id = match create.watch_id {
            0 => {
                while self.watches.contains_key(&self.next_id) {
                    self.next_id += 1;
                }
                self.next_id += 1;
                self.next_id - 1
            }
            id => id,
        };
        let range_end = match E::bug(Bug::WatchKeyAsPrefix) && range_end.is_empty() {
            true => Bytes::from([&key[..], b"\xff"].concat()),
            false => range_end,
        };
        let filters = |kind: FilterType| create.filters.contains(&kind.into());
        let (now, floor, term) = {
            let applying = self.replica.machine.applying();
            (applying.store.revision(), applying.store.compacted(), applying.term())
        };
        // A revision before all others is compacted away as soon as anything is; before that, -1 is no revision at all, as in etcd.
        let mut next = match create.start_revision {
            0 => now + 1,
            start if start < 0 && start >= floor => now + 1,
            start => start,
        };
        if create.start_revision > 0 && E::bug(Bug::WatchResumeOffByOne) {
            next += 1;
        }
        if create.start_revision > 1 && E::bug(Bug::WatchResumeRepeats) {
            next -= 1;
        }
        if E::bug(Bug::WatchIgnoresCompaction) {
            next = next.max(floor);
        }
        let watch = Watch {
            key,
            range_end,
            no_put: filters(FilterType::Noput),
            no_delete: filters(FilterType::Nodelete),
            prev_kv: create.prev_kv,
            progress: create.progress_notify,
            fragment: create.fragment,
            next,
            lively: false,
        };
        if next <= self.told {
            self.behind.insert(id);
        } else {
            self.index.insert(id, &watch);
        }
        self.progressive += usize::from(watch.progress);
        self.watches.insert(id, watch);
        self.open.fetch_add(1, Ordering::Relaxed);
        // A client that gave no start takes it from here.
        let header = self.replica.header(now, term);
        self.answers.push_back(WatchResponse { header, watch_id: id, created: true, ..Default::default() });
        // Refused even where the last changes are still at hand: nobody may rely on that.
        if next < floor {
            self.compacted(id, floor);
        }
    }

    fn cancel(&mut self, watch_id: i64) {
        // As etcd: nothing is said of a watch that is not there.
        if self.close(watch_id) {
            self.answer(WatchResponse { watch_id, canceled: true, ..Default::default() });
        }
    }

    /// Ends a watch; whether it was there.
    fn close(&mut self, id: i64) -> bool {
        let Some(watch) = self.watches.remove(&id) else { return false };
        self.index.remove(id, &watch);
        self.behind.remove(&id);
        self.progressive -= usize::from(watch.progress);
        self.open.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// What its client asked for is no longer there.
    fn compacted(&mut self, id: i64, floor: i64) {
        self.close(id);
        self.answer(WatchResponse { watch_id: id, canceled: true, compact_revision: floor, ..Default::default() });
    }

    /// Queues the next answers; whether there may be more.
    fn tell_more(&mut self) -> bool {
        match self.behind.first() {
            Some(id) => self.catch_up(*id),
            None => return self.tell_news(),
        }
        true
    }

    /// Tells one watch of the past a batch.
    fn catch_up(&mut self, id: i64) {
        let watch = &self.watches[&id];
        let (mut events, mut batch, mut upto) = (Vec::new(), Batch::default(), self.told);
        let told = self.told;
        let visited = {
            let applying = self.replica.machine.applying();
            let unfiltered = E::bug(Bug::WatchCatchesUpUnfiltered);
            applying.recent.visit(&applying.store, watch.next, |change| {
                let revision = change.version.mod_revision;
                if revision > told {
                    return ControlFlow::Break(());
                }
                if !batch.looks_at(&change) {
                    upto = batch.last;
                    return ControlFlow::Break(());
                }
                if watch.covers(change.key)
                    && let Some(mut event) = watch.event(&change, unfiltered)
                {
                    event.prev_kv = event.prev_kv.filter(|_| !E::bug(Bug::WatchWithoutPrevious));
                    batch.take(&change);
                    events.push(event);
                }
                ControlFlow::Continue(())
            })
        };
        if let Err(floor) = visited {
            return self.compacted(id, floor);
        }
        let watch = self.watches.get_mut(&id).expect("it was there above");
        watch.next = upto + 1;
        if upto == told {
            self.behind.remove(&id);
            self.index.insert(id, watch);
        }
        self.tell(id, events, upto);
    }

    /// Tells the watches that are not behind what is new; whether there was anything.
    fn tell_news(&mut self) -> bool {
        let mut news: BTreeMap<i64, Vec<Event>> = BTreeMap::new();
        let (mut batch, from) = (Batch::default(), self.told + 1);
        let (index, watches) = (&self.index, &self.watches);
        let (visited, upto) = {
            let applying = self.replica.machine.applying();
            let mut upto = applying.store.revision();
            if upto < from {
                return false;
            }
            if upto - from > LAG_DROPPED && E::bug(Bug::WatchDropsSlow) {
                self.told = upto;
                return true;
            }
            let visited = applying.recent.visit(&applying.store, from, |change| {
                if !batch.looks_at(&change) {
                    upto = batch.last;
                    return ControlFlow::Break(());
                }
                let single = index.single.get(change.key).into_iter().flatten();
                let ranges = index.ranges.iter().filter(|id| watches[*id].covers(change.key));
                for id in single.chain(ranges) {
                    if let Some(event) = watches[id].event(&change, false) {
                        batch.take(&change);
                        news.entry(*id).or_default().push(event);
                    }
                }
                ControlFlow::Continue(())
            });
            (visited, upto)
        };
        if let Err(floor) = visited {
            // Those that begin at the floor or behind it go on.
            let at = self.told + 1;
            let lost: Vec<i64> = self.watches.iter().filter(|(_, w)| w.next.max(at) < floor).map(|(id, _)| *id).collect();
            self.told = floor - 1;
            lost.into_iter().for_each(|id| self.compacted(id, floor));
            return true;
        }
        self.told = upto;
        for (id, events) in news {
            self.tell(id, events, upto);
        }
        true
    }

    /// Queues the events of one watch, which bring it to revision `upto`.
    fn tell(&mut self, id: i64, events: Vec<Event>, upto: i64) {
        if events.is_empty() {
            return;
        }
        let term = self.replica.machine.applying().term();
        let watch = self.watches.get_mut(&id).expect("only watches are told");
        watch.lively = true;
        let parts = match watch.fragment {
            _ if E::bug(Bug::WatchSplitsRevision) => events.into_iter().map(|event| vec![event]).collect(),
            true => fragments(events),
            false => vec![events],
        };
        let last = parts.len() - 1;
        for (i, events) in parts.into_iter().enumerate() {
            let header = self.replica.header(upto, term);
            self.answers.push_back(WatchResponse { header, watch_id: id, fragment: i < last, events, ..Default::default() });
        }
    }

    /// Answers the client's questions how far its stream is, never before everything up to there was told
    /// (etcd 3.5 gets that wrong: etcd issue 15220).
    fn tell_how_far_if_asked(&mut self) {
        if let Some((revision, asked)) = self.how_far
            && self.told >= revision
            && (self.behind.is_empty() || E::bug(Bug::WatchProgressOvertakes))
        {
            self.how_far = None;
            (0..asked).for_each(|_| self.answer(WatchResponse { watch_id: -1, ..Default::default() }));
        }
    }

    /// Tells the watches that asked for it, and were told nothing for long, how far they are.
    fn tell_how_far(&mut self) {
        self.tell_at = E::now() + self.progress_every;
        let silent = self.watches.iter().filter(|(id, w)| w.progress && !w.lively && !self.behind.contains(id));
        let silent: Vec<i64> = silent.map(|(id, _)| *id).collect();
        self.watches.values_mut().for_each(|w| w.lively = false);
        for watch_id in silent {
            self.answer(WatchResponse { watch_id, ..Default::default() });
        }
    }
}

/// Lets every other task that is ready run first.
async fn a_turn_for_others() {
    let mut waited = false;
    std::future::poll_fn(|cx| match std::mem::replace(&mut waited, true) {
        true => std::task::Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        }
    })
    .await;
}

/// Cuts events into pieces that are small enough, or have one event.
fn fragments(events: Vec<Event>) -> Vec<Vec<Event>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for event in events {
        let length = event.encoded_len();
        if bytes > 0 && bytes + length > FRAGMENT_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += length;
        parts.last_mut().expect("there is always one").push(event);
    }
    parts
}
