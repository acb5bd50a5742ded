//! What members ask of their leader. Whoever does not lead refuses.

use super::{Lessor, Members, replica::Replica};
use crate::{
    mvcc::check_command,
    pb::{
        internal,
        peer::{
            ChangeMembersReply, ChangeMembersRequest, LeaseLeftReply, LeaseLeftRequest, LeaseRenewReply, LeaseRenewRequest, MembersReply,
            MembersRequest, ProposeReply, ProposeRequest, ReadIndexReply, ReadIndexRequest, peer_server,
        },
    },
};
use prost::Message as _;
use squall_env::Env;
use tonic::{Request, Response, Status};

/// The Peer service of one node.
pub(crate) struct PeerService<E: Env> {
    pub(crate) replica: Replica<E>,
    pub(crate) lessor: Lessor<E>,
    pub(crate) members: Members<E>,
}

#[tonic::async_trait]
impl<E: Env> peer_server::Peer for PeerService<E> {
    async fn propose(&self, request: Request<ProposeRequest>) -> Result<Response<ProposeReply>, Status> {
        let bytes = request.into_inner().command;
        // What makes no sense must not get into the log.
        let command = internal::Command::decode(bytes.clone()).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let request = command.request.as_ref().ok_or_else(|| Status::invalid_argument("an empty command"))?;
        check_command(request)?;
        let written = self.replica.propose_here(bytes).await.map_err(|refused| refused.status())?;
        Ok(Response::new(ProposeReply { applied: Some(written.applied.to_wire()), index: written.index, term: written.term }))
    }

    async fn read_index(&self, _: Request<ReadIndexRequest>) -> Result<Response<ReadIndexReply>, Status> {
        let index = self.replica.read_index_here().await.map_err(|refused| refused.status())?;
        Ok(Response::new(ReadIndexReply { index }))
    }

    async fn lease_renew(&self, request: Request<LeaseRenewRequest>) -> Result<Response<LeaseRenewReply>, Status> {
        let ttl = self.lessor.renew_here(request.into_inner().id).await.map_err(|refused| refused.status())?;
        Ok(Response::new(LeaseRenewReply { ttl }))
    }

    async fn lease_left(&self, request: Request<LeaseLeftRequest>) -> Result<Response<LeaseLeftReply>, Status> {
        Ok(Response::new(self.lessor.left_here(request.into_inner().id).await.map_err(|refused| refused.status())?))
    }

    async fn change_members(&self, request: Request<ChangeMembersRequest>) -> Result<Response<ChangeMembersReply>, Status> {
        let change = request.into_inner().change.ok_or_else(|| Status::invalid_argument("a change of nothing"))?;
        Ok(Response::new(self.members.change_here(&change).await.map_err(|refused| refused.status())?))
    }

    async fn members(&self, request: Request<MembersRequest>) -> Result<Response<MembersReply>, Status> {
        if request.into_inner().confirmed {
            self.replica.read_barrier().await?;
        }
        let voters = self.replica.machine.applying().membership.voter_ids().collect();
        let replicated = self.replica.replicated();
        let (leads, replicated) = (replicated.is_some(), replicated.unwrap_or_default());
        let (cluster_id, members) = (self.replica.cluster_id, self.members.list());
        Ok(Response::new(MembersReply { cluster_id, members, voters, leads, replicated }))
    }
}
