//! `std::fs` on the node's simulated disk. What was written is seen at once and durable after a sync; names are durable after a sync of their
//! directory. Everything but a sync takes no time; while one lasts, the node's only thread is blocked: whatever else it does happens
//! after it.
//!
//! A path names the same file however it begins: `/data/log`, `data/log` and `./data/log` are one.

mod disk;
mod file;

use disk::{at_once, name};
pub(crate) use file::open_options;
pub use file::{File, Metadata, OpenOptions};
use squall_env::Disk;
use squall_machine::SimDisk;
use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// What there is of this name.
///
/// # Errors
/// `NotFound`.
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    SimDisk::current().look_up(&name(path)).map(Metadata)
}

/// Whether there is something of this name.
///
/// # Errors
/// As [`metadata`], but for `NotFound`.
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// All of a file.
///
/// # Errors
/// `NotFound`, or where a fault makes it fail.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut all = vec![];
    File::open(path)?.read_to_end(&mut all)?;
    Ok(all)
}

/// All of a file, as text.
///
/// # Errors
/// `NotFound`; `InvalidData` where it is not UTF-8.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Makes a file of this, or replaces what is in it. Nothing is durable by that.
///
/// # Errors
/// `NotFound` without its directory, or where a fault makes it fail.
pub fn write(path: impl AsRef<Path>, data: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path)?.write_all(data.as_ref())
}

/// Makes a directory and those above it.
///
/// # Errors
/// None today.
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    at_once(SimDisk::current().create_dir(&name(path)))
}

/// Makes a directory.
///
/// # Errors
/// `AlreadyExists`; `NotFound` without the one above it.
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let (disk, name) = (SimDisk::current(), name(path));
    if disk.look_up(&name).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    disk.read_dir(name.rsplit_once('/').map_or("", |(above, _)| above))?;
    at_once(disk.create_dir(&name))
}

/// Renames a file; what has that name is replaced.
///
/// # Errors
/// `NotFound`.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    at_once(SimDisk::current().rename(&name(from), &name(to)))
}

/// Unlinks a file.
///
/// # Errors
/// `NotFound`.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    at_once(SimDisk::current().remove(&name(path)))
}

/// What is in a directory, in order of names.
///
/// # Errors
/// `NotFound`.
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<impl Iterator<Item = io::Result<DirEntry>>> {
    let dir = path.as_ref().to_path_buf();
    let all = SimDisk::current().read_dir(&name(&dir))?;
    Ok(all.into_iter().map(move |(name, _)| Ok(DirEntry { path: dir.join(&name), name })))
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub struct DirEntry {
    path: PathBuf,
    name: String,
}

impl DirEntry {
    /// With the directory's path.
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Without it.
    pub fn file_name(&self) -> std::ffi::OsString {
        self.name.clone().into()
    }

    /// What it stands for.
    ///
    /// # Errors
    /// `NotFound`, once it is gone.
    pub fn metadata(&self) -> io::Result<Metadata> {
        metadata(&self.path)
    }
}
