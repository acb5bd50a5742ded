//! What a process holds of its disk. A dead process' handles do nothing.

use super::{
    DiskState, SyncTarget,
    names::{NameChange, parent},
};
use crate::{host::Host, machine::State, process::Process};
use squall_effect::DiskAccess;
use squall_env::{Disk, File, LocalInstant, OpenMode};
use squall_history::{DiskHealth, Observation, SimTime};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// The disk of a process' host.
#[derive(Clone)]
pub struct SimDisk {
    process: Arc<Process>,
}

/// An open file of a process.
pub struct SimFile {
    process: Arc<Process>,
    inode: u64,
}

impl SimDisk {
    /// The disk of the running task's host.
    pub fn current() -> SimDisk {
        SimDisk { process: Process::current() }
    }
}

impl SimDisk {
    /// As [`Disk::sync_dir`], for code that cannot wait: it is done at once. When it would have been done.
    ///
    /// # Errors
    /// Where a fault makes it fail.
    pub fn sync_dir_now(&self, dir: &str) -> io::Result<LocalInstant> {
        sync_now(&self.process, |disk| SyncTarget::Dir { dir: dir.to_string(), upto: disk.changes })
    }

    /// What there is of this name: a file of this many bytes, or a directory (`None`).
    ///
    /// # Errors
    /// `NotFound`.
    pub fn look_up(&self, path: &str) -> io::Result<Option<u64>> {
        on_disk(&self.process, |_, state, host| {
            let disk = &mut state.hosts[host].disk;
            if path.is_empty() || disk.dirs.contains(path) {
                return Ok(None);
            }
            let inode = disk.lookup(path)?;
            Ok(Some(disk.inode(inode).data().len() as u64))
        })
    }

    /// The names in a directory, sorted: files, and directories (`true`).
    ///
    /// # Errors
    /// `NotFound`.
    pub fn read_dir(&self, dir: &str) -> io::Result<Vec<(String, bool)>> {
        on_disk(&self.process, |_, state, host| {
            let disk = &state.hosts[host].disk;
            if !dir.is_empty() && !disk.dirs.contains(dir) {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("no directory {dir}")));
            }
            let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_string();
            let files = disk.names.keys().filter(|name| parent(name) == dir).map(|name| (last(name), false));
            let dirs = disk.dirs.iter().filter(|name| !name.is_empty() && parent(name) == dir).map(|name| (last(name), true));
            let mut all: Vec<(String, bool)> = files.chain(dirs).collect();
            all.sort_unstable();
            Ok(all)
        })
    }
}

impl SimFile {
    /// As [`File::sync_data`], for code that cannot wait: it is done at once. When it would have been done.
    ///
    /// # Errors
    /// Where a fault makes it fail.
    pub fn sync_now(&self) -> io::Result<LocalInstant> {
        let inode = self.inode;
        sync_now(&self.process, |disk| SyncTarget::File { inode, layer: disk.inode(inode).sync_begins() })
    }
}

fn sync_now(process: &Arc<Process>, target: impl FnOnce(&mut DiskState) -> SyncTarget) -> io::Result<LocalInstant> {
    on_disk(process, |now, state, host| {
        let disk = &mut state.hosts[host].disk;
        let target = target(disk);
        let (ticket, at) = disk.sync_start(now, target);
        let damaged = disk.sync_done(ticket);
        let failed = disk.syncs.remove(&ticket).and_then(|sync| sync.fails);
        if damaged {
            state.observe(now, host, Observation::Disk { disk: DiskHealth::Damaged });
        }
        let host = &mut state.hosts[host];
        host.was_failed |= failed.is_some();
        let clock = &host.clock;
        failed.map_or(Ok(clock.local(at)), |(_, errno)| Err(io::Error::from_raw_os_error(errno.number())))
    })
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let (_, mut state) = self.process.machine().lock();
        // A power loss may have taken the file away from under its handle.
        if let Some(inode) = state.hosts[self.process.host].disk.inodes.get_mut(&self.inode) {
            inode.handles -= 1;
        }
    }
}

fn on_disk<T>(process: &Process, act: impl FnOnce(SimTime, &mut State, usize) -> io::Result<T>) -> io::Result<T> {
    if !process.is_alive() {
        return Err(io::Error::other("the process is dead"));
    }
    let (now, mut state) = process.machine().lock();
    act(now, &mut state, process.host)
}

/// Ends when the disk says so; never, once the process is dead or the power went.
struct Syncing {
    process: Arc<Process>,
    ticket: u64,
}

