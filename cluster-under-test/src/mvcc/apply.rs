//! Writing: one command, one revision at most.

use super::{RequestError, Store, Version, range};
use crate::Bug;
use crate::pb::{
    KeyValue,
    etcdserverpb::{
        CompactionResponse, Compare, DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeResponse,
        PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp, ResponseHeader, ResponseOp, TxnRequest, TxnResponse,
        compare::{CompareResult, CompareTarget, TargetUnion},
        request_op::Request,
        response_op::Response,
    },
    internal::{self, LeaseExpiry, MemberInfo, applied, command},
};
use bytes::Bytes;
use prost::Message as _;
use squall_env::Env;
use std::cmp::Ordering;

/// What a command answers, without its header, and the store's revision after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The answer, or why nothing was done.
    pub result: Result<AppliedResponse, RequestError>,
    /// The store's revision after the command.
    pub revision: i64,
}

/// An answer of one of the modifying requests.
#[derive(Clone, Debug, PartialEq)]
pub enum AppliedResponse {
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a transaction.
    Txn(TxnResponse),
    /// To a compaction.
    Compact(CompactionResponse),
    /// To the grant of a lease.
    LeaseGrant(LeaseGrantResponse),
    /// To its revocation.
    LeaseRevoke(LeaseRevokeResponse),
    /// To what a member tells of itself.
    Member(MemberInfo),
}

impl Applied {
    /// For the wire.
    pub fn to_wire(self) -> internal::Applied {
        let result = match self.result {
            Ok(AppliedResponse::Put(put)) => applied::Result::Put(put),
            Ok(AppliedResponse::DeleteRange(delete)) => applied::Result::DeleteRange(delete),
            Ok(AppliedResponse::Txn(txn)) => applied::Result::Txn(txn),
            Ok(AppliedResponse::Compact(compact)) => applied::Result::Compact(compact),
            Ok(AppliedResponse::LeaseGrant(grant)) => applied::Result::LeaseGrant(grant),
            Ok(AppliedResponse::LeaseRevoke(revoke)) => applied::Result::LeaseRevoke(revoke),
            Ok(AppliedResponse::Member(member)) => applied::Result::Member(member),
            Err(error) => applied::Result::Error(error.to_string()),
        };
        internal::Applied { result: Some(result), revision: self.revision }
    }

    /// From the wire. `None`: from another version of this program.
    pub fn from_wire(wire: internal::Applied) -> Option<Applied> {
        let result = match wire.result? {
            applied::Result::Put(put) => Ok(AppliedResponse::Put(put)),
            applied::Result::DeleteRange(delete) => Ok(AppliedResponse::DeleteRange(delete)),
            applied::Result::Txn(txn) => Ok(AppliedResponse::Txn(txn)),
            applied::Result::Compact(compact) => Ok(AppliedResponse::Compact(compact)),
            applied::Result::LeaseGrant(grant) => Ok(AppliedResponse::LeaseGrant(grant)),
            applied::Result::LeaseRevoke(revoke) => Ok(AppliedResponse::LeaseRevoke(revoke)),
            applied::Result::Member(member) => Ok(AppliedResponse::Member(member)),
            applied::Result::Error(text) => Err(RequestError::by_text(&text)?),
        };
        Some(Applied { result, revision: wire.revision })
    }
}

/// Applies a command; `term` is that of its log entry.
pub fn apply<E: Env>(store: &mut Store, request: &command::Request, term: u64) -> Applied {
    let mut change = Change { revision: store.revision + 1, store, changed: false, bugs: Bugs::of::<E>() };
    let result = match request {
        command::Request::Put(put) => change.put(put).map(AppliedResponse::Put),
        command::Request::DeleteRange(delete) => Ok(AppliedResponse::DeleteRange(change.delete(delete))),
        command::Request::Txn(txn) => change.txn(txn).map(AppliedResponse::Txn),
        command::Request::Compact(compact) => change.compact(compact.revision).map(AppliedResponse::Compact),
        command::Request::LeaseGrant(grant) => change.grant(grant).map(AppliedResponse::LeaseGrant),
        command::Request::LeaseRevoke(revoke) => change.revoke(revoke.id).map(AppliedResponse::LeaseRevoke),
        command::Request::LeaseExpiry(over) => change.expire(over, term).map(AppliedResponse::LeaseRevoke),
        command::Request::Member(member) => Ok(AppliedResponse::Member(change.member(member))),
    };
    let (changed, revision) = (change.changed, change.revision);
    if changed {
        store.revision = revision;
    }
    Applied { result, revision: store.revision }
}

