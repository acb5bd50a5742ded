//! The simulated disk: a page cache over 512-byte sectors, with POSIX durability.
//!
//! ```text
//!   write ─► current contents  ── sync_data (latency) ─► durable
//!                │ each unsynced sector keeps what it held before, in layers: one per sync in flight
//!                └─ power loss: each sector of each layer is kept, lost or torn, on its own draw
//!   create / rename / remove ─► names ── sync_dir ─► durable names   (power loss keeps a prefix of the rest)
//! ```
//!
//! A process' death loses nothing: the kernel lives. Syncs are served one after another, each with a
//! latency drawn from the disk's profile. Deliberately not here: directories themselves (they are made
//! durably, as by a provisioning script), and reads that miss the cache (reads take no time).
//!
//! **Architecture Invariant:** what a completed `sync_data` covered is never changed by a power loss.

mod handle;
mod inode;

pub use handle::{SimDisk, SimFile};

use inode::Inode;
use squall_history::{SeededStream, SimTime};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::RangeInclusive,
    task::Waker,
    time::Duration,
};

/// A disk sector: what is written whole or not at all by good hardware, and torn by bad luck.
pub const SECTOR: usize = 512;

/// How a disk behaves when nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskProfile {
    /// The shortest time that a sync takes.
    pub sync_min: Duration,
    /// The longest.
    pub sync_max: Duration,
}

