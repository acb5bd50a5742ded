//! Writing: puts, deletions, leases, members, compaction.

use super::{RequestError, Store, Version, bugs::Bugs};
use crate::pb::{
    KeyValue,
    etcdserverpb::{
        CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeResponse,
        PutRequest, PutResponse,
    },
    internal::{LeaseExpiry, MemberInfo},
};
use bytes::Bytes;
use prost::Message as _;

/// One command in the making: all its changes share one revision.
pub(super) struct Change<'s> {
    pub(super) store: &'s mut Store,
    pub(super) revision: i64,
    pub(super) changed: bool,
    pub(super) bugs: Bugs,
}

impl Change<'_> {
    pub(super) fn current(&self, key: &[u8]) -> Option<&Version> {
        self.store.at(key, self.revision)
    }

    fn previous(&self, key: &Bytes) -> Option<KeyValue> {
        self.current(key).map(|v| v.to_kv(key, false))
    }

    pub(super) fn put(&mut self, put: &PutRequest) -> Result<PutResponse, RequestError> {
        let prev_kv = if put.prev_kv { self.previous(&put.key) } else { None };
        if self.bugs.by_local_clock {
            return Ok(PutResponse { header: None, prev_kv });
        }
        let before = self.current(&put.key).cloned();
        if put.lease != 0 && !self.store.leases.contains_key(&put.lease) {
            return Err(RequestError::LeaseNotFound);
        }
        if (put.ignore_value || put.ignore_lease) && before.is_none() {
            return Err(RequestError::KeyNotFound);
        }
        // A planted bug: what was deleted is the same key afterwards.
        let deleted = if self.bugs.created_survives { self.store.ever(&put.key) } else { None };
        let earlier = before.as_ref().or(deleted);
        let (create_revision, version) = earlier.map_or((self.revision, 1), |v| (v.create_revision, v.version + 1));
        let value = match before.as_ref().filter(|_| put.ignore_value) {
            Some(before) => before.value.clone(),
            None => Some(put.value.clone()),
        };
        let on = before.as_ref().map_or(0, |v| v.lease);
        let lease = if put.ignore_lease { on } else { put.lease };
        self.store.push(put.key.clone(), Version { create_revision, mod_revision: self.revision, version, value, lease, sub: 0 });
        if self.bugs.overwrite_detaches
            && on == lease
            && let Some(lease) = self.store.leases.get_mut(&lease)
        {
            lease.keys.remove(&put.key);
        }
        self.changed = true;
        Ok(PutResponse { header: None, prev_kv })
    }

    pub(super) fn delete(&mut self, delete: &DeleteRangeRequest) -> DeleteRangeResponse {
        let mut found: Vec<(Bytes, KeyValue)> =
            self.store.scan(&delete.key, &delete.range_end, self.revision).map(|(key, v)| (key.clone(), v.to_kv(key, false))).collect();
        // A planted bug: the key at the end goes, too.
        if self.bugs.takes_end && !delete.range_end.is_empty() {
            found.extend(self.previous(&delete.range_end).map(|kv| (delete.range_end.clone(), kv)));
        }
        found.iter().for_each(|(key, _)| self.bury(key.clone()));
        let deleted = found.len() as i64;
        let prev_kvs = if delete.prev_kv { found.into_iter().map(|(_, kv)| kv).collect() } else { vec![] };
        DeleteRangeResponse { header: None, deleted, prev_kvs }
    }

    /// Deletes a key that is there.
    fn bury(&mut self, key: Bytes) {
        let gone = Version { create_revision: 0, mod_revision: self.revision, version: 0, value: None, lease: 0, sub: 0 };
        self.store.push(key, gone);
        self.changed = true;
    }

    pub(super) fn grant(&mut self, grant: &LeaseGrantRequest) -> Result<LeaseGrantResponse, RequestError> {
        if self.store.leases.contains_key(&grant.id) {
            return Err(RequestError::LeaseExists);
        }
        self.store.grant(grant.id, grant.ttl);
        Ok(LeaseGrantResponse { header: None, id: grant.id, ttl: grant.ttl, error: String::new() })
    }

    /// The lease goes, and its keys with it, in order of key.
    pub(super) fn revoke(&mut self, id: i64) -> Result<LeaseRevokeResponse, RequestError> {
        let lease = self.store.leases.remove(&id).ok_or(RequestError::LeaseNotFound)?;
        self.store.fold(&id.to_le_bytes());
        for key in lease.keys {
            if self.changed && self.bugs.lease_keys_one_by_one {
                self.store.revision = self.revision;
                self.revision += 1;
            }
            self.bury(key);
        }
        Ok(LeaseRevokeResponse { header: None })
    }

    /// Only the leader of the entry's own term knows that the lease is over.
    pub(super) fn expire(&mut self, over: &LeaseExpiry, term: u64) -> Result<LeaseRevokeResponse, RequestError> {
        match self.store.leases.get(&over.id) {
            Some(lease) if lease.grant == over.grant && (over.term == term || self.bugs.any_term) => self.revoke(over.id),
            _ => Err(RequestError::LeaseNotFound),
        }
    }

    /// A member tells of itself, or is told what is wanted of it: names and addresses are kept where the
    /// news has none.
    pub(super) fn member(&mut self, news: &MemberInfo) -> MemberInfo {
        let mut member = self.store.members.remove(&news.id).unwrap_or_default();
        member.id = news.id;
        member.vote_wanted = news.vote_wanted;
        if !news.name.is_empty() {
            member.name = news.name.clone();
            member.client_urls = news.client_urls.clone();
        }
        self.store.fold(&news.encode_to_vec());
        self.store.members.insert(news.id, member.clone());
        member
    }

    pub(super) fn compact(&mut self, revision: i64) -> Result<CompactionResponse, RequestError> {
        if revision > self.store.revision {
            return Err(RequestError::FutureRevision);
        }
        if revision <= self.store.compacted {
            return Err(RequestError::Compacted);
        }
        let beyond = (revision + self.bugs.compact_beyond).min(self.store.revision);
        self.store.compact(beyond);
        self.store.compacted = revision;
        self.store.fold(&revision.to_le_bytes());
        Ok(CompactionResponse { header: None })
    }
}
