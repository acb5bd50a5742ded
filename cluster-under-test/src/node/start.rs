//! What is found before a node is one: on its disk, and at its peers.

use super::{config::NodeConfig, error::StartError};
use crate::{
    identity,
    member::channel_options,
    observe::Observer,
    pb::peer::{MembersRequest, peer_client::PeerClient},
    raft::{LogStore, StateMachine},
    wal::{Wal, WalError},
};
use squall_env::Env;
use squall_rpc::Channel;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// The pause before space is looked for again.
pub(super) const LOOK_FOR_SPACE: Duration = Duration::from_millis(500);

/// What the disk holds, if it is this member's.
pub(super) async fn open<E: Env>(
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
pub(super) async fn is_empty<E: Env>(disk: &E::Disk) -> Result<bool, StartError> {
    let known = identity::read::<E>(disk).await.map_err(identity::IdentityError::Io)?;
    Ok(known.is_none() && Wal::<E>::is_new(disk).await.map_err(WalError::Io)?)
}

/// Whether this member votes in the cluster that these are of, or has acknowledged anything to its leader. Asks until
/// the leader answers, confirmed by a quorum.
pub(super) async fn had_data<E: Env>(net: &E::Net, cluster_id: u64, id: u64, others: &[SocketAddr]) -> bool {
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
