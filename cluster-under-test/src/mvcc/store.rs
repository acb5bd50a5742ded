//! The versions of every key.

use crate::pb::{KeyValue, internal};
use bytes::Bytes;
use prost::Message as _;
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
    /// Its number among the changes of its revision, from 0.
    pub sub: u32,
}

impl Version {
    /// About what it takes, in bytes.
    fn size(&self, key: &Bytes) -> usize {
        key.len() + self.value.as_ref().map_or(0, Bytes::len) + size_of::<Version>()
    }
}

/// One change of one key.
#[derive(Clone, Copy, Debug)]
pub struct KeyChange<'s> {
    /// The key.
    pub key: &'s Bytes,
    /// What it was changed to.
    pub version: &'s Version,
    /// What it held before that revision, if that was not compacted away.
    pub before: Option<&'s Version>,
}

/// A lease. When it ends is not the store's business: the store has no clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How long it lives after it was last renewed, in seconds.
    pub ttl: i64,
    /// Its number among all grants: an id may be granted again.
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
    /// What each revision changed, in order. From the compaction's floor on.
    written: BTreeMap<i64, Vec<Bytes>>,
    /// What the members told of themselves.
    pub(super) members: BTreeMap<u64, internal::MemberInfo>,
    size: usize,
    pub(super) chain: u32,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            revision: 1,
            compacted: -1,
            keys: BTreeMap::new(),
            leases: BTreeMap::new(),
            grants: 0,
            written: BTreeMap::new(),
            members: BTreeMap::new(),
            size: 0,
            chain: 0,
        }
    }
}

impl Store {
    /// The revision of the last change.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Reads below this revision are refused; -1 before the first compaction (as etcd).
    pub fn compacted(&self) -> i64 {
        self.compacted
    }

    /// Every lease, by its id.
    pub fn leases(&self) -> &BTreeMap<i64, Lease> {
        &self.leases
    }

    /// What the members told of themselves, by id. Whether they are members still, the store does not know.
    pub fn members(&self) -> &BTreeMap<u64, internal::MemberInfo> {
        &self.members
    }

    /// About what all versions take, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Every change from revision `from` on, in order: by revision, and within one as it was made.
    pub fn changes(&self, from: i64) -> impl Iterator<Item = KeyChange<'_>> {
        let written = self.written.range(from..);
        written.flat_map(move |(revision, keys)| keys.iter().zip(0..).filter_map(move |(key, sub)| self.change(*revision, sub, key)))
    }

    fn change<'s>(&'s self, revision: i64, sub: u32, key: &'s Bytes) -> Option<KeyChange<'s>> {
        let versions = self.keys.get(key)?;
        let at = versions.binary_search_by_key(&(revision, sub), |v| (v.mod_revision, v.sub)).ok()?;
        // As etcd: what makes a key has nothing before it.
        let before = live(&versions[..at], revision - 1).filter(|_| versions[at].version != 1);
        Some(KeyChange { key, version: &versions[at], before })
    }

    /// A hash over the versions of every key up to a revision: equal on replicas that have compacted
    /// alike.
    pub fn hash_kv(&self, revision: i64) -> u32 {
        let mut hash = 0;
        for (key, versions) in &self.keys {
            for v in versions.iter().filter(|v| v.mod_revision <= revision) {
                hash = crc32c::crc32c_append(hash, key);
                for n in [v.create_revision, v.mod_revision, v.version, v.lease, i64::from(v.value.is_some())] {
                    hash = crc32c::crc32c_append(hash, &n.to_le_bytes());
                }
                hash = crc32c::crc32c_append(hash, v.value.as_deref().unwrap_or_default());
            }
        }
        hash
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
        for member in self.members.values() {
            eat(&member.encode_to_vec());
        }
        hash
    }

    /// The live version of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Version> {
        self.at(key, self.revision)
    }

    /// The live version of a key at a revision.
    pub(super) fn at(&self, key: &[u8], revision: i64) -> Option<&Version> {
        live(self.keys.get(key)?, revision)
    }

    /// The last version of a key that was not a deletion, be it deleted since.
    pub(super) fn ever(&self, key: &[u8]) -> Option<&Version> {
        self.keys.get(key)?.iter().rfind(|v| v.value.is_some())
    }

    /// The live keys of an etcd range, at a revision, in order of key.
    pub(crate) fn scan<'s>(
        &'s self,
        key: &'s [u8],
        range_end: &'s [u8],
        revision: i64,
    ) -> impl Iterator<Item = (&'s Bytes, &'s Version)> + 's {
        let bounds = bounds(key, range_end);
        let keys = bounds.map(|bounds| self.keys.range::<[u8], _>(bounds));
        keys.into_iter().flatten().filter_map(move |(key, versions)| Some((key, live(versions, revision)?)))
    }

    /// Adds a version; `sub` is filled in.
    pub(super) fn push(&mut self, key: Bytes, mut version: Version) {
        let written = self.written.entry(version.mod_revision).or_default();
        version.sub = written.len() as u32;
        written.push(key.clone());
        self.size += version.size(&key);
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
        self.written = self.written.split_off(&revision);
        let size = &mut self.size;
        self.keys.retain(|key, versions| {
            // What was changed at the floor itself stays, deletions too: a watch may begin there.
            let at_floor = versions.partition_point(|v| v.mod_revision <= revision);
            let before = versions.partition_point(|v| v.mod_revision < revision);
            let mut gone = if at_floor > before { before } else { before.saturating_sub(1) };
            // A deletion below the floor shows nothing to anybody.
            if gone < before && versions[gone].value.is_none() {
                gone += 1;
            }
            *size -= versions.drain(..gone).map(|v| v.size(key)).sum::<usize>();
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
                sub: v.sub,
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
            members: self.members.values().cloned().collect(),
        }
    }

    /// The store that a snapshot holds.
    pub fn from_snapshot(snapshot: internal::Snapshot) -> Store {
        let mut keys: BTreeMap<Bytes, Vec<Version>> = BTreeMap::new();
        let mut written: BTreeMap<i64, BTreeMap<u32, Bytes>> = BTreeMap::new();
        let mut size = 0;
        for v in snapshot.versions {
            let version = Version {
                create_revision: v.create_revision,
                mod_revision: v.mod_revision,
                version: v.version,
                value: v.value,
                lease: v.lease,
                sub: v.sub,
            };
            if v.mod_revision >= snapshot.compacted {
                written.entry(v.mod_revision).or_default().insert(v.sub, v.key.clone());
            }
            size += version.size(&v.key);
            keys.entry(v.key).or_default().push(version);
        }
        let mut leases: BTreeMap<i64, Lease> =
            snapshot.leases.into_iter().map(|l| (l.id, Lease { ttl: l.ttl, grant: l.grant, keys: BTreeSet::new() })).collect();
        for (key, versions) in &keys {
            if let Some(lease) = versions.last().and_then(|v| leases.get_mut(&v.lease)) {
                lease.keys.insert(key.clone());
            }
        }
        Store {
            revision: snapshot.revision,
            compacted: snapshot.compacted,
            keys,
            leases,
            grants: snapshot.grants,
            written: written.into_iter().map(|(revision, keys)| (revision, keys.into_values().collect())).collect(),
            members: snapshot.members.into_iter().map(|m| (m.id, m)).collect(),
            size,
            chain: snapshot.chain,
        }
    }
}

impl Version {
    /// As etcd shows it.
    pub fn to_kv(&self, key: &Bytes, keys_only: bool) -> KeyValue {
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
