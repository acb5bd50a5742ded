//! The etcd-style cluster: `cluster-under-test`, over etcd's own wire format.

use crate::patience::{Turns, persist};
use bytes::Bytes;
use squall_cluster::{
    LogMark as Mark, Node, NodeConfig, Observer, RaftRole,
    pb::{
        KeyValue as PbKeyValue,
        etcdserverpb::{
            Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, ResponseHeader, ResponseOp, TxnRequest,
            compare::{CompareResult, CompareTarget, TargetUnion},
            kv_client::KvClient,
            request_op::Request as OpRequest,
            response_op::Response as OpResponse,
        },
    },
};
use squall_history::{Act, Answer, KeyValue, LogMark, NodeId, Op, Outcome, Output, Role, Saw};
use squall_rpc::{Channel, ChannelOptions};
use squall_world::{Admin, BoxFuture, Client, ClientContext, NodeContext, Reporter, SimEnv, System};
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
            let admin = running.admin();
            node.on_admin(move |ask| {
                let admin = admin.clone();
                Box::pin(async move {
                    match ask {
                        Admin::TransferLeader { to } => admin.transfer_leader(u64::from(to.0)).await.map(drop),
                        Admin::Compact { keep } => admin.compact(keep).await.map(drop),
                        Admin::Snapshot => admin.snapshot().await,
                    }
                })
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

/// A client of the KV service. It stays with a node while that one serves it.
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

fn delete(key: &str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key_bytes(key), ..Default::default() }
}

fn get(key: &str) -> RangeRequest {
    RangeRequest { key: key_bytes(key), ..Default::default() }
}

/// Every key that begins so: up to the next string of the same length. An empty prefix is everything.
fn range(prefix: &str, at: Option<u64>) -> RangeRequest {
    let mut end = prefix.as_bytes().to_vec();
    while end.last() == Some(&0xff) {
        end.pop();
    }
    let (key, range_end) = match end.last_mut() {
        Some(last) => {
            *last += 1;
            (key_bytes(prefix), Bytes::from(end))
        }
        None => (Bytes::from_static(b"\0"), Bytes::from_static(b"\0")),
    };
    RangeRequest { key, range_end, revision: at.map_or(0, |at| at as i64), ..Default::default() }
}

fn step(act: &Act) -> RequestOp {
    let request = match act {
        Act::Get { key } => OpRequest::RequestRange(get(key)),
        Act::Put { key, value } => OpRequest::RequestPut(put(key, value)),
        Act::Delete { key } => OpRequest::RequestDeleteRange(delete(key)),
    };
    RequestOp { request: Some(request) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn got(kvs: &[PbKeyValue]) -> Output {
    Output::Got { value: kvs.first().map(|kv| text(&kv.value)) }
}

/// What a step answered. `None`: an answer of another kind than the question.
fn stepped(act: &Act, response: &ResponseOp) -> Option<Output> {
    match (act, response.response.as_ref()?) {
        (Act::Get { .. }, OpResponse::ResponseRange(range)) => Some(got(&range.kvs)),
        (Act::Put { .. }, OpResponse::ResponsePut(_)) => Some(Output::Done),
        (Act::Delete { .. }, OpResponse::ResponseDeleteRange(delete)) => Some(Output::Deleted { count: delete.deleted as u64 }),
        _ => None,
    }
}

/// The answer, with the revision of its header.
fn answer(output: Output, header: Option<ResponseHeader>) -> Answer {
    Answer { output, revision: header.and_then(|h| u64::try_from(h.revision).ok()) }
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
    async fn attempt(&mut self, op: &Op, left: Duration) -> Result<Answer, Status> {
        fn request<T>(message: T, left: Duration) -> Request<T> {
            let mut request = Request::new(message);
            request.set_timeout(left);
            request
        }
        let kv = &mut self.nodes[self.turns.current];
        match op {
            Op::Get { key } => {
                let reply = kv.range(request(get(key), left)).await?.into_inner();
                Ok(answer(got(&reply.kvs), reply.header))
            }
            Op::Put { key, value } => {
                let reply = kv.put(request(put(key, value), left)).await?.into_inner();
                Ok(answer(Output::Done, reply.header))
            }
            Op::Cas { key, expect, value } => {
                let success = vec![RequestOp { request: Some(OpRequest::RequestPut(put(key, value))) }];
                let txn = TxnRequest { compare: vec![holds(key, expect.as_deref())], success, failure: vec![] };
                let reply = kv.txn(request(txn, left)).await?.into_inner();
                Ok(answer(Output::Swapped { yes: reply.succeeded }, reply.header))
            }
            Op::Delete { key } => {
                let reply = kv.delete_range(request(delete(key), left)).await?.into_inner();
                Ok(answer(Output::Deleted { count: reply.deleted as u64 }, reply.header))
            }
            Op::Range { prefix, at } => {
                let reply = kv.range(request(range(prefix, *at), left)).await?.into_inner();
                let kv = |kv: &PbKeyValue| KeyValue {
                    key: text(&kv.key),
                    value: text(&kv.value),
                    revision: u64::try_from(kv.mod_revision).ok(),
                };
                Ok(answer(Output::Ranged { kvs: reply.kvs.iter().map(kv).collect() }, reply.header))
            }
            Op::Txn { compare, then, otherwise } => {
                let compare = compare.iter().map(|c| holds(&c.key, c.holds.as_deref())).collect();
                let branch = |acts: &[Act]| acts.iter().map(step).collect();
                let txn = TxnRequest { compare, success: branch(then), failure: branch(otherwise) };
                let reply = kv.txn(request(txn, left)).await?.into_inner();
                let acts = if reply.succeeded { then } else { otherwise };
                let results: Option<Vec<Output>> = acts.iter().zip(&reply.responses).map(|(act, r)| stepped(act, r)).collect();
                match results {
                    Some(results) if results.len() == acts.len() => {
                        Ok(answer(Output::Txn { succeeded: reply.succeeded, results }, reply.header))
                    }
                    // It happened, and what it answered makes no sense: the checkers are to see that.
                    _ => Ok(answer(Output::Txn { succeeded: reply.succeeded, results: vec![] }, reply.header)),
                }
            }
        }
    }
}

impl Client for KvUser {
    fn call<'a>(&'a mut self, op: &'a Op) -> BoxFuture<'a, Outcome> {
        let patience = self.op_timeout;
        let attempt = async |user: &mut Self, op: &Op, left| user.attempt(op, left).await;
        Box::pin(persist(self, op, patience, |user| &mut user.turns, attempt))
    }
}
