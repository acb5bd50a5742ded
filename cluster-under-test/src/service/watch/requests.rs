//! What a client asks of its stream: watches that begin and end, and how far it is.

use super::{one::Watch, watching::Watching};
use crate::{
    Bug,
    pb::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse, watch_create_request::FilterType, watch_request::RequestUnion},
};
use bytes::Bytes;
use squall_env::Env;
use std::sync::atomic::Ordering;

/// How many watches a node has at most.
const WATCHES_MAX: usize = 1 << 16;

impl<E: Env> Watching<E> {
    pub(super) fn asked(&mut self, request: WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.create(create),
            Some(RequestUnion::CancelRequest(cancel)) => self.cancel(cancel.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => {
                let now = self.replica.machine.applying().store.revision();
                let asked = self.how_far.map_or(0, |(_, asked)| asked);
                self.how_far = Some((now, asked + 1));
                self.tell_how_far_if_asked();
            }
            None => {}
        }
    }

    fn create(&mut self, create: WatchCreateRequest) {
        // As etcd: an empty key is the lowest one.
        let key = if create.key.is_empty() { Bytes::from_static(b"\0") } else { create.key };
        let range_end = create.range_end;
        let refused = if !matches!(range_end.as_ref(), [] | [0]) && range_end <= key {
            Some("mvcc: watcher range is empty")
        } else if create.watch_id != 0 && self.watches.contains_key(&create.watch_id) {
            Some("mvcc: duplicate watch ID provided on the WatchStream")
        } else if self.open.load(Ordering::Relaxed) >= WATCHES_MAX {
            Some("etcdserver: too many watches on this member")
        } else {
            None
        };
        if let Some(why) = refused {
            let answer =
                WatchResponse { watch_id: -1, created: true, canceled: true, cancel_reason: why.to_string(), ..Default::default() };
            return self.answer(answer);
        }
        let id = match create.watch_id {
            0 => {
                while self.watches.contains_key(&self.next_id) {
                    self.next_id += 1;
                }
                self.next_id += 1;
                self.next_id - 1
            }
            id => id,
        };
        let range_end = match E::bug(Bug::WatchKeyAsPrefix) && range_end.is_empty() {
            true => Bytes::from([&key[..], b"\xff"].concat()),
            false => range_end,
        };
        let filters = |kind: FilterType| create.filters.contains(&kind.into());
        let (now, floor, term) = {
            let applying = self.replica.machine.applying();
            (applying.store.revision(), applying.store.compacted(), applying.term())
        };
        // A revision before all others is compacted away as soon as anything is; before that, -1 is no revision at all, as in etcd.
        let mut next = match create.start_revision {
            0 => now + 1,
            start if start < 0 && start >= floor => now + 1,
            start => start,
        };
        if create.start_revision > 0 && E::bug(Bug::WatchResumeOffByOne) {
            next += 1;
        }
        if create.start_revision > 1 && E::bug(Bug::WatchResumeRepeats) {
            next -= 1;
        }
        if E::bug(Bug::WatchIgnoresCompaction) {
            next = next.max(floor);
        }
        let watch = Watch {
            key,
            range_end,
            no_put: filters(FilterType::Noput),
            no_delete: filters(FilterType::Nodelete),
            prev_kv: create.prev_kv,
            progress: create.progress_notify,
            fragment: create.fragment,
            next,
            lively: false,
        };
        if next <= self.told {
            self.behind.insert(id);
        } else {
            self.index.insert(id, &watch);
        }
        self.progressive += usize::from(watch.progress);
        self.watches.insert(id, watch);
        self.open.fetch_add(1, Ordering::Relaxed);
        // A client that gave no start takes it from here.
        let header = self.replica.header(now, term);
        self.answers.push_back(WatchResponse { header, watch_id: id, created: true, ..Default::default() });
        // Refused even where the last changes are still at hand: nobody may rely on that.
        if next < floor {
            self.compacted(id, floor);
        }
    }

    fn cancel(&mut self, watch_id: i64) {
        // As etcd: nothing is said of a watch that is not there.
        if self.close(watch_id) {
            self.answer(WatchResponse { watch_id, canceled: true, ..Default::default() });
        }
    }

    /// Answers the client's questions how far its stream is, never before everything up to there was told
    /// (etcd 3.5 gets that wrong: etcd issue 15220).
    pub(super) fn tell_how_far_if_asked(&mut self) {
        if let Some((revision, asked)) = self.how_far
            && self.told >= revision
            && (self.behind.is_empty() || E::bug(Bug::WatchProgressOvertakes))
        {
            self.how_far = None;
            (0..asked).for_each(|_| self.answer(WatchResponse { watch_id: -1, ..Default::default() }));
        }
    }
}
