//! Open files and directories.

use super::disk::{at_once, name};
use crate::{inside::As, runtime::blocks_until};
use squall_env::{Disk, File as _, OpenMode};
use squall_machine::{SimDisk, SimFile};
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

/// What a file is to be opened for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
}

/// How to open a file.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    pub(crate) wanted: Wanted,
}

/// The options of std's `OpenOptions`, kept in the [`Wanted`] at these fields of `self`.
macro_rules! open_options {
    ($($at:tt)+) => {
        /// To read.
        pub fn read(&mut self, yes: bool) -> &mut Self {
            self.$($at).+.read = yes;
            self
        }

        /// To write.
        pub fn write(&mut self, yes: bool) -> &mut Self {
            self.$($at).+.write = yes;
            self
        }

        /// To write at the end.
        pub fn append(&mut self, yes: bool) -> &mut Self {
            self.$($at).+.append = yes;
            self
        }

        /// Emptied.
        pub fn truncate(&mut self, yes: bool) -> &mut Self {
            self.$($at).+.truncate = yes;
            self
        }

        /// Made, if it is not there.
        pub fn create(&mut self, yes: bool) -> &mut Self {
            self.$($at).+.create = yes;
            self
        }

        /// Made; it must not be there.
        pub fn create_new(&mut self, yes: bool) -> &mut Self {
            self.$($at).+.create_new = yes;
            self
        }
    };
}
pub(crate) use open_options;

impl OpenOptions {
    /// Nothing is allowed.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    open_options! { wanted }

    /// Opens a file, or to read a directory.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists`, `InvalidInput` where nothing is allowed.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        if !(self.wanted.read || self.wanted.write || self.wanted.append) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "to be opened to read, to write or to append"));
        }
        let (disk, name) = (SimDisk::current(), name(path));
        let writes = self.wanted.write || self.wanted.append;
        let is_dir = matches!(disk.look_up(&name), Ok(None));
        if is_dir && writes {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let what = if is_dir {
            What::Dir(disk, name)
        } else {
            let mode = match (self.wanted.create_new, self.wanted.create) {
                (true, _) => OpenMode::New,
                (false, true) => OpenMode::OrCreate,
                (false, false) => OpenMode::Existing,
            };
            let file = at_once(disk.open(&name, mode))?;
            if self.wanted.truncate && self.wanted.write {
                at_once(file.truncate(0))?;
            }
            What::File(file)
        };
        Ok(File { what: Arc::new(what), reads: self.wanted.read, writes, appends: self.wanted.append, at: 0 })
    }
}

enum What {
    File(SimFile),
    Dir(SimDisk, String),
}

/// The file of the machine, or a directory and its path.
pub(crate) type Parts<'f> = Result<&'f SimFile, (&'f SimDisk, &'f str)>;

/// An open file, or directory.
pub struct File {
    what: Arc<What>,
    reads: bool,
    writes: bool,
    appends: bool,
    at: u64,
}

impl File {
    /// Opens it to read.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens it to write, empty.
    ///
    /// # Errors
    /// `NotFound` without its directory.
    pub fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// The same; it must not be there.
    ///
    /// # Errors
    /// `AlreadyExists`.
    pub fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// How to open one.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    fn file(&self) -> io::Result<&SimFile> {
        match &*self.what {
            What::File(file) => Ok(file),
            What::Dir(..) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The file of the machine, or the directory.
    pub(crate) fn parts(&self) -> Parts<'_> {
        match &*self.what {
            What::File(file) => Ok(file),
            What::Dir(disk, name) => Err((disk, name)),
        }
    }

    fn may(&self, allowed: bool) -> io::Result<&SimFile> {
        // EBADF.
        if allowed { self.file() } else { Err(io::Error::from_raw_os_error(9)) }
    }

    /// Cuts it, or extends it with zeros.
    ///
    /// # Errors
    /// Where it is not open to write, or a fault makes it fail.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        at_once(self.may(self.writes)?.truncate(len))
    }

    /// What was written is durable after this; of a directory: its names.
    ///
    /// # Errors
    /// Where a fault makes it fail.
    pub fn sync_data(&self) -> io::Result<()> {
        let done = {
            let _as_machine = As::machine();
            match &*self.what {
                What::File(file) => file.sync_now(),
                What::Dir(disk, name) => disk.sync_dir_now(name),
            }?
        };
        blocks_until(done);
        Ok(())
    }

    /// The same: the machine keeps a file's length with its data.
    ///
    /// # Errors
    /// Where a fault makes it fail.
    pub fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    /// The same file, with the place where this one is.
    ///
    /// # Errors
    /// None.
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(File { what: self.what.clone(), reads: self.reads, writes: self.writes, appends: self.appends, at: self.at })
    }

    /// What it is.
    ///
    /// # Errors
    /// None.
    pub fn metadata(&self) -> io::Result<Metadata> {
        match &*self.what {
            What::File(file) => Ok(Metadata(Some(at_once(file.len())?))),
            What::Dir(..) => Ok(Metadata(None)),
        }
    }

    /// As `std::os::unix::fs::FileExt::read_at`.
    ///
    /// # Errors
    /// Where it is not open to read, or a fault makes it fail.
    pub fn read_at(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        let data = at_once(self.may(self.reads)?.read_at(at, to.len()))?;
        to[..data.len()].copy_from_slice(&data);
        Ok(data.len())
    }

    /// As `std::os::unix::fs::FileExt::write_at`.
    ///
    /// # Errors
    /// Where it is not open to write, or a fault makes it fail.
    pub fn write_at(&self, from: &[u8], at: u64) -> io::Result<usize> {
        let file = self.may(self.writes)?;
        at_once(file.write_at(at, from.to_vec()))?;
        Ok(from.len())
    }
}

impl Read for File {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(to, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for File {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if self.appends {
            let began = at_once(self.may(self.writes)?.append(from.to_vec()))?;
            self.at = began + from.len() as u64;
            return Ok(from.len());
        }
        let written = self.write_at(from, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => i128::from(at),
            SeekFrom::Current(by) => i128::from(self.at) + i128::from(by),
            SeekFrom::End(by) => i128::from(at_once(self.file()?.len())?) + i128::from(by),
        };
        self.at = u64::try_from(place).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "before the beginning of the file"))?;
        Ok(self.at)
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub struct Metadata(pub(super) Option<u64>);

impl Metadata {
    /// In bytes; 0 of a directory.
    #[allow(clippy::len_without_is_empty, reason = "as std::fs::Metadata")]
    pub fn len(&self) -> u64 {
        self.0.unwrap_or(0)
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.0.is_none()
    }
}
