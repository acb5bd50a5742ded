//! One node: its Raft, and what it answers.

use crate::{
    network::Network,
    store::{Log, Values},
    types::{
        Put, TypeConfig,
        pb::{GetReply, GetRequest, Message, PutReply, PutRequest, kv_server, raft_server},
    },
};
use openraft::{
    BasicNode, Config, Raft, SnapshotPolicy,
    error::{CheckIsLeaderError, RaftError},
};
use serde::{Serialize, de::DeserializeOwned};
use squall_host::bug;
use std::{collections::BTreeMap, error::Error, net::SocketAddr, path::Path, sync::Arc};
use tonic::{Request, Response, Status, transport::Server};

/// Why a node ends.
pub type Failed = Box<dyn Error + Send + Sync>;

/// A node that has started.
#[derive(Clone)]
pub struct Node {
    /// Its Raft: whether it leads, and how far it is, can be seen there.
    pub raft: Raft<TypeConfig>,
    /// What it holds.
    pub values: Values,
    addr: SocketAddr,
}

fn read<T: DeserializeOwned>(request: Request<Message>) -> Result<T, Status> {
    serde_json::from_slice(&request.into_inner().json).map_err(|e| Status::invalid_argument(e.to_string()))
}

fn written(result: &impl Serialize) -> Result<Response<Message>, Status> {
    let json = serde_json::to_vec(result).map_err(|e| Status::internal(e.to_string()))?;
    Ok(Response::new(Message { json }))
}

/// Whoever asked may ask another node: here nothing happened.
fn not_the_leader() -> Status {
    Status::failed_precondition("not the leader")
}

#[tonic::async_trait]
impl raft_server::Raft for Node {
    async fn append(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        written(&self.raft.append_entries(read(request)?).await)
    }

    async fn vote(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        written(&self.raft.vote(read(request)?).await)
    }

    async fn snapshot(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        written(&self.raft.install_snapshot(read(request)?).await)
    }
}

#[tonic::async_trait]
impl kv_server::Kv for Node {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        let answer = || Ok(Response::new(GetReply { value: self.values.state().values.get(&request.get_ref().key).copied() }));
        if bug!("stale-read", "any node answers reads, from what it holds") {
            return answer();
        }
        match self.raft.ensure_linearizable().await {
            Ok(_) => answer(),
            Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(_))) => Err(not_the_leader()),
            Err(e) => Err(Status::unavailable(e.to_string())),
        }
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutReply>, Status> {
        let PutRequest { key, value } = request.into_inner();
        if !self.raft.metrics().borrow().state.is_leader() {
            return Err(not_the_leader());
        }
        if bug!("ack-before-quorum", "a write is acknowledged before anybody else has it") {
            self.raft.client_write_ff(Put { key, value }).await.map_err(|e| Status::unknown(e.to_string()))?;
            return Ok(Response::new(PutReply {}));
        }
        // From here on no error is certain. openraft says that there is another leader, too, when it drops an entry that was written here;
        // but somebody else may have that entry, and be the leader after the next one.
        self.raft.client_write(Put { key, value }).await.map_err(|e| Status::unknown(e.to_string()))?;
        Ok(Response::new(PutReply {}))
    }
}

impl Node {
    /// Starts one on what is in its directory. Node 1 founds the cluster of these members, if there is none yet.
    ///
    /// # Errors
    /// When its files cannot be opened.
    pub async fn start(id: u64, members: &BTreeMap<u64, SocketAddr>, dir: &Path) -> Result<Node, Failed> {
        let config = Config {
            heartbeat_interval: 100,
            election_timeout_min: 400,
            election_timeout_max: 800,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(200),
            max_in_snapshot_log_to_keep: 50,
            ..Config::default()
        };
        let (log, values) = (Log::open(dir)?, Values::open(dir)?);
        let raft = Raft::new(id, Arc::new(config.validate()?), Network, log, values.clone()).await?;
        if id == 1 && !raft.is_initialized().await? {
            let nodes: BTreeMap<u64, BasicNode> = members.iter().map(|(id, addr)| (*id, BasicNode::new(addr))).collect();
            raft.initialize(nodes).await?;
        }
        Ok(Node { raft, values, addr: members[&id] })
    }

    /// Answers, for as long as its Raft lives.
    ///
    /// # Errors
    /// When it cannot listen, or its Raft has given up, such as after an error of the disk.
    pub async fn serve(self) -> Result<(), Failed> {
        let mut metrics = self.raft.metrics();
        let router =
            Server::builder().add_service(raft_server::RaftServer::new(self.clone())).add_service(kv_server::KvServer::new(self.clone()));
        tokio::select! {
            served = squall_host::rpc::serve(router, self.addr) => served?,
            ended = metrics.wait_for(|metrics| metrics.running_state.is_err()) => ended?.running_state.clone()?,
        }
        Ok(())
    }
}
