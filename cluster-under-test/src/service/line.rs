//! Waiting in line: what elections and locks have in common.
//!
//! A place in line is a key `name/<lease in hex>` that hangs on a lease, the layout that etcd's clients
//! use in their own recipe; the place with the lowest `create_revision` is at the head.

use super::{Lessor, replica::unexpected};
use crate::Bug;
use crate::{
    mvcc::{AppliedResponse, Store, Version},
    pb::{
        etcdserverpb::{
            Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, ResponseHeader, TxnRequest, TxnResponse,
            compare::{CompareResult, CompareTarget, TargetUnion},
            request_op::Request as OpRequest,
            response_op::Response as OpResponse,
        },
        internal::command,
    },
};
use bytes::Bytes;
use openraft_rt::WatchReceiver as _;
use squall_env::Env;
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::{Code, Status};

/// The time to live of the lease that somebody gets who brings none, in seconds (as etcd's sessions).
const SESSION_TTL: i64 = 60;

/// The pause before a place is given up once more.
const AGAIN: Duration = Duration::from_millis(200);

/// A place in line.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) key: Bytes,
    /// The `create_revision` of the key: the token that fences off whoever had the place before.
    pub(crate) revision: i64,
    pub(crate) lease: i64,
    /// Of the request that took it, and of when it was at the head.
    pub(crate) header: Option<ResponseHeader>,
    pub(crate) held: Option<ResponseHeader>,
}

/// What every place of a line begins with.
pub(crate) fn prefix(name: &[u8]) -> Bytes {
    [name, b"/"].concat().into()
}

/// The end of the range of keys that begin so; the prefix ends with a slash.
pub(crate) fn prefix_end(prefix: &Bytes) -> Bytes {
    let mut end = prefix.to_vec();
    *end.last_mut().expect("a prefix ends with a slash") += 1;
    end.into()
}

/// "The key was made at this revision", or, with 0, "is absent".
fn made_at(key: &Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
    }
}

fn op(request: OpRequest) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn put(key: &Bytes, value: Bytes, lease: i64) -> RequestOp {
    op(OpRequest::RequestPut(PutRequest { key: key.clone(), value, lease, ..Default::default() }))
}

/// As etcd's services on top of its client do: what the store refuses has code Unknown.
pub(crate) fn refused(status: Status) -> Status {
    match status.code() {
        Code::NotFound | Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => Status::unknown(status.message()),
        _ => status,
    }
}

/// Lines, on one node.
pub(crate) struct Lines<E: Env> {
    pub(crate) lessor: Lessor<E>,
}

impl<E: Env> Clone for Lines<E> {
    fn clone(&self) -> Self {
        Lines { lessor: self.lessor.clone() }
    }
}

impl<E: Env> Lines<E> {
    async fn txn(&self, txn: TxnRequest) -> Result<(TxnResponse, Option<ResponseHeader>), Status> {
        match self.lessor.replica.propose(command::Request::Txn(txn)).await.map_err(refused)? {
            (AppliedResponse::Txn(answer), header) => Ok((answer, header)),
            (other, _) => unexpected(other),
        }
    }

    /// Takes a place, and waits until it is at the head. The place is given up again when whoever asked
    /// goes away before that, or the wait fails.
    pub(crate) async fn queue(&self, name: Bytes, lease: i64, value: Option<Bytes>) -> Result<Place, Status> {
        let (mut tell, told) = oneshot::channel();
        let lines = self.clone();
        // A task of its own: it outlives a caller that is dropped.
        drop(E::spawn(async move {
            let place = match lines.take_place(&name, lease, value).await {
                Ok(place) => place,
                // Whether it was taken, nobody knows: the lease ends it.
                Err(status) => return drop(tell.send(Err(status))),
            };
            let line = prefix(&name);
            let waited = tokio::select! {
                biased;
                () = tell.closed() => Err(Status::cancelled("nobody waits any more")),
                waited = lines.at_head(&line, &place) => waited,
            };
            // The place was taken: a refusal from here on must not look like one of before that.
            let answer = waited.map(|held| Place { held, ..place.clone() }).map_err(|status| Status::unknown(status.message()));
            let failed = answer.is_err();
            if tell.send(answer).is_err() || failed {
                lines.leave(&place).await;
            }
        }));
        told.await.map_err(|_| Status::unavailable("etcdserver: server stopped"))?
    }

