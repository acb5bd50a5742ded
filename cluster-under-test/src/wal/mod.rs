//! The write-ahead log: vote and entries in one sequence of checksummed records, in segments.
//!
//! ```text
//!   wal/0000000000000001.log   [head][vote][entry][entry][committed][truncate][entry] ...
//!   wal/0000000000000002.log   [head: vote, committed, purged as of now][entry] ...
//!
//!   write ─► page cache ─► flusher: one sync_data for all that waits (group commit) ─► callbacks
//! ```
//!
//! A power loss may keep, lose or tear any sector that was not synced, in any order. So a broken
//! record proves nothing by itself: each record carries how far its segment was known to be durable
//! when it was written, and what is broken *below* that mark is corruption, which is refused with its
//! place; what is broken above it was never acknowledged, and is cut.

mod log;
mod record;
mod segment;

pub(crate) use log::{Done, Wal};
pub(crate) use record::Record;

use squall_env::{Bug, Disk, Env};
use std::io;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The disk said no.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Something that was durable is broken.
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
