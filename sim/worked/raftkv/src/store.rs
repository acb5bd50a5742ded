//! The log and the snapshot, in files; the values, in memory.

use crate::types::{Put, TypeConfig};
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, LogState, OptionalSend, RaftLogReader, RaftSnapshotBuilder, RaftTypeConfig, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership, Vote,
    storage::{LogFlushed, RaftLogStorage, RaftStateMachine},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use squall_host::bug;
use squall_host::fs::{self, File};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    io::{self, Cursor, Write},
    ops::RangeBounds,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

type Of<T> = Result<T, StorageError<u64>>;

fn failed(e: io::Error) -> StorageError<u64> {
    StorageIOError::write(&e).into()
}

/// Writes a file so that it is there as a whole, or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().expect("it is in a directory"))?.sync_all()
}

/// All of a file, if there is one.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The lines of a log; what the power left of the last ones was never told to anybody.
fn records<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let text = contents(path)?.unwrap_or_default();
    let whole = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    Ok(whole.map_while(|line| serde_json::from_slice(line).ok()).collect())
}

#[derive(Clone, Serialize, Deserialize)]
enum Record {
    Vote(Vote<u64>),
    Entry(Entry<TypeConfig>),
    /// From here on nothing holds any more.
    Truncate(u64),
    /// What is in the snapshot.
    Purge(LogId<u64>),
    Committed(Option<LogId<u64>>),
}

/// The log of a node.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Held>>);

struct Held {
    file: File,
    vote: Option<Vote<u64>>,
    purged: Option<LogId<u64>>,
    committed: Option<LogId<u64>>,
    entries: BTreeMap<u64, Entry<TypeConfig>>,
}

impl Held {
    fn holds(&mut self, record: Record) {
        match record {
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Entry(entry) => _ = self.entries.insert(entry.log_id.index, entry),
            Record::Truncate(from) => _ = self.entries.split_off(&from),
            Record::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = Some(upto);
            }
            Record::Committed(upto) => self.committed = upto,
        }
    }

    fn write(&mut self, records: Vec<Record>) -> io::Result<()> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, &record)?;
            lines.push(b'\n');
            self.holds(record);
        }
        self.file.write_all(&lines)?;
        if bug!("no-fsync", "what is in the log is told as durable before it is") {
            return Ok(());
        }
        self.file.sync_all()
    }
}

