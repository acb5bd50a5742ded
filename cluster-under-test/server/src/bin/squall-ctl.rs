//! Looks into the nodes of a cluster.

use clap::{Args, Parser, Subcommand};
use squall_cluster::{
    pb::{
        admin::{DescribeRaftRequest, DescribeRaftResponse, admin_client::AdminClient, describe_raft_response::State},
        etcdserverpb::{PutRequest, kv_client::KvClient},
        myservice::{Request as Greeting, my_service_client::MyServiceClient},
    },
    url_addr,
};
use squall_env::{Env, LocalInstant};
use squall_rpc::{Channel, ChannelOptions};
use squall_server::{ServerEnv, ServerNet, Tls, TlsFiles};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tabled::{Table, Tabled, settings::Style};

/// Looks into the nodes of a cluster, each by itself.
#[derive(Parser)]
#[command(name = "squall-ctl", version)]
struct Cli {
    #[command(flatten)]
    to: To,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct To {
    /// The nodes' client addresses
    #[arg(long, global = true, value_delimiter = ',', default_value = "http://127.0.0.1:2379")]
    endpoints: Vec<String>,
    /// A client's certificate, in PEM: with it, connections are under TLS
    #[arg(long, global = true, requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, global = true, requires = "cert")]
    key: Option<PathBuf>,
    /// Who signed the nodes' certificates
    #[arg(long, global = true, requires = "cert")]
    ca: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// What each node thinks of its Raft group: term, vote, log, commit, and a part of the log
    Describe {
        /// Which Raft group
        #[arg(long, default_value_t = 0)]
        group: u64,
        /// A part of the log: FIRST..LAST
        #[arg(long, value_parser = parse_range)]
        log: Option<(u64, u64)>,
    },
    /// Puts as fast as the nodes take it, for a while, and says how many they took: of ours or of etcd
    Load {
        /// How many clients, each on a connection of its own, spread over the endpoints
        #[arg(long, default_value_t = 1)]
        clients: u64,
        /// For how long, in seconds
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// How long each value is, in bytes
        #[arg(long, default_value_t = 256)]
        size: usize,
    },
    /// Greets each node
    Hello {
        /// By this name
        name: String,
    },
}

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let (first, last) = text.split_once("..").ok_or("a part of the log is given as FIRST..LAST")?;
    let number = |n: &str| n.parse::<u64>().map_err(|e| format!("{n:?}: {e}"));
    let (first, last) = (number(first)?, number(last)?);
    if last < first { Err(format!("{last} is before {first}")) } else { Ok((first, last)) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("squall-ctl: {why}");
            ExitCode::FAILURE
        }
    }
}

fn channels(to: &To) -> Result<Vec<(String, Channel<ServerEnv>)>, String> {
    let net = match (&to.cert, &to.key) {
        (Some(cert), Some(key)) => {
            let files = TlsFiles { cert: cert.clone(), key: key.clone(), ca: to.ca.clone() };
            ServerNet::with_tls(Tls::load(&files).map_err(|e| e.to_string())?)
        }
        _ => ServerNet::default(),
    };
    // etcd ends a connection that pings more often than every five seconds.
    let options = ChannelOptions { ping_after: Duration::from_secs(30), ..Default::default() };
    let channel = |url: &String| Ok((url.clone(), Channel::new(net.clone(), url_addr(url)?, options.clone())));
    to.endpoints.iter().map(channel).collect()
}

#[derive(Tabled)]
struct Described {
    endpoint: String,
    id: String,
    state: &'static str,
    term: u64,
    #[tabled(rename = "voted for")]
    voted_for: String,
    leader: String,
    commit: String,
    applied: String,
    #[tabled(rename = "last index")]
    last_index: String,
    #[tabled(rename = "last term")]
    last_term: String,
    snapshot: String,
}

#[derive(Tabled)]
struct Logged {
    id: String,
    index: u64,
    term: u64,
    kind: String,
    bytes: u64,
}

fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_string(), |n| n.to_string())
}

