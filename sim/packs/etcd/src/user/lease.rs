//! Leases. Those that are kept are renewed by a task of the client's own, as etcd's client library does.

use super::{User, answer, bytes, counted, text};
use squall_client::{Nodes, within};
use squall_cluster::pb::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest, PutRequest, kv_client::KvClient,
    lease_client::LeaseClient,
};
use squall_env::{Env, timeout};
use squall_etcd_model::ops::{Answer, LeaseId, LeaseOp, LeaseOutput, Output};
use squall_rpc::Channel;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tonic::Status;

impl User {
    pub(super) async fn lease<E: Env>(&mut self, nodes: &Nodes<E>, ask: &LeaseOp, left: Duration) -> Result<Answer, Status> {
        let mut leases = LeaseClient::new(nodes.current());
        match ask {
            LeaseOp::Grant { ttl, keep } => {
                let grant = LeaseGrantRequest { ttl: *ttl as i64, id: 0 };
                let reply = leases.lease_grant(within(left, grant)).await?.into_inner();
                let (lease, ttl) = (LeaseId(reply.id), counted(reply.ttl));
                if *keep {
                    self.keep(nodes.clone(), lease, ttl);
                }
                Ok(answer(Output::Lease(LeaseOutput::Granted { lease, ttl }), reply.header))
            }
            LeaseOp::KeepAlive { lease } => {
                let ttl = renew(nodes.current(), *lease, left).await?;
                Ok(Answer::from(Output::Lease(LeaseOutput::Renewed { ttl })))
            }
            LeaseOp::Revoke { lease } => {
                if let Some(stop) = self.kept.remove(lease) {
                    stop.store(true, Ordering::Relaxed);
                }
                let reply = leases.lease_revoke(within(left, LeaseRevokeRequest { id: lease.0 })).await?.into_inner();
                Ok(answer(Output::Lease(LeaseOutput::Revoked), reply.header))
            }
            LeaseOp::TimeLeft { lease } => {
                let look = LeaseTimeToLiveRequest { id: lease.0, keys: true };
                let reply = leases.lease_time_to_live(within(left, look)).await?.into_inner();
                let keys = reply.keys.iter().map(|key| text(key)).collect();
                Ok(answer(Output::Lease(LeaseOutput::Left { ttl: reply.ttl, keys }), reply.header))
            }
            LeaseOp::Attach { lease, key, value } => {
                let put = PutRequest { key: bytes(key), value: bytes(value), lease: lease.0, ..Default::default() };
                let reply = KvClient::new(nodes.current()).put(within(left, put)).await?.into_inner();
                Ok(answer(Output::Lease(LeaseOutput::Attached), reply.header))
            }
        }
    }

    /// Renews it three times in its life, at whichever node answers, until it is gone.
    fn keep<E: Env>(&mut self, mut nodes: Nodes<E>, lease: LeaseId, ttl: u64) {
        let stop = Arc::new(AtomicBool::new(false));
        self.kept.insert(lease, stop.clone());
        let patience = self.op_timeout;
        drop(E::spawn(async move {
            let every = Duration::from_secs(ttl) / 3;
            loop {
                E::sleep(every).await;
                for _ in 0..nodes.count() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    match timeout::<E, _>(patience, renew(nodes.current(), lease, patience)).await {
                        Ok(Ok(0)) => return,
                        Ok(Ok(_)) => break,
                        Ok(Err(_)) | Err(_) => nodes.rotate(),
                    }
                }
            }
        }));
    }
}

/// Asks one node, on a stream of one question.
async fn renew<E: Env>(node: Channel<E>, lease: LeaseId, left: Duration) -> Result<u64, Status> {
    let ask = futures_util::stream::iter([LeaseKeepAliveRequest { id: lease.0 }]);
    let mut answers = LeaseClient::new(node).lease_keep_alive(within(left, ask)).await?.into_inner();
    let reply = answers.message().await?.ok_or_else(|| Status::unknown("the stream ended without an answer"))?;
    Ok(counted(reply.ttl))
}