impl Log {
    /// That of a directory.
    pub fn open(dir: &Path) -> io::Result<Log> {
        fs::create_dir_all(dir)?;
        let path = dir.join("log");
        let file = File::create(dir.join("log.new"))?;
        let mut held = Held { file, vote: None, purged: None, committed: None, entries: BTreeMap::new() };
        records(&path)?.into_iter().for_each(|record| held.holds(record));
        // What is left of it, in a new file: the torn end of the old one is gone.
        let kept = held.vote.map(Record::Vote).into_iter().chain(held.purged.map(Record::Purge)).chain([Record::Committed(held.committed)]);
        let kept: Vec<Record> = kept.chain(held.entries.values().cloned().map(Record::Entry)).collect();
        held.write(kept)?;
        fs::rename(dir.join("log.new"), &path)?;
        File::open(dir)?.sync_all()?;
        Ok(Log(Arc::new(Mutex::new(held))))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("no panic under this lock")
    }
}

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(&mut self, range: RB) -> Of<Vec<Entry<TypeConfig>>> {
        Ok(self.held().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> Of<LogState<TypeConfig>> {
        let held = self.held();
        let last = held.entries.values().next_back().map(|entry| entry.log_id).or(held.purged);
        Ok(LogState { last_purged_log_id: held.purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Of<()> {
        if bug!("forgotten-vote", "a vote is not written down: who restarts votes twice") {
            self.held().vote = Some(*vote);
            return Ok(());
        }
        self.held().write(vec![Record::Vote(*vote)]).map_err(failed)
    }

    async fn read_vote(&mut self) -> Of<Option<Vote<u64>>> {
        Ok(self.held().vote)
    }

    /// Who leads goes on as the leader after a restart, and its values are those of the snapshot then: without this it would answer reads from
    /// them.
    async fn save_committed(&mut self, committed: Option<LogId<u64>>) -> Of<()> {
        self.held().write(vec![Record::Committed(committed)]).map_err(failed)
    }

    async fn read_committed(&mut self) -> Of<Option<LogId<u64>>> {
        Ok(self.held().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Of<()>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let written = self.held().write(entries.into_iter().map(Record::Entry).collect());
        callback.log_io_completed(written);
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Of<()> {
        self.held().write(vec![Record::Truncate(log_id.index)]).map_err(failed)
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Of<()> {
        self.held().write(vec![Record::Purge(log_id)]).map_err(failed)
    }
}

/// What a node holds, and up to where it has come.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, BasicNode>,
    /// The values.
    pub values: BTreeMap<String, u64>,
}

impl State {
    /// The index of the last entry that is in it.
    pub fn applied(&self) -> u64 {
        self.applied.map_or(0, |log_id| log_id.index)
    }

    fn meta(&self) -> SnapshotMeta<u64, BasicNode> {
        let snapshot_id = self.applied.map_or("none".to_string(), |log_id| log_id.to_string());
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone(), snapshot_id }
    }
}

/// The values, and the snapshot's file.
#[derive(Clone)]
pub struct Values {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Values {
    /// Those of a directory's snapshot, if there is one.
    pub fn open(dir: &Path) -> io::Result<Values> {
        let path = dir.join("snapshot");
        let state = contents(&path)?.map_or_else(|| Ok(State::default()), |bytes| serde_json::from_slice(&bytes))?;
        Ok(Values { path, state: Arc::new(Mutex::new(state)) })
    }

    /// What it holds now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }

    fn snapshot_of(&self, state: &State) -> Of<Snapshot<TypeConfig>> {
        let bytes = serde_json::to_vec(state).map_err(|e| failed(e.into()))?;
        Ok(Snapshot { meta: state.meta(), snapshot: Box::new(Cursor::new(bytes)) })
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Values {
    async fn build_snapshot(&mut self) -> Of<Snapshot<TypeConfig>> {
        // Under the lock: a newer one that is installed meanwhile would be lost.
        let state = self.state();
        let snapshot = self.snapshot_of(&state)?;
        replace(&self.path, snapshot.snapshot.get_ref()).map_err(failed)?;
        Ok(snapshot)
    }
}

impl RaftStateMachine<TypeConfig> for Values {
    type SnapshotBuilder = Values;

    async fn applied_state(&mut self) -> Of<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>)> {
        let state = self.state();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Of<Vec<()>>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.state();
        let mut results = Vec::new();
        for entry in entries {
            state.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(Put { key, value }) => _ = state.values.insert(key, value),
                EntryPayload::Membership(membership) => state.membership = StoredMembership::new(Some(entry.log_id), membership),
            }
            results.push(());
        }
        Ok(results)
    }

    async fn get_snapshot_builder(&mut self) -> Values {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Of<Box<<TypeConfig as RaftTypeConfig>::SnapshotData>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMeta<u64, BasicNode>, snapshot: Box<Cursor<Vec<u8>>>) -> Of<()> {
        let bytes = snapshot.into_inner();
        let mut state = self.state();
        let installed = serde_json::from_slice(&bytes).map_err(|e| failed(e.into()))?;
        replace(&self.path, &bytes).map_err(failed)?;
        *state = installed;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Of<Option<Snapshot<TypeConfig>>> {
        let Some(bytes) = contents(&self.path).map_err(failed)? else { return Ok(None) };
        let state = serde_json::from_slice(&bytes).map_err(|e| failed(e.into()))?;
        self.snapshot_of(&state).map(Some)
    }
}
