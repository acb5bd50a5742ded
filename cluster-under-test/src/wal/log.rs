//! The log's writer: records into the current segment, group commit, rotation, recovery.

use super::{
    Record, WalError,
    record::Check,
    sector::{file_for, place, room, wrap},
    segment::{file_name, scan, sequence_of},
    space::{DIR, LOOK_AGAIN, Space},
    sync_dir,
};
use crate::pb::{internal::SegmentHead, raft as pb};
use crate::{Bug, Failpoint};
use squall_env::{Disk, Env, File, OpenMode};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

/// What a segment's head takes, at the most.
const HEAD_MAX: u64 = 256;

/// What an earlier incarnation left.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) vote: Option<pb::VoteState>,
    pub(crate) committed: Option<pb::LogId>,
    pub(crate) purged: Option<pb::LogId>,
    pub(crate) entries: BTreeMap<u64, pb::Entry>,
}

impl Recovered {
    fn replay(&mut self, record: Record) {
        match record {
            Record::Head(head) => {
                self.vote = head.vote.or(self.vote.take());
                self.committed = head.committed.or(self.committed.take());
                if let Some(purged) = head.purged {
                    self.purge(purged);
                }
            }
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Entry(entry) => _ = self.entries.insert(entry.index, entry),
            Record::Truncate { after } => _ = self.entries.split_off(&after.map_or(0, |i| i + 1)),
            Record::Purge(id) => self.purge(id),
            Record::Committed(id) => self.committed = Some(id),
        }
    }

    fn purge(&mut self, id: pb::LogId) {
        self.entries = self.entries.split_off(&(id.index + 1));
        self.purged = Some(id);
    }
}

/// What to do once a write is durable.
pub(crate) enum Done {
    /// Call this, with the sync's result.
    Call(Box<dyn FnOnce(io::Result<()>) + Send>),
    /// Tell a waiter.
    Tell(oneshot::Sender<io::Result<()>>),
    /// Delete segments that are obsolete now.
    Delete(Vec<u64>),
}

struct Flush<F> {
    file: Arc<F>,
    /// The segment's length that this sync will make durable, and where that is kept.
    upto: u64,
    durable: Arc<AtomicU64>,
    done: Done,
}

/// A new segment, whose head is written: it gets its name once everything before it is durable, and its head.
struct Begin<F> {
    before: Option<Arc<F>>,
    file: Arc<F>,
    sequence: u64,
}

/// What the flusher is asked, in the order in which it is to be done.
enum Request<F> {
    Flush(Flush<F>),
    Begin(Begin<F>),
}

struct Segment {
    sequence: u64,
    /// The highest index ever put into it.
    last_index: Option<u64>,
}

/// The write-ahead log of one node. Its one owner writes; a task of its own syncs.
pub(crate) struct Wal<E: Env> {
    disk: E::Disk,
    file: Arc<<E::Disk as Disk>::File>,
    segments: VecDeque<Segment>,
    /// How many bytes of records the current segment has, and how many it can have.
    len: u64,
    capacity: u64,
    /// How much of the current segment is known to be durable.
    durable: Arc<AtomicU64>,
    flusher: mpsc::UnboundedSender<Request<<E::Disk as Disk>::File>>,
    /// What a new segment's head must hold.
    vote: Option<pb::VoteState>,
    committed: Option<pb::LogId>,
    purged: Option<pb::LogId>,
    space: Arc<Space<<E::Disk as Disk>::File>>,
}

