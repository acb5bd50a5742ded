//! Telling watches: what is new, what is past for those that are behind, and how far they are.

use super::{
    batch::{Batch, fragments},
    watching::Watching,
};
use crate::{
    Bug,
    pb::{etcdserverpb::WatchResponse, mvccpb::Event},
};
use squall_env::Env;
use std::{collections::BTreeMap, ops::ControlFlow};

/// A planted bug drops what is more revisions behind.
const LAG_DROPPED: i64 = 10;

impl<E: Env> Watching<E> {
    /// Queues the next answers; whether there may be more.
    pub(super) fn tell_more(&mut self) -> bool {
        match self.behind.first() {
            Some(id) => self.catch_up(*id),
            None => return self.tell_news(),
        }
        true
    }

    /// Tells one watch of the past a batch.
    fn catch_up(&mut self, id: i64) {
        let watch = &self.watches[&id];
        let (mut events, mut batch, mut upto) = (Vec::new(), Batch::default(), self.told);
        let told = self.told;
        let visited = {
            let applying = self.replica.machine.applying();
            let unfiltered = E::bug(Bug::WatchCatchesUpUnfiltered);
            applying.recent.visit(&applying.store, watch.next, |change| {
                let revision = change.version.mod_revision;
                if revision > told {
                    return ControlFlow::Break(());
                }
                if !batch.looks_at(&change) {
                    upto = batch.last;
                    return ControlFlow::Break(());
                }
                if watch.covers(change.key)
                    && let Some(mut event) = watch.event(&change, unfiltered)
                {
                    event.prev_kv = event.prev_kv.filter(|_| !E::bug(Bug::WatchWithoutPrevious));
                    batch.take(&change);
                    events.push(event);
                }
                ControlFlow::Continue(())
            })
        };
        if let Err(floor) = visited {
            return self.compacted(id, floor);
        }
        let watch = self.watches.get_mut(&id).expect("it was there above");
        watch.next = upto + 1;
        if upto == told {
            self.behind.remove(&id);
            self.index.insert(id, watch);
        }
        self.tell(id, events, upto);
    }

    /// Tells the watches that are not behind what is new; whether there was anything.
    fn tell_news(&mut self) -> bool {
        let mut news: BTreeMap<i64, Vec<Event>> = BTreeMap::new();
        let (mut batch, from) = (Batch::default(), self.told + 1);
        let (index, watches) = (&self.index, &self.watches);
        let (visited, upto) = {
            let applying = self.replica.machine.applying();
            let mut upto = applying.store.revision();
            if upto < from {
                return false;
            }
            if upto - from > LAG_DROPPED && E::bug(Bug::WatchDropsSlow) {
                self.told = upto;
                return true;
            }
            let visited = applying.recent.visit(&applying.store, from, |change| {
                if !batch.looks_at(&change) {
                    upto = batch.last;
                    return ControlFlow::Break(());
                }
                let single = index.single.get(change.key).into_iter().flatten();
                let ranges = index.ranges.iter().filter(|id| watches[*id].covers(change.key));
                for id in single.chain(ranges) {
                    if let Some(event) = watches[id].event(&change, false) {
                        batch.take(&change);
                        news.entry(*id).or_default().push(event);
                    }
                }
                ControlFlow::Continue(())
            });
            (visited, upto)
        };
        if let Err(floor) = visited {
            // Those that begin at the floor or behind it go on.
            let at = self.told + 1;
            let lost: Vec<i64> = self.watches.iter().filter(|(_, w)| w.next.max(at) < floor).map(|(id, _)| *id).collect();
            self.told = floor - 1;
            lost.into_iter().for_each(|id| self.compacted(id, floor));
            return true;
        }
        self.told = upto;
        for (id, events) in news {
            self.tell(id, events, upto);
        }
        true
    }

    /// Queues the events of one watch, which bring it to revision `upto`.
    fn tell(&mut self, id: i64, events: Vec<Event>, upto: i64) {
        if events.is_empty() {
            return;
        }
        let term = self.replica.machine.applying().term();
        let watch = self.watches.get_mut(&id).expect("only watches are told");
        watch.lively = true;
        let parts = match watch.fragment {
            _ if E::bug(Bug::WatchSplitsRevision) => events.into_iter().map(|event| vec![event]).collect(),
            true => fragments(events),
            false => vec![events],
        };
        let last = parts.len() - 1;
        for (i, events) in parts.into_iter().enumerate() {
            let header = self.replica.header(upto, term);
            self.answers.push_back(WatchResponse { header, watch_id: id, fragment: i < last, events, ..Default::default() });
        }
    }

    /// Tells the watches that asked for it, and were told nothing for long, how far they are.
    pub(super) fn tell_how_far(&mut self) {
        self.tell_at = E::now() + self.progress_every;
        let silent = self.watches.iter().filter(|(id, w)| w.progress && !w.lively && !self.behind.contains(id));
        let silent: Vec<i64> = silent.map(|(id, _)| *id).collect();
        self.watches.values_mut().for_each(|w| w.lively = false);
        for watch_id in silent {
            self.answer(WatchResponse { watch_id, ..Default::default() });
        }
    }
}
