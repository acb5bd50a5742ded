//! Directories: changes of names, which are seen at once, and durable later.

use std::collections::BTreeMap;

/// A change of a directory that is not durable yet.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link { name: String, inode: u64 },
    Unlink { name: String },
    Rename { from: String, to: String, inode: u64 },
}

impl NameChange {
    /// What there is from then on.
    pub(super) fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Link { name, inode } => _ = names.insert(name.clone(), *inode),
            NameChange::Unlink { name } => _ = names.remove(name),
            NameChange::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }

    /// The file that it names, or names anew.
    pub(super) fn inode(&self) -> Option<u64> {
        match self {
            NameChange::Link { inode, .. } | NameChange::Rename { inode, .. } => Some(*inode),
            NameChange::Unlink { .. } => None,
        }
    }

    /// The directory whose sync makes it durable.
    pub(super) fn dir(&self) -> &str {
        match self {
            NameChange::Link { name, .. } | NameChange::Unlink { name } => parent(name),
            NameChange::Rename { to, .. } => parent(to),
        }
    }
}

/// The directory of a path.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}