impl<E: Env> Wal<E> {
    /// Opens the log, or makes one, in files of this many bytes. Leaves a torn tail out; refuses corruption.
    pub(crate) async fn open(disk: E::Disk, segment_bytes: u64) -> Result<(Wal<E>, Recovered), WalError> {
        disk.create_dir(DIR).await?;
        // Nothing in these was ever acknowledged; the room that they take may be needed.
        for left in disk.list(DIR).await?.iter().filter(|name| sequence_of(name).is_none()) {
            disk.remove(&format!("{DIR}/{left}")).await?;
        }
        let mut sequences: Vec<u64> = disk.list(DIR).await?.iter().filter_map(|name| sequence_of(name)).collect();
        sequences.sort_unstable();
        let mut recovered = Recovered::default();
        let mut segments = VecDeque::new();
        let mut end = 0;
        for (i, &sequence) in sequences.iter().enumerate() {
            let is_last = i + 1 == sequences.len();
            let corrupt = |what| Err(WalError::Corrupt { file: path(sequence), offset: 0, what });
            if i > 0 && sequence != sequences[i - 1] + 1 {
                return corrupt(format!("the segment before it is {}, one is missing", file_name(sequences[i - 1])));
            }
            let file = disk.open(&path(sequence), OpenMode::Existing).await?;
            let len = file.len().await?;
            let bytes = file.read_at(0, len as usize).await?;
            let scanned = scan(sequence, &bytes, is_last, if E::bug(Bug::WalAcceptsTornTail) { Check::Nothing } else { Check::Sum })?;
            if let Some(Record::Head(head)) = scanned.records.first().filter(|_| i > 0 && !E::bug(Bug::WalAcceptsTornTail))
                && head.before != end
            {
                return corrupt(format!("the segment before it ends at {end}, and ended at {}", head.before));
            }
            end = scanned.end as u64;
            if is_last {
                rewrite::<E>(&disk, sequence, &bytes, end).await?;
            }
            let last_index = scanned.records.iter().filter_map(|r| if let Record::Entry(e) = r { Some(e.index) } else { None }).max();
            segments.push_back(Segment { sequence, last_index });
            for record in scanned.records {
                recovered.replay(record);
            }
        }
        // The process before may have died with renames only in the cache.
        sync_dir::<E>(&disk, DIR).await?;
        let (flusher, requests) = mpsc::unbounded_channel();
        let space = Arc::new(Space::new(segment_bytes));
        // A log is never written on where an earlier incarnation left off: a new segment begins.
        let next = sequences.last().map_or(1, |last| last + 1);
        let file = Arc::new(space.take::<E>(&disk, next, segment_bytes).await?);
        let mut wal = Wal::<E> {
            disk: disk.clone(),
            file,
            segments,
            len: end,
            capacity: 0,
            durable: Arc::default(),
            flusher,
            vote: recovered.vote,
            committed: recovered.committed,
            purged: recovered.purged,
            space: space.clone(),
        };
        wal.begin_segment(next, segment_bytes).await?;
        begin::<E>(&disk, &space, &Begin { before: None, file: wal.file.clone(), sequence: next }).await?;
        drop(E::spawn(flush_all::<E>(disk.clone(), space.clone(), requests)));
        drop(E::spawn(async move { space.keep_ready::<E>(disk).await }));
        Ok((wal, recovered))
    }

    /// Whether there is no log at all.
    pub(crate) async fn is_new(disk: &E::Disk) -> io::Result<bool> {
        disk.create_dir(DIR).await?;
        Ok(disk.list(DIR).await?.iter().all(|name| sequence_of(name).is_none()))
    }

    /// How much room is left.
    pub(crate) fn space(&self) -> Arc<Space<<E::Disk as Disk>::File>> {
        self.space.clone()
    }

    /// Writes the head of a fresh, empty segment. It has no name yet.
    async fn begin_segment(&mut self, sequence: u64, bytes: u64) -> io::Result<()> {
        self.segments.push_back(Segment { sequence, last_index: None });
        let before = std::mem::take(&mut self.len);
        self.capacity = room(bytes);
        self.durable = Arc::default();
        let (vote, committed, purged) = (self.vote, self.committed, self.purged);
        let head = SegmentHead { format: 2, sequence, vote, committed, purged, bytes, before };
        self.write(&[Record::Head(head)]).await
    }

