//! One node: its log, its state machine, Raft, its services, on one address.

mod admin;
mod config;
mod error;
mod routes;
mod start;

pub use admin::Admin;
pub use config::NodeConfig;
pub use error::StartError;

use crate::{
    member::{of_cluster, peer_addr, url_addr},
    observe::Observer,
    pb::{peer::peer_server::PeerServer, raft::raft_server::RaftServer},
    raft::{Heard, Peers, Raft, RaftService},
    service::{AdminService, Lessor, Members, Parts, PeerService, Replica, move_leader},
};
use admin::compact_now_and_then;
use openraft::{
    BasicNode,
    errors::{InitializeError, RaftError},
};
use openraft_rt::WatchReceiver as _;
use routes::{SERVICES, public_routes};
use squall_env::{Env, Listener, Net};
use squall_rpc::{ServerOptions, Shutdown, serve};
use start::{LOOK_FOR_SPACE, had_data, is_empty, open};
use std::{collections::BTreeMap, future::Future, net::SocketAddr, sync::Arc, time::Duration};
use tonic::service::Routes;

/// How long calls that are under way when the node stops may take.
const DRAIN: Duration = Duration::from_secs(1);

/// A running node.
pub struct Node<E: Env> {
    replica: Replica<E>,
    stopping: Shutdown,
    handover: Duration,
    peers: SocketAddr,
    clients: SocketAddr,
}

impl<E: Env> Node<E> {
    /// Opens what the disk holds, listens, and joins its cluster. The second part of the result is the
    /// node's service: it ends, with the reason, when the node cannot go on.
    pub async fn start(
        config: NodeConfig,
        net: E::Net,
        disk: E::Disk,
        observer: Arc<dyn Observer>,
    ) -> Result<(Node<E>, impl Future<Output = StartError> + Send + 'static), StartError> {
        if !config.members.contains_key(&config.id) {
            return Err(StartError::Config(format!("node {} is not a member", config.id)));
        }
        for urls in config.members.values() {
            urls.split(',').try_for_each(|url| url_addr(url).map(drop)).map_err(StartError::Config)?;
        }
        // First of all: whoever else runs here already must not be disturbed.
        let bind = async |addr| net.listen(addr).await.map_err(|e| StartError::Listen(addr, e));
        let for_peers = bind(config.listen_peers).await?;
        let for_clients = if config.listen_clients == config.listen_peers { None } else { Some(bind(config.listen_clients).await?) };
        let peers = for_peers.local_addr();
        let clients = for_clients.as_ref().map_or(peers, Listener::local_addr);
        // Before anything else is touched: a member that starts in another one's place would vote twice.
        let others = config.members.iter().filter(|(id, _)| **id != config.id).filter_map(|(_, urls)| peer_addr(urls)).collect::<Vec<_>>();
        if !config.founding
            && !others.is_empty()
            && is_empty::<E>(&disk).await?
            && had_data::<E>(&net, config.cluster_id, config.id, &others).await
        {
            return Err(StartError::Lost(config.id));
        }
        // A full disk may have room later.
        let (mut log, machine) = loop {
            match open::<E>(&config, &disk, &observer).await {
                Err(e) if e.is_for_want_of_space() => E::sleep(LOOK_FOR_SPACE).await,
                other => break other?,
            }
        };
        let space = log.space();
        log.follow(machine.clone());
        let pristine = log.is_pristine();
        let reader = log.reader();
        let patience = config.election_timeout_max.max(Duration::from_millis(500));
        let network = Peers::<E>::new(net.clone(), config.cluster_id, patience);
        let raft =
            Raft::<E>::new(config.id, config.raft()?, network, log, machine.clone()).await.map_err(|e| StartError::Raft(e.to_string()))?;

        if pristine && config.founding {
            let members: BTreeMap<u64, BasicNode> = config.members.iter().map(|(id, urls)| (*id, BasicNode::new(urls))).collect();
            match raft.initialize(members).await {
                // A peer was quicker, and its leader has reached us already.
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(e) => return Err(StartError::Raft(e.to_string())),
            }
        }
        let heard = Heard::default();
        let replica = Replica::<E>::new(Parts {
            id: config.id,
            cluster_id: config.cluster_id,
            raft: raft.clone(),
            machine,
            space: space.clone(),
            net,
            patience: config.request_timeout,
            leaderless: config.election_timeout_min,
            heard: heard.clone(),
        });
        let handover = 2 * config.election_timeout_max;
        let lessor = Lessor::new(replica.clone(), config.election_timeout_min);
        let members = Members { replica: replica.clone() };
        let admin = AdminService { replica: replica.clone(), log: reader };
        let public = public_routes(&replica, &lessor, handover, config.watch_progress_every, admin);
        let private = |routes: Routes| {
            let ours = of_cluster(config.cluster_id);
            let peer = PeerService { replica: replica.clone(), lessor: lessor.clone(), members: members.clone() };
            let raft = RaftServer::with_interceptor(
                RaftService::<E>::new(raft.clone(), space.clone(), replica.machine.clone(), heard.clone()),
                ours.clone(),
            );
            routes.add_service(raft).add_service(PeerServer::with_interceptor(peer, ours))
        };
        let (inside, outside) = match &for_clients {
            None => (private(public), None),
            Some(_) => (private(Routes::default()), Some(public)),
        };
        // Peers are served to the end: this node may have to hand over.
        let stopping = Shutdown::default();
        let options = ServerOptions { stopping: stopping.clone(), services: SERVICES, ..Default::default() };
        let serving = async move {
            let inside =
                std::pin::pin!(serve::<E>(for_peers, inside, if outside.is_none() { options.clone() } else { ServerOptions::default() }));
            match for_clients.zip(outside) {
                None => inside.await,
                Some((for_clients, outside)) => {
                    let outside = std::pin::pin!(serve::<E>(for_clients, outside, options));
                    futures_util::future::select(inside, outside).await.factor_first().0
                }
            }
        };
        let (watching, removal) = (stopped(raft), removed(replica.clone()));
        let service = async move {
            tokio::select! {
                biased;
                why = watching => StartError::Raft(why),
                id = removal => StartError::Removed(id),
                served = serving => match served {
                    Ok(()) => StartError::Raft("the listener ended".to_string()),
                    Err(e) => StartError::Listen(clients, e),
                },
            }
        };
        drop(E::spawn(lessor.keep_watch()));
        drop(E::spawn(members.clone().keep_watch()));
        if !config.name.is_empty() {
            drop(E::spawn(members.publish(config.name, config.client_urls)));
        }
        let node = Node { replica, stopping, handover, peers, clients };
        if let Some((every, keep)) = config.auto_compaction {
            drop(E::spawn(compact_now_and_then(node.admin(), every, keep)));
        }
        Ok((node, service))
    }

