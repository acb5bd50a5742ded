//! One node: its log, its state machine, Raft, its services, on one address.

use crate::{
    observe::Observer,
    pb::{
        etcdserverpb::{kv_server::KvServer, lease_server::LeaseServer},
        internal,
        raft::raft_server::RaftServer,
    },
    raft::{Command, LogStore, Peers, Raft, RaftService, StateMachine},
    service::{KvService, LeaseService, Lessor, Replica},
    wal::WalError,
};
use openraft::{
    BasicNode, Config, SnapshotPolicy,
    errors::{InitializeError, RaftError},
};
use prost::Message;
use squall_env::{Env, Listener, Net, timeout};
use squall_rpc::{ServerOptions, serve};
use std::{collections::BTreeMap, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tonic::service::Routes;

/// How a node is set up. Every member of a cluster starts with the same `members`.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This node: one of `members`.
    pub id: u64,
    /// The founding members and where they listen, for peers and clients alike.
    pub members: BTreeMap<u64, SocketAddr>,
    /// How often a leader tells that it lives.
    pub heartbeat: Duration,
    /// A follower that heard nothing for a time drawn from here stands for election.
    pub election_timeout_min: Duration,
    /// The upper end; it is the leader's lease too.
    pub election_timeout_max: Duration,
    /// Ask whether an election could be won before disturbing the cluster with one (Raft thesis 9.6).
    pub pre_vote: bool,
    /// A snapshot is taken each time that this many entries were applied.
    pub snapshot_every: u64,
    /// How many entries are kept behind a snapshot, for followers that lag a little.
    pub keep_entries: u64,
    /// How long a client's request may take inside the node.
    pub request_timeout: Duration,
    /// A log segment is closed when it has this many bytes.
    pub segment_bytes: u64,
    /// Old revisions are compacted away: how often, and how many are kept. `None`: never by itself.
    pub auto_compaction: Option<(Duration, u64)>,
}

impl NodeConfig {
    /// etcd's defaults, for member `id` of these.
    pub fn new(id: u64, members: BTreeMap<u64, SocketAddr>) -> Self {
        NodeConfig {
            id,
            members,
            heartbeat: Duration::from_millis(100),
            election_timeout_min: Duration::from_millis(1000),
            election_timeout_max: Duration::from_millis(2000),
            pre_vote: true,
            snapshot_every: 10_000,
            keep_entries: 1_000,
            request_timeout: Duration::from_secs(5),
            segment_bytes: 16 << 20,
            auto_compaction: None,
        }
    }

    fn raft(&self) -> Result<Arc<Config>, StartError> {
        let ms = |d: Duration| d.as_millis() as u64;
        let config = Config {
            cluster_name: "squall".to_string(),
            heartbeat_interval: ms(self.heartbeat),
            election_timeout_min: ms(self.election_timeout_min),
            election_timeout_max: ms(self.election_timeout_max),
            enable_pre_vote: Some(self.pre_vote),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.keep_entries,
            install_snapshot_timeout: 4 * ms(self.election_timeout_max),
            // A restarted leader would lead again in its old term, and after a power loss hand out the
            // same (term, index) with other contents.
            enable_leader_restore: Some(false),
            // Replicate while the leader's own sync runs; it counts itself only once that is done.
            broadcast_submitted_on_append: Some(true),
            backoff: "50ms 100ms 200ms 300ms".to_string(),
            ..Default::default()
        };
        Ok(Arc::new(config.validate().map_err(|e| StartError::Config(e.to_string()))?))
    }
}

/// Why a node does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error("bad configuration: {0}")]
    Config(String),
    /// The address is taken, or is not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The log cannot be used.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The snapshot cannot be used.
    #[error("the snapshot cannot be read: {0}")]
    Snapshot(io::Error),
    /// Raft refuses.
    #[error("raft: {0}")]
    Raft(String),
}

/// A running node.
pub struct Node<E: Env> {
    config: NodeConfig,
    raft: Raft<E>,
    machine: StateMachine<E>,
    addr: SocketAddr,
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
        let addr = *config.members.get(&config.id).ok_or_else(|| StartError::Config(format!("node {} is not a member", config.id)))?;
        let log = LogStore::<E>::open(config.id, disk.clone(), config.segment_bytes, observer.clone()).await?;
        let machine = StateMachine::<E>::open(disk, observer).await.map_err(StartError::Snapshot)?;
        let pristine = log.is_pristine();
        let listener = net.listen(addr).await.map_err(|e| StartError::Listen(addr, e))?;
        let addr = listener.local_addr();
        let peers = Peers::<E>::new(net, config.election_timeout_max.max(Duration::from_millis(500)));
        let raft =
            Raft::<E>::new(config.id, config.raft()?, peers, log, machine.clone()).await.map_err(|e| StartError::Raft(e.to_string()))?;

