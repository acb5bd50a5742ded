//! One watch: which keys it covers, and what it is told of a change.

use crate::{
    mvcc::KeyChange,
    pb::mvccpb::{Event, event::EventType},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// One watch.
pub(super) struct Watch {
    pub(super) key: Bytes,
    /// Empty: the one key; "\0": from the key on.
    pub(super) range_end: Bytes,
    pub(super) no_put: bool,
    pub(super) no_delete: bool,
    pub(super) prev_kv: bool,
    pub(super) progress: bool,
    pub(super) fragment: bool,
    /// The first revision that it was not told yet.
    pub(super) next: i64,
    /// It was told something since it was last told how far it is.
    pub(super) lively: bool,
}

impl Watch {
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        key >= self.key.as_ref()
            && match self.range_end.as_ref() {
                [] => key == self.key,
                [0] => true,
                end => key < end,
            }
    }

    /// The event that a change is for this watch. `unfiltered` is a planted bug's.
    pub(super) fn event(&self, change: &KeyChange<'_>, unfiltered: bool) -> Option<Event> {
        let deleted = change.version.value.is_none();
        if change.version.mod_revision < self.next || (!unfiltered && if deleted { self.no_delete } else { self.no_put }) {
            return None;
        }
        let mut kv = change.version.to_kv(change.key, false);
        if deleted {
            // etcd tells the key and the revision of a deletion, and no more.
            kv = crate::pb::KeyValue { key: kv.key, mod_revision: kv.mod_revision, ..Default::default() };
        }
        let prev_kv = change.before.filter(|_| self.prev_kv).map(|before| before.to_kv(change.key, false));
        let kind = if deleted { EventType::Delete } else { EventType::Put };
        Some(Event { r#type: kind.into(), kv: Some(kv), prev_kv })
    }
}

/// Which watches of a stream a key concerns.
#[derive(Default)]
pub(super) struct Index {
    pub(super) single: BTreeMap<Bytes, BTreeSet<i64>>,
    pub(super) ranges: BTreeSet<i64>,
}

impl Index {
    pub(super) fn insert(&mut self, id: i64, watch: &Watch) {
        if watch.range_end.is_empty() {
            self.single.entry(watch.key.clone()).or_default().insert(id);
        } else {
            self.ranges.insert(id);
        }
    }

    pub(super) fn remove(&mut self, id: i64, watch: &Watch) {
        self.ranges.remove(&id);
        if let Some(ids) = self.single.get_mut(&watch.key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.single.remove(&watch.key);
            }
        }
    }
}
