//! `squall-node`'s flags, and what they make of a node.

use crate::{
    net::{ServerEnv, ServerNet},
    tls::{Tls, TlsError, TlsFiles},
};
use clap::{Parser, ValueEnum};
use sha2::{Digest, Sha256};
use squall_cluster::{
    NodeConfig,
    pb::peer::{MembersReply, MembersRequest, peer_client::PeerClient},
    read_identity, url_addr,
};
use squall_env::real::RealDisk;
use squall_rpc::{Channel, ChannelOptions};
use std::{collections::BTreeMap, io, net::SocketAddr, path::PathBuf, time::Duration};

/// One node of an etcd-style cluster: etcd's v3 API over gRPC, replicated by Raft.
#[derive(Clone, Debug, Parser)]
#[command(name = "squall-node", version)]
pub struct Flags {
    /// What this member is called; one of --initial-cluster
    #[arg(long, default_value = "default")]
    pub name: String,
    /// Where log and snapshots are kept [default: NAME.squall]
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Where it listens for clients
    #[arg(long, alias = "listen-client-urls", default_value = "http://127.0.0.1:2379")]
    pub listen_client: String,
    /// Where clients are told to find it [default: as --listen-client]
    #[arg(long, alias = "advertise-client-urls")]
    pub advertise_client: Option<String>,
    /// Where it listens for its peers
    #[arg(long, alias = "listen-peer-urls", default_value = "http://127.0.0.1:2380")]
    pub listen_peer: String,
    /// Every member and its peer URL: n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380 [default: NAME and --listen-peer]
    #[arg(long)]
    pub initial_cluster: Option<String>,
    /// Whether these members found a cluster, or this one joins one that is there
    #[arg(long, value_enum, default_value_t = State::New)]
    pub initial_cluster_state: State,
    /// Tells clusters of the same members apart
    #[arg(long, default_value = "squall-cluster")]
    pub initial_cluster_token: String,
    /// How often a leader tells that it lives, in milliseconds
    #[arg(long, alias = "heartbeat-interval", default_value_t = 100)]
    pub heartbeat_ms: u64,
    /// The shortest election timeout, in milliseconds; the longest is twice that
    #[arg(long, alias = "election-timeout", default_value_t = 1000)]
    pub election_ms: u64,
    /// A snapshot is taken each time that this many entries were applied
    #[arg(long, alias = "snapshot-every", default_value_t = 10_000)]
    pub snapshot_count: u64,
    /// Keep this many revisions, and compact older ones away every five minutes [default: keep all]
    #[arg(long)]
    pub auto_compaction_retention: Option<u64>,
    /// This member's certificate, in PEM: with it, every connection is under TLS
    #[arg(long, requires = "key")]
    pub cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, requires = "cert")]
    pub key: Option<PathBuf>,
    /// Who signs the certificates of peers and clients, in PEM: with it, clients must show one
    #[arg(long, requires = "cert")]
    pub ca: Option<PathBuf>,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged: error, warn or info, or a tracing filter
    #[arg(long, default_value = "info,openraft=warn")]
    pub log_level: String,
}

/// How a member comes to its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// With the other founding members.
    New,
    /// By `etcdctl member add`.
    Existing,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Why the flags make no node.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A flag that makes no sense.
    #[error("--{flag}: {why}")]
    Flag {
        /// Which.
        flag: &'static str,
        /// Why.
        why: String,
    },
    /// `--name` is not one of `--initial-cluster`.
    #[error("--initial-cluster has no member {name:?}: it has {known}")]
    UnknownMember {
        /// What was asked for.
        name: String,
        /// What is there.
        known: String,
    },
    /// The member votes already, and this data directory is empty.
    #[error(
        "member {0:x} votes in the cluster, and this data directory is empty: what it acknowledged is lost; remove the member, and add a new one in its place"
    )]
    Lost(u64),
    /// The cluster that is to be joined does not know this member.
    #[error("the cluster at {peers} has no member with the peer URL {url}: add it first (`etcdctl member add {name} --peer-urls={url}`)")]
    NotAdded {
        /// Who was asked.
        peers: String,
        /// This member's peer URL.
        url: String,
        /// This member.
        name: String,
    },
    /// Nobody of the cluster that is to be joined answers.
    #[error("no member of the cluster answers at {peers}: {why}")]
    Nobody {
        /// Who was asked.
        peers: String,
        /// The last one's error.
        why: String,
    },
    /// The data directory cannot be used.
    #[error("{0}: {1}")]
    DataDir(PathBuf, io::Error),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a node starts with.
pub struct Setup {
    /// Its configuration.
    pub config: NodeConfig,
    /// Its network.
    pub net: ServerNet,
    /// Its data directory.
    pub disk: RealDisk,
}

fn flag(flag: &'static str) -> impl Fn(String) -> SetupError {
    move |why| SetupError::Flag { flag, why }
}

/// An id out of what never changes: the first eight bytes of a hash, as etcd does it.
fn id(parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let (first, _) = hash.finalize().split_first_chunk::<8>().map(|(first, rest)| (*first, rest.len())).expect("a hash has 32 bytes");
    u64::from_be_bytes(first).max(1)
}

impl Flags {
    fn initial_cluster(&self) -> Result<BTreeMap<String, String>, SetupError> {
        let wrong = flag("initial-cluster");
        let text = self.initial_cluster.clone().unwrap_or_else(|| format!("{}={}", self.name, self.listen_peer));
        let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for part in text.split(',') {
            let (name, url) = part.split_once('=').ok_or_else(|| wrong(format!("{part:?} is not NAME=URL")))?;
            url_addr(url).map_err(&wrong)?;
            members.entry(name.to_string()).or_default().push(url.to_string());
        }
        // A member may have several URLs; etcd sorts them.
        Ok(members
            .into_iter()
            .map(|(name, mut urls)| {
                (name, {
                    urls.sort();
                    urls.join(",")
                })
            })
            .collect())
    }

