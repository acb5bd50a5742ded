//! The etcd-style cluster: `cluster-under-test`, over etcd's own wire format.

use crate::patience::{Turns, persist};
use bytes::Bytes;
use squall_cluster::{
    LEADER_HINT, LogMark as Mark, Node, NodeConfig, Observer, RaftRole,
    pb::etcdserverpb::{
        Compare, PutRequest, RangeRequest, RequestOp, TxnRequest,
        compare::{CompareResult, CompareTarget, TargetUnion},
        kv_client::KvClient,
        request_op::Request as OpRequest,
    },
};
use squall_history::{LogMark, NodeId, Op, Outcome, Output, Role, Saw};
use squall_rpc::{Channel, ChannelOptions};
use squall_world::{BoxFuture, Client, ClientContext, NodeContext, Reporter, SimEnv, System};
use std::{sync::Arc, time::Duration};
use tonic::{Request, Status};

/// The etcd-style cluster.
pub struct Etcd;

impl System for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn about(&self) -> &'static str {
        "the etcd-style cluster: openraft, a write-ahead log, an MVCC store, etcd's KV service"
    }

    fn boot(&self, node: NodeContext) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            let members = node.members.iter().map(|(id, addr)| (u64::from(id.0), *addr)).collect();
            let config = NodeConfig {
                heartbeat: node.cluster.heartbeat,
                election_timeout_min: node.cluster.election_timeout.min,
                election_timeout_max: node.cluster.election_timeout.max,
                pre_vote: node.cluster.pre_vote,
                snapshot_every: node.cluster.snapshot_every,
                keep_entries: node.cluster.snapshot_every / 5,
                segment_bytes: 64 << 10,
                auto_compaction: Some((Duration::from_secs(5), 1_000)),
                ..NodeConfig::new(u64::from(node.id.0), members)
            };
            let observer = Arc::new(Tell(node.reporter.clone()));
            let (running, service) =
                Node::<SimEnv>::start(config, node.net.clone(), node.disk.clone(), observer).await.map_err(|e| e.to_string())?;
            let read = running.state_reader();
            node.on_probe(move || {
                let (applied, hash) = read();
                Saw::Final { applied, hash }
            });
            Err(service.await.to_string())
        })
    }

    fn client(&self, client: ClientContext) -> Box<dyn Client> {
        let options = ChannelOptions { dial_timeout: Duration::from_millis(500), ..Default::default() };
        let nodes: Vec<_> =
            client.members.values().map(|addr| KvClient::new(Channel::<SimEnv>::new(client.net.clone(), *addr, options.clone()))).collect();
        let turns = Turns { current: client.ordinal as usize % nodes.len(), count: nodes.len() };
        Box::new(KvUser { nodes, turns, op_timeout: client.op_timeout })
    }
}

/// A node's observations, in the history's words.
struct Tell(Reporter);

fn node(id: u64) -> NodeId {
    NodeId(id as u32)
}

impl Observer for Tell {
    fn vote(&self, term: u64, voted_for: u64, committed: bool) {
        self.0.saw(Saw::Vote { term, voted_for: Some(node(voted_for)), granted: committed });
    }

    fn role(&self, term: u64, role: RaftRole, leader: Option<u64>) {
        let role = match role {
            RaftRole::Follower => Role::Follower,
            RaftRole::Candidate => Role::Candidate,
            RaftRole::Leader => Role::Leader,
        };
        self.0.saw(Saw::Role { term, role, leader: leader.map(node) });
    }

    fn appended(&self, entries: &[Mark]) {
        self.0.saw(Saw::Append { entries: entries.iter().map(|m| LogMark(m.index, m.term, m.hash)).collect() });
    }

    fn truncated(&self, after: Option<u64>) {
        self.0.saw(Saw::Truncate { after });
    }

    fn purged(&self, index: u64, term: u64) {
        self.0.saw(Saw::Purge { upto: index, term });
    }

    fn committed(&self, index: u64, term: u64) {
        self.0.saw(Saw::Commit { index, term });
    }

    fn applied(&self, first: u64, state: &[u32]) {
        self.0.saw(Saw::Apply { first, state: state.to_vec() });
    }

    fn snapshot_built(&self, index: u64, term: u64) {
        self.0.saw(Saw::SnapshotBuilt { index, term });
    }

    fn snapshot_installed(&self, index: u64, term: u64, state: u32) {
        self.0.saw(Saw::SnapshotInstalled { index, term, state });
    }

    fn restored(&self, index: u64, term: u64, state: u32) {
        self.0.saw(Saw::Restored { index, term, state });
    }
}

/// A client of the KV service. It follows the leader.
struct KvUser {
    nodes: Vec<KvClient<Channel<SimEnv>>>,
    turns: Turns,
    op_timeout: Duration,
}

fn key_bytes(key: &str) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

fn put(key: &str, value: &str) -> PutRequest {
    PutRequest { key: key_bytes(key), value: key_bytes(value), ..Default::default() }
}

/// "The key holds this", or "the key is absent".
fn holds(key: &str, expect: Option<&str>) -> Compare {
    let (target, union) = match expect {
        Some(value) => (CompareTarget::Value, TargetUnion::Value(key_bytes(value))),
        None => (CompareTarget::Create, TargetUnion::CreateRevision(0)),
    };
    Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key_bytes(key),
        range_end: Bytes::new(),
        target_union: Some(union),
    }
}

impl KvUser {
    async fn attempt(&mut self, op: &Op, left: Duration) -> Result<Output, Status> {
        fn request<T>(message: T, left: Duration) -> Request<T> {
            let mut request = Request::new(message);
            request.set_timeout(left);
            request
        }
        let kv = &mut self.nodes[self.turns.current];
        match op {
            Op::Get { key } => {
                let answer = kv.range(request(RangeRequest { key: key_bytes(key), ..Default::default() }, left)).await?.into_inner();
                let value = answer.kvs.first().map(|kv| String::from_utf8_lossy(&kv.value).into_owned());
                Ok(Output::Got { value })
            }
            Op::Put { key, value } => kv.put(request(put(key, value), left)).await.map(|_| Output::Done),
            Op::Cas { key, expect, value } => {
                let success = vec![RequestOp { request: Some(OpRequest::RequestPut(put(key, value))) }];
                let txn = TxnRequest { compare: vec![holds(key, expect.as_deref())], success, failure: vec![] };
                let answer = kv.txn(request(txn, left)).await?.into_inner();
                Ok(Output::Swapped { yes: answer.succeeded })
            }
        }
    }

    fn hint(status: &Status) -> Option<usize> {
        let id: usize = status.metadata().get(LEADER_HINT)?.to_str().ok()?.parse().ok()?;
        id.checked_sub(1)
    }
}

impl Client for KvUser {
    fn call<'a>(&'a mut self, op: &'a Op) -> BoxFuture<'a, Outcome> {
        let patience = self.op_timeout;
        let attempt = async |user: &mut Self, op: &Op, left| user.attempt(op, left).await;
        Box::pin(persist(self, op, patience, |user| &mut user.turns, attempt, Self::hint))
    }
}
