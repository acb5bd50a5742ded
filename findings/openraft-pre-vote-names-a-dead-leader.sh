#!/bin/sh
# With pre-vote on, a follower of openraft 0.10 whose leader is dead, and that finds no quorum to elect another one, stays a Follower, and
# `metrics().current_leader` names the dead leader for as long as that lasts. Without pre-vote it is a Candidate after one election
# timeout, and `current_leader` is None. One would expect that a switch which only asks before it disturbs does not decide whether "who
# leads?" has an answer: whoever tells clients, a health check or a proxy from that metric that there is a leader, sends them to a dead
# one. (What helps: the moment of the last append that the node took, which its metrics do not have.)
#
# Needs: cargo, and a registry with openraft. Fails when the behaviour changes.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/src"
cat > "$dir/Cargo.toml" <<'TOML'
[package]
name = "alone"
version = "0.0.0"
edition = "2024"

[dependencies]
openraft = { version = "=0.10.0-alpha.37", features = ["type-alias"] }
openraft-rt = "=0.10.0-alpha.37"
openraft-memstore = "=0.10.0-alpha.37"
tokio = { version = "=1.54.1", features = ["full"] }
TOML
cat > "$dir/src/main.rs" <<'RUST'
use openraft_rt::WatchReceiver;
use openraft::{
    Config, OptionalSend, Raft, RaftNetworkFactory, RaftNetworkV2,
    alias::{SnapshotOf, VoteOf},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
};
use openraft_memstore::{MemStateMachine, TypeConfig, new_mem_store};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    io::Cursor,
    sync::{Arc, Mutex},
    time::Duration,
};

type Node = Raft<TypeConfig, Arc<MemStateMachine>>;
/// Every node, and those that nobody reaches.
type Net = Arc<Mutex<(BTreeMap<u64, Node>, BTreeSet<u64>)>>;

#[derive(Clone)]
struct Link {
    net: Net,
    to: u64,
}

impl Link {
    fn node(&self) -> Result<Node, Unreachable<TypeConfig>> {
        let net = self.net.lock().unwrap();
        match net.1.contains(&self.to) {
            true => Err(Unreachable::from_string("down")),
            false => Ok(net.0[&self.to].clone()),
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Link {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _: &()) -> Link {
        Link { net: self.net.clone(), to: target }
    }
}

fn failed(error: impl std::fmt::Display) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::from_string(error.to_string()))
}

impl RaftNetworkV2<TypeConfig> for Link {
    type SnapshotData = Cursor<Vec<u8>>;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.node()?.append_entries(rpc).await.map_err(failed)
    }

    async fn vote(&mut self, rpc: VoteRequest<TypeConfig>, _: RPCOption) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.node()?.vote(rpc).await.map_err(failed)
    }

    async fn pre_vote(&mut self, rpc: VoteRequest<TypeConfig>, _: RPCOption) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.node()?.pre_vote(rpc).await.map_err(failed)
    }

    async fn full_snapshot(
        &mut self,
        _: VoteOf<TypeConfig>,
        _: SnapshotOf<TypeConfig, Cursor<Vec<u8>>>,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(Unreachable::from_string("no snapshots here")))
    }
}

async fn alone(pre_vote: bool) -> String {
    let config = Config {
        heartbeat_interval: 50,
        election_timeout_min: 150,
        election_timeout_max: 300,
        enable_pre_vote: Some(pre_vote),
        ..Default::default()
    };
    let config = Arc::new(config.validate().unwrap());
    let net: Net = Arc::default();
    for id in 1..=3 {
        let (log, machine) = new_mem_store();
        let node = Raft::new(id, config.clone(), Link { net: net.clone(), to: 0 }, log, machine).await.unwrap();
        net.lock().unwrap().0.insert(id, node);
    }
    let node = |id: u64| net.lock().unwrap().0[&id].clone();
    node(1).initialize(BTreeSet::from([1, 2, 3])).await.unwrap();
    let leader = loop {
        let told: BTreeSet<Option<u64>> = (1..=3).map(|id| node(id).metrics().borrow_watched().current_leader).collect();
        if let (1, Some(Some(leader))) = (told.len(), told.first()) {
            break *leader;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let last = (1..=3).find(|id| *id != leader).unwrap();
    for id in (1..=3).filter(|id| *id != last) {
        net.lock().unwrap().1.insert(id);
        node(id).shutdown().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let metrics = node(last).metrics().borrow_watched().clone();
    let leads = match metrics.current_leader {
        None => "nobody leads",
        Some(id) if id == leader => "the leader that is gone leads",
        Some(_) => "somebody else leads",
    };
    format!("pre-vote {pre_vote}: after 5 s alone the follower is a {:?}, and says that {leads}", metrics.state)
}

#[tokio::main]
async fn main() {
    for pre_vote in [false, true] {
        println!("{}", alone(pre_vote).await);
    }
}
RUST
cd "$dir"
seen=$(cargo run --quiet)
echo "openraft 0.10.0-alpha.37, three nodes in one process, two of them gone:"
echo "$seen"
expected='pre-vote false: after 5 s alone the follower is a Candidate, and says that nobody leads
pre-vote true: after 5 s alone the follower is a Follower, and says that the leader that is gone leads'
[ "$seen" = "$expected" ] || { echo "this is not what was seen before"; exit 1; }
