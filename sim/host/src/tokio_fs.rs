//! `tokio::fs` on the node's simulated disk: as [`fs`](crate::fs), but while a sync lasts only the task that asked for it waits.

use crate::{bell::outside, fs};
pub use fs::Metadata;
use squall_env::{Disk as _, File as _};
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// An open file, or directory.
pub struct File {
    inner: fs::File,
    sought: u64,
}

impl From<fs::File> for File {
    fn from(inner: fs::File) -> File {
        File { inner, sought: 0 }
    }
}

impl File {
    /// Opens it to read.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        fs::File::open(path).map(File::from)
    }

    /// Opens it to write, empty.
    ///
    /// # Errors
    /// `NotFound` without its directory.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        fs::File::create(path).map(File::from)
    }

    /// Cuts it, or extends it with zeros.
    ///
    /// # Errors
    /// As [`fs::File::set_len`].
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    /// What was written is durable once this ends; of a directory: its names.
    ///
    /// # Errors
    /// Where a fault makes it fail.
    pub async fn sync_data(&self) -> io::Result<()> {
        match self.inner.parts() {
            Ok(file) => outside(file.sync_data()).await,
            Err((disk, name)) => outside(disk.sync_dir(name)).await,
        }
    }

    /// The same: the machine keeps a file's length with its data.
    ///
    /// # Errors
    /// Where a fault makes it fail.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync_data().await
    }

    /// What it is.
    ///
    /// # Errors
    /// None.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.inner.metadata()
    }

    /// The same, for code that does not await.
    pub async fn into_std(self) -> fs::File {
        self.inner
    }
}

impl AsyncRead for File {
    fn poll_read(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.inner.read(to.initialize_unfilled())?;
        to.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for File {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.inner.write(from))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for File {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.sought = self.inner.seek(to)?;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.sought))
    }
}

/// How to open a file.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions(fs::OpenOptions);

impl OpenOptions {
    /// Nothing is allowed.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    fs::open_options! { 0 wanted }

    /// Opens a file, or to read a directory.
    ///
    /// # Errors
    /// As [`fs::OpenOptions::open`].
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.0.open(path).map(File::from)
    }
}

macro_rules! as_of_std {
    ($($(#[$doc:meta])* $name:ident($($argument:ident),*) -> $result:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// As the function of this name in [`fs`].
        pub async fn $name($($argument: impl AsRef<Path>),*) -> io::Result<$result> {
            fs::$name($($argument),*)
        }
    )*};
}

as_of_std! {
    /// What there is of this name.
    metadata(path) -> Metadata;
    /// All of a file.
    read(path) -> Vec<u8>;
    /// All of a file, as text.
    read_to_string(path) -> String;
    /// Makes a directory and those above it.
    create_dir_all(path) -> ();
    /// Makes a directory.
    create_dir(path) -> ();
    /// Renames a file; what has that name is replaced.
    rename(from, to) -> ();
    /// Unlinks a file.
    remove_file(path) -> ();
}

/// Whether there is something of this name.
///
/// # Errors
/// As [`fs::exists`].
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    fs::exists(path)
}

/// Makes a file of this, or replaces what is in it. Nothing is durable by that.
///
/// # Errors
/// As [`fs::write`].
pub async fn write(path: impl AsRef<Path>, data: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(path, data)
}
