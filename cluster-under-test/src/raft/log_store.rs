//! openraft's log storage on the write-ahead log, with the entries that are not purged in memory.

use super::{
    convert::{Entry, LogId, Vote, entry_from, entry_to, log_id_from, log_id_to, mark, vote_from, vote_to},
    state_machine::StateMachine,
    types::Types,
};
use crate::{Bug, Failpoint};
use crate::{
    observe::{Observer, RaftRole},
    wal::{Done, Record, Space, Wal, WalError},
};
use openraft::{
    EntryPayload, OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use squall_env::{Disk, Env};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// The room on a node's disk.
pub(crate) type LogSpace<E> = Space<<<E as Env>::Disk as Disk>::File>;

/// The most bytes of entries that one append request carries.
const APPEND_BYTES_MAX: usize = 1 << 20;

struct Cache<E: Env> {
    entries: BTreeMap<u64, Entry<E>>,
    vote: Option<Vote<E>>,
    purged: Option<LogId<E>>,
}

impl<E: Env> Cache<E> {
    fn last(&self) -> Option<LogId<E>> {
        self.entries.last_key_value().map(|(_, e)| e.log_id).or(self.purged)
    }
}

/// Reads entries, as soon as they were appended.
pub(crate) struct LogReader<E: Env> {
    cache: Arc<Mutex<Cache<E>>>,
}

/// The one writer of a node's log. Vote and entries go through one sequence of records.
pub(crate) struct LogStore<E: Env> {
    id: u64,
    wal: Wal<E>,
    cache: Arc<Mutex<Cache<E>>>,
    committed: Option<LogId<E>>,
    /// Everything after this index was removed, and the disk does not know it yet: that goes with what is written next.
    removed_after: Option<Option<u64>>,
    observer: Arc<dyn Observer>,
    /// Tells which snapshot is durable.
    machine: Option<StateMachine<E>>,
}

/// The pause before a snapshot is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

fn locked<E: Env>(cache: &Mutex<Cache<E>>) -> MutexGuard<'_, Cache<E>> {
    cache.lock().expect("nothing panics under the log's lock")
}

/// The entries that are memberships.
fn tell_memberships<'e, E: Env>(observer: &dyn Observer, entries: impl IntoIterator<Item = &'e Entry<E>>) {
    for entry in entries {
        if let EntryPayload::Membership(membership) = &entry.payload {
            let voters: Vec<Vec<u64>> = membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect();
            let learners: Vec<u64> = membership.learner_ids().collect();
            observer.membership(entry.log_id.index, &voters, &learners);
        }
    }
}

impl<E: Env> LogStore<E> {
    /// Opens the log of node `id`, whose durable snapshot ends there.
    pub(crate) async fn open(
        id: u64,
        disk: E::Disk,
        segment_len_max: u64,
        observer: Arc<dyn Observer>,
        snapshot: Option<LogId<E>>,
    ) -> Result<Self, WalError> {
        let (mut wal, recovered) = Wal::<E>::open(disk, segment_len_max).await?;
        let mut entries = BTreeMap::new();
        for (index, entry) in recovered.entries {
            let entry =
                entry_from::<E>(entry).map_err(|status| io::Error::new(io::ErrorKind::InvalidData, status.message().to_string()))?;
            entries.insert(index, entry);
        }
        if E::bug(Bug::RecoverOneTooFew) && entries.len() > 1 {
            entries.pop_last();
        }
        let mut purged = recovered.purged.as_ref().map(log_id_from::<E>);
        // A snapshot whose last entry is not in the log replaces all of it (Raft, figure 13, rule 7): the process before did not come to
        // write that down, or the power took the end of the log that the snapshot was made of.
        let has = |id: &LogId<E>| entries.get(&id.index).is_some_and(|entry: &Entry<E>| entry.log_id == *id);
        if let Some(id) = snapshot.filter(|id| purged.is_none_or(|purged| purged.index < id.index) && !has(id)) {
            wal.write(&[Record::Truncate { after: None }, Record::Purge(log_id_to::<E>(&id))]).await?;
            wal.synced().await?;
            entries.clear();
            purged = Some(id);
        }
        let marks: Vec<_> = entries.values().map(mark::<E>).collect();
        let cache = Cache { entries, vote: recovered.vote.as_ref().map(vote_from::<E>), purged };
        if let Some(vote) = &cache.vote {
            observer.vote(vote.leader_id.term, vote.leader_id.voted_for, vote.committed);
            observer.role(vote.leader_id.term, RaftRole::Follower, None);
        }
        if let Some(purged) = &cache.purged {
            observer.purged(purged.index, purged.leader_id.term);
        }
        if let Some(last) = marks.last() {
            observer.appended(&marks);
            tell_memberships::<E>(&*observer, cache.entries.values());
            observer.synced(last.index);
        }
        // Nothing but what the log holds: openraft applies up to here at start.
        let has = |id: &LogId<E>| cache.entries.get(&id.index).is_some_and(|entry| entry.log_id == *id);
        let saved = recovered.committed.as_ref().map(log_id_from::<E>);
        let committed = saved.and_then(|id| if has(&id) { Some(id) } else { cache.purged });
        if let Some(id) = &committed {
            observer.committed(id.index, id.leader_id.term);
        }
        Ok(LogStore { id, wal, cache: Arc::new(Mutex::new(cache)), committed, removed_after: None, observer, machine: None })
    }

