//! The write-ahead log: vote and entries in one sequence of checksummed records, in segments.
//!
//! ```text
//!   wal/0000000000000001.log   [head][vote][entry][entry][committed][truncate][entry] ...
//!   wal/0000000000000002.log   [head: vote, committed, purged as of now][entry] ...
//!
//!   write ─► page cache ─► flusher: one sync_data for all that waits (group commit) ─► callbacks
//! ```
//!
//! A segment's file has its whole length, reserved, before it has its name; so writing to it takes no more space,
//! and one that is shorter is damaged. A power loss may keep, lose or tear any sector that was not synced, in any
//! order. What that leaves is told from damage by what cannot be its work ([`segment`]): each record carries how far
//! its segment was known to be durable when it was written, where it is, and an end mark; each sector carries where
//! it belongs. Damage is refused with its place; what is torn was never acknowledged, and is left out.

mod log;
mod record;
mod sector;
mod segment;
mod space;

pub(crate) use log::{Done, Wal};
pub(crate) use record::Record;
pub(crate) use space::Space;

use crate::Bug;
use squall_env::{Disk, Env};
use std::io;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The disk said no.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Something is broken that was written whole.
    #[error("the log is corrupt: {file} at byte {offset}: {what}; this node must not go on with it: restore the file, or replace the node")]
    Corrupt {
        /// Which file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

/// Makes a directory's entries durable.
pub(crate) async fn sync_dir<E: Env>(disk: &E::Disk, dir: &str) -> io::Result<()> {
    if E::bug(Bug::NoDirSync) {
        return Ok(());
    }
    disk.sync_dir(dir).await
}
