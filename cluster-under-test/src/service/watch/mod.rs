//! etcd's watches: what changes in a range of keys, from any revision that is not compacted away.
//!
//! ```text
//!   applied ──► "more was applied" ──► each stream pulls what is new since its own revision
//! ```
//!
//! Nothing is queued for a watch: it remembers up to which revision it was told, and reads on from
//! there when its client takes more. So a slow client costs a position, not a buffer; when the position
//! is compacted away, its watches are cancelled with the compaction's revision.
//!
//! Watches that were told as much as the others of their stream go together, at its `told`; one that
//! reads history catches up on its own first. Answers are whole revisions, unless a client asks for
//! fragments. A header's revision says how far the stream has come: everything up to there was told.

mod batch;
mod one;
mod requests;
mod tell;
mod turns;
mod watching;

use super::{replica::Replica, require_leader};
use crate::pb::etcdserverpb::{WatchRequest, WatchResponse, watch_server};
use futures_util::{Stream, stream};
use one::Index;
use squall_env::Env;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::Pin,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};
use tonic::{Request, Response, Status, Streaming};
use watching::Watching;

/// How often a silent watch that asked for it is told how far it is (as etcd).
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(600);

/// The Watch service of one node.
pub(crate) struct WatchService<E: Env> {
    pub(crate) replica: Replica<E>,
    /// How many watches there are.
    pub(crate) open: Arc<AtomicUsize>,
    /// How often a watch that was told nothing is told how far it is, if its client wishes.
    pub(crate) progress_every: Duration,
}

#[tonic::async_trait]
impl<E: Env> watch_server::Watch for WatchService<E> {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let requires_leader = require_leader::asks(request.metadata());
        let progress = self.replica.machine.progress();
        let told = self.replica.machine.applying().store.revision();
        let watching = Watching::<E> {
            replica: self.replica.clone(),
            open: self.open.clone(),
            requests: Some(request.into_inner()),
            progress,
            watches: BTreeMap::new(),
            index: Index::default(),
            behind: BTreeSet::new(),
            told,
            next_id: 0,
            how_far: None,
            progressive: 0,
            tell_at: E::now() + self.progress_every,
            progress_every: self.progress_every,
            answers: VecDeque::new(),
        };
        let answers = stream::unfold(watching, |mut watching| async move { watching.next().await.map(|answer| (answer, watching)) });
        Ok(Response::new(match requires_leader {
            true => require_leader::while_led(Box::pin(answers), self.replica.clone()),
            false => Box::pin(answers),
        }))
    }
}