    /// Begins a new segment, which can hold this much. Nobody waits for a sync: the flusher sees to the order.
    async fn rotate(&mut self, at_least: u64) -> io::Result<()> {
        let next = self.segments.back().map_or(1, |s| s.sequence + 1);
        let bytes = self.space.segment_bytes.max(file_for(at_least + HEAD_MAX));
        // More came in at once than is reserved: there is nothing to do but to wait, as on a disk that is slow.
        let file = loop {
            match self.space.take::<E>(&self.disk, next, bytes).await {
                Err(e) if e.kind() == io::ErrorKind::StorageFull && !E::bug(Bug::FullDiskIsFatal) => E::sleep(LOOK_AGAIN).await,
                other => break other?,
            }
        };
        let before = std::mem::replace(&mut self.file, Arc::new(file));
        self.begin_segment(next, bytes).await?;
        let begin = Begin { before: Some(before), file: self.file.clone(), sequence: next };
        self.flusher.send(Request::Begin(begin)).map_err(|_| io::Error::other("the log's flusher is gone"))
    }

    /// Puts records into the log; a new segment begins when the current one is full. They are visible to nobody
    /// but a reader of the file, and durable only after a flush.
    pub(crate) async fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let (mut from, mut bytes) = (self.len, Vec::with_capacity(records.len() * 64));
        for record in records {
            let place = |wal: &Self| (wal.segments.back().map_or(0, |s| s.sequence), wal.durable.load(Ordering::Relaxed));
            let (sequence, durable) = place(self);
            let mut encoded = record.encode(sequence, self.len, durable);
            if self.len + encoded.len() as u64 > self.capacity {
                self.put(from, std::mem::take(&mut bytes)).await?;
                // Its own future is boxed: beginning a segment writes its head.
                Box::pin(self.rotate(encoded.len() as u64)).await?;
                from = self.len;
                let (sequence, durable) = place(self);
                encoded = record.encode(sequence, self.len, durable);
            }
            match record {
                Record::Vote(vote) => self.vote = Some(*vote),
                Record::Committed(id) => self.committed = Some(*id),
                Record::Purge(id) => self.purged = Some(*id),
                Record::Entry(entry) => {
                    let segment = self.segments.back_mut().expect("a log has a current segment");
                    segment.last_index = segment.last_index.max(Some(entry.index));
                }
                Record::Head(_) | Record::Truncate { .. } => {}
            }
            self.len += encoded.len() as u64;
            bytes.extend_from_slice(&encoded);
        }
        self.put(from, bytes).await?;
        self.space.is_left(file_for(self.capacity - self.len));
        Ok(())
    }

    async fn put(&self, from: u64, bytes: Vec<u8>) -> io::Result<()> {
        let sequence = self.segments.back().map_or(0, |s| s.sequence);
        if bytes.is_empty() { Ok(()) } else { self.file.write_at(place(from), wrap(sequence, from, &bytes)).await }
    }

    /// Has `done` done once everything written so far is durable.
    pub(crate) fn flush(&self, done: Done) {
        let flush = Flush { file: self.file.clone(), upto: self.len, durable: self.durable.clone(), done };
        if let Err(mpsc::error::SendError(Request::Flush(flush))) = self.flusher.send(Request::Flush(flush)) {
            finish(flush.done, Err(io::Error::other("the log's flusher is gone")));
        }
    }

    /// Waits until everything written so far is durable.
    pub(crate) async fn synced(&self) -> io::Result<()> {
        let (tell, told) = oneshot::channel();
        self.flush(Done::Tell(tell));
        told.await.unwrap_or_else(|_| Err(io::Error::other("the log's flusher is gone")))
    }

    /// Takes the segments that hold nothing after `index` off the books; they can be deleted once
    /// everything written so far is durable.
    pub(crate) fn take_obsolete(&mut self, index: u64) -> Vec<u64> {
        let mut obsolete = Vec::new();
        while self.segments.len() > 1 && self.segments[0].last_index.is_none_or(|last| last <= index) {
            obsolete.extend(self.segments.pop_front().map(|s| s.sequence));
        }
        obsolete
    }
}

