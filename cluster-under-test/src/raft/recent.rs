//! The last changes, kept beside the store: a watch that is a little behind is served from here, whatever
//! was compacted meanwhile.

use crate::mvcc::{KeyChange, Store, Version};
use bytes::Bytes;
use std::{collections::VecDeque, ops::ControlFlow};

/// How many changes are kept.
const CHANGES_MAX: usize = 4096;

/// How many bytes of keys and values are kept.
const BYTES_MAX: usize = 4 << 20;

struct Change {
    key: Bytes,
    version: Version,
    before: Option<Version>,
}

impl Change {
    fn bytes(&self) -> usize {
        let values = [Some(&self.version), self.before.as_ref()].into_iter().flatten().filter_map(|v| v.value.as_ref());
        self.key.len() + values.map(Bytes::len).sum::<usize>()
    }
}

/// The last changes of a store, whole revisions.
pub(crate) struct Recent {
    changes: VecDeque<Change>,
    bytes: usize,
    /// Every change from this revision on is here.
    from: i64,
}

impl Recent {
    /// Nothing, of a store that is loaded.
    pub(crate) fn after(store: &Store) -> Self {
        Recent { changes: VecDeque::new(), bytes: 0, from: store.revision() + 1 }
    }

    /// Takes in what `revision` changed.
    pub(crate) fn take_in(&mut self, store: &Store, revision: i64) {
        for KeyChange { key, version, before } in store.changes(revision) {
            let change = Change { key: key.clone(), version: version.clone(), before: before.cloned() };
            self.bytes += change.bytes();
            self.changes.push_back(change);
        }
        while self.changes.len() > CHANGES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.changes.front().map(|c| c.version.mod_revision) else { return };
            while let Some(change) = self.changes.pop_front_if(|c| c.version.mod_revision == oldest) {
                self.bytes -= change.bytes();
            }
            self.from = oldest + 1;
        }
    }

    /// Visits every change from revision `from` on, in order, until told to stop. The compaction's floor
    /// is the error where a change may be missing.
    pub(crate) fn visit(&self, store: &Store, from: i64, mut visit: impl FnMut(KeyChange<'_>) -> ControlFlow<()>) -> Result<(), i64> {
        if from >= self.from {
            let first = self.changes.partition_point(|c| c.version.mod_revision < from);
            let changes = self.changes.range(first..).map(|c| KeyChange { key: &c.key, version: &c.version, before: c.before.as_ref() });
            let _ = changes.into_iter().try_for_each(&mut visit);
            return Ok(());
        }
        if from < store.compacted() {
            return Err(store.compacted());
        }
        let _ = store.changes(from).try_for_each(visit);
        Ok(())
    }
}
