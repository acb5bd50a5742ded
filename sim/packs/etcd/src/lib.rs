//! The pack of etcd-style services: the cluster that we ship (`cluster-under-test`), over etcd's own wire format.
//!
//! What is asked and promised is [`squall_etcd_model`]; here is what needs gRPC and a cluster.

mod leftovers;
mod refusals;
mod user;

pub use user::User;

use squall_client::{Nodes, Retrying};
use user::{channels, revision};

use leftovers::EtcdLeftovers;
use squall_etcd_model as model;

use squall_cluster::{Bug, Failpoint as Seam, LogMark as Mark, Node, NodeConfig, Observer, RaftRole, StartError};
use squall_env::{
    Env,
    real::{RealNet, TokioEnv},
};
use squall_history::{ClientId, Dialect, EntryKind, Event, LogMark, NodeId, Observation, Role, View};
use squall_linear::{Found, Judged, RawHistory};
use squall_run::{
    Admin, BoxFuture, Checker, Client, ClientContext, EventInfo, Failpoint, Holder, Leftovers, Named, NodeContext, OwnModel, Pack,
    RealContext, Reporter, ServiceEvents, SimEnv,
};
use squall_scenario::workloads::WorkloadKind;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// A client that heard nothing for this long asks whether the node is there.
const PING_AFTER: Duration = Duration::from_secs(1);

/// The same, in real time: etcd ends connections that ask more often than every 5 s.
const REAL_PING_AFTER: Duration = Duration::from_secs(30);

/// How long a look at a cluster that really runs may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// The etcd-style cluster.
pub struct Etcd;

/// The seams of its code. Whoever dies before the end of a lease dies as elsewhere; what is decided there is to be late.
const FAILPOINTS: [Failpoint; Seam::ALL.len()] = {
    let mut all = [Failpoint { name: "", about: "", can_fail: false, only_late: false }; Seam::ALL.len()];
    let mut i = 0;
    while i < all.len() {
        let seam = Seam::ALL[i];
        let only_late = matches!(seam, Seam::BeforeLeaseEnd);
        all[i] = Failpoint { name: seam.name(), about: seam.about(), can_fail: seam.can_fail(), only_late };
        i += 1;
    }
    all
};

/// Keys and values, all at once.
static KV: OwnModel = OwnModel {
    name: "kv",
    about: "a key-value store with revisions, as etcd's: get, put, cas, delete, range, txn; all keys at once",
    judge: |view, options| {
        let judged = model::ops::View::of(view, |view| model::checks::linearizable::judge_kv(view.ops(), options));
        judged.unwrap_or_else(|| {
            let why = "the history is another service's".to_string();
            Judged { calls: 0, keys: 0, verdict: Found::Unknown(why), remarks: vec![] }
        })
    },
    at_once: Some(|file, is_read, may_go_on| {
        let Some(columns) = model::checks::linearizable::read_columns(file)? else { return Ok(None) };
        is_read();
        let decided = columns.decide(may_go_on);
        // Giving back what a long history took takes as long as judging it, and the process is about to end.
        std::mem::forget(columns);
        Ok(Some(decided))
    }),
};

/// What the model finds in a history.
struct OfModel(model::ServiceEvents);

impl ServiceEvents for OfModel {
    fn of(&mut self, what: &EntryKind, client: Option<ClientId>) -> Option<Event> {
        self.0.of(what, client)
    }

    fn holder(&self) -> Option<ClientId> {
        self.0.holder()
    }
}

impl Pack for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn about(&self) -> &'static str {
        "the etcd-style cluster: openraft, a write-ahead log, an MVCC store, etcd's KV service"
    }

    fn workloads(&self) -> &'static [WorkloadKind] {
        model::workloads::ALL
    }

    fn checkers(&self) -> &'static [Checker] {
        model::checks::ALL
    }

    fn dialect(&self) -> Dialect {
        model::DIALECT
    }

    fn events(&self) -> &'static [EventInfo] {
        model::EVENTS
    }

    fn holder(&self) -> Option<&'static Holder> {
        Some(&model::HOLDER)
    }

    fn service_events(&self) -> Box<dyn ServiceEvents> {
        Box::new(OfModel(model::ServiceEvents::default()))
    }

    fn bugs(&self) -> Vec<Named> {
        Bug::ALL.iter().map(|bug| Named { name: bug.name(), about: bug.about() }).collect()
    }

    fn failpoints(&self) -> &'static [Failpoint] {
        &FAILPOINTS
    }

    fn leftovers(&self) -> Box<dyn Leftovers> {
        Box::new(EtcdLeftovers::default())
    }

    fn calls(&self, view: &View<'_>) -> Option<RawHistory> {
        model::ops::View::of(view, |view| model::checks::linearizable::raw(view.ops()))
    }

    fn model(&self) -> Option<&'static OwnModel> {
        Some(&KV)
    }

    fn boot(&self, node: NodeContext) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            // A newcomer learns who else there is from the log.
            let known = if node.joins { &node.hosts } else { &node.members };
            let members = known.iter().map(|(id, addr)| (u64::from(id.0), *addr)).collect();
            let config = NodeConfig {
                heartbeat: node.cluster.heartbeat,
                election_timeout_min: node.cluster.election_timeout.0.min,
                election_timeout_max: node.cluster.election_timeout.0.max,
                pre_vote: node.cluster.pre_vote,
                snapshot_every: node.cluster.snapshot_every.0,
                keep_entries: node.cluster.snapshot_every.0 / 5,
                segment_bytes: 16 << 10,
                auto_compaction: Some((Duration::from_secs(5), 1_000)),
                // So that it happens within a watch of ours.
                watch_progress_every: Duration::from_millis(900),
                founding: !node.joins,
                ..NodeConfig::new(u64::from(node.id.0), members)
            };
            let observer = Arc::new(HistoryObserver(node.reporter.clone()));
            let started = Node::<SimEnv>::start(config, node.net.clone(), node.disk.clone(), observer).await;
            let (running, service) = started.map_err(|e| e.to_string())?;
            let read = running.state_reader();
            node.on_probe(move || {
                let (applied, hash) = read();
                Observation::Final { applied, hash }
            });
            let (admin, hosts) = (running.admin(), node.hosts.clone());
            node.on_admin(move |ask| {
                let (admin, hosts) = (admin.clone(), hosts.clone());
                Box::pin(async move {
                    match ask {
                        Admin::TransferLeader { to } => admin.transfer_leader(u64::from(to.0)).await.map(drop),
                        Admin::Compact { keep } => admin.compact(keep).await.map(drop),
                        Admin::Snapshot | Admin::Defragment => admin.snapshot().await,
                        Admin::AddMember { node } => insist(&admin, node, Some(hosts[&node])).await,
                        Admin::RemoveMember { node } => insist(&admin, node, None).await,
                    }
                })
            });
            match service.await {
                // It does as it was told.
                StartError::Removed(_) => Ok(()),
                why => Err(why.to_string()),
            }
        })
    }

    fn client(&self, client: ClientContext) -> Box<dyn Client> {
        Retrying::simulated(&client, &channels(PING_AFTER), User::new(client.op_timeout, client.sink.clone()))
    }

    fn connect(&self, client: RealContext) -> Option<Box<dyn Client>> {
        let user = User::new(client.op_timeout, client.sink.clone());
        Some(Retrying::<TokioEnv, _>::real(&RealNet, &client, &channels(REAL_PING_AFTER), user))
    }

    fn is_new<'a>(&'a self, endpoints: &'a [SocketAddr]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let nodes = Nodes::<TokioEnv>::new(&RealNet, endpoints.iter().copied(), 1, &channels(REAL_PING_AFTER));
            match revision(nodes.current(), LOOK_TIMEOUT).await {
                Ok(1) => Ok(()),
                Ok(revision) => Err(format!(
                    "the store is at revision {revision}: a history begins with an empty one, so start the cluster on new data directories"
                )),
                Err(status) => Err(format!("the cluster does not answer: {}", status.message())),
            }
        })
    }
}

