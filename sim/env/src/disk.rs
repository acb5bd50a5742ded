//! The disk port: files and directories with POSIX durability, no more and no less.
//!
//! A write is visible at once and durable after [`File::sync_data`]. A create, rename or remove is
//! visible at once and durable after [`Disk::sync_dir`] of the parent. Paths are relative to the
//! node's data directory and use `/`.

use std::{future::Future, io};

/// How to open a file. Every mode reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must be there (`NotFound`).
    Existing,
    /// Opened if there, else made empty.
    OrCreate,
    /// The file must not be there (`AlreadyExists`).
    New,
}

/// One node's data directory.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: File;

    /// Opens a file.
    fn open(&self, path: &str, mode: OpenMode) -> impl Future<Output = io::Result<Self::File>> + Send;

    /// Makes a directory and its parents, durably; fine when it is there.
    fn create_dir(&self, path: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// Renames a file, replacing `to` atomically.
    fn rename(&self, from: &str, to: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// Unlinks a file.
    fn remove(&self, path: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// The names in a directory, sorted. Files only.
    fn list(&self, dir: &str) -> impl Future<Output = io::Result<Vec<String>>> + Send;

    /// Makes the directory's entries durable.
    fn sync_dir(&self, dir: &str) -> impl Future<Output = io::Result<()>> + Send;
}

/// An open file. Offsets and lengths in bytes.
#[allow(clippy::len_without_is_empty, reason = "a file's length is a system call, not a container's property")]
pub trait File: Send + Sync + 'static {
    /// Up to `len` bytes from `offset`; fewer at the end of the file.
    fn read_at(&self, offset: u64, len: usize) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// Writes all of `data` at `offset`; a gap reads as zeros.
    fn write_at(&self, offset: u64, data: Vec<u8>) -> impl Future<Output = io::Result<()>> + Send;

    /// Writes all of `data` at the end, and answers where it begins.
    fn append(&self, data: Vec<u8>) -> impl Future<Output = io::Result<u64>> + Send;

    /// Cuts the file to `len`, or extends it with zeros.
    fn truncate(&self, len: u64) -> impl Future<Output = io::Result<()>> + Send;

    /// Extends the file to `len` with zeros whose blocks are reserved: writing there needs no more space. A file
    /// that is longer stays as it is. `StorageFull` when there is no room.
    fn allocate(&self, len: u64) -> impl Future<Output = io::Result<()>> + Send;

    /// Makes every completed write durable, with the length needed to read it back.
    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// The file's length.
    fn len(&self) -> impl Future<Output = io::Result<u64>> + Send;
}
