//! The log's writer: records into the current segment, group commit, rotation, recovery.

use super::{
    Record, WalError,
    record::Check,
    segment::{file_name, scan, sequence_of},
    sync_dir,
};
use crate::pb::{internal::SegmentHead, raft as pb};
use squall_env::{Bug, Disk, Env, File, OpenMode};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

const DIR: &str = "wal";

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
    /// The segment's length that this sync will make durable.
    upto: u64,
    done: Done,
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
    len: u64,
    /// How much of the current segment is known to be durable.
    durable: Arc<AtomicU64>,
    flusher: mpsc::UnboundedSender<Flush<<E::Disk as Disk>::File>>,
    /// What a new segment's head must hold.
    vote: Option<pb::VoteState>,
    committed: Option<pb::LogId>,
    purged: Option<pb::LogId>,
    segment_len_max: u64,
}

impl<E: Env> Wal<E> {
    /// Opens the log, or makes one. Cuts a torn tail; refuses corruption.
    pub(crate) async fn open(disk: E::Disk, segment_len_max: u64) -> Result<(Wal<E>, Recovered), WalError> {
        disk.create_dir(DIR).await?;
        let mut sequences: Vec<u64> = disk.list(DIR).await?.iter().filter_map(|name| sequence_of(name)).collect();
        sequences.sort_unstable();
        let mut recovered = Recovered::default();
        let mut segments = VecDeque::new();
        for (i, &sequence) in sequences.iter().enumerate() {
            let is_last = i + 1 == sequences.len();
            if i > 0 && sequence != sequences[i - 1] + 1 {
                let what = format!("the segment before it is {}, one is missing", file_name(sequences[i - 1]));
                return Err(WalError::Corrupt { file: format!("{DIR}/{}", file_name(sequence)), offset: 0, what });
            }
            let file = disk.open(&path(sequence), OpenMode::Existing).await?;
            let len = file.len().await?;
            let bytes = file.read_at(0, len as usize).await?;
            let scanned = scan(sequence, &bytes, is_last, if E::bug(Bug::WalAcceptsTornTail) { Check::Nothing } else { Check::Sum })?;
            if scanned.end < bytes.len() {
                file.truncate(scanned.end as u64).await?;
                file.sync_data().await?;
            }
            let last_index = scanned.records.iter().filter_map(|r| if let Record::Entry(e) = r { Some(e.index) } else { None }).max();
            segments.push_back(Segment { sequence, last_index });
            for record in scanned.records {
                recovered.replay(record);
            }
        }
        // The process before may have died with renames, or what it read, only in the cache.
        sync_dir::<E>(&disk, DIR).await?;
        let (flusher, requests) = mpsc::unbounded_channel();
        let durable = Arc::new(AtomicU64::new(0));
        drop(E::spawn(flush_all::<E>(disk.clone(), requests, durable.clone())));
        let next = sequences.last().map_or(1, |last| last + 1);
        // A log is never written on where an earlier incarnation left off: a new segment begins, and
        // what was read is made durable first.
        if let Some(&last) = sequences.last() {
            disk.open(&path(last), OpenMode::Existing).await?.sync_data().await?;
        }
        let file = Arc::new(disk.open(&path(next), OpenMode::New).await?);
        let mut wal = Wal {
            disk,
            file,
            segments,
            len: 0,
            durable,
            flusher,
            vote: recovered.vote,
            committed: recovered.committed,
            purged: recovered.purged,
            segment_len_max,
        };
        wal.begin_segment(next).await?;
        Ok((wal, recovered))
    }

    /// Writes and syncs the head of a fresh, empty segment.
    async fn begin_segment(&mut self, sequence: u64) -> io::Result<()> {
        self.segments.push_back(Segment { sequence, last_index: None });
        self.len = 0;
        self.durable.store(0, Ordering::Relaxed);
        let head = SegmentHead { format: 1, sequence, vote: self.vote, committed: self.committed, purged: self.purged };
        self.write(&[Record::Head(head)]).await?;
        self.file.sync_data().await?;
        sync_dir::<E>(&self.disk, DIR).await?;
        self.durable.store(self.len, Ordering::Relaxed);
        Ok(())
    }

    async fn rotate(&mut self) -> io::Result<()> {
        self.synced().await?;
        let next = self.segments.back().map_or(1, |s| s.sequence + 1);
        self.file = Arc::new(self.disk.open(&path(next), OpenMode::New).await?);
        self.begin_segment(next).await
    }

    /// Puts records into the log. They are visible to nobody but a reader of the file, and durable
    /// only after a flush.
    pub(crate) async fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let segment = self.segments.back_mut().expect("a log has a current segment");
        let durable = self.durable.load(Ordering::Relaxed);
        let mut bytes = Vec::with_capacity(records.len() * 64);
        for record in records {
            record.encode(segment.sequence, self.len, durable, &mut bytes);
            match record {
                Record::Vote(vote) => self.vote = Some(*vote),
                Record::Committed(id) => self.committed = Some(*id),
                Record::Purge(id) => self.purged = Some(*id),
                Record::Entry(entry) => segment.last_index = segment.last_index.max(Some(entry.index)),
                Record::Head(_) | Record::Truncate { .. } => {}
            }
        }
        self.len += bytes.len() as u64;
        self.file.append(bytes).await?;
        Ok(())
    }

    /// Begins a new segment if the current one is full.
    pub(crate) async fn maybe_rotate(&mut self) -> io::Result<()> {
        if self.len >= self.segment_len_max { self.rotate().await } else { Ok(()) }
    }

    /// Has `done` done once everything written so far is durable.
    pub(crate) fn flush(&self, done: Done) {
        let flush = Flush { file: self.file.clone(), upto: self.len, done };
        if let Err(mpsc::error::SendError(flush)) = self.flusher.send(flush) {
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

/// The flusher: one sync for everything that waits, then everyone is told, in order.
async fn flush_all<E: Env>(disk: E::Disk, mut requests: mpsc::UnboundedReceiver<Flush<<E::Disk as Disk>::File>>, durable: Arc<AtomicU64>) {
    // A failed sync may have marked the pages clean: no later one proves anything about them.
    let mut failed: Option<(io::ErrorKind, String)> = None;
    while let Some(first) = requests.recv().await {
        let mut batch = vec![first];
        while let Ok(more) = requests.try_recv() {
            batch.push(more);
        }
        // A rotation waits for its flush, so a batch never spans two segments.
        let (file, upto) = (batch[0].file.clone(), batch.iter().map(|f| f.upto).max().unwrap_or(0));
        let synced = match &failed {
            Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
            None => file.sync_data().await,
        };
        match &synced {
            Ok(()) => _ = durable.fetch_max(upto, Ordering::Relaxed),
            Err(e) => _ = failed.get_or_insert((e.kind(), e.to_string())),
        }
        for flush in batch {
            match (flush.done, &synced) {
                (Done::Delete(sequences), Ok(())) => {
                    for sequence in sequences {
                        // A segment that stays is read again, and does no harm, if all later ones stay too.
                        if disk.remove(&path(sequence)).await.is_err() {
                            break;
                        }
                    }
                    let _ = sync_dir::<E>(&disk, DIR).await;
                }
                (done, Ok(())) => finish(done, Ok(())),
                (done, Err(e)) => finish(done, Err(io::Error::new(e.kind(), e.to_string()))),
            }
        }
    }
}