    fn listen(&self, name: &'static str, url: &str) -> Result<SocketAddr, SetupError> {
        url_addr(url).map_err(flag(name))
    }

    /// Where the data is kept.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from(format!("{}.squall", self.name)))
    }

    fn net(&self) -> Result<ServerNet, SetupError> {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let files = TlsFiles { cert: cert.clone(), key: key.clone(), ca: self.ca.clone() };
                Ok(ServerNet::with_tls(Tls::load(&files)?))
            }
            _ => match [&self.listen_client, &self.listen_peer].iter().find(|url| url.starts_with("https://")) {
                Some(url) => Err(flag("cert")(format!("{url} wants TLS: give --cert and --key, or say http://"))),
                None => Ok(ServerNet::default()),
            },
        }
    }

    /// Checks the flags, opens the data directory, and, where it joins, asks the cluster who it is.
    pub async fn setup(&self) -> Result<Setup, SetupError> {
        if self.heartbeat_ms == 0 || self.election_ms < 5 * self.heartbeat_ms {
            return Err(flag("election-ms")("must be at least five heartbeats, and a heartbeat at least 1 ms".to_string()));
        }
        if self.snapshot_count == 0 {
            return Err(flag("snapshot-count")("must be at least 1".to_string()));
        }
        let cluster = self.initial_cluster()?;
        let Some(urls) = cluster.get(&self.name) else {
            let known = cluster.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(SetupError::UnknownMember { name: self.name.clone(), known });
        };
        let net = self.net()?;
        let dir = self.data_dir();
        let disk = RealDisk::open(&dir).map_err(|e| SetupError::DataDir(dir.clone(), e))?;
        let known = read_identity::<ServerEnv>(&disk).await.map_err(|e| SetupError::DataDir(dir, e))?;

        let founded = || {
            let members: BTreeMap<u64, String> =
                cluster.values().map(|urls| (id(&[&self.initial_cluster_token, urls]), urls.clone())).collect();
            let whole: Vec<&str> =
                std::iter::once(self.initial_cluster_token.as_str()).chain(members.values().map(String::as_str)).collect();
            (id(&[&self.initial_cluster_token, urls]), id(&whole), members)
        };
        let (member_id, cluster_id, members) = match (self.initial_cluster_state, known) {
            (State::New, _) => founded(),
            (State::Existing, Some(known)) => (known.member_id, known.cluster_id, [(known.member_id, urls.clone())].into()),
            (State::Existing, None) => {
                let (reply, mine) = self.ask_who_i_am(&net, &cluster, urls).await?;
                (mine, reply.cluster_id, [(mine, urls.clone())].into())
            }
        };
        let election = Duration::from_millis(self.election_ms);
        let config = NodeConfig {
            name: self.name.clone(),
            cluster_id,
            members,
            founding: self.initial_cluster_state == State::New,
            listen_peers: self.listen("listen-peer", &self.listen_peer)?,
            listen_clients: self.listen("listen-client", &self.listen_client)?,
            client_urls: self.advertise_client.as_ref().unwrap_or(&self.listen_client).split(',').map(str::to_string).collect(),
            heartbeat: Duration::from_millis(self.heartbeat_ms),
            election_timeout_min: election,
            election_timeout_max: 2 * election,
            snapshot_every: self.snapshot_count,
            keep_entries: (self.snapshot_count / 5).max(1),
            auto_compaction: self.auto_compaction_retention.map(|keep| (Duration::from_secs(300), keep)),
            ..NodeConfig::new(member_id, BTreeMap::new())
        };
        Ok(Setup { config, net, disk })
    }

    /// Asks the other members which of them has these peer URLs.
    async fn ask_who_i_am(
        &self,
        net: &ServerNet,
        cluster: &BTreeMap<String, String>,
        urls: &str,
    ) -> Result<(MembersReply, u64), SetupError> {
        let others: Vec<&str> = cluster.iter().filter(|(name, _)| **name != self.name).flat_map(|(_, urls)| urls.split(',')).collect();
        let peers = others.join(",");
        if others.is_empty() {
            return Err(flag("initial-cluster")("names nobody else: which cluster is to be joined?".to_string()));
        }
        let (mut why, mut is_unknown) = (String::new(), false);
        for url in others {
            let addr = url_addr(url).map_err(flag("initial-cluster"))?;
            let mut peer = PeerClient::new(Channel::<ServerEnv>::new(net.clone(), addr, ChannelOptions::default()));
            match peer.members(MembersRequest { confirmed: true }).await {
                Err(status) => why = format!("{url}: {}", status.message()),
                Ok(reply) => {
                    let reply = reply.into_inner();
                    let mine = reply.members.iter().find(|m| m.peer_ur_ls.iter().any(|theirs| urls.split(',').any(|mine| mine == theirs)));
                    match mine.map(|m| m.id) {
                        Some(id) if reply.voters.contains(&id) || reply.replicated.contains(&id) => return Err(SetupError::Lost(id)),
                        Some(id) => return Ok((reply, id)),
                        // Perhaps this one lags: the next may know.
                        None => is_unknown = true,
                    }
                }
            }
        }
        match is_unknown {
            true => Err(SetupError::NotAdded { peers, url: urls.to_string(), name: self.name.clone() }),
            false => Err(SetupError::Nobody { peers, why }),
        }
    }
}