    /// From now on, what is put behind the log's end waits for the snapshot that covers what is between.
    pub(crate) fn follow(&mut self, machine: StateMachine<E>) {
        self.machine = Some(machine);
    }

    /// openraft takes a snapshot for committed when it begins to install it, and appends what comes after. A log with a
    /// hole must not be acknowledged: the snapshot is durable first, and the log says that it covers the hole.
    async fn close_the_gap(&mut self, first: u64) -> Result<(), io::Error> {
        let Some(machine) = self.machine.clone() else { return Ok(()) };
        let end = locked(&self.cache).last().map_or(0, |id| id.index + 1);
        if first <= end {
            return Ok(());
        }
        loop {
            if let Some(id) = machine.durable_snapshot().filter(|id| id.index + 1 >= first) {
                return self.purge(id).await;
            }
            E::sleep(LOOK_AGAIN).await;
        }
    }

    /// How much room its disk has.
    pub(crate) fn space(&self) -> Arc<LogSpace<E>> {
        self.wal.space()
    }

    /// A reader of the log as it is, at any time.
    pub(crate) fn reader(&self) -> LogReader<E> {
        LogReader { cache: self.cache.clone() }
    }

    /// Whether this node has nothing at all: it never ran.
    pub(crate) fn is_pristine(&self) -> bool {
        let cache = locked(&self.cache);
        cache.vote.is_none() && cache.last().is_none()
    }
}

impl<E: Env> Clone for LogReader<E> {
    fn clone(&self) -> Self {
        LogReader { cache: self.cache.clone() }
    }
}

impl<E: Env> LogReader<E> {
    /// The last log id.
    pub(crate) fn last(&self) -> Option<LogId<E>> {
        locked(&self.cache).last()
    }

    /// The entries of a range that are in the log, `most` at most.
    pub(crate) fn some(&self, range: std::ops::RangeInclusive<u64>, most: usize) -> Vec<Entry<E>> {
        locked(&self.cache).entries.range(range).take(most).map(|(_, e)| e.clone()).collect()
    }
}

