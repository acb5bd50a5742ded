//! Room on the disk: a segment's blocks are reserved before it is used, and the next one's are too.
//!
//! So nothing that is in the log's way fails for want of space, and when space is short that is known early
//! enough to turn new writes away at the door ([`Space::admits`]): what Raft itself writes, votes above all, goes
//! into the rest.

use super::sync_dir;
use squall_env::{Disk, Env, File, OpenMode};
use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};
use tokio::sync::{Mutex, Notify};

pub(super) const DIR: &str = "wal";

/// The pause before space is looked for again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A file for the next segment, with its blocks.
pub(crate) struct Space<F> {
    pub(super) segment_bytes: u64,
    spare: Mutex<Option<F>>,
    /// Whether there is one.
    ready: AtomicBool,
    left: AtomicU64,
    full: AtomicBool,
    /// The log is gone: nobody needs another file.
    closed: AtomicBool,
    wanted: Notify,
}

fn spare_path() -> String {
    format!("{DIR}/spare")
}

/// What a segment's file is called before it has its name.
fn taken_path(sequence: u64) -> String {
    format!("{DIR}/taken-{sequence:016x}")
}

/// A new file of zeros whose blocks are reserved, durably.
async fn reserve<E: Env>(disk: &E::Disk, path: &str, bytes: u64) -> io::Result<<E::Disk as Disk>::File> {
    let file = disk.open(path, OpenMode::OrCreate).await?;
    file.truncate(0).await?;
    file.allocate(bytes).await?;
    file.sync_data().await?;
    Ok(file)
}

impl<F: File> Space<F> {
    pub(super) fn new(segment_bytes: u64) -> Space<F> {
        let (ready, full, closed) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        Space { segment_bytes, spare: Mutex::new(None), ready, left: AtomicU64::new(0), full, closed, wanted: Notify::new() }
    }

    /// Ends [`Space::keep_ready`].
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wanted.notify_one();
    }

    /// Whether a write of this many bytes may still be taken in.
    pub(crate) fn admits(&self, bytes: usize) -> bool {
        let spare = if self.ready.load(Ordering::Relaxed) { self.segment_bytes } else { 0 };
        let left = self.left.load(Ordering::Relaxed) + spare;
        !self.full.load(Ordering::Relaxed) || left >= self.segment_bytes / 4 + 2 * bytes as u64
    }

    /// How much is left in the current segment.
    pub(super) fn is_left(&self, bytes: u64) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// A file for a segment of this many bytes, which has no name yet that recovery would look at.
    pub(super) async fn take<E: Env>(&self, disk: &E::Disk, sequence: u64, bytes: u64) -> io::Result<F>
    where
        E::Disk: Disk<File = F>,
    {
        let mut spare = self.spare.lock().await;
        let file = match spare.take_if(|_| bytes == self.segment_bytes) {
            Some(file) => {
                disk.rename(&spare_path(), &taken_path(sequence)).await?;
                file
            }
            None => reserve::<E>(disk, &taken_path(sequence), bytes).await?,
        };
        self.ready.store(spare.is_some(), Ordering::Relaxed);
        self.wanted.notify_one();
        Ok(file)
    }

    /// Names what was taken for this segment, for good.
    pub(super) async fn name<E: Env>(&self, disk: &E::Disk, sequence: u64, path: &str) -> io::Result<()>
    where
        E::Disk: Disk<File = F>,
    {
        disk.rename(&taken_path(sequence), path).await?;
        sync_dir::<E>(disk, DIR).await
    }

    /// Keeps a file ready, as long as there is room for one.
    pub(super) async fn keep_ready<E: Env>(&self, disk: E::Disk)
    where
        E::Disk: Disk<File = F>,
    {
        loop {
            self.wanted.notified().await;
            loop {
                let mut spare = self.spare.lock().await;
                if self.closed.load(Ordering::Relaxed) {
                    return;
                }
                if spare.is_some() {
                    break;
                }
                match reserve::<E>(&disk, &spare_path(), self.segment_bytes).await {
                    Ok(file) => {
                        *spare = Some(file);
                        self.ready.store(true, Ordering::Relaxed);
                        self.full.store(false, Ordering::Relaxed);
                        break;
                    }
                    // Whatever else is wrong with the disk, whoever writes to it will be told.
                    Err(e) => self.full.store(e.kind() == io::ErrorKind::StorageFull, Ordering::Relaxed),
                }
                drop(spare);
                E::sleep(LOOK_AGAIN).await;
            }
        }
    }
}
