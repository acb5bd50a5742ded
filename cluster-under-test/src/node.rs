//! One node: its log, its state machine, Raft, its services, on one address.

use crate::{
    identity,
    member::{channel_options, of_cluster, peer_addr, url_addr},
    observe::Observer,
    pb::{
        admin::admin_server::AdminServer,
        etcdserverpb::{
            CompactionRequest, auth_server::AuthServer, cluster_server::ClusterServer, kv_server::KvServer, lease_server::LeaseServer,
            maintenance_server::MaintenanceServer, watch_server::WatchServer,
        },
        grpc::health::v1::health_server::HealthServer,
        internal::command,
        myservice::my_service_server::MyServiceServer,
        peer::{
            MembersRequest,
            change_members_request::{Add, Change},
            peer_client::PeerClient,
            peer_server::PeerServer,
        },
        raft::raft_server::RaftServer,
        v3electionpb::election_server::ElectionServer,
        v3lockpb::lock_server::LockServer,
    },
    raft::{Heard, LogStore, Peers, Raft, RaftService, StateMachine},
    service::{
        AdminService, ElectionService, Greeter, HealthService, KvService, LeaseService, Lessor, Lines, LockService, MaintenanceService,
        Members, NoAuth, PROGRESS_EVERY, Parts, PeerService, Replica, WatchService, compact_log, move_leader, refuse_without_leader,
    },
    wal::{Wal, WalError},
};
use openraft::{
    BasicNode, Config, SnapshotPolicy,
    errors::{InitializeError, RaftError},
};
use openraft_rt::WatchReceiver as _;
use squall_env::{Env, Listener, Net, timeout};
use squall_rpc::{Channel, ServerOptions, Stopping, serve};
use std::{collections::BTreeMap, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tonic::{
    server::NamedService,
    service::{Routes, interceptor::InterceptedService},
};

/// How a node is set up. Every member of a cluster starts with the same `members`.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This node: one of `members`.
    pub id: u64,
    /// What it is called; without a name it tells its cluster nothing of itself.
    pub name: String,
    /// Which cluster it belongs to. Members of another one are refused.
    pub cluster_id: u64,
    /// The members and their peer URLs, joined by commas. A founding member starts with all of them; one
    /// that joins learns the others from the log.
    pub members: BTreeMap<u64, String>,
    /// Whether it founds the cluster with the other `members`, rather than joining one that is there.
    pub founding: bool,
    /// Where it listens for its peers.
    pub listen_peers: SocketAddr,
    /// Where it listens for clients; it may be the same address.
    pub listen_clients: SocketAddr,
    /// Where clients are told to find it.
    pub client_urls: Vec<String>,
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
    /// A watch that was told nothing for so long is told how far it is, if its client wishes.
    pub watch_progress_every: Duration,
    /// Old revisions are compacted away: how often, and how many are kept. `None`: never by itself.
    pub auto_compaction: Option<(Duration, u64)>,
}

impl NodeConfig {
    /// etcd's defaults, for founding member `id` of these, each of which listens on one address.
    pub fn new(id: u64, members: BTreeMap<u64, SocketAddr>) -> Self {
        let listen = members.get(&id).copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        NodeConfig {
            id,
            name: String::new(),
            cluster_id: CLUSTER_ID,
            members: members.into_iter().map(|(id, addr)| (id, format!("http://{addr}"))).collect(),
            founding: true,
            listen_peers: listen,
            listen_clients: listen,
            client_urls: vec![],
            heartbeat: Duration::from_millis(100),
            election_timeout_min: Duration::from_millis(1000),
            election_timeout_max: Duration::from_millis(2000),
            pre_vote: true,
            snapshot_every: 10_000,
            keep_entries: 1_000,
            request_timeout: Duration::from_secs(5),
            segment_bytes: 16 << 20,
            watch_progress_every: PROGRESS_EVERY,
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
    /// The data directory is another member's.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// The cluster has removed this member.
    #[error("member {0:x} was removed from its cluster: it cannot come back, but a new member with an empty data directory can be added")]
    Removed(u64),
    /// It had data, and that is gone.
    #[error(
        "member {0:x} votes in its cluster, or acknowledged entries, and its disk is empty: what it promised is lost. Remove it from the cluster, and add a new member in its place"
    )]
    Lost(u64),
    /// Raft refuses.
    #[error("raft: {0}")]
    Raft(String),
}

