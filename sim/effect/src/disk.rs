//! Disks that are slow, full, or no disks any more.

use crate::{Probability, Span};
use std::fmt;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAccess {
    /// To read.
    Read,
    /// To write, into the cache.
    Write,
    /// To make durable what was written.
    Sync,
}

impl DiskAccess {
    /// All, by the names that people write.
    pub const WORDS: &'static [(&'static str, DiskAccess)] =
        &[("read", DiskAccess::Read), ("write", DiskAccess::Write), ("sync", DiskAccess::Sync)];

    /// That name.
    pub fn name(self) -> &'static str {
        DiskAccess::WORDS.iter().find(|(_, a)| *a == self).expect("every access has a name").0
    }
}

/// Why a disk says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// An input/output error.
    Eio,
    /// No space left on the device.
    Enospc,
    /// The file system is read-only now.
    Erofs,
}

impl Errno {
    /// All, by the names that people write.
    pub const WORDS: &'static [(&'static str, Errno)] = &[("EIO", Errno::Eio), ("ENOSPC", Errno::Enospc), ("EROFS", Errno::Erofs)];

    /// That name.
    pub fn name(self) -> &'static str {
        Errno::WORDS.iter().find(|(_, e)| *e == self).expect("every error has a name").0
    }

    /// Linux's number of it.
    pub fn number(self) -> i32 {
        match self {
            Errno::Eio => 5,
            Errno::Enospc => 28,
            Errno::Erofs => 30,
        }
    }
}

/// What is wrong with a disk, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskChange {
    /// Every sync takes this much longer.
    Slow(Span),
    /// This many bytes more can be allocated, beside what is given back.
    Full {
        /// In bytes.
        leaves: u64,
    },
    /// These accesses fail, this often. After a failed sync the pages are taken for clean, as on Linux.
    Errors {
        /// Which accesses.
        on: Vec<DiskAccess>,
        /// With which error.
        errno: Errno,
        /// How often.
        rate: Probability,
    },
    /// What a sync writes lands some sectors away, this often.
    Misdirect {
        /// How often.
        rate: Probability,
    },
}

impl fmt::Display for DiskChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskChange::Slow(by) => write!(f, "each sync takes {} longer", by.to_text()),
            DiskChange::Full { leaves } => write!(f, "the disk is full but for {leaves} bytes"),
            DiskChange::Errors { on, errno, rate } => {
                let on: Vec<&str> = on.iter().map(|access| access.name()).collect();
                write!(f, "{} of {} fails with {}", rate.to_text(), on.join(", "), errno.name())
            }
            DiskChange::Misdirect { rate } => write!(f, "{} of what is written lands somewhere else", rate.to_text()),
        }
    }
}

/// What happens to what is on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// This many bits flip in a file whose path has this prefix.
    Flip {
        /// How the paths begin; without it, any file.
        files: Option<String>,
        /// How many bits.
        bits: u64,
    },
    /// A file whose path has this prefix loses up to this many bytes at its end.
    Cut {
        /// How the paths begin; without it, any file.
        files: Option<String>,
        /// How many bytes.
        bytes: u64,
    },
}
