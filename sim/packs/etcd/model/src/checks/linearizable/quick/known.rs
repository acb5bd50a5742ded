//! What is known of each key that lost writes may change: what answers tell of it, and what follows from that.

use super::{
    super::log::{Kind, NONE, Row},
    replay::{FxMap, Impossible, InOrder, Known, Replay, ReplayFailure},
};
use crate::checks::out_of_model::OutOfModel;
use std::cmp::Reverse;

impl Replay<'_> {
    /// What a lost write may leave, key by key.
    pub(super) fn may_leave(&self, row: &Row, mut each: impl FnMut(u32, u32)) {
        match row.kind {
            Kind::Put | Kind::Swap => each(row.key, row.value),
            Kind::Delete => each(row.key, NONE),
            Kind::Txn => {
                let txn = &self.log.txns[row.extra as usize];
                for step in txn.then.iter().chain(&txn.otherwise).filter(|s| s.kind != Kind::Get) {
                    each(step.key, step.value);
                }
            }
            Kind::Get | Kind::Range => {}
        }
    }

    pub(super) fn file_lost(&mut self, lost: &[u32]) {
        for &i in lost {
            let mut leaves = Vec::new();
            self.may_leave(&self.log.rows[i as usize], |key, value| leaves.push((key, value)));
            for (key, value) in leaves {
                self.known.entry(key).or_default();
                let writers = self.writers.entry((key, value)).or_default();
                if writers.last() != Some(&i) {
                    writers.push(i);
                }
            }
        }
    }

    /// What the answers tell of the keys that lost writes may change.
    pub(super) fn file_known(&mut self) {
        let log = self.log;
        self.changeable = self.known.keys().copied().collect();
        self.changeable.sort_unstable();
        let known = &mut self.known;
        let mut tell = |key: u32, revision: u64, what: Known| {
            if let Some((all, _)) = known.get_mut(&key) {
                all.push((revision, what));
            }
        };
        let mut shown: FxMap<u32, ()> = FxMap::default();
        for row in log.rows.iter().filter(|row| row.revision > 0) {
            let before = row.revision - u64::from(row.changed);
            match row.kind {
                Kind::Get => tell(row.key, row.revision, Known::Holds(row.value, 0)),
                Kind::Put => tell(row.key, row.revision, Known::Written),
                Kind::Swap if row.yes => {
                    tell(row.key, before, Known::Holds(row.extra, 0));
                    tell(row.key, row.revision, Known::Written);
                }
                Kind::Swap => tell(row.key, row.revision, Known::HoldsNot(row.extra)),
                Kind::Delete if row.yes => {
                    tell(row.key, before, Known::There);
                    tell(row.key, row.revision, Known::Written);
                }
                Kind::Delete => tell(row.key, row.revision, Known::Holds(NONE, 0)),
                Kind::Range => {
                    let range = &log.ranges[row.extra as usize];
                    let at = range.at.unwrap_or(row.revision);
                    shown.clear();
                    for kv in &log.shown[range.shown.start as usize..range.shown.end as usize] {
                        tell(kv.key, at, Known::Holds(kv.value, kv.written));
                        shown.insert(kv.key, ());
                    }
                    let prefix = row.key;
                    for &key in &self.changeable {
                        if self.prefixes_of[key as usize].contains(&prefix) && !shown.contains_key(&key) {
                            tell(key, at, Known::Holds(NONE, 0));
                        }
                    }
                }
                Kind::Txn => {
                    let txn = &log.txns[row.extra as usize];
                    if row.yes {
                        txn.compare.iter().for_each(|(key, holds)| tell(*key, before, Known::Holds(*holds, 0)));
                    }
                    for (i, step) in if row.yes { &txn.then } else { &txn.otherwise }.iter().enumerate() {
                        let steps = if row.yes { &txn.then } else { &txn.otherwise };
                        // Of a key that it changed before, it tells its own doing.
                        let own = steps[..i].iter().any(|s| s.key == step.key && s.kind != Kind::Get);
                        match step.kind {
                            Kind::Get if !own => tell(step.key, before, Known::Holds(step.answer, 0)),
                            Kind::Put => tell(step.key, row.revision, Known::Written),
                            Kind::Delete if step.answer == 1 => {
                                if !own {
                                    tell(step.key, before, Known::There);
                                }
                                tell(step.key, row.revision, Known::Written);
                            }
                            Kind::Delete if !own => tell(step.key, before, Known::Holds(NONE, 0)),
                            _ => {}
                        }
                    }
                }
            }
        }
        // Of a revision: that it was written comes first, what it holds then after that.
        for (all, _) in self.known.values_mut() {
            all.sort_by_key(|(revision, known)| (*revision, *known != Known::Written));
            // When what is held was written, a later answer may tell.
            let mut later = (NONE, 0);
            for (revision, known) in all.iter_mut().rev() {
                if let Known::Holds(value, written) = known {
                    if *written == 0 && *value == later.0 && later.1 <= *revision {
                        *written = later.1;
                    }
                    later = (*value, *written);
                }
            }
        }
    }

    /// Which lost writes may fill any gap, and which are kept for what was seen of them.
    pub(super) fn sort_lost(&mut self, lost: &[u32]) {
        let mut seen: FxMap<(u32, u32), ()> = FxMap::default();
        for (key, (all, _)) in &self.known {
            for (_, known) in all {
                if let Known::Holds(value, written) = known {
                    seen.insert((*key, *value), ());
                    if *written > 0 {
                        self.pinned.insert(*written, (*key, *value));
                    }
                }
            }
        }
        // What a lost write expects that was seen was there, too.
        loop {
            let before = seen.len();
            for &i in lost.iter().rev() {
                let row = &self.log.rows[i as usize];
                let mut was_seen = false;
                self.may_leave(row, |key, value| was_seen |= value != NONE && seen.contains_key(&(key, value)));
                match row.kind {
                    _ if !was_seen => {}
                    Kind::Swap => _ = seen.insert((row.key, row.extra), ()),
                    Kind::Txn => self.log.txns[row.extra as usize].compare.iter().for_each(|c| _ = seen.insert(*c, ())),
                    _ => {}
                }
            }
            if seen.len() == before {
                break;
            }
        }
        let mut unseen: FxMap<u32, Vec<u32>> = FxMap::default();
        for &i in lost {
            let row = &self.log.rows[i as usize];
            let mut was_seen = false;
            // What several may have left is not tied to one of them; that something is absent, neither.
            self.may_leave(row, |key, value| {
                was_seen |= value != NONE && seen.contains_key(&(key, value)) && self.writers[&(key, value)].len() == 1;
            });
            if !was_seen {
                let mut keys = Vec::new();
                self.may_leave(row, |key, _| keys.push(key));
                keys.into_iter().for_each(|key| self.of_key.entry(key).or_default().push(i));
            }
            match row.kind {
                _ if was_seen => {}
                Kind::Put => unseen.entry(row.key).or_default().push(i),
                _ => self.delicate.push(i),
            }
        }
        self.unseen = unseen.into_iter().map(|(key, all)| (key, all, 0)).collect();
        self.unseen.sort_unstable_by_key(|(key, ..)| *key);
    }

    /// What a row that does not fit tells: whether that is impossible, whoever filled the gaps.
    pub(super) fn missed(&self, i: u32, revision: u64, claims: &[u32], out_of_model: &OutOfModel) -> ReplayFailure {
        let mut told: Vec<(u32, u32, u64)> = Vec::new();
        self.tells(i, |key, value, written| told.push((key, value, written)));
        let impossible = told.into_iter().find_map(|(key, value, written)| {
            let since = self.cannot_hold(key, value, written, revision, claims, out_of_model)?;
            Some(ReplayFailure::Impossible(Box::new(Impossible { row: i, key, value, revision, since, filled: None })))
        });
        impossible.unwrap_or(ReplayFailure::Unsure)
    }

    /// The first answer that tells of a key what nobody can have left there, whoever filled the gaps.
    pub(super) fn nobody_wrote(&self, order: &InOrder<'_>) -> Option<Impossible> {
        let log = self.log;
        let mut first: Option<Impossible> = None;
        for (i, row) in log.rows.iter().enumerate().filter(|(_, row)| row.revision > 0) {
            let past = if row.kind == Kind::Range { log.ranges[row.extra as usize].at } else { None };
            let revision = past.unwrap_or(row.revision).max(1) - u64::from(row.changed);
            if first.as_ref().is_some_and(|first| first.revision <= revision) {
                continue;
            }
            self.tells(i as u32, |key, value, written| {
                // Of other keys it depends on what was there.
                if self.known.contains_key(&key)
                    && first.as_ref().is_none_or(|first| first.revision > revision)
                    && let Some(since) = self.cannot_hold(key, value, written, revision, &order.claims, order.out_of_model)
                {
                    first = Some(Impossible { row: i as u32, key, value, revision, since, filled: None });
                }
            });
        }
        first
    }

    /// What an answer tells for certain: key by key what it holds, and when that was written (0: it does not tell).
    fn tells(&self, i: u32, mut each: impl FnMut(u32, u32, u64)) {
        let log = self.log;
        let row = &log.rows[i as usize];
        match row.kind {
            Kind::Get => each(row.key, row.value, 0),
            Kind::Swap if row.yes => each(row.key, row.extra, 0),
            Kind::Delete if !row.yes => each(row.key, NONE, 0),
            Kind::Range => {
                let range = &log.ranges[row.extra as usize];
                let shown = &log.shown[range.shown.start as usize..range.shown.end as usize];
                shown.iter().for_each(|kv| each(kv.key, kv.value, kv.written));
                let is_shown = |key: u32| shown.iter().any(|kv| kv.key == key);
                let missing =
                    (0..self.cells.len() as u32).filter(|key| self.prefixes_of[*key as usize].contains(&row.key) && !is_shown(*key));
                missing.for_each(|key| each(key, NONE, 0));
            }
            Kind::Txn if row.yes => log.txns[row.extra as usize].compare.iter().for_each(|(key, holds)| each(*key, *holds, 0)),
            _ => {}
        }
    }

    /// Whether nobody can have left this in a key by a revision; since when it was certainly otherwise.
    pub(super) fn cannot_hold(
        &self,
        key: u32,
        value: u32,
        written: u64,
        revision: u64,
        claims: &[u32],
        out_of_model: &OutOfModel,
    ) -> Option<u64> {
        let Some((all, _)) = self.known.get(&key) else {
            // Nobody of unknown outcome could change it: it holds what it holds.
            let cell = self.cells[key as usize];
            return (cell.value != value || (written != 0 && written != cell.written)).then_some(cell.written.max(1));
        };
        let end = all.partition_point(|(r, _)| *r <= revision);
        let mut since = 1;
        for (at, known) in all[..end].iter().rev() {
            let otherwise = match known {
                Known::Written => {
                    let left = self.left_by(claims[*at as usize], key);
                    if left == Some(value) && (written == 0 || written == *at) {
                        return None;
                    }
                    // What it leaves may depend on what it found.
                    left?;
                    true
                }
                Known::Holds(other, told) => *other != value || (written != 0 && *told != 0 && *told != written),
                Known::There => value == NONE,
                Known::HoldsNot(not) => *not == value,
            };
            // What is told of this very revision is what is asked about.
            if otherwise && (*at < revision || *known == Known::Written) {
                since = *at;
                break;
            }
        }
        if since == 1 && value == NONE && written == 0 {
            return None;
        }
        let gap = |r: u64| claims[r as usize] == NONE && !out_of_model.claims.contains_key(&r);
        let (from, to) = if written > 0 { (written, written) } else { (since + 1, revision) };
        let latest = (from.max(since + 1).max(2)..=to.min(revision)).rev().find(|r| gap(*r));
        let by_lost = latest.is_some_and(|latest| {
            self.writers.get(&(key, value)).is_some_and(|w| w.iter().any(|i| self.log.rows[*i as usize].floor < latest))
        });
        (!by_lost).then_some(since)
    }

    /// What an answered write leaves in a key, if that is certain.
    pub(super) fn left_by(&self, claim: u32, key: u32) -> Option<u32> {
        let row = &self.log.rows[claim as usize];
        match row.kind {
            Kind::Put | Kind::Swap => Some(row.value),
            Kind::Delete => Some(NONE),
            Kind::Txn => {
                let txn = &self.log.txns[row.extra as usize];
                let steps = if row.yes { &txn.then } else { &txn.otherwise };
                steps.iter().rev().find(|s| s.key == key && s.kind != Kind::Get).map(|s| s.value)
            }
            Kind::Get | Kind::Range => None,
        }
    }

    /// What is known of a key from a revision on, the next first.
    pub(super) fn ahead(&mut self, key: u32, from: u64) -> &[(u64, Known)] {
        let Some((all, past)) = self.known.get_mut(&key) else { return &[] };
        while all.get(*past).is_some_and(|(revision, _)| *revision < from) {
            *past += 1;
        }
        &all[*past..]
    }

    /// The next that is known of a key and that it does not fulfil: by when, what, and by when a lost write must have come.
    pub(super) fn needed(&mut self, key: u32, from: u64) -> Option<(Known, u64)> {
        let cell = self.cells[key as usize];
        let mut open: Option<(Known, u64)> = None;
        for (by, known) in self.ahead(key, from) {
            match *known {
                Known::Written => break,
                Known::Holds(value, written) if cell.value == value && (written == 0 || written == cell.written) => break,
                // Told when it was written, it must be then; and what is told before that may be true of it.
                Known::Holds(_, written) => {
                    let by = if written >= from { written } else { *by };
                    return Some((*known, open.map_or(by, |(_, first)| first.min(by))));
                }
                Known::There if cell.value != NONE => {}
                Known::HoldsNot(not) if cell.value != not => {}
                Known::There | Known::HoldsNot(_) => open = open.or(Some((*known, *by))),
            }
        }
        open
    }

    /// If what is known of a key needs a lost write, that is noted.
    pub(super) fn require(&mut self, key: u32, from: u64) {
        if let Some((_, by)) = self.needed(key, from) {
            self.required.push(Reverse((by, key)));
        }
    }

    /// Whether a lost put or delete is left that leaves this in a key, and a gap for it behind a revision.
    pub(super) fn comes_anyhow(&self, key: u32, value: u32, revision: u64, by: u64) -> bool {
        let gaps = self.gaps.partition_point(|gap| *gap <= revision)..self.gaps.partition_point(|gap| *gap <= by);
        let Some(last) = self.gaps[gaps.start.min(gaps.end)..gaps.end].last() else { return false };
        // What is put before it can be deleted by it.
        let puts = |i: &u32| !self.used[*i as usize] && matches!(self.log.rows[*i as usize].kind, Kind::Put | Kind::Delete);
        // They are in order of their floors, and those that are used are mostly at the beginning.
        self.writers.get(&(key, value)).is_some_and(|writers| {
            let in_time = writers.partition_point(|i| self.log.rows[*i as usize].floor < *last);
            writers[..in_time].iter().rev().any(puts)
        })
    }

    /// Whether a key may come to hold this at a revision that nobody claims.
    pub(super) fn permits(&mut self, key: u32, value: u32, revision: u64) -> bool {
        let cell = self.cells[key as usize];
        for (by, known) in self.ahead(key, revision) {
            match *known {
                Known::Written => return true,
                Known::Holds(holds, written) => {
                    if written == revision || (holds == value && written == 0) {
                        return holds == value;
                    }
                    // Something is to come that leaves what is seen: until then anything may be there, if it does not care.
                    let waits = (cell.value != holds || written > revision) && *by > revision;
                    let (by, key) = (*by, key);
                    return waits && (self.chained || self.comes_anyhow(key, holds, revision, by));
                }
                Known::There if value == NONE => return cell.value == NONE && *by > revision,
                Known::HoldsNot(not) if value == not => return cell.value == not && *by > revision,
                Known::There | Known::HoldsNot(_) => {}
            }
        }
        true
    }

    /// Whether a key may hold this from a revision on, until it is written over: nobody tells otherwise before.
    pub(super) fn may_hold(&self, key: u32, value: u32, revision: u64) -> bool {
        let Some((all, _)) = self.known.get(&key) else { return true };
        let next = all.partition_point(|(at, _)| *at < revision);
        for (_, known) in &all[next..] {
            match *known {
                Known::Written => return true,
                Known::Holds(..) => return false,
                Known::There if value == NONE => return false,
                Known::HoldsNot(not) if value == not => return false,
                Known::There | Known::HoldsNot(_) => {}
            }
        }
        true
    }

    /// The last revision before one at which somebody told what a key holds.
    pub(super) fn since(&self, key: u32, revision: u64) -> u64 {
        let Some((all, _)) = self.known.get(&key) else { return 0 };
        let before = all.partition_point(|(at, _)| *at < revision);
        all[..before].iter().rev().find(|(_, known)| *known != Known::Written).map_or(0, |(at, _)| *at)
    }
}