    /// Where it listens for its peers.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peers
    }

    /// Where it listens for clients.
    pub fn addr(&self) -> SocketAddr {
        self.clients
    }

    /// Answers what the node has applied, and a hash over its whole store. It outlives the node.
    pub fn state_reader(&self) -> impl Fn() -> (u64, u64) + Send + 'static {
        let machine = self.replica.machine.clone();
        move || {
            let applying = machine.applying();
            (applying.last_applied.as_ref().map_or(0, |id| id.index), applying.store.full_hash())
        }
    }

    /// What an administrator may ask of this node. It outlives the node.
    pub fn admin(&self) -> Admin<E> {
        Admin { members: Members { replica: self.replica.clone() }, handover: self.handover }
    }

    /// Stops: a leader hands over first, if another voter takes it; then clients are told to go elsewhere, and
    /// what they wait for is answered. What was acknowledged is on the disk already.
    pub async fn stop(self) {
        let members = Members { replica: self.replica.clone() };
        if let Some(other) = members.successor() {
            // Refused, or too late: the others elect one by themselves.
            let _ = move_leader(&self.replica, other, self.handover).await;
        }
        self.stopping.stop::<E>(DRAIN).await;
        let _ = self.replica.raft.shutdown().await;
    }
}

/// Ends when Raft does. It watches the server's metrics, which change seldom and close when the core
/// ends; those of the data change with every message.
async fn stopped<E: Env>(raft: Raft<E>) -> String {
    let mut server = raft.server_metrics();
    while server.changed().await.is_ok() {}
    let metrics = raft.metrics();
    let ended = metrics.borrow_watched().running_state.as_ref().err().map(ToString::to_string);
    ended.unwrap_or_else(|| "raft stopped".to_string())
}

/// Ends once the cluster has removed this node, of which it was a member.
async fn removed<E: Env>(replica: Replica<E>) -> u64 {
    let mut progress = replica.machine.progress();
    let mut was_member = false;
    loop {
        let is_member = replica.machine.applying().membership.membership().get_node(&replica.id).is_some();
        if was_member && !is_member {
            return replica.id;
        }
        was_member |= is_member;
        if progress.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