impl StartError {
    fn is_for_want_of_space(&self) -> bool {
        match self {
            StartError::Wal(WalError::Io(e)) | StartError::Snapshot(e) | StartError::Identity(identity::IdentityError::Io(e)) => {
                e.kind() == io::ErrorKind::StorageFull
            }
            _ => false,
        }
    }
}

/// The pause before space is looked for again.
const LOOK_FOR_SPACE: Duration = Duration::from_millis(500);

/// What the disk holds, if it is this member's.
async fn open<E: Env>(
    config: &NodeConfig,
    disk: &E::Disk,
    observer: &Arc<dyn Observer>,
) -> Result<(LogStore<E>, StateMachine<E>), StartError> {
    identity::claim::<E>(disk, config.cluster_id, config.id).await?;
    let machine = StateMachine::<E>::open(disk.clone(), observer.clone()).await.map_err(StartError::Snapshot)?;
    let snapshot = machine.durable_snapshot();
    let log = LogStore::<E>::open(config.id, disk.clone(), config.segment_bytes, observer.clone(), snapshot).await?;
    machine.tell_restored();
    Ok((log, machine))
}

/// Whether nothing was ever made durable here.
async fn is_empty<E: Env>(disk: &E::Disk) -> Result<bool, StartError> {
    let known = identity::read::<E>(disk).await.map_err(identity::IdentityError::Io)?;
    Ok(known.is_none() && Wal::<E>::is_new(disk).await.map_err(WalError::Io)?)
}

/// Whether this member votes in the cluster that these are of, or has acknowledged anything to its leader. Asks until
/// the leader answers, confirmed by a quorum.
async fn had_data<E: Env>(net: &E::Net, cluster_id: u64, id: u64, others: &[SocketAddr]) -> bool {
    let patience = Duration::from_secs(1);
    let mut peers: Vec<_> =
        others.iter().map(|addr| PeerClient::new(Channel::<E>::new(net.clone(), *addr, channel_options(cluster_id, patience)))).collect();
    loop {
        for peer in &mut peers {
            if let Ok(reply) = peer.members(MembersRequest { confirmed: true }).await
                && reply.get_ref().leads
            {
                return reply.get_ref().voters.contains(&id) || reply.get_ref().replicated.contains(&id);
            }
        }
        E::sleep(patience / 5).await;
    }
}

