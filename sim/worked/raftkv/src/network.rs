//! How nodes reach each other: openraft's messages as JSON over gRPC.

use crate::types::{
    TypeConfig,
    pb::{Message, raft_client::RaftClient},
};
use openraft::{
    BasicNode, RaftNetwork, RaftNetworkFactory,
    error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable},
    network::RPCOption,
    raft::{AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest, VoteResponse},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{error::Error, time::Duration};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint},
};

/// Makes connections.
pub struct Network;

/// A connection to one node.
pub struct Peer {
    id: u64,
    client: RaftClient<Channel>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, id: u64, node: &BasicNode) -> Peer {
        let endpoint = Endpoint::from_shared(format!("http://{}", node.addr))
            .expect("an address")
            .connect_timeout(Duration::from_millis(300))
            .http2_keep_alive_interval(Duration::from_secs(1));
        Peer { id, client: RaftClient::new(squall_host::rpc::connect_lazy(endpoint)) }
    }
}

fn message(what: &impl Serialize) -> Message {
    Message { json: serde_json::to_vec(what).expect("openraft's messages have a JSON form") }
}

fn request(what: &impl Serialize, option: &RPCOption) -> Request<Message> {
    let mut request = Request::new(message(what));
    request.set_timeout(option.hard_ttl());
    request
}

/// What a peer answered: a result of its Raft.
fn answer<T: DeserializeOwned, E: Error + DeserializeOwned + 'static>(
    peer: u64,
    answered: Result<Response<Message>, Status>,
) -> Result<T, RPCError<u64, BasicNode, E>> {
    match answered {
        Ok(reply) => {
            let result: Result<T, E> =
                serde_json::from_slice(&reply.into_inner().json).map_err(|e| RPCError::Network(NetworkError::new(&e)))?;
            result.map_err(|e| RPCError::RemoteError(RemoteError::new(peer, e)))
        }
        Err(status) if status.code() == Code::Unavailable => Err(RPCError::Unreachable(Unreachable::new(&status))),
        Err(status) => Err(RPCError::Network(NetworkError::new(&status))),
    }
}

impl RaftNetwork<TypeConfig> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        answer(self.id, self.client.append(request(&rpc, &option)).await)
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RPCError<u64, BasicNode, RaftError<u64, InstallSnapshotError>>> {
        answer(self.id, self.client.snapshot(request(&rpc, &option)).await)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        answer(self.id, self.client.vote(request(&rpc, &option)).await)
    }
}