/// An administrator asks again until it is done, as long as patience lasts: there was no leader, the answer was lost, or
/// another change was under way.
async fn insist(admin: &squall_cluster::Admin<SimEnv>, node: NodeId, takes_in: Option<SocketAddr>) -> Result<(), String> {
    let patience = SimEnv::now() + Duration::from_secs(10);
    loop {
        let answer = match takes_in {
            Some(addr) => admin.add_member(node.0.into(), addr).await,
            None => admin.remove_member(node.0.into()).await,
        };
        match answer {
            // It was done before, and nobody said so.
            Err(why) if why.contains(if takes_in.is_some() { "already exist" } else { "member not found" }) => return Ok(()),
            Err(_) if SimEnv::now() < patience => SimEnv::sleep(Duration::from_millis(200)).await,
            other => return other,
        }
    }
}

/// A node's observations, in the history's words.
struct HistoryObserver(Reporter);

fn node(id: u64) -> NodeId {
    NodeId(id as u32)
}

impl Observer for HistoryObserver {
    fn vote(&self, term: u64, voted_for: u64, committed: bool) {
        self.0.saw(Observation::Vote { term, voted_for: Some(node(voted_for)), granted: committed });
    }

    fn role(&self, term: u64, role: RaftRole, leader: Option<u64>) {
        let role = match role {
            RaftRole::Follower => Role::Follower,
            RaftRole::Candidate => Role::Candidate,
            RaftRole::Leader => Role::Leader,
        };
        self.0.saw(Observation::Role { term, role, leader: leader.map(node) });
    }

    fn appended(&self, entries: &[Mark]) {
        self.0.saw(Observation::Append { entries: entries.iter().map(|m| LogMark(m.index, m.term, m.hash)).collect() });
    }

    fn synced(&self, index: u64) {
        self.0.saw(Observation::Synced { index });
    }

    fn membership(&self, index: u64, voters: &[Vec<u64>], learners: &[u64]) {
        self.0.saw(Observation::Membership { index, voters: voters.to_vec(), learners: learners.to_vec() });
    }

    fn truncated(&self, after: Option<u64>) {
        self.0.saw(Observation::Truncate { after });
    }

    fn purged(&self, index: u64, term: u64) {
        self.0.saw(Observation::Purge { upto: index, term });
    }

    fn committed(&self, index: u64, term: u64) {
        self.0.saw(Observation::Commit { index, term });
    }

    fn applied(&self, first: u64, state: &[u32]) {
        self.0.saw(Observation::Apply { first, state: state.to_vec() });
    }

    fn compacted(&self, revision: u64) {
        self.0.saw(Observation::Forgot { before: revision });
    }

    fn snapshot_built(&self, index: u64, term: u64) {
        self.0.saw(Observation::SnapshotBuilt { index, term });
    }

    fn snapshot_installed(&self, index: u64, term: u64, state: u32) {
        self.0.saw(Observation::SnapshotInstalled { index, term, state });
    }

    fn restored(&self, index: u64, term: u64, state: u32) {
        self.0.saw(Observation::Restored { index, term, state });
    }

    fn members(&self, index: u64, voters: &[u64], learners: &[u64]) {
        // Members that clients made up have numbers that no node of the run has.
        let nodes = |ids: &[u64]| ids.iter().filter_map(|id| u32::try_from(*id).ok()).map(NodeId).collect();
        self.0.saw(Observation::Members { index, voters: nodes(voters), learners: nodes(learners) });
    }
}
