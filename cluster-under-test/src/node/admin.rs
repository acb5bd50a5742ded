//! What an administrator may ask of a node.

use crate::{
    pb::{
        etcdserverpb::CompactionRequest,
        internal::command,
        peer::change_members_request::{Add, Change},
    },
    service::{Members, Replica, compact_log, move_leader},
};
use squall_env::{Env, timeout};
use std::{net::SocketAddr, time::Duration};

/// A node's administration.
pub struct Admin<E: Env> {
    pub(super) members: Members<E>,
    pub(super) handover: Duration,
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

/// etcd's `--auto-compaction-mode=revision`: only the leader's proposals are taken.
pub(super) async fn compact_now_and_then<E: Env>(admin: Admin<E>, every: Duration, keep: u64) {
    loop {
        E::sleep(every).await;
        if admin.replica().leads().is_some() {
            // Refused or lost, it comes again.
            let _ = timeout::<E, _>(every, admin.compact(keep)).await;
        }
    }
}
