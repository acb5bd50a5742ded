//! The real server: the node of the simulations on kernel sockets and files.

use clap::Parser;
use squall_cluster::{NoObserver, Node, NodeConfig};
use squall_env::real::{RealDisk, RealNet, TokioEnv};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

/// One node of the cluster, for peers and clients on one address.
#[derive(Parser)]
#[command(name = "squall-node", version)]
struct Args {
    /// This node's id: one of --members
    #[arg(long)]
    id: u64,
    /// Every founding member: 1=127.0.0.1:2379,2=127.0.0.1:22379,3=127.0.0.1:32379
    #[arg(long, value_parser = parse_member, value_delimiter = ',', required = true)]
    members: Vec<(u64, SocketAddr)>,
    /// Where the log and the snapshots are kept
    #[arg(long)]
    data_dir: PathBuf,
    /// How often a leader tells that it lives, in milliseconds
    #[arg(long, default_value_t = 100)]
    heartbeat_ms: u64,
    /// The shortest election timeout, in milliseconds; the longest is twice that
    #[arg(long, default_value_t = 1000)]
    election_ms: u64,
    /// A snapshot is taken each time that this many entries were applied
    #[arg(long, default_value_t = 10_000)]
    snapshot_every: u64,
}

fn parse_member(text: &str) -> Result<(u64, SocketAddr), String> {
    let (id, addr) = text.split_once('=').ok_or("a member is given as ID=ADDRESS:PORT")?;
    let id = id.parse().map_err(|e| format!("{id}: {e}"))?;
    Ok((id, addr.parse().map_err(|e| format!("{addr}: {e}"))?))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(format!("cannot start: {e}")),
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}

fn fail(why: String) -> ExitCode {
    eprintln!("squall-node: {why}");
    ExitCode::FAILURE
}

async fn run(args: Args) -> Result<(), String> {
    let count = args.members.len();
    let members: BTreeMap<u64, SocketAddr> = args.members.into_iter().collect();
    if members.len() != count {
        return Err("--members names an id twice".to_string());
    }
    let disk = RealDisk::open(&args.data_dir).map_err(|e| format!("{}: {e}", args.data_dir.display()))?;
    let election = Duration::from_millis(args.election_ms);
    let config = NodeConfig {
        heartbeat: Duration::from_millis(args.heartbeat_ms),
        election_timeout_min: election,
        election_timeout_max: 2 * election,
        snapshot_every: args.snapshot_every,
        keep_entries: (args.snapshot_every / 5).max(1),
        ..NodeConfig::new(args.id, members)
    };
    let (node, service) = Node::<TokioEnv>::start(config, RealNet, disk, Arc::new(NoObserver)).await.map_err(|e| e.to_string())?;
    eprintln!("squall-node {} listens on {}", args.id, node.addr());
    tokio::select! {
        biased;
        why = service => Err(why.to_string()),
        signal = tokio::signal::ctrl_c() => signal.map_err(|e| e.to_string()),
    }
}