        if pristine {
            let members: BTreeMap<u64, BasicNode> = config.members.iter().map(|(id, addr)| (*id, BasicNode::new(addr))).collect();
            match raft.initialize(members).await {
                // A peer was quicker, and its leader has reached us already.
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(e) => return Err(StartError::Raft(e.to_string())),
            }
        }
        let replica = Replica::<E> {
            id: config.id,
            cluster_id: CLUSTER_ID,
            raft: raft.clone(),
            machine: machine.clone(),
            patience: config.request_timeout,
        };
        let lessor = Lessor::new(replica.clone(), config.election_timeout_min);
        let routes = Routes::new(RaftServer::new(RaftService::<E>::new(raft.clone())))
            .add_service(KvServer::new(KvService { replica }))
            .add_service(LeaseServer::new(LeaseService { lessor: lessor.clone() }));
        let options = ServerOptions { deadline_max: None, ..Default::default() };
        let serving = serve::<E>(listener, routes, options);
        let watching = stopped(raft.clone());
        let service = async move {
            let (serving, watching) = (std::pin::pin!(serving), std::pin::pin!(watching));
            match futures_util::future::select(serving, watching).await {
                futures_util::future::Either::Left((served, _)) => match served {
                    Ok(()) => StartError::Raft("the listener ended".to_string()),
                    Err(e) => StartError::Listen(addr, e),
                },
                futures_util::future::Either::Right((why, _)) => StartError::Raft(why),
            }
        };
        drop(E::spawn(lessor.keep_watch()));
        let node = Node { config, raft, machine, addr };
        if let Some((every, keep)) = node.config.auto_compaction {
            drop(E::spawn(compact_now_and_then(node.admin(), every, keep)));
        }
        Ok((node, service))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers what the node has applied, and a hash over its whole store. It outlives the node.
    pub fn state_reader(&self) -> impl Fn() -> (u64, u64) + Send + 'static {
        let machine = self.machine.clone();
        move || {
            let applying = machine.applying();
            (applying.last_applied.as_ref().map_or(0, |id| id.index), applying.store.full_hash())
        }
    }

    /// What an administrator may ask of this node. It outlives the node.
    pub fn admin(&self) -> Admin<E> {
        Admin { config: self.config.clone(), raft: self.raft.clone(), machine: self.machine.clone() }
    }
}

/// A node's administration.
pub struct Admin<E: Env> {
    config: NodeConfig,
    raft: Raft<E>,
    machine: StateMachine<E>,
}

impl<E: Env> Clone for Admin<E> {
    fn clone(&self) -> Self {
        Admin { config: self.config.clone(), raft: self.raft.clone(), machine: self.machine.clone() }
    }
}

impl<E: Env> Admin<E> {
    /// Asks the leader, if this is it, to hand over to another voter. Waits until it did, for an
    /// election timeout or two; true when another node leads then.
    pub async fn transfer_leader(&self, to: u64) -> Result<bool, String> {
        if to == self.config.id || !self.config.members.contains_key(&to) {
            return Err(format!("node {to} is no voter that node {} could hand over to", self.config.id));
        }
        if self.raft.current_leader().await != Some(self.config.id) {
            return Err(format!("node {} does not lead", self.config.id));
        }
        self.raft.trigger().transfer_leader(to).await.map_err(|e| e.to_string())?;
        let handed_over = async {
            while self.raft.current_leader().await.is_none_or(|leader| leader == self.config.id) {
                E::sleep(self.config.heartbeat / 4).await;
            }
        };
        Ok(timeout::<E, _>(2 * self.config.election_timeout_max, handed_over).await.is_ok())
    }

    /// Forgets every revision but the last `keep`, if this node leads; answers the new floor, `None`
    /// when there is nothing to forget.
    pub async fn compact(&self, keep: u64) -> Result<Option<i64>, String> {
        let (revision, compacted) = {
            let applying = self.machine.applying();
            (applying.store.revision(), applying.store.compacted())
        };
        let floor = revision - i64::try_from(keep).unwrap_or(i64::MAX);
        if floor <= compacted.max(1) {
            return Ok(None);
        }
        let compact = crate::pb::etcdserverpb::CompactionRequest { revision: floor, physical: false };
        let command = internal::Command { request: Some(internal::command::Request::Compact(compact)) };
        let proposed = self.raft.client_write(Command(command.encode_to_vec().into()));
        let patience = self.config.request_timeout;
        timeout::<E, _>(patience, proposed).await.map_err(|_| "timed out".to_string())?.map_err(|e| e.to_string())?;
        Ok(Some(floor))
    }

    /// Takes a snapshot now, and purges the log behind it.
    pub async fn snapshot(&self) -> Result<(), String> {
        self.raft.trigger().snapshot().await.map_err(|e| e.to_string())
    }
}

/// The one cluster there is, until clusters have names.
const CLUSTER_ID: u64 = 0x5117_a11d_c0de_0001;

/// Ends when Raft does. It watches the server's metrics, which change seldom and close when the core
/// ends; those of the data change with every message.
async fn stopped<E: Env>(raft: Raft<E>) -> String {
    use openraft_rt::WatchReceiver as _;
    let mut server = raft.server_metrics();
    while server.changed().await.is_ok() {}
    let metrics = raft.metrics();
    let ended = metrics.borrow_watched().running_state.as_ref().err().map(ToString::to_string);
    ended.unwrap_or_else(|| "raft stopped".to_string())
}

/// etcd's `--auto-compaction-mode=revision`: only the leader's proposals are taken.
async fn compact_now_and_then<E: Env>(admin: Admin<E>, every: Duration, keep: u64) {
    loop {
        E::sleep(every).await;
        if admin.raft.is_leader() {
            // Refused or lost, it comes again.
            let _ = timeout::<E, _>(every, admin.compact(keep)).await;
        }
    }
}
