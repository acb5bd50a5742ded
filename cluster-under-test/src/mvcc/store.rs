//! The versions of every key.

use crate::pb::{KeyValue, internal};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The revision that made the key, after it was last absent.
    pub create_revision: i64,
    /// The revision that wrote this version.
    pub mod_revision: i64,
    /// How many writes since the creation; 0 for a deletion.
    pub version: i64,
    /// The value; `None` is a deletion.
    pub value: Option<Bytes>,
    /// The lease that it hangs on; 0 is none.
    pub lease: i64,
}

/// A lease. When it ends is not the store's business: the store has no clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How long it lives after it was last renewed, in seconds.
    pub ttl: i64,
    /// The so-manyth that was granted: an id may be granted again.
    pub grant: u64,
    /// The keys that go with it.
    pub keys: BTreeSet<Bytes>,
}

/// The store. Cloning it is cheap in values: they are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub(super) revision: i64,
    pub(super) compacted: i64,
    /// Oldest version first.
    pub(super) keys: BTreeMap<Bytes, Vec<Version>>,
    pub(super) leases: BTreeMap<i64, Lease>,
    /// How many leases were granted.
    pub(super) grants: u64,
    pub(super) chain: u32,
}

impl Default for Store {
    fn default() -> Self {
        Store { revision: 1, compacted: 0, keys: BTreeMap::new(), leases: BTreeMap::new(), grants: 0, chain: 0 }
    }
}

impl Store {
    /// The revision of the last change.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Reads below this revision are refused; 0 before the first compaction.
    pub fn compacted(&self) -> i64 {
        self.compacted
    }

    /// Every lease, by its id.
    pub fn leases(&self) -> &BTreeMap<i64, Lease> {
        &self.leases
    }

    /// A running hash over every applied command and its effects: equal on every replica at the same
    /// log index.
    pub fn chain(&self) -> u32 {
        self.chain
    }

    /// Folds bytes into the running hash.
    pub fn fold(&mut self, bytes: &[u8]) {
        self.chain = crc32c::crc32c_append(self.chain, bytes);
    }

