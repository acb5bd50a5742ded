//! The state of one stream of watches: who watches, how far everybody was told, and the answers that wait.

use super::one::{Index, Watch};
use crate::{
    pb::etcdserverpb::{WatchRequest, WatchResponse},
    raft::OrderedReceiver,
    service::replica::Replica,
};
use squall_env::{Env, LocalInstant};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tonic::Streaming;

/// One stream of watches.
pub(super) struct Watching<E: Env> {
    pub(super) replica: Replica<E>,
    pub(super) open: Arc<AtomicUsize>,
    /// `None` once the client has said that no more come.
    pub(super) requests: Option<Streaming<WatchRequest>>,
    pub(super) progress: OrderedReceiver<()>,
    pub(super) watches: BTreeMap<i64, Watch>,
    /// Of the watches that are not behind.
    pub(super) index: Index,
    /// The watches that were not told everything up to `told`.
    pub(super) behind: BTreeSet<i64>,
    /// Up to which revision everything was told.
    pub(super) told: i64,
    pub(super) next_id: i64,
    /// The client asked how far it is: told once this revision is reached by all; and how often it asked.
    pub(super) how_far: Option<(i64, u32)>,
    /// How many watches want to be told from time to time.
    pub(super) progressive: usize,
    pub(super) tell_at: LocalInstant,
    pub(super) progress_every: Duration,
    pub(super) answers: VecDeque<WatchResponse>,
}

impl<E: Env> Drop for Watching<E> {
    fn drop(&mut self) {
        self.open.fetch_sub(self.watches.len(), Ordering::Relaxed);
    }
}

impl<E: Env> Watching<E> {
    /// Puts an answer into the queue, with the revision up to which everything before it was told.
    pub(super) fn answer(&mut self, answer: WatchResponse) {
        let term = self.replica.machine.applying().term();
        let header = self.replica.header(self.told, term);
        self.answers.push_back(WatchResponse { header, ..answer });
    }

    /// Ends a watch; whether it was there.
    pub(super) fn close(&mut self, id: i64) -> bool {
        let Some(watch) = self.watches.remove(&id) else { return false };
        self.index.remove(id, &watch);
        self.behind.remove(&id);
        self.progressive -= usize::from(watch.progress);
        self.open.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// What its client asked for is no longer there.
    pub(super) fn compacted(&mut self, id: i64, floor: i64) {
        self.close(id);
        self.answer(WatchResponse { watch_id: id, canceled: true, compact_revision: floor, ..Default::default() });
    }
}