impl Future for Syncing {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (_, mut state) = self.process.machine().lock();
        let host = &mut state.hosts[self.process.host];
        match host.disk.syncs.get_mut(&self.ticket) {
            Some(sync) if sync.done => {
                let failed = sync.fails.take();
                host.disk.syncs.remove(&self.ticket);
                host.was_failed |= failed.is_some();
                Poll::Ready(failed.map_or(Ok(()), |(_, errno)| Err(io::Error::from_raw_os_error(errno.number()))))
            }
            Some(sync) => {
                sync.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

/// An error, if a fault makes this access fail.
fn may_fail(host: &mut Host, access: DiskAccess) -> io::Result<()> {
    let Some((_, errno)) = host.disk.fails(access) else { return Ok(()) };
    host.was_failed = true;
    Err(io::Error::from_raw_os_error(errno.number()))
}

fn sync(process: &Arc<Process>, target: impl FnOnce(&mut DiskState) -> SyncTarget) -> io::Result<Syncing> {
    let ticket = on_disk(process, |now, state, host| {
        let State { hosts, queue, .. } = state;
        let disk = &mut hosts[host].disk;
        let target = target(disk);
        let (ticket, at) = disk.sync_start(now, target);
        disk.book_sync(queue, host, ticket, at);
        Ok(ticket)
    })?;
    Ok(Syncing { process: process.clone(), ticket })
}

impl Disk for SimDisk {
    type File = SimFile;

    async fn open(&self, path: &str, mode: OpenMode) -> io::Result<SimFile> {
        let inode = on_disk(&self.process, |_, state, host| {
            let disk = &mut state.hosts[host].disk;
            let inode = match (disk.names.get(path).copied(), mode) {
                (Some(_), OpenMode::New) => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{path} is there already"))),
                (Some(inode), OpenMode::Existing | OpenMode::OrCreate) => Ok(inode),
                (None, OpenMode::Existing) => disk.lookup(path),
                (None, OpenMode::OrCreate | OpenMode::New) => disk.create(path),
            }?;
            disk.inode(inode).handles += 1;
            Ok(inode)
        })?;
        Ok(SimFile { process: self.process.clone(), inode })
    }

    async fn create_dir(&self, path: &str) -> io::Result<()> {
        on_disk(&self.process, |_, state, host| {
            let mut dir = path;
            while !dir.is_empty() {
                state.hosts[host].disk.dirs.insert(dir.to_string());
                dir = parent(dir);
            }
            Ok(())
        })
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        on_disk(&self.process, |_, state, host| {
            let disk = &mut state.hosts[host].disk;
            let inode = disk.lookup(from)?;
            disk.change(NameChange::Rename { from: from.to_string(), to: to.to_string(), inode });
            Ok(())
        })
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        on_disk(&self.process, |_, state, host| {
            let disk = &mut state.hosts[host].disk;
            let inode = disk.lookup(path)?;
            let gone = disk.inode(inode).data().len();
            disk.gives_back(gone);
            disk.change(NameChange::Unlink { name: path.to_string() });
            Ok(())
        })
    }

    async fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        on_disk(&self.process, |_, state, host| {
            let disk = &state.hosts[host].disk;
            if !disk.dirs.contains(dir) {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("no directory {dir}")));
            }
            let in_dir = disk.names.keys().filter(|name| parent(name) == dir);
            Ok(in_dir.map(|name| name.rsplit('/').next().unwrap_or(name).to_string()).collect())
        })
    }

    async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        sync(&self.process, |disk| SyncTarget::Dir { dir: dir.to_string(), upto: disk.changes })?.await
    }
}

impl File for SimFile {
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        on_disk(&self.process, |_, state, host| {
            may_fail(&mut state.hosts[host], DiskAccess::Read)?;
            let disk = &mut state.hosts[host].disk;
            let data = disk.inode(self.inode).data();
            let from = (offset as usize).min(data.len());
            Ok(data[from..from.saturating_add(len).min(data.len())].to_vec())
        })
    }

    async fn write_at(&self, offset: u64, data: Vec<u8>) -> io::Result<()> {
        on_disk(&self.process, |_, state, host| {
            may_fail(&mut state.hosts[host], DiskAccess::Write)?;
            let disk = &mut state.hosts[host].disk;
            let end = disk.inode(self.inode).data().len();
            disk.allocate((offset as usize + data.len()).saturating_sub(end))?;
            disk.inode(self.inode).write(offset as usize, &data);
            Ok(())
        })
    }

    async fn append(&self, data: Vec<u8>) -> io::Result<u64> {
        on_disk(&self.process, |_, state, host| {
            may_fail(&mut state.hosts[host], DiskAccess::Write)?;
            let disk = &mut state.hosts[host].disk;
            disk.allocate(data.len())?;
            let inode = disk.inode(self.inode);
            let end = inode.data().len();
            inode.write(end, &data);
            Ok(end as u64)
        })
    }

    async fn truncate(&self, len: u64) -> io::Result<()> {
        on_disk(&self.process, |_, state, host| {
            may_fail(&mut state.hosts[host], DiskAccess::Write)?;
            let disk = &mut state.hosts[host].disk;
            let before = disk.inode(self.inode).data().len();
            // What is made longer is a hole: it takes no space yet.
            disk.gives_back(before.saturating_sub(len as usize));
            disk.inode(self.inode).truncate(len as usize);
            Ok(())
        })
    }

    async fn allocate(&self, len: u64) -> io::Result<()> {
        on_disk(&self.process, |_, state, host| {
            may_fail(&mut state.hosts[host], DiskAccess::Write)?;
            let disk = &mut state.hosts[host].disk;
            let before = disk.inode(self.inode).data().len();
            if before < len as usize {
                disk.allocate(len as usize - before)?;
                disk.inode(self.inode).truncate(len as usize);
            }
            Ok(())
        })
    }

    async fn sync_data(&self) -> io::Result<()> {
        let inode = self.inode;
        sync(&self.process, |disk| SyncTarget::File { inode, layer: disk.inode(inode).sync_begins() })?.await
    }

    async fn len(&self) -> io::Result<u64> {
        on_disk(&self.process, |_, state, host| Ok(state.hosts[host].disk.inode(self.inode).data().len() as u64))
    }
}
