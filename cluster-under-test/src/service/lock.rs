//! etcd's lock service, on lines: the head holds the lock.

use super::{
    line::{Lines, refused},
    replica::unexpected,
};
use crate::{
    mvcc::AppliedResponse,
    pb::{
        etcdserverpb::DeleteRangeRequest,
        internal::command,
        v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse, lock_server},
    },
};
use squall_env::Env;
use tonic::{Request, Response, Status};

/// The Lock service of one node.
pub(crate) struct LockService<E: Env> {
    pub(crate) lines: Lines<E>,
}

#[tonic::async_trait]
impl<E: Env> lock_server::Lock for LockService<E> {
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        let LockRequest { name, lease } = request.into_inner();
        let place = self.lines.queue(name, lease, None).await?;
        Ok(Response::new(LockResponse { header: place.held, key: place.key }))
    }

    async fn unlock(&self, request: Request<UnlockRequest>) -> Result<Response<UnlockResponse>, Status> {
        let delete = DeleteRangeRequest { key: request.into_inner().key, ..Default::default() };
        match self.lines.lessor.replica.propose(command::Request::DeleteRange(delete)).await.map_err(refused)? {
            (AppliedResponse::DeleteRange(_), header) => Ok(Response::new(UnlockResponse { header })),
            (other, _) => unexpected(other),
        }
    }
}
