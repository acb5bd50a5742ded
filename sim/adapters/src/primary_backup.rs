//! A store that is *supposed* to lose: a primary by convention, backups that are told later, no
//! consensus, no disk.
//!
//! The lowest node that a node believes alive is the primary; belief comes from pings. A write is
//! acknowledged once the primary holds it, then told to the backups. So a partition makes two
//! primaries, and a kill loses what was not told yet. It keeps the `System` trait honest, and shows a
//! newcomer what a violation looks like.

use crate::patience::{Turns, persist};
use squall_env::{Env, LocalInstant, Net};
use squall_history::{Answer, NodeId, Op, Outcome, Output, Saw};
use squall_rpc::{Channel, ChannelOptions, ServerOptions, serve};
use squall_run::{BoxFuture, Client, ClientContext, Gives, NodeContext, SimEnv, System};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tonic::{Request, Response, Status, service::Routes};

mod pb {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("squall.primary_backup");
}

use pb::{store_client::StoreClient, store_server};

/// How often peers are pinged; one that was silent for four times that is believed dead.
const PING: Duration = Duration::from_millis(100);

/// The broken store.
pub struct PrimaryBackup;

struct State {
    data: BTreeMap<String, String>,
    heard: BTreeMap<NodeId, LocalInstant>,
}

#[derive(Clone)]
struct Replica {
    id: NodeId,
    state: Arc<Mutex<State>>,
    peers: BTreeMap<NodeId, StoreClient<Channel<SimEnv>>>,
}

impl Replica {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }

    /// Refuses unless this node believes that it is the primary.
    fn primary(&self) -> Result<MutexGuard<'_, State>, Status> {
        let (state, now) = (self.state(), SimEnv::now());
        let alive = |id: &NodeId| state.heard.get(id).is_some_and(|at| now.since(*at) < 4 * PING);
        match self.peers.keys().any(|id| *id < self.id && alive(id)) {
            true => Err(Status::failed_precondition("etcdserver: not leader")),
            false => Ok(state),
        }
    }

    /// Tells every backup, some time.
    fn tell(&self, key: &str, value: &str) {
        for (_, mut peer) in self.peers.clone() {
            let message = pb::ReplicateRequest { from: self.id.0, key: Some(key.to_string()), value: value.to_string() };
            drop(SimEnv::spawn(async move { peer.replicate(message).await }));
        }
    }

    async fn ping(self) {
        loop {
            for (_, mut peer) in self.peers.clone() {
                let message = pb::ReplicateRequest { from: self.id.0, key: None, value: String::new() };
                drop(SimEnv::spawn(async move { peer.replicate(message).await }));
            }
            SimEnv::sleep(PING).await;
        }
    }
}

#[tonic::async_trait]
impl store_server::Store for Replica {
    async fn get(&self, request: Request<pb::GetRequest>) -> Result<Response<pb::GetReply>, Status> {
        let state = self.primary()?;
        Ok(Response::new(pb::GetReply { value: state.data.get(&request.get_ref().key).cloned() }))
    }

    async fn put(&self, request: Request<pb::PutRequest>) -> Result<Response<pb::PutReply>, Status> {
        let pb::PutRequest { key, value } = request.into_inner();
        self.primary()?.data.insert(key.clone(), value.clone());
        self.tell(&key, &value);
        Ok(Response::new(pb::PutReply {}))
    }

    async fn swap(&self, request: Request<pb::SwapRequest>) -> Result<Response<pb::SwapReply>, Status> {
        let pb::SwapRequest { key, expect, value } = request.into_inner();
        {
            let mut state = self.primary()?;
            if state.data.get(&key) != expect.as_ref() {
                return Ok(Response::new(pb::SwapReply { swapped: false }));
            }
            state.data.insert(key.clone(), value.clone());
        }
        self.tell(&key, &value);
        Ok(Response::new(pb::SwapReply { swapped: true }))
    }