fn member(id: u64) -> String {
    if id == 0 { "-".to_string() } else { format!("{id:x}") }
}

fn described(endpoint: &str, raft: &DescribeRaftResponse) -> Described {
    let state = match raft.state() {
        State::Learner => "learner",
        State::Follower => "follower",
        State::Candidate => "candidate",
        State::Leader => "leader",
        State::Shutdown => "shut down",
    };
    Described {
        endpoint: endpoint.to_string(),
        id: member(raft.id),
        state,
        term: raft.current_term,
        voted_for: member(raft.voted_for),
        leader: member(raft.leader),
        commit: or_dash(raft.commit_index),
        applied: or_dash(raft.applied_index),
        last_index: or_dash(raft.last_log_index),
        last_term: or_dash(raft.last_log_term),
        snapshot: or_dash(raft.snapshot_index),
    }
}

/// One client's puts, one after the other; how long each took.
async fn puts(node: Channel<ServerEnv>, client: u64, until: LocalInstant, size: usize) -> Result<Vec<Duration>, String> {
    let mut kv = KvClient::new(node);
    let mut took = Vec::new();
    while ServerEnv::now() < until {
        let key = format!("load/{client}/{}", took.len() % 1000);
        let put = PutRequest { key: key.into(), value: vec![b'x'; size].into(), ..Default::default() };
        let began = ServerEnv::now();
        kv.put(put).await.map_err(|status| format!("client {client}: {}", status.message()))?;
        took.push(ServerEnv::now().since(began));
    }
    Ok(took)
}

async fn load(to: &To, clients: u64, lasts: Duration, size: usize) -> Result<(), String> {
    let mut running = Vec::new();
    let until = ServerEnv::now() + lasts;
    for client in 0..clients {
        // A connection of its own.
        let mut nodes = channels(to)?;
        let at = client as usize % nodes.len();
        running.push(ServerEnv::spawn(puts(nodes.swap_remove(at).1, client, until, size)));
    }
    let mut took = Vec::new();
    for client in running {
        took.extend(client.await.map_err(|e| e.to_string())??);
    }
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let rate = took.len() as f64 / lasts.as_secs_f64();
    println!("{rate:.0} puts/s by {clients} clients, {size} bytes each; p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
    Ok(())
}

async fn run(cli: Cli) -> Result<(), String> {
    let channels = channels(&cli.to)?;
    let mut failed = Vec::new();
    match cli.command {
        Command::Describe { group, log } => {
            let (first, last) = log.unwrap_or((0, 0));
            let (mut nodes, mut entries) = (Vec::new(), Vec::new());
            for (endpoint, channel) in channels {
                match AdminClient::new(channel).describe_raft(DescribeRaftRequest { group, first, last }).await {
                    Ok(raft) => {
                        let raft = raft.into_inner();
                        nodes.push(described(&endpoint, &raft));
                        let id = member(raft.id);
                        let logged = |e: squall_cluster::pb::admin::describe_raft_response::Entry| Logged {
                            id: id.clone(),
                            index: e.index,
                            term: e.term,
                            kind: e.kind,
                            bytes: e.bytes,
                        };
                        entries.extend(raft.entries.into_iter().map(logged));
                    }
                    Err(status) => failed.push(format!("{endpoint}: {}", status.message())),
                }
            }
            if !nodes.is_empty() {
                println!("{}", Table::new(nodes).with(Style::psql()));
            }
            if !entries.is_empty() {
                println!("\n{}", Table::new(entries).with(Style::psql()));
            }
        }
        Command::Load { clients, seconds, size } => load(&cli.to, clients, Duration::from_secs(seconds), size).await?,
        Command::Hello { name } => {
            for (endpoint, channel) in channels {
                match MyServiceClient::new(channel).my_method(Greeting { name: name.clone() }).await {
                    Ok(answer) => println!("{endpoint}: {}", answer.into_inner().message),
                    Err(status) => failed.push(format!("{endpoint}: {}", status.message())),
                }
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}
