//! Transactions: what is compared, and what is done then, in etcd's order.

use super::{RequestError, Version, change::Change, range};
use crate::pb::etcdserverpb::{
    Compare, DeleteRangeRequest, DeleteRangeResponse, PutResponse, RangeRequest, RangeResponse, RequestOp, ResponseHeader, ResponseOp,
    TxnRequest, TxnResponse,
    compare::{CompareResult, CompareTarget, TargetUnion},
    request_op::Request,
    response_op::Response,
};
use std::cmp::Ordering;

impl Change<'_> {
    /// A transaction: compares first, then writes and reads in order, all of it at one revision.
    pub(super) fn txn(&mut self, txn: &TxnRequest) -> Result<TxnResponse, RequestError> {
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
