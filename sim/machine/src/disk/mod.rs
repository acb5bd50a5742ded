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
//! **Architecture Invariant:** what a completed `sync_data` covered is never changed by a power loss, unless a fault
//! says so: a sync that failed, a write that went astray ([`inode`]), or damage to what was on the disk.

mod handle;
mod inode;
mod names;

pub use handle::{SimDisk, SimFile};

use crate::queue::{Key, Queue, TimerEvent};
use inode::Inode;
use names::{NameChange, parent};
use squall_effect::{Damage, DiskAccess, DiskChange, Errno, PowerLoss, Probability};
use squall_history::{SeededStream, SimTime};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
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
    /// Which fault makes it fail, and how.
    fails: Option<(DiskChange, Errno)>,
    /// When it was asked for, and when the device began with it.
    asked: SimTime,
    began: SimTime,
    /// How long it takes a disk that is well, and how much longer each fault makes that.
    took: Duration,
    longer: Vec<(DiskChange, Duration)>,
    /// Where its end stands in the event queue.
    due: Option<Key>,
}

impl Sync {
    fn max_duration(&self) -> Duration {
        self.took + self.longer.iter().map(|(_, by)| *by).sum::<Duration>()
    }
}

/// A host's disk, and the page cache in front of it.
pub(crate) struct DiskState {
    profile: DiskProfile,
    draws: SeededStream,
    /// What is wrong with it, for each fault that makes it so; drawn from a stream of their own.
    wrong: Vec<DiskChange>,
    wrong_draws: SeededStream,
    /// How many bytes can be allocated, while it is full.
    free: u64,
    /// Somebody put an empty disk here.
    pub(crate) wiped: bool,
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
    pub(crate) fn new(profile: DiskProfile, draws: SeededStream, wrong_draws: SeededStream) -> DiskState {
        DiskState {
            profile,
            draws,
            wrong: Vec::new(),
            wrong_draws,
            free: 0,
            wiped: false,
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

    /// Starts a sync; it is done at the returned moment, if nothing changes until then.
    fn sync_start(&mut self, now: SimTime, target: SyncTarget) -> (u64, SimTime) {
        let took = self.draws.duration(self.profile.sync_min, self.profile.sync_max);
        let slow = self.wrong.iter().filter_map(|w| if let DiskChange::Slow(by) = w { Some((w, by)) } else { None });
        let longer = slow.map(|(change, by)| (change.clone(), self.wrong_draws.duration(by.min, by.max))).collect();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let fails = self.fails(DiskAccess::Sync);
        let began = self.free_at.max(now);
        let sync = Sync { target, waker: None, done: false, fails, asked: now, began, took, longer, due: None };
        self.free_at = began + sync.max_duration();
        self.syncs.insert(ticket, sync);
        (ticket, self.free_at)
    }

    /// A fault is over: what it booked ends with it. Syncs that it held up are done when the device, as it is now, would have them
    /// done, one after another; and those that were to fail by it do not. Answers the syncs that end earlier than they were to.
    fn ends(&mut self, now: SimTime, is_over: impl Fn(&DiskChange) -> bool) -> Vec<(u64, SimTime)> {
        let mut earlier = Vec::new();
        let mut free: Option<SimTime> = None;
        for (ticket, sync) in self.syncs.iter_mut().filter(|(_, sync)| !sync.done) {
            sync.fails.take_if(|(by, _)| is_over(by));
            sync.longer.retain(|(by, _)| !is_over(by));
            let began = free.map_or(sync.began, |free| free.max(sync.asked));
            let ends = (began + sync.max_duration()).max(now);
            sync.began = began;
            free = Some(ends);
            earlier.push((*ticket, ends));
        }
        self.free_at = free.unwrap_or(self.free_at.min(now));
        earlier
    }

    /// Whether this access fails, by which fault, and how.
    fn fails(&mut self, access: DiskAccess) -> Option<(DiskChange, Errno)> {
        let errors: Vec<(DiskChange, Errno, Probability)> = self
            .wrong
            .iter()
            .filter_map(|w| match w {
                DiskChange::Errors { on, errno, rate } => on.contains(&access).then(|| (w.clone(), *errno, *rate)),
                _ => None,
            })
            .collect();
        let hit = errors.into_iter().find(|(.., rate)| self.wrong_draws.ratio(rate.numerator.into(), rate.denominator.into()));
        hit.map(|(by, errno, _)| (by, errno))
    }

    fn is_full(&self) -> bool {
        self.wrong.iter().any(|w| matches!(w, DiskChange::Full { .. }))
    }

    /// Takes this many bytes more of the disk, or returns `StorageFull`.
    fn allocate(&mut self, bytes: usize) -> io::Result<()> {
        if self.is_full() {
            let left = self.free.checked_sub(bytes as u64);
            self.free = left.ok_or_else(|| io::Error::from_raw_os_error(Errno::Enospc.number()))?;
        }
        Ok(())
    }

    /// What is given back is there for whoever asks next.
    fn gives_back(&mut self, bytes: usize) {
        self.free += if self.is_full() { bytes as u64 } else { 0 };
    }

    /// A sync is done: what it covers is durable. The kernel does this, whether or not the process
    /// that asked still lives.
    ///
    /// True when what it wrote went astray.
    pub(crate) fn sync_done(&mut self, ticket: u64) -> bool {
        let Some(sync) = self.syncs.get_mut(&ticket) else { return false };
        sync.done = true;
        if let Some(waker) = sync.waker.take() {
            waker.wake();
        }
        match &sync.target {
            SyncTarget::File { inode, layer } => {
                let (inode, layer, failed) = (*inode, *layer, sync.fails.is_some());
                let away = if failed { None } else { self.astray() };
                let Some(inode) = self.inodes.get_mut(&inode) else { return false };
                match (failed, away) {
                    (true, _) => inode.sync_failed(layer),
                    (false, None) => inode.synced(layer),
                    (false, Some(away)) => return inode.misdirected(layer, away),
                }
            }
            // Names are journalled: they stay to be made durable.
            SyncTarget::Dir { .. } if sync.fails.is_some() => {}
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
        false
    }

    /// How many sectors away the next write lands, if it does.
    fn astray(&mut self) -> Option<usize> {
        let rates: Vec<Probability> =
            self.wrong.iter().filter_map(|w| if let DiskChange::Misdirect { rate } = w { Some(*rate) } else { None }).collect();
        let hit = rates.iter().any(|rate| self.wrong_draws.ratio(rate.numerator.into(), rate.denominator.into()));
        hit.then(|| self.wrong_draws.in_range(1..=16) as usize)
    }

    /// Forgets the files that no name, durable or not, and no handle leads to.
    fn collect(&mut self) {
        let mut named: BTreeSet<u64> = self.names.values().chain(self.durable_names.values()).copied().collect();
        named.extend(self.pending.iter().filter_map(|(_, change)| change.inode()));
        self.inodes.retain(|id, inode| inode.handles > 0 || named.contains(id));
    }

    /// The power goes: syncs in flight never end, unsynced sectors and names take their chances, or share one fate.
    pub(crate) fn power_loss(&mut self, fate: PowerLoss) {
        self.syncs.clear();
        self.free_at = SimTime(0);
        let kept = self.draws.below(self.pending.len() as u64 + 1) as usize;
        let kept = if fate == PowerLoss::Everything { 0 } else { kept };
        for (_, change) in self.pending.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
        let live: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|id, _| live.contains(id));
        for inode in self.inodes.values_mut() {
            inode.power_loss(fate, &mut self.draws);
        }
    }
}

impl DiskState {
    /// What is on the disk is damaged; how, in words, or `None` when there was nothing to damage.
    pub(crate) fn damage(&mut self, damage: &Damage) -> Option<String> {
        let (Damage::Flip { files, .. } | Damage::Cut { files, .. }) = damage;
        let there: Vec<(String, u64)> = self
            .names
            .iter()
            .filter(|(name, inode)| files.as_ref().is_none_or(|f| name.starts_with(f)) && !self.inodes[inode].data().is_empty())
            .map(|(name, inode)| (name.clone(), *inode))
            .collect();
        if there.is_empty() {
            return None;
        }
        let (name, inode) = self.wrong_draws.pick(&there).clone();
        let draws = &mut self.wrong_draws;
        let inode = self.inodes.get_mut(&inode).expect("a name leads to its file");
        match damage {
            Damage::Flip { bits, .. } => {
                let flipped = inode.flip(*bits, draws);
                (flipped > 0).then(|| format!("{flipped} bits of {name} flip"))
            }
            Damage::Cut { bytes, .. } => {
                let most = draws.in_range(1..=*bytes) as usize;
                Some(format!("{name} loses its last {} bytes", inode.cut(most)))
            }
        }
    }

    /// An empty disk takes its place.
    pub(crate) fn wipe(&mut self) {
        self.names.clear();
        self.durable_names.clear();
        self.pending.clear();
        self.syncs.clear();
        self.dirs = BTreeSet::from([String::new()]);
        self.inodes.clear();
        self.wiped = true;
    }
}

impl DiskState {
    /// Puts the end of a sync into the event queue.
    fn book_sync(&mut self, queue: &mut Queue, host: usize, ticket: u64, at: SimTime) {
        let due = queue.push(at, TimerEvent::Synced { host, ticket });
        let Some(sync) = self.syncs.get_mut(&ticket) else { return };
        if let Some(before) = sync.due.replace(due) {
            queue.cancel(before);
        }
    }

    fn fault_ends(&mut self, queue: &mut Queue, host: usize, now: SimTime, is_over: impl Fn(&DiskChange) -> bool) {
        for (ticket, at) in self.ends(now, is_over) {
            self.book_sync(queue, host, ticket, at);
        }
    }

    /// Something is wrong with it from now on; several such things add up.
    pub(crate) fn worsen(&mut self, change: DiskChange) {
        if let DiskChange::Full { leaves } = change {
            self.free = if self.is_full() { self.free.min(leaves) } else { leaves };
        }
        self.wrong.push(change);
    }

    /// Takes one of these back, and what it booked.
    pub(crate) fn mend(&mut self, queue: &mut Queue, host: usize, now: SimTime, change: &DiskChange) {
        let Some(at) = self.wrong.iter().position(|other| other == change) else { return };
        self.wrong.remove(at);
        // Another fault of the very same kind goes on.
        if !self.wrong.contains(change) {
            self.fault_ends(queue, host, now, |by| by == change);
        }
    }

    /// Takes all of them back, and what they booked.
    pub(crate) fn mend_entirely(&mut self, queue: &mut Queue, host: usize, now: SimTime) {
        self.wrong.clear();
        self.fault_ends(queue, host, now, |_| true);
    }
}
