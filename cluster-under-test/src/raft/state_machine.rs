//! openraft's state machine: the MVCC store in memory, its snapshots on the disk.
//!
//! A snapshot is written to a temporary file, synced, renamed, and the directory synced, before
//! anybody is told of it. After a restart the newest good one is loaded and the log re-applied.

use super::{
    convert::{LogId, SnapshotMeta, meta_to},
    recent::Recent,
    snapshot::{CurrentSnapshot, DIR, bad_data, file_name, opened, seal, write_new},
    types::{Command, CommandReply, Types},
    watch::{OrderedReceiver, OrderedSender, OrderedWatch},
};
use crate::{Bug, Failpoint};
use crate::{
    mvcc::{Store, apply},
    observe::Observer,
    pb::internal,
    wal::sync_dir,
};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, StoredMembership,
    storage::{EntryResponder, RaftStateMachine},
    type_config::alias::{SnapshotOf, StoredMembershipOf},
};
use openraft_rt::{
    WatchReceiver as _,
    watch::{Watch as _, WatchSender as _},
};
use prost::Message;
use squall_env::{Disk, Env, File, OpenMode};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// The pause before space is looked for again.
const WAIT_FOR_SPACE: Duration = Duration::from_millis(200);

pub(crate) struct Applying<E: Env> {
    pub(crate) store: Store,
    pub(crate) recent: Recent,
    pub(crate) last_applied: Option<LogId<E>>,
    pub(crate) membership: StoredMembershipOf<Types<E>>,
}

impl<E: Env> Applying<E> {
    fn at(store: Store, last_applied: Option<LogId<E>>, membership: StoredMembershipOf<Types<E>>) -> Self {
        Applying { recent: Recent::after(&store), store, last_applied, membership }
    }

    /// The term of what was applied last.
    pub(crate) fn term(&self) -> u64 {
        self.last_applied.as_ref().map_or(0, |id| id.leader_id.term)
    }

    fn meta(&self) -> SnapshotMeta<E> {
        SnapshotMeta::<E> { last_log_id: self.last_applied, last_membership: self.membership.clone() }
    }
}

struct Shared<E: Env> {
    applying: Mutex<Applying<E>>,
    /// Tells whoever waits that more was applied.
    progress: OrderedSender<()>,
    progressed: OrderedReceiver<()>,
    current: Mutex<Option<CurrentSnapshot<E>>>,
    /// One snapshot is written at a time.
    writing: tokio::sync::Mutex<()>,
    disk: E::Disk,
    observer: Arc<dyn Observer>,
}

/// The state machine of one node. Clones share it.
pub struct StateMachine<E: Env> {
    shared: Arc<Shared<E>>,
}

impl<E: Env> Clone for StateMachine<E> {
    fn clone(&self) -> Self {
        StateMachine { shared: self.shared.clone() }
    }
}

/// Whether a command is a compaction, by the first field of its encoding.
fn is_compaction(command: &Command) -> bool {
    // Field 4, length-delimited.
    command.0.first() == Some(&(4 << 3 | 2))
}

fn tell_members<E: Env>(observer: &dyn Observer, stored: &StoredMembershipOf<Types<E>>) {
    let Some(id) = stored.log_id() else { return };
    let (voters, learners): (Vec<u64>, Vec<u64>) = (stored.membership().voter_ids().collect(), stored.membership().learner_ids().collect());
    observer.members(id.index, &voters, &learners);
}

impl<E: Env> StateMachine<E> {
    /// Loads the newest good snapshot of the disk; an empty state without one.
    pub(crate) async fn open(disk: E::Disk, observer: Arc<dyn Observer>) -> io::Result<Self> {
        disk.create_dir(DIR).await?;
        // The process before may have died between a rename and its sync: nothing that is only in the
        // cache may be trusted, or the log would be purged behind a snapshot that a power loss takes away.
        sync_dir::<E>(&disk, DIR).await?;
        let mut names: Vec<String> = disk.list(DIR).await?.into_iter().filter(|n| n.ends_with(".snap")).collect();
        let newest = names.pop();
        let mut applying = Applying::<E>::at(Store::default(), None, StoredMembership::default());
        let mut current = None;
        if let Some(name) = newest {
            // A snapshot has its name only once it is durable and whole: a bad one is corruption.
            let file = disk.open(&format!("{DIR}/{name}"), OpenMode::Existing).await?;
            let bytes = Bytes::from(file.read_at(0, file.len().await? as usize).await?);
            let (meta, store) =
                opened::<E>(&bytes).map_err(|e| bad_data(format!("{DIR}/{name}: {e}; restore the file, or replace the node")))?;
            applying = Applying::at(store, meta.last_log_id, meta.last_membership.clone());
            current = Some(CurrentSnapshot { meta, bytes });
        }
        let (progress, progressed) = OrderedWatch::channel(());
        let shared = Shared {
            applying: Mutex::new(applying),
            progress,
            progressed,
            current: Mutex::new(current),
            writing: tokio::sync::Mutex::new(()),
            disk,
            observer,
        };
        Ok(StateMachine { shared: Arc::new(shared) })
    }