    async fn replicate(&self, request: Request<pb::ReplicateRequest>) -> Result<Response<pb::ReplicateReply>, Status> {
        let pb::ReplicateRequest { from, key, value } = request.into_inner();
        let mut state = self.state();
        state.heard.insert(NodeId(from), SimEnv::now());
        if let Some(key) = key {
            state.data.insert(key, value);
        }
        Ok(Response::new(pb::ReplicateReply {}))
    }
}

fn hash(data: &BTreeMap<String, String>) -> u64 {
    let bytes = data.iter().flat_map(|(k, v)| k.bytes().chain([0]).chain(v.bytes()).chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

impl System for PrimaryBackup {
    fn name(&self) -> &'static str {
        "primary-backup"
    }

    fn about(&self) -> &'static str {
        "a store that is supposed to lose data: a primary by convention, asynchronous backups, no consensus"
    }

    fn gives(&self) -> Gives {
        Gives::NOTHING
    }

    fn takes(&self, op: &Op) -> bool {
        matches!(op, Op::Get { .. } | Op::Put { .. } | Op::Cas { .. })
    }

    fn boot(&self, node: NodeContext) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            let options = ChannelOptions { default_deadline: Some(Duration::from_millis(500)), ..Default::default() };
            let peers = node.members.iter().filter(|(id, _)| **id != node.id);
            let peers = peers.map(|(id, addr)| (*id, StoreClient::new(Channel::new(node.net.clone(), *addr, options.clone())))).collect();
            let now = SimEnv::now();
            let state = State { data: BTreeMap::new(), heard: node.members.keys().map(|id| (*id, now)).collect() };
            let replica = Replica { id: node.id, state: Arc::new(Mutex::new(state)), peers };
            let listener = node.net.listen(node.members[&node.id]).await.map_err(|e| e.to_string())?;
            let probed = replica.clone();
            node.on_probe(move || Saw::Final { applied: 0, hash: hash(&probed.state().data) });
            drop(SimEnv::spawn(replica.clone().ping()));
            let routes = Routes::new(store_server::StoreServer::new(replica));
            serve::<SimEnv>(listener, routes, ServerOptions::default()).await.map_err(|e| e.to_string())
        })
    }

    fn client(&self, client: ClientContext) -> Box<dyn Client> {
        let channel = |addr: &std::net::SocketAddr| StoreClient::new(Channel::new(client.net.clone(), *addr, ChannelOptions::default()));
        let nodes: Vec<_> = client.members.values().map(channel).collect();
        let turns = Turns { current: client.ordinal as usize % nodes.len(), count: nodes.len() };
        Box::new(StoreUser { nodes, turns, op_timeout: client.op_timeout })
    }
}

struct StoreUser {
    nodes: Vec<StoreClient<Channel<SimEnv>>>,
    turns: Turns,
    op_timeout: Duration,
}

impl StoreUser {
    async fn attempt(&mut self, op: &Op, left: Duration) -> Result<Answer, Status> {
        fn request<T>(message: T, left: Duration) -> Request<T> {
            let mut request = Request::new(message);
            request.set_timeout(left);
            request
        }
        let store = &mut self.nodes[self.turns.current];
        match op.clone() {
            Op::Get { key } => {
                let answer = store.get(request(pb::GetRequest { key }, left)).await?;
                Ok(Output::Got { value: answer.into_inner().value }.into())
            }
            Op::Put { key, value } => store.put(request(pb::PutRequest { key, value }, left)).await.map(|_| Output::Done.into()),
            Op::Cas { key, expect, value } => {
                let answer = store.swap(request(pb::SwapRequest { key, expect, value }, left)).await?;
                Ok(Output::Swapped { yes: answer.into_inner().swapped }.into())
            }
            Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. } | Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => {
                Err(Status::unimplemented("this store gets, puts and swaps"))
            }
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => {
                Err(Status::unimplemented("this store gets, puts and swaps"))
            }
        }
    }
}

impl Client for StoreUser {
    fn call<'a>(&'a mut self, op: &'a Op) -> BoxFuture<'a, Outcome> {
        let patience = self.op_timeout;
        let attempt = async |user: &mut Self, op: &Op, left| user.attempt(op, left).await;
        Box::pin(persist::<SimEnv, _>(self, op, patience, |user| &mut user.turns, attempt))
    }
}