    /// As etcd's recipe: whoever has the place of this lease already keeps it.
    async fn take_place(&self, name: &[u8], lease: i64, value: Option<Bytes>) -> Result<Place, Status> {
        let lease = match lease {
            0 => self.lessor.grant(0, SESSION_TTL).await.map_err(refused)?.id,
            lease => lease,
        };
        let key = Bytes::from([&prefix(name), format!("{lease:x}").as_bytes()].concat());
        let get = op(OpRequest::RequestRange(RangeRequest { key: key.clone(), ..Default::default() }));
        let taken = put(&key, value.clone().unwrap_or_default(), lease);
        let txn = TxnRequest { compare: vec![made_at(&key, 0)], success: vec![taken], failure: vec![get] };
        let (answer, header) = self.txn(txn).await?;
        let revision = header.map_or(0, |h| h.revision);
        if answer.succeeded {
            return Ok(Place { key, revision, lease, header, held: None });
        }
        let mine = match answer.responses.first().and_then(|r| r.response.as_ref()) {
            Some(OpResponse::ResponseRange(range)) => range.kvs.first().cloned(),
            _ => None,
        };
        let mine = mine.ok_or_else(|| Status::internal("a key that is there and is not"))?;
        let place = Place { key, revision: mine.create_revision, lease, header, held: None };
        let news = value.filter(|value| *value != mine.value);
        // It has had the place since before: that is no refusal of it.
        if let Some(news) = news
            && self.proclaim(&place, news).await.map_err(|status| Status::unknown(status.message()))?.is_none()
        {
            return Err(Status::unknown("election: not leader"));
        }
        Ok(place)
    }

    /// Changes the value of a place; `None` when it is somebody else's by now.
    pub(crate) async fn proclaim(&self, place: &Place, value: Bytes) -> Result<Option<ResponseHeader>, Status> {
        let success = vec![put(&place.key, value, place.lease)];
        let txn = TxnRequest { compare: vec![made_at(&place.key, place.revision)], success, failure: vec![] };
        let (answer, header) = self.txn(txn).await?;
        Ok(header.filter(|_| answer.succeeded))
    }

    /// Waits for it; the header is of a revision at which the place was at the head.
    async fn at_head(&self, prefix: &Bytes, place: &Place) -> Result<Option<ResponseHeader>, Status> {
        let end = prefix_end(prefix);
        let mut progress = self.lessor.replica.machine.progress();
        let lost = || Status::unknown("mutex: session is expired");
        // A planted bug looks at this place only: the one before it when it came.
        let mut before = None;
        loop {
            let (mine, waits) = {
                let applying = self.lessor.replica.machine.applying();
                let mine = applying.store.get(&place.key).is_some_and(|v| v.create_revision == place.revision);
                let line = applying.store.scan(prefix, &end, applying.store.revision());
                let older: Vec<i64> = line.map(|(_, v)| v.create_revision).filter(|r| *r < place.revision).collect();
                let waits = match E::bug(Bug::CampaignWatchesOne) {
                    true => older.contains(before.get_or_insert(older.iter().copied().max().unwrap_or(0))),
                    false => !older.is_empty(),
                };
                (mine || E::bug(Bug::LockAfterExpiry), waits)
            };
            if !mine {
                return Err(lost());
            }
            if !waits {
                break;
            }
            // That its lease is gone shows in the line: whoever waits renews it, nobody else.
            progress.changed().await.map_err(|_| Status::unavailable("etcdserver: server stopped"))?;
        }
        // This node may lag: what it sees was so once. That the place is still held is confirmed.
        self.lessor.replica.read_barrier().await?;
        let applying = self.lessor.replica.machine.applying();
        let mine = applying.store.get(&place.key).is_some_and(|v| v.create_revision == place.revision) || E::bug(Bug::LockAfterExpiry);
        let header = self.lessor.replica.header(applying.store.revision(), applying.term());
        if mine { Ok(header) } else { Err(lost()) }
    }

    /// Gives a place up, if it is still the same one.
    pub(crate) async fn resign(&self, place: &Place) -> Result<Option<ResponseHeader>, Status> {
        let delete = op(OpRequest::RequestDeleteRange(DeleteRangeRequest { key: place.key.clone(), ..Default::default() }));
        let txn = TxnRequest { compare: vec![made_at(&place.key, place.revision)], success: vec![delete], failure: vec![] };
        Ok(self.txn(txn).await?.1)
    }

    /// The same, for somebody who is gone: until it is certain, or the place is seen to be gone. A place that
    /// stayed behind would come to the head, and hold up the line for as long as its lease lives.
    async fn leave(&self, place: &Place) {
        while self.lessor.replica.runs() && self.resign(place).await.is_err() {
            E::sleep(AGAIN).await;
            let applying = self.lessor.replica.machine.applying();
            if applying.store.get(&place.key).is_none_or(|v| v.create_revision != place.revision)
                && applying.store.revision() >= place.revision
            {
                return;
            }
        }
    }
}

/// The head of a line at a revision.
pub(crate) fn head<'s>(store: &'s Store, prefix: &'s Bytes, end: &'s Bytes, revision: i64) -> Option<(&'s Bytes, &'s Version)> {
    store.scan(prefix, end, revision).min_by_key(|(_, v)| v.create_revision)
}