/// A change of a directory that is not durable yet.
#[derive(Clone, Debug)]
enum NameChange {
    Link { name: String, inode: u64 },
    Unlink { name: String },
    Rename { from: String, to: String, inode: u64 },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Link { name, inode } => _ = names.insert(name.clone(), *inode),
            NameChange::Unlink { name } => _ = names.remove(name),
            NameChange::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }

    /// The file that it names, or names anew.
    fn inode(&self) -> Option<u64> {
        match self {
            NameChange::Link { inode, .. } | NameChange::Rename { inode, .. } => Some(*inode),
            NameChange::Unlink { .. } => None,
        }
    }

    fn dir(&self) -> &str {
        match self {
            NameChange::Link { name, .. } | NameChange::Unlink { name } => parent(name),
            NameChange::Rename { to, .. } => parent(to),
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

enum SyncTarget {
    File {
        inode: u64,
        layer: u64,
    },
    /// The directory, and how many changes ever made to the disk's names it covers.
    Dir {
        dir: String,
        upto: u64,
    },
}

struct Sync {
    target: SyncTarget,
    waker: Option<Waker>,
    done: bool,
}

pub(crate) struct DiskState {
    profile: DiskProfile,
    draws: SeededStream,
    /// How much longer syncs take, for each fault that makes them; drawn from a stream of their own.
    slower: Vec<RangeInclusive<Duration>>,
    slower_draws: SeededStream,
    inodes: BTreeMap<u64, Inode>,
    dirs: BTreeSet<String>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending: Vec<(u64, NameChange)>,
    changes: u64,
    next_inode: u64,
    free_at: SimTime,
    syncs: BTreeMap<u64, Sync>,
    next_ticket: u64,
}

impl DiskState {
    pub(crate) fn new(profile: DiskProfile, draws: SeededStream, slower_draws: SeededStream) -> DiskState {
        DiskState {
            profile,
            draws,
            slower: Vec::new(),
            slower_draws,
            inodes: BTreeMap::new(),
            dirs: BTreeSet::from([String::new()]),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            changes: 0,
            next_inode: 1,
            free_at: SimTime(0),
            syncs: BTreeMap::new(),
            next_ticket: 1,
        }
    }

    /// No file at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes += 1;
        self.pending.push((self.changes, change));
    }

    fn lookup(&self, path: &str) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no file {path}")))
    }

    fn inode(&mut self, id: u64) -> &mut Inode {
        self.inodes.get_mut(&id).expect("an open file has its inode")
    }

    fn create(&mut self, path: &str) -> io::Result<u64> {
        if !self.dirs.contains(parent(path)) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no directory {}", parent(path))));
        }
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        self.change(NameChange::Link { name: path.to_string(), inode });
        Ok(inode)
    }

    /// Starts a sync; it is done at the returned moment.
    fn sync_start(&mut self, now: SimTime, target: SyncTarget) -> (u64, SimTime) {
        let took = self.draws.duration(self.profile.sync_min, self.profile.sync_max);
        let longer: Duration = self.slower.iter().map(|by| self.slower_draws.duration(*by.start(), *by.end())).sum();
        self.free_at = self.free_at.max(now) + took + longer;
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.syncs.insert(ticket, Sync { target, waker: None, done: false });
        (ticket, self.free_at)
    }

    /// A sync is done: what it covers is durable. The kernel does this, whether or not the process
    /// that asked still lives.
    pub(crate) fn sync_done(&mut self, ticket: u64) {
        let Some(sync) = self.syncs.get_mut(&ticket) else { return };
        sync.done = true;
        if let Some(waker) = sync.waker.take() {
            waker.wake();
        }
        match &sync.target {
            SyncTarget::File { inode, layer } => {
                if let Some(inode) = self.inodes.get_mut(inode) {
                    inode.synced(*layer);
                }
            }
            SyncTarget::Dir { dir, upto } => {
                let (dir, upto) = (dir.clone(), *upto);
                let covers = |(ordinal, change): &&(u64, NameChange)| *ordinal <= upto && change.dir() == dir;
                // A rename from another directory is atomic: what made the file there comes with it.
                let renamed: BTreeMap<u64, u64> = self
                    .pending
                    .iter()
                    .filter(covers)
                    .filter_map(|(ordinal, c)| matches!(c, NameChange::Rename { .. }).then(|| Some((c.inode()?, *ordinal)))?)
                    .collect();
                let durable = &mut self.durable_names;
                self.pending.retain(|entry| {
                    let (ordinal, change) = entry;
                    let with_rename = change.inode().and_then(|i| renamed.get(&i)).is_some_and(|renamed| ordinal < renamed);
                    let covered = covers(&entry) || with_rename;
                    if covered {
                        change.apply(durable);
                    }
                    !covered
                });
                self.collect();
            }
        }
    }

    /// Forgets the files that no name, durable or not, and no handle leads to.
    fn collect(&mut self) {
        let mut named: BTreeSet<u64> = self.names.values().chain(self.durable_names.values()).copied().collect();
        named.extend(self.pending.iter().filter_map(|(_, change)| change.inode()));
        self.inodes.retain(|id, inode| inode.handles > 0 || named.contains(id));
    }

    /// The power goes: syncs in flight never end, unsynced sectors and names take their chances.
    pub(crate) fn power_loss(&mut self) {
        self.syncs.clear();
        self.free_at = SimTime(0);
        let kept = self.draws.below(self.pending.len() as u64 + 1) as usize;
        for (_, change) in self.pending.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
        let live: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|id, _| live.contains(id));
        for inode in self.inodes.values_mut() {
            inode.power_loss(&mut self.draws);
        }
    }
}

impl crate::Machine {
    /// Each sync of this host's disk takes so much longer from now on; several of these add up.
    pub fn slow_disk(&self, host: crate::HostId, by: RangeInclusive<Duration>) {
        self.lock().1.hosts[host.0].disk.slower.push(by);
    }

    /// Takes one of these back.
    pub fn restore_disk(&self, host: crate::HostId, by: &RangeInclusive<Duration>) {
        let slower = &mut self.lock().1.hosts[host.0].disk.slower;
        if let Some(at) = slower.iter().position(|other| other == by) {
            slower.remove(at);
        }
    }

    /// Takes all of them back.
    pub fn restore_disk_entirely(&self, host: crate::HostId) {
        self.lock().1.hosts[host.0].disk.slower.clear();
    }
}
