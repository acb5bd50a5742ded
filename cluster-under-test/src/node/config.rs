//! How a node is set up.

use super::error::StartError;
use crate::service::PROGRESS_EVERY;
use openraft::{Config, SnapshotPolicy};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

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
    /// A watch that was told nothing for this long is told how far it is, if its client wishes.
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

    /// What of it openraft is told.
    pub(super) fn raft(&self) -> Result<Arc<Config>, StartError> {
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

/// The one cluster there is, until clusters have names.
const CLUSTER_ID: u64 = 0x5117_a11d_c0de_0001;