impl<E: Env> RaftLogReader<Types<E>> for LogReader<E> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<E>>, io::Error> {
        let cache = locked(&self.cache);
        let found: Vec<Entry<E>> = cache.entries.range(range.clone()).map(|(_, e)| e.clone()).collect();
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => return Ok(found),
        };
        // A range whose head is gone must be an error: openraft would skip what is missing.
        match found.first() {
            Some(entry) if entry.log_id.index != first => {
                Err(io::Error::other(format!("log entries from {first} are asked for, the first one here is {}", entry.log_id.index)))
            }
            _ => Ok(found),
        }
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<E>>, io::Error> {
        Ok(locked(&self.cache).vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry<E>>, io::Error> {
        let mut entries = self.try_get_log_entries(start..end).await?;
        let (mut bytes, mut keep) = (0, 0);
        for entry in &entries {
            if let EntryPayload::Normal(command) = &entry.payload {
                bytes += command.0.len();
            }
            if bytes > APPEND_BYTES_MAX && keep > 0 {
                break;
            }
            keep += 1;
        }
        entries.truncate(keep);
        Ok(entries)
    }
}

impl<E: Env> RaftLogStorage<Types<E>> for LogStore<E> {
    type LogReader = LogReader<E>;

    async fn get_log_state(&mut self) -> Result<LogState<Types<E>>, io::Error> {
        let cache = locked(&self.cache);
        Ok(LogState { last_purged_log_id: cache.purged, last_log_id: cache.last() })
    }

    async fn get_log_reader(&mut self) -> LogReader<E> {
        LogReader { cache: self.cache.clone() }
    }

    async fn save_vote(&mut self, vote: &Vote<E>) -> Result<(), io::Error> {
        E::failpoint(Failpoint::BeforeVote).await?;
        if !E::bug(Bug::ForgetVote) {
            self.wal.write(&[Record::Vote(vote_to::<E>(vote))]).await?;
            // Returning tells openraft that every earlier append is durable too, and it is: one log.
            self.wal.synced().await?;
        }
        locked(&self.cache).vote = Some(*vote);
        let (term, node) = (vote.leader_id.term, vote.leader_id.voted_for);
        self.observer.vote(term, node, vote.committed);
        let (role, leader) = match (node == self.id, vote.committed) {
            (true, true) => (RaftRole::Leader, Some(node)),
            (true, false) => (RaftRole::Candidate, None),
            (false, committed) => (RaftRole::Follower, committed.then_some(node)),
        };
        self.observer.role(term, role, leader);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId<E>>) -> Result<(), io::Error> {
        let Some(id) = committed else { return Ok(()) };
        self.committed = Some(id);
        // Not flushed: what is lost of it, the next leader tells again.
        self.wal.write(&[Record::Committed(log_id_to::<E>(&id))]).await?;
        self.observer.committed(id.index, id.leader_id.term);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<E>>, io::Error> {
        Ok(self.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types<E>>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry<E>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry<E>> = entries.into_iter().collect();
        if let Some(first) = entries.first() {
            self.close_the_gap(first.log_id.index).await?;
        }
        let removed = self.removed_after.take().map(|after| Record::Truncate { after });
        let records: Vec<Record> = removed.into_iter().chain(entries.iter().map(|e| Record::Entry(entry_to::<E>(e)))).collect();
        self.wal.write(&records).await?;
        let marks: Vec<_> = entries.iter().map(mark::<E>).collect();
        self.observer.appended(&marks);
        tell_memberships::<E>(&*self.observer, &entries);
        {
            let mut cache = locked(&self.cache);
            for entry in entries {
                cache.entries.insert(entry.log_id.index, entry);
            }
        }
        if E::bug(Bug::AckBeforeSync) {
            callback.io_completed(Ok(()));
            self.wal.flush(Done::Delete(Vec::new()));
        } else {
            let (observer, last) = (self.observer.clone(), marks.last().map(|mark| mark.index));
            self.wal.flush(Done::Call(Box::new(move |synced| {
                if let (Ok(()), Some(last)) = (&synced, last) {
                    observer.synced(last);
                }
                callback.io_completed(synced);
            })));
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId<E>>) -> Result<(), io::Error> {
        if E::bug(Bug::KeepConflictingSuffix) {
            return Ok(());
        }
        let mut after = last.map(|id| id.index);
        if E::bug(Bug::TruncateOneTooMany) {
            after = after.and_then(|index| index.checked_sub(1));
        }
        let from = after.map_or(0, |i| i + 1);
        let nothing_there = locked(&self.cache).entries.range(from..).next().is_none();
        if nothing_there {
            return Ok(());
        }
        if E::bug(Bug::TruncateEagerly) {
            self.wal.write(&[Record::Truncate { after }]).await?;
            self.wal.synced().await?;
        } else {
            // Not before what takes its place is written, too. openraft makes room for a snapshot first, from behind what it
            // knows to be committed on, and what this node has acknowledged may be among that: it must be here still if the
            // snapshot does not come about.
            self.removed_after = Some(self.removed_after.map_or(after, |before| before.min(after)));
        }
        drop(locked(&self.cache).entries.split_off(&from));
        self.observer.truncated(after);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId<E>) -> Result<(), io::Error> {
        let removed = self.removed_after.take().map(|after| Record::Truncate { after });
        let records: Vec<Record> = removed.into_iter().chain([Record::Purge(log_id_to::<E>(&upto))]).collect();
        self.wal.write(&records).await?;
        {
            let mut cache = locked(&self.cache);
            cache.entries = cache.entries.split_off(&(upto.index + 1));
            cache.purged = Some(upto);
        }
        let obsolete = self.wal.take_obsolete(upto.index);
        self.wal.flush(Done::Delete(obsolete));
        self.observer.purged(upto.index, upto.leader_id.term);
        Ok(())
    }
}

impl<E: Env> RaftLogReader<Types<E>> for LogStore<E> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<E>>, io::Error> {
        LogReader { cache: self.cache.clone() }.try_get_log_entries(range).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<E>>, io::Error> {
        Ok(locked(&self.cache).vote)
    }
}