/// One command in the making: all its changes share one revision.
struct Change<'s> {
    store: &'s mut Store,
    revision: i64,
    changed: bool,
    bugs: Bugs,
}

/// The planted bugs of this place.
struct Bugs {
    /// Compares see what the transaction itself has done.
    not_atomic: bool,
    /// Each write of a transaction takes a revision.
    revision_per_op: bool,
    /// Versions are dropped up to this far above the floor.
    compact_beyond: i64,
    /// Keys keep their create revision beyond their deletion.
    created_survives: bool,
    /// Compares of create revisions hold.
    no_fencing: bool,
    /// A lease's keys go one by one.
    lease_keys_one_by_one: bool,
    /// This put is not done, by this node's clock.
    by_local_clock: bool,
    /// Deletions of ranges take their ends.
    takes_end: bool,
    /// Reads of the past in transactions are of now.
    reads_now: bool,
    /// A key that is written again under its lease leaves it.
    overwrite_detaches: bool,
    /// A lease is over in whatever term.
    any_term: bool,
}

impl Bugs {
    fn of<E: Env>() -> Bugs {
        Bugs {
            not_atomic: E::bug(Bug::TxnNotAtomic),
            revision_per_op: E::bug(Bug::TxnRevisionPerOp),
            compact_beyond: if E::bug(Bug::CompactTooMuch) { 8 } else { i64::from(E::bug(Bug::CompactOneTooMuch)) },
            created_survives: E::bug(Bug::CreatedSurvivesDelete),
            no_fencing: E::bug(Bug::NoFencing),
            lease_keys_one_by_one: E::bug(Bug::LeaseKeysOneByOne),
            by_local_clock: E::bug(Bug::ApplyByLocalClock) && (E::now().0 / 1_000_000).is_multiple_of(8),
            takes_end: E::bug(Bug::DeleteRangeTakesEnd),
            reads_now: E::bug(Bug::TxnReadsNow),
            overwrite_detaches: E::bug(Bug::OverwriteDetaches),
            any_term: E::bug(Bug::ExpiryOutlivesTerm),
        }
    }
}