/// The last segment once more, without its torn tail, in a file of its own that takes its place. After a sync that
/// failed the kernel holds pages for written that are not: only what is written anew is known to be durable.
async fn rewrite<E: Env>(disk: &E::Disk, sequence: u64, file: &[u8], end: u64) -> io::Result<()> {
    let temporary = format!("{DIR}/rewritten");
    let rewritten = disk.open(&temporary, OpenMode::OrCreate).await?;
    rewritten.truncate(0).await?;
    rewritten.allocate(file.len() as u64).await?;
    rewritten.write_at(0, file[..place(end) as usize].to_vec()).await?;
    rewritten.sync_data().await?;
    disk.rename(&temporary, &path(sequence)).await?;
    sync_dir::<E>(disk, DIR).await
}

impl<E: Env> Drop for Wal<E> {
    fn drop(&mut self) {
        self.space.close();
    }
}

fn path(sequence: u64) -> String {
    format!("{DIR}/{}", file_name(sequence))
}

fn finish(done: Done, result: io::Result<()>) {
    match done {
        Done::Call(call) => call(result),
        // A waiter that is gone does not want to know.
        Done::Tell(tell) => drop(tell.send(result)),
        Done::Delete(_) => {}
    }
}

async fn sync<E: Env>(file: &<E::Disk as Disk>::File) -> io::Result<()> {
    E::failpoint(Failpoint::BeforeLogSync).await?;
    file.sync_data().await?;
    E::failpoint(Failpoint::AfterLogSync).await
}

/// Makes durable what is before a new segment, then its head, then its name.
async fn begin<E: Env>(disk: &E::Disk, space: &Space<<E::Disk as Disk>::File>, segment: &Begin<<E::Disk as Disk>::File>) -> io::Result<()> {
    if let Some(before) = &segment.before {
        before.sync_data().await?;
    }
    segment.file.sync_data().await?;
    E::failpoint(Failpoint::DuringLogRotation).await?;
    space.name::<E>(disk, segment.sequence, &path(segment.sequence)).await
}

/// The flusher: one sync for everything that waits, then everyone is told, in order.
async fn flush_all<E: Env>(
    disk: E::Disk,
    space: Arc<Space<<E::Disk as Disk>::File>>,
    mut requests: mpsc::UnboundedReceiver<Request<<E::Disk as Disk>::File>>,
) {
    // A failed sync may have marked the pages clean: no later one proves anything about them.
    let mut failed: Option<(io::ErrorKind, String)> = None;
    let (mut next, mut obsolete) = (None, VecDeque::new());
    loop {
        let request = match next.take() {
            Some(request) => request,
            None => match requests.recv().await {
                Some(request) => request,
                None => return,
            },
        };
        let first = match request {
            Request::Flush(flush) => flush,
            Request::Begin(segment) => {
                if failed.is_none()
                    && let Err(e) = begin::<E>(&disk, &space, &segment).await
                {
                    failed = Some((e.kind(), e.to_string()));
                }
                continue;
            }
        };
        let mut batch = vec![first];
        // What is behind the beginning of another segment is in another file.
        while let Ok(more) = requests.try_recv() {
            match more {
                Request::Flush(flush) => batch.push(flush),
                Request::Begin(_) => {
                    next = Some(more);
                    break;
                }
            }
        }
        let (file, upto) = (batch[0].file.clone(), batch.iter().map(|f| f.upto).max().unwrap_or(0));
        let synced = match &failed {
            Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
            None => sync::<E>(&file).await,
        };
        match &synced {
            Ok(()) => _ = batch[0].durable.fetch_max(upto, Ordering::Relaxed),
            Err(e) => _ = failed.get_or_insert((e.kind(), e.to_string())),
        }
        for flush in batch {
            match (flush.done, &synced) {
                (Done::Delete(sequences), Ok(())) => {
                    obsolete.extend(sequences);
                    // A segment that stays is read again, and does no harm, if all later ones stay too.
                    while let Some(sequence) = obsolete.front() {
                        if disk.remove(&path(*sequence)).await.is_err() {
                            break;
                        }
                        obsolete.pop_front();
                    }
                    let _ = sync_dir::<E>(&disk, DIR).await;
                }
                (done, Ok(())) => finish(done, Ok(())),
                (done, Err(e)) => finish(done, Err(io::Error::new(e.kind(), e.to_string()))),
            }
        }
    }
}