/// A running node.
pub struct Node<E: Env> {
    replica: Replica<E>,
    stopping: Stopping,
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
        let stopping = Stopping::default();
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

fn public_routes<E: Env>(
    replica: &Replica<E>,
    lessor: &Lessor<E>,
    handover: Duration,
    progress_every: Duration,
    admin: AdminService<E>,
) -> Routes {
    let lines = Lines { lessor: lessor.clone() };
    let watch = WatchService { replica: replica.clone(), open: Arc::default(), progress_every };
    let led = || refuse_without_leader(replica);
    let kv = KvServer::new(KvService { replica: replica.clone() }).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Routes::new(InterceptedService::new(kv, led()))
        .add_service(WatchServer::with_interceptor(watch, led()))
        .add_service(LeaseServer::with_interceptor(LeaseService { lessor: lessor.clone() }, led()))
        .add_service(ClusterServer::with_interceptor(Members { replica: replica.clone() }, led()))
        .add_service(MaintenanceServer::with_interceptor(MaintenanceService { replica: replica.clone(), handover }, led()))
        .add_service(ElectionServer::with_interceptor(ElectionService { lines: lines.clone() }, led()))
        .add_service(LockServer::with_interceptor(LockService { lines }, led()))
        .add_service(AuthServer::new(NoAuth))
        .add_service(HealthServer::new(HealthService { replica: replica.clone() }))
        .add_service(MyServiceServer::new(Greeter::<E>::new()))
        .add_service(AdminServer::new(admin))
}

/// The services that clients find.
const SERVICES: &[&str] = &[
    KvServer::<()>::NAME,
    WatchServer::<()>::NAME,
    LeaseServer::<()>::NAME,
    ClusterServer::<()>::NAME,
    MaintenanceServer::<()>::NAME,
    ElectionServer::<()>::NAME,
    LockServer::<()>::NAME,
    AuthServer::<()>::NAME,
    HealthServer::<()>::NAME,
    MyServiceServer::<()>::NAME,
    AdminServer::<()>::NAME,
];

/// A node's administration.
pub struct Admin<E: Env> {
    members: Members<E>,
    handover: Duration,
}

impl<E: Env> Clone for Admin<E> {
    fn clone(&self) -> Self {
        Admin { members: self.members.clone(), handover: self.handover }
    }
}

fn in_words(status: tonic::Status) -> String {
    status.message().to_string()
}

impl<E: Env> Admin<E> {
    fn replica(&self) -> &Replica<E> {
        &self.members.replica
    }

    /// Asks the leader, if this is it, to hand over to another voter. Waits until it did, for an
    /// election timeout or two; true when another node leads then.
    pub async fn transfer_leader(&self, to: u64) -> Result<bool, String> {
        if to == self.replica().id {
            return Err(format!("node {to} is no voter that node {to} could hand over to"));
        }
        match move_leader(self.replica(), to, self.handover).await {
            Ok(()) => Ok(true),
            Err(status) if status.message().ends_with("leader transfer took too long") => Ok(false),
            Err(status) => Err(in_words(status)),
        }
    }

    /// Forgets every revision but the last `keep`; answers the new floor, `None` when there is nothing to
    /// forget.
    pub async fn compact(&self, keep: u64) -> Result<Option<i64>, String> {
        let (revision, compacted) = {
            let applying = self.replica().machine.applying();
            (applying.store.revision(), applying.store.compacted())
        };
        let floor = revision - i64::try_from(keep).unwrap_or(i64::MAX);
        if floor <= compacted.max(1) {
            return Ok(None);
        }
        let compact = CompactionRequest { revision: floor, physical: false };
        self.replica().propose(command::Request::Compact(compact)).await.map_err(in_words)?;
        Ok(Some(floor))
    }

    /// Takes a snapshot now, and purges the log behind it.
    pub async fn snapshot(&self) -> Result<(), String> {
        compact_log(self.replica()).await.map_err(in_words)
    }

    /// Adds member `id` at this address; it votes once it has caught up.
    pub async fn add_member(&self, id: u64, addr: SocketAddr) -> Result<(), String> {
        let add = Add { id, peer_urls: vec![format!("http://{addr}")], learner: false };
        self.members.change(Change::Add(add)).await.map(drop).map_err(in_words)
    }

    /// Removes a member, whether it votes or not.
    pub async fn remove_member(&self, id: u64) -> Result<(), String> {
        self.members.change(Change::Remove(id)).await.map(drop).map_err(in_words)
    }
}

/// How long calls that are under way when the node stops may take.
const DRAIN: Duration = Duration::from_secs(1);

/// The longest message that a client may send: etcd's limit on a request, and room for what is around it.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// The one cluster there is, until clusters have names.
const CLUSTER_ID: u64 = 0x5117_a11d_c0de_0001;

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

/// etcd's `--auto-compaction-mode=revision`: only the leader's proposals are taken.
async fn compact_now_and_then<E: Env>(admin: Admin<E>, every: Duration, keep: u64) {
    loop {
        E::sleep(every).await;
        if admin.replica().leads().is_some() {
            // Refused or lost, it comes again.
            let _ = timeout::<E, _>(every, admin.compact(keep)).await;
        }
    }
}