impl Change<'_> {
    fn current(&self, key: &[u8]) -> Option<&Version> {
        self.store.at(key, self.revision)
    }

    fn previous(&self, key: &Bytes) -> Option<KeyValue> {
        self.current(key).map(|v| v.to_kv(key, false))
    }

    fn put(&mut self, put: &PutRequest) -> Result<PutResponse, RequestError> {
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

    fn delete(&mut self, delete: &DeleteRangeRequest) -> DeleteRangeResponse {
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

    fn grant(&mut self, grant: &LeaseGrantRequest) -> Result<LeaseGrantResponse, RequestError> {
        if self.store.leases.contains_key(&grant.id) {
            return Err(RequestError::LeaseExists);
        }
        self.store.grant(grant.id, grant.ttl);
        Ok(LeaseGrantResponse { header: None, id: grant.id, ttl: grant.ttl, error: String::new() })
    }

    /// The lease goes, and its keys with it, in order of key.
    fn revoke(&mut self, id: i64) -> Result<LeaseRevokeResponse, RequestError> {
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
    fn expire(&mut self, over: &LeaseExpiry, term: u64) -> Result<LeaseRevokeResponse, RequestError> {
        match self.store.leases.get(&over.id) {
            Some(lease) if lease.grant == over.grant && (over.term == term || self.bugs.any_term) => self.revoke(over.id),
            _ => Err(RequestError::LeaseNotFound),
        }
    }

    /// A member tells of itself, or is told what is wanted of it: names and addresses are kept where the
    /// news has none.
    fn member(&mut self, news: &MemberInfo) -> MemberInfo {
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

    fn compact(&mut self, revision: i64) -> Result<CompactionResponse, RequestError> {
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

    fn txn(&mut self, txn: &TxnRequest) -> Result<TxnResponse, RequestError> {
        // Compares, reads and the existence of keys are judged before anything is written, so that a
        // refused transaction leaves nothing behind.
        if self.bugs.not_atomic {
            self.begin_too_early(txn)?;
        }
        let mut path = Vec::new();
        let succeeded = self.choose(txn, &mut path);
        // In etcd's order: puts, then reads.
        let mut deleted = Vec::new();
        self.check_path(txn, &mut path.iter().copied(), &mut |request| self.check_put(request, &mut deleted))?;
        self.check_path(txn, &mut path.iter().copied(), &mut |request| self.check_read(request))?;
        let mut path = path.into_iter();
        path.next();
        let responses = self.run(if succeeded { &txn.success } else { &txn.failure }, &mut path)?;
        Ok(TxnResponse { header: None, succeeded, responses })
    }

    /// A planted bug: the first write is done before anything is compared.
    fn begin_too_early(&mut self, txn: &TxnRequest) -> Result<(), RequestError> {
        match txn.success.first().and_then(|op| op.request.as_ref()) {
            Some(Request::RequestPut(put)) => self.put(put).map(drop),
            Some(Request::RequestDeleteRange(delete)) => {
                self.delete(delete);
                Ok(())
            }
            Some(Request::RequestRange(_) | Request::RequestTxn(_)) | None => Ok(()),
        }
    }

    /// Evaluates every compare on the path, outermost first, all on the state before the transaction.
    fn choose(&self, txn: &TxnRequest, path: &mut Vec<bool>) -> bool {
        let succeeded = txn.compare.iter().all(|c| self.holds(c));
        path.push(succeeded);
        for op in if succeeded { &txn.success } else { &txn.failure } {
            if let Some(Request::RequestTxn(inner)) = &op.request {
                self.choose(inner, path);
            }
        }
        succeeded
    }

    /// Checks what will be done, in its order.
    fn check_path<'t>(
        &self,
        txn: &'t TxnRequest,
        path: &mut impl Iterator<Item = bool>,
        check: &mut impl FnMut(&'t Request) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        let succeeded = path.next().expect("each transaction on the path was evaluated");
        for op in if succeeded { &txn.success } else { &txn.failure } {
            match &op.request {
                Some(Request::RequestTxn(inner)) => self.check_path(inner, path, check)?,
                Some(request) => check(request)?,
                None => {}
            }
        }
        Ok(())
    }

    /// `deleted` is what was deleted before on the path: an update of nothing is found before anything is
    /// done. (etcd finds it too late.)
    fn check_put<'t>(&self, request: &'t Request, deleted: &mut Vec<&'t DeleteRangeRequest>) -> Result<(), RequestError> {
        match request {
            Request::RequestPut(put) => {
                let gone = || deleted.iter().any(|d| covers(&d.key, &d.range_end, &put.key));
                if (put.ignore_value || put.ignore_lease) && (self.current(&put.key).is_none() || gone()) {
                    return Err(RequestError::KeyNotFound);
                }
                if put.lease != 0 && !self.store.leases.contains_key(&put.lease) {
                    return Err(RequestError::LeaseNotFound);
                }
            }
            Request::RequestDeleteRange(delete) => deleted.push(delete),
            Request::RequestRange(_) | Request::RequestTxn(_) => {}
        }
        Ok(())
    }

    fn check_read(&self, request: &Request) -> Result<(), RequestError> {
        match request {
            Request::RequestRange(range) if range.revision > self.store.revision => Err(RequestError::FutureRevision),
            Request::RequestRange(range) if range.revision > 0 && range.revision < self.store.compacted => Err(RequestError::Compacted),
            _ => Ok(()),
        }
    }

    fn run(&mut self, ops: &[RequestOp], path: &mut impl Iterator<Item = bool>) -> Result<Vec<ResponseOp>, RequestError> {
        let mut responses = Vec::with_capacity(ops.len());
        for op in ops {
            if self.bugs.revision_per_op && self.changed && !matches!(op.request, Some(Request::RequestRange(_))) {
                self.store.revision = self.revision;
                self.revision += 1;
            }
            let response = match &op.request {
                Some(Request::RequestRange(request)) => {
                    // Reads inside a transaction see its earlier writes.
                    let shown = std::mem::replace(&mut self.store.revision, self.revision);
                    let answer = match self.bugs.reads_now {
                        true => range(self.store, &RangeRequest { revision: 0, ..request.clone() }),
                        false => range(self.store, request),
                    };
                    self.store.revision = shown;
                    Response::ResponseRange(RangeResponse { header: self.inner_header(), ..answer? })
                }
                Some(Request::RequestPut(put)) => {
                    let put = self.put(put)?;
                    Response::ResponsePut(PutResponse { header: self.inner_header(), ..put })
                }
                Some(Request::RequestDeleteRange(delete)) => {
                    let deleted = self.delete(delete);
                    Response::ResponseDeleteRange(DeleteRangeResponse { header: self.inner_header(), ..deleted })
                }
                Some(Request::RequestTxn(inner)) => {
                    let succeeded = path.next().expect("each transaction on the path was evaluated");
                    let responses = self.run(if succeeded { &inner.success } else { &inner.failure }, path)?;
                    // etcd 3.5: a header, with nothing in it.
                    Response::ResponseTxn(TxnResponse { header: Some(ResponseHeader::default()), succeeded, responses })
                }
                None => continue,
            };
            responses.push(ResponseOp { response: Some(response) });
        }
        Ok(responses)
    }

    /// As etcd does, the answers inside a transaction carry the revision that they saw, and no more.
    fn inner_header(&self) -> Option<ResponseHeader> {
        let revision = if self.changed { self.revision } else { self.store.revision };
        Some(ResponseHeader { revision, ..Default::default() })
    }

    fn holds(&self, compare: &Compare) -> bool {
        let asks_for_one = !matches!(compare.target_union, Some(TargetUnion::CreateRevision(0)));
        if self.bugs.no_fencing && compare.target() == CompareTarget::Create && asks_for_one {
            return true;
        }
        let now = if self.bugs.not_atomic { self.revision } else { self.store.revision };
        if compare.range_end.is_empty() {
            return compare_one(compare, self.store.at(&compare.key, now));
        }
        let mut found = self.store.scan(&compare.key, &compare.range_end, now).peekable();
        // A range over nothing acts as a missing key.
        if found.peek().is_none() {
            return compare_one(compare, None);
        }
        found.all(|(_, version)| compare_one(compare, Some(version)))
    }
}

/// Whether an etcd range has this key.
fn covers(start: &[u8], range_end: &[u8], key: &[u8]) -> bool {
    match range_end {
        [] => key == start,
        [0] => key >= start,
        end => key >= start && key < end,
    }
}

fn compare_one(compare: &Compare, version: Option<&Version>) -> bool {
    let number = |of: fn(&Version) -> i64| version.map_or(0, of);
    let asked = compare.target_union.as_ref();
    // etcd: a target that it does not know compares as equal, and a result that it does not know holds.
    let ordering = match CompareTarget::try_from(compare.target) {
        Err(_) => Ordering::Equal,
        Ok(CompareTarget::Value) => {
            // On a missing key a value compare is false, even NOT_EQUAL.
            let Some(value) = version.and_then(|v| v.value.as_ref()) else { return false };
            let asked = if let Some(TargetUnion::Value(asked)) = asked { asked.as_ref() } else { &[] };
            value.as_ref().cmp(asked)
        }
        Ok(CompareTarget::Version) => number(|v| v.version).cmp(&if let Some(TargetUnion::Version(n)) = asked { *n } else { 0 }),
        Ok(CompareTarget::Create) => {
            number(|v| v.create_revision).cmp(&if let Some(TargetUnion::CreateRevision(n)) = asked { *n } else { 0 })
        }
        Ok(CompareTarget::Mod) => number(|v| v.mod_revision).cmp(&if let Some(TargetUnion::ModRevision(n)) = asked { *n } else { 0 }),
        Ok(CompareTarget::Lease) => number(|v| v.lease).cmp(&if let Some(TargetUnion::Lease(n)) = asked { *n } else { 0 }),
    };
    match CompareResult::try_from(compare.result) {
        Err(_) => true,
        Ok(CompareResult::Equal) => ordering == Ordering::Equal,
        Ok(CompareResult::Greater) => ordering == Ordering::Greater,
        Ok(CompareResult::Less) => ordering == Ordering::Less,
        Ok(CompareResult::NotEqual) => ordering != Ordering::Equal,
    }
}