    /// A hash over every version of every key, and every lease.
    pub fn full_hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut eat = |bytes: &[u8]| {
            for b in bytes {
                hash = (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3);
            }
        };
        eat(&self.revision.to_le_bytes());
        eat(&self.compacted.to_le_bytes());
        for (key, versions) in &self.keys {
            eat(key);
            for v in versions {
                for n in [v.create_revision, v.mod_revision, v.version, v.lease, i64::from(v.value.is_some())] {
                    eat(&n.to_le_bytes());
                }
                eat(v.value.as_deref().unwrap_or_default());
            }
        }
        for (id, lease) in &self.leases {
            eat(&id.to_le_bytes());
            eat(&lease.ttl.to_le_bytes());
            eat(&lease.grant.to_le_bytes());
        }
        hash
    }

    /// The live version of a key at a revision.
    pub(super) fn at(&self, key: &[u8], revision: i64) -> Option<&Version> {
        live(self.keys.get(key)?, revision)
    }

    /// The live keys of an etcd range, at a revision, in order of key.
    pub(super) fn scan<'s>(
        &'s self,
        key: &'s [u8],
        range_end: &'s [u8],
        revision: i64,
    ) -> impl Iterator<Item = (&'s Bytes, &'s Version)> + 's {
        let bounds = bounds(key, range_end);
        let keys = bounds.map(|bounds| self.keys.range::<[u8], _>(bounds));
        keys.into_iter().flatten().filter_map(move |(key, versions)| Some((key, live(versions, revision)?)))
    }

    pub(super) fn push(&mut self, key: Bytes, version: Version) {
        let mut mark = [0u8; 17];
        mark[..8].copy_from_slice(&version.mod_revision.to_le_bytes());
        mark[8..16].copy_from_slice(&version.version.to_le_bytes());
        mark[16] = u8::from(version.value.is_some());
        self.fold(&key);
        self.fold(&mark);
        if let Some(value) = &version.value {
            self.fold(value);
        }
        self.fold(&version.lease.to_le_bytes());
        // A key hangs on the lease of its last put, if on any.
        let versions = self.keys.entry(key.clone()).or_default();
        let before = versions.last().map_or(0, |v| v.lease);
        if let Some(lease) = self.leases.get_mut(&before).filter(|_| before != version.lease) {
            lease.keys.remove(&key);
        }
        if let Some(lease) = self.leases.get_mut(&version.lease) {
            lease.keys.insert(key);
        }
        versions.push(version);
    }

    pub(super) fn grant(&mut self, id: i64, ttl: i64) {
        self.fold(&id.to_le_bytes());
        self.fold(&ttl.to_le_bytes());
        self.grants += 1;
        self.leases.insert(id, Lease { ttl, grant: self.grants, keys: BTreeSet::new() });
    }

    /// Drops what no read at `revision` or later may ask for.
    pub(super) fn compact(&mut self, revision: i64) {
        self.compacted = revision;
        self.keys.retain(|_, versions| {
            let superseded = versions.iter().filter(|v| v.mod_revision <= revision).count().saturating_sub(1);
            versions.drain(..superseded);
            // A deletion at the floor shows nothing to anybody.
            if versions.first().is_some_and(|v| v.mod_revision <= revision && v.value.is_none()) {
                versions.remove(0);
            }
            !versions.is_empty()
        });
    }

    /// Everything, for a snapshot. `meta` is left for the caller.
    pub fn to_snapshot(&self) -> internal::Snapshot {
        let versions = self.keys.iter().flat_map(|(key, versions)| {
            versions.iter().map(|v| internal::Version {
                key: key.clone(),
                create_revision: v.create_revision,
                mod_revision: v.mod_revision,
                version: v.version,
                value: v.value.clone(),
                lease: v.lease,
            })
        });
        internal::Snapshot {
            format: 1,
            meta: None,
            revision: self.revision,
            compacted: self.compacted,
            chain: self.chain,
            versions: versions.collect(),
            leases: self.leases.iter().map(|(id, lease)| internal::Lease { id: *id, ttl: lease.ttl, grant: lease.grant }).collect(),
            grants: self.grants,
        }
    }

    /// The store that a snapshot holds.
    pub fn from_snapshot(snapshot: internal::Snapshot) -> Store {
        let mut keys: BTreeMap<Bytes, Vec<Version>> = BTreeMap::new();
        for v in snapshot.versions {
            let version = Version {
                create_revision: v.create_revision,
                mod_revision: v.mod_revision,
                version: v.version,
                value: v.value,
                lease: v.lease,
            };
            keys.entry(v.key).or_default().push(version);
        }
        let mut leases: BTreeMap<i64, Lease> =
            snapshot.leases.into_iter().map(|l| (l.id, Lease { ttl: l.ttl, grant: l.grant, keys: BTreeSet::new() })).collect();
        for (key, versions) in &keys {
            if let Some(lease) = versions.last().and_then(|v| leases.get_mut(&v.lease)) {
                lease.keys.insert(key.clone());
            }
        }
        Store { revision: snapshot.revision, compacted: snapshot.compacted, keys, leases, grants: snapshot.grants, chain: snapshot.chain }
    }
}

impl Version {
    /// As etcd shows it.
    pub(super) fn to_kv(&self, key: &Bytes, keys_only: bool) -> KeyValue {
        KeyValue {
            key: key.clone(),
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            value: if keys_only { Bytes::new() } else { self.value.clone().unwrap_or_default() },
            lease: self.lease,
        }
    }
}

fn live(versions: &[Version], revision: i64) -> Option<&Version> {
    let upto = versions.partition_point(|v| v.mod_revision <= revision);
    versions[..upto].last().filter(|v| v.value.is_some())
}

type KeyBounds<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// etcd's ranges: no `range_end`, one key; `range_end` "\0", all from `key` on; else `[key, range_end)`.
/// `None` when empty by construction.
fn bounds<'k>(key: &'k [u8], range_end: &'k [u8]) -> Option<KeyBounds<'k>> {
    match range_end {
        [] => Some((Bound::Included(key), Bound::Included(key))),
        [0] => Some((Bound::Included(key), Bound::Unbounded)),
        end if end <= key => None,
        end => Some((Bound::Included(key), Bound::Excluded(end))),
    }
}