    /// Tells what state was found on the disk.
    pub(crate) fn tell_restored(&self) {
        let applying = self.applying();
        self.shared.observer.compacted(applying.store.compacted().max(0).unsigned_abs());
        if let Some(id) = &applying.last_applied {
            self.shared.observer.restored(id.index, id.leader_id.term, applying.store.chain());
            tell_members::<E>(&*self.shared.observer, &applying.membership);
        }
    }

    /// The state, as applied so far.
    pub(crate) fn applying(&self) -> MutexGuard<'_, Applying<E>> {
        self.shared.applying.lock().expect("applying does not panic")
    }

    /// Changes whenever more was applied.
    pub(crate) fn progress(&self) -> OrderedReceiver<()> {
        self.shared.progressed.clone()
    }

    /// Waits until everything up to a log index is applied here.
    pub(crate) async fn applied(&self, index: u64) {
        let mut progress = self.progress();
        while self.applying().last_applied.as_ref().is_none_or(|id| id.index < index) {
            if progress.changed().await.is_err() {
                // Nothing is applied any more: whoever waits has a deadline.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Where the snapshot ends that is on the disk, if there is one.
    pub(crate) fn durable_snapshot(&self) -> Option<LogId<E>> {
        self.shared.current.lock().expect("no panic under this lock").as_ref().and_then(|current| current.meta.last_log_id)
    }

    /// A snapshot of what is applied now, as it would be on the disk.
    pub(crate) fn snapshot_now(&self) -> Bytes {
        let (meta, store) = {
            let applying = self.applying();
            (applying.meta(), applying.store.clone())
        };
        seal(&internal::Snapshot { meta: Some(meta_to::<E>(&meta)), ..store.to_snapshot() })
    }

    fn progressed(&self) {
        // There is always one receiver: our own.
        let _ = self.shared.progress.send(());
    }

    /// Makes a snapshot durable, then the current one, then deletes older ones.
    async fn publish(&self, meta: &SnapshotMeta<E>, bytes: Bytes) -> io::Result<()> {
        let _one_at_a_time = self.shared.writing.lock().await;
        let disk = &self.shared.disk;
        let newer = |current: &Option<CurrentSnapshot<E>>| current.as_ref().is_some_and(|c| c.meta.last_log_id > meta.last_log_id);
        if newer(&self.shared.current.lock().expect("no panic under this lock")) {
            return Ok(());
        }
        let name = file_name::<E>(meta);
        let (temporary, path) = (format!("{DIR}/{name}.tmp"), format!("{DIR}/{name}"));
        // What is not durable yet can wait for space; what it would have let go stays.
        while let Err(e) = write_new::<E>(disk, &temporary, &bytes).await {
            if e.kind() != io::ErrorKind::StorageFull || E::bug(Bug::FullDiskIsFatal) {
                return Err(e);
            }
            disk.remove(&temporary).await.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
            E::sleep(WAIT_FOR_SPACE).await;
        }
        E::failpoint(Failpoint::DuringSnapshotWrite).await?;
        disk.rename(&temporary, &path).await?;
        sync_dir::<E>(disk, DIR).await?;
        *self.shared.current.lock().expect("no panic under this lock") = Some(CurrentSnapshot { meta: meta.clone(), bytes });
        for old in disk.list(DIR).await?.into_iter().filter(|n| n.as_str() < name.as_str()) {
            disk.remove(&format!("{DIR}/{old}")).await?;
        }
        Ok(())
    }
}

/// A frozen view of the state, on its way into a snapshot.
pub struct SnapshotBuilder<E: Env> {
    machine: StateMachine<E>,
    meta: SnapshotMeta<E>,
    store: Store,
}

impl<E: Env> SnapshotBuilder<E> {
    /// A planted bug: the data goes to the disk as it was, then the applied index is looked up, as it is now.
    async fn write_data_first(&mut self, snapshot: &internal::Snapshot) -> io::Result<()> {
        let file = self.machine.shared.disk.open(&format!("{DIR}/data.tmp"), OpenMode::OrCreate).await?;
        file.truncate(0).await?;
        file.append(seal(snapshot).to_vec()).await?;
        file.sync_data().await?;
        self.meta = self.machine.applying().meta();
        Ok(())
    }
}

impl<E: Env> RaftSnapshotBuilder<Types<E>> for SnapshotBuilder<E> {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types<E>, Bytes>, io::Error> {
        let mut snapshot = self.store.to_snapshot();
        if E::bug(Bug::AppliedAheadOfData) {
            self.write_data_first(&snapshot).await?;
        }
        if E::bug(Bug::SnapshotWithoutLeases) {
            snapshot.leases.clear();
        }
        snapshot.meta = Some(meta_to::<E>(&self.meta));
        let bytes = seal(&snapshot);
        self.machine.publish(&self.meta, bytes.clone()).await?;
        if let Some(id) = &self.meta.last_log_id {
            self.machine.shared.observer.snapshot_built(id.index, id.leader_id.term);
        }
        Ok(openraft::Snapshot { meta: self.meta.clone(), snapshot: bytes })
    }
}

impl<E: Env> RaftStateMachine<Types<E>> for StateMachine<E> {
    type SnapshotData = Bytes;
    type SnapshotBuilder = SnapshotBuilder<E>;

    async fn applied_state(&mut self) -> Result<(Option<LogId<E>>, StoredMembershipOf<Types<E>>), io::Error> {
        let applying = self.applying();
        Ok((applying.last_applied, applying.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types<E>>, io::Error>> + Unpin + OptionalSend,
    {
        let (mut first, mut chain) = (None, Vec::new());
        E::failpoint(Failpoint::BeforeApply).await?;
        while let Some((entry, responder)) = entries.try_next().await? {
            if let EntryPayload::Normal(command) = &entry.payload
                && is_compaction(command)
            {
                E::failpoint(Failpoint::DuringCompaction).await?;
            }
            let reply = {
                let mut applying = self.applying();
                applying.last_applied = Some(entry.log_id);
                applying.store.fold(&entry.log_id.index.to_le_bytes());
                let reply = match entry.payload {
                    EntryPayload::Blank => CommandReply(None),
                    EntryPayload::Membership(membership) => {
                        applying.membership = StoredMembership::new(Some(entry.log_id), membership);
                        tell_members::<E>(&*self.shared.observer, &applying.membership);
                        CommandReply(None)
                    }
                    EntryPayload::Normal(command) => {
                        let command = internal::Command::decode(command.0).map_err(bad_data)?;
                        let request = command.request.ok_or_else(|| bad_data("an empty command in the log"))?;
                        let Applying { store, recent, .. } = &mut *applying;
                        let (before, floor) = (store.revision(), store.compacted());
                        let applied = apply::<E>(store, &request, entry.log_id.leader_id.term);
                        if applied.revision > before {
                            recent.take_in(store, applied.revision);
                        }
                        if store.compacted() > floor {
                            self.shared.observer.compacted(store.compacted().unsigned_abs());
                        }
                        CommandReply(Some(applied))
                    }
                };
                first.get_or_insert(entry.log_id.index);
                chain.push(applying.store.chain());
                reply
            };
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        if let Some(first) = first {
            self.shared.observer.applied(first, &chain);
            self.progressed();
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder<E> {
        let (meta, store) = {
            let applying = self.applying();
            (applying.meta(), applying.store.clone())
        };
        SnapshotBuilder { machine: self.clone(), meta, store }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta<E>, snapshot: Bytes) -> Result<(), io::Error> {
        let (_, store) = opened::<E>(&snapshot)?;
        E::failpoint(Failpoint::DuringSnapshotInstall).await?;
        self.publish(meta, snapshot).await?;
        let chain = store.chain();
        {
            let mut applying = self.applying();
            *applying = Applying::at(store, meta.last_log_id, meta.last_membership.clone());
        }
        self.progressed();
        if let Some(id) = &meta.last_log_id {
            self.shared.observer.snapshot_installed(id.index, id.leader_id.term, chain);
        }
        tell_members::<E>(&*self.shared.observer, &meta.last_membership);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types<E>, Bytes>>, io::Error> {
        let current = self.shared.current.lock().expect("no panic under this lock");
        Ok(current.as_ref().map(|c| openraft::Snapshot { meta: c.meta.clone(), snapshot: c.bytes.clone() }))
    }
}
