//! One node as a process: `raftkvd ID DIR ADDRESS...`, with the address of node 1, node 2, ...

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

#[tokio::main]
async fn main() -> Result<(), raftkv::Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [id, dir, addresses @ ..] = &args[..] else { return Err("usage: raftkvd ID DIR ADDRESS...".into()) };
    let members: BTreeMap<u64, SocketAddr> = (1..).zip(addresses.iter().map(|addr| addr.parse()).collect::<Result<Vec<_>, _>>()?).collect();
    let id = id.parse()?;
    if !members.contains_key(&id) {
        return Err(format!("there is no address of node {id}").into());
    }
    raftkv::Node::start(id, &members, Path::new(dir)).await?.serve().await
}
