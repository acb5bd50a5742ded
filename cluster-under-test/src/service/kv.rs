//! etcd's KV service.
//!
//! A write is checked, proposed, and answered once it is applied here. A linearizable read asks the
//! leader, which asks a quorum (read index), and waits until this node has applied that far.

use super::replica::{Replica, unexpected};
use crate::Bug;
use crate::{
    mvcc::{AppliedResponse, RequestError, check_command, check_range, range},
    pb::{
        etcdserverpb::{
            CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse, RangeRequest,
            RangeResponse, TxnRequest, TxnResponse, kv_server, request_op::Request as OpRequest,
        },
        internal,
    },
};
use squall_env::Env;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// The KV service of one node.
pub(crate) struct KvService<E: Env> {
    pub(crate) replica: Replica<E>,
}

impl<E: Env> KvService<E> {
    fn read(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        let applying = self.replica.machine.applying();
        if E::bug(Bug::FloorRefused) && request.revision > 1 && request.revision == applying.store.compacted() {
            return Err(RequestError::Compacted);
        }
        let mut response = range(&applying.store, request)?;
        response.header = self.replica.header(applying.store.revision(), applying.term());
        Ok(response)
    }
}

/// etcd: a transaction that reads only what may be stale asks nobody.
fn is_serializable(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| matches!(&op.request, Some(OpRequest::RequestRange(range)) if range.serializable))
}

/// A transaction that cannot write needs no log entry.
fn is_read_only(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| match &op.request {
        Some(OpRequest::RequestRange(_)) => true,
        Some(OpRequest::RequestTxn(inner)) => is_read_only(inner),
        Some(OpRequest::RequestPut(_) | OpRequest::RequestDeleteRange(_)) | None => false,
    })
}

#[tonic::async_trait]
impl<E: Env> kv_server::Kv for KvService<E> {
    async fn range(&self, request: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        let request = request.into_inner();
        check_range(&request)?;
        if !request.serializable {
            self.replica.read_barrier().await?;
        }
        let mut response = self.read(&request)?;
        // A planted bug: what the header tells is looked up later.
        if E::bug(Bug::SerializableHeaderLate) && request.serializable {
            E::sleep(Duration::from_millis(2)).await;
            let applying = self.replica.machine.applying();
            response.header = self.replica.header(applying.store.revision(), applying.term());
        }
        Ok(Response::new(response))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        match self.replica.propose(internal::command::Request::Put(request.into_inner())).await? {
            (AppliedResponse::Put(put), header) => Ok(Response::new(PutResponse { header, ..put })),
            (other, _) => unexpected(other),
        }
    }

    async fn delete_range(&self, request: Request<DeleteRangeRequest>) -> Result<Response<DeleteRangeResponse>, Status> {
        match self.replica.propose(internal::command::Request::DeleteRange(request.into_inner())).await? {
            (AppliedResponse::DeleteRange(delete), header) => Ok(Response::new(DeleteRangeResponse { header, ..delete })),
            (other, _) => unexpected(other),
        }
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let read_only = is_read_only(request.get_ref());
        let asks_nobody = is_serializable(request.get_ref()) || E::bug(Bug::ReadTxnLocal);
        let command = internal::command::Request::Txn(request.into_inner());
        if read_only {
            check_command(&command)?;
            if !asks_nobody {
                self.replica.read_barrier().await?;
            }
            let mut applying = self.replica.machine.applying();
            let term = applying.term();
            let header = self.replica.header(applying.store.revision(), term);
            // It cannot change anything: checked above.
            return match crate::mvcc::apply::<E>(&mut applying.store, &command, term).result? {
                AppliedResponse::Txn(txn) => Ok(Response::new(TxnResponse { header, ..txn })),
                other => unexpected(other),
            };
        }
        match self.replica.propose(command).await? {
            (AppliedResponse::Txn(txn), header) => Ok(Response::new(TxnResponse { header, ..txn })),
            (other, _) => unexpected(other),
        }
    }

    async fn compact(&self, request: Request<CompactionRequest>) -> Result<Response<CompactionResponse>, Status> {
        match self.replica.propose(internal::command::Request::Compact(request.into_inner())).await? {
            (AppliedResponse::Compact(_), header) => Ok(Response::new(CompactionResponse { header })),
            (other, _) => unexpected(other),
        }
    }
}
