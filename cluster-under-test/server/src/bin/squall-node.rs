//! The real server: the node of the simulations on kernel sockets and files.

use clap::Parser;
use squall_cluster::Node;
use squall_server::{Flags, LogFormat, Logged, ServerEnv};
use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    sync::Arc,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = match EnvFilter::try_new(&flags.log_level) {
        Ok(filter) => filter,
        Err(e) => return fail(&format!("--log-level: {e}")),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    match flags.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&format!("cannot start: {e}")),
    };
    match runtime.block_on(run(&flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("squall-node: {why}");
    ExitCode::FAILURE
}

async fn run(flags: &Flags) -> Result<(), String> {
    let setup = flags.setup().await.map_err(|e| e.to_string())?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(|e| e.to_string())?, signal(SignalKind::terminate()).map_err(|e| e.to_string())?);
    let (id, cluster) = (setup.config.id, setup.config.cluster_id);
    let started = Node::<ServerEnv>::start(setup.config, setup.net, setup.disk, Arc::new(Logged { member: id })).await;
    let (node, service) = started.map_err(|e| e.to_string())?;
    let member = format!("{id:x}");
    tracing::info!(
        name = flags.name,
        member,
        cluster = format!("{cluster:x}"),
        clients = %node.addr(),
        peers = %node.peer_addr(),
        data = %flags.data_dir().display(),
        "serves"
    );
    let mut service = std::pin::pin!(service);
    tokio::select! {
        biased;
        why = &mut service => {
            tracing::error!(member, why = %why, "cannot go on");
            return Err(why.to_string());
        }
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!(member, "stops");
    // It serves its peers while it hands over.
    tokio::select! {
        biased;
        () = node.stop() => {}
        _ = service => {}
    }
    tracing::info!(member, "stopped");
    Ok(())
}
