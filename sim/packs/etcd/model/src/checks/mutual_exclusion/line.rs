//! One line, for a lock or for leading: who held it, who worked, who gave it up, in the order of the log.

use crate::{
    checks::Witness,
    ops::{OpId, SimTime},
};
use std::collections::BTreeMap;

/// Somebody was shown something of a line, at a place of the history.
pub(super) struct Shown {
    pub(super) op: OpId,
    pub(super) token: u64,
    pub(super) asked_at: usize,
    pub(super) told_at: usize,
    pub(super) at: SimTime,
}

/// What is known of a line.
#[derive(Default)]
pub(super) struct LockQueue {
    /// Who was told to hold it: the token, the revision of the answer.
    pub(super) held: Vec<(Shown, Option<u64>, String)>,
    /// Fenced work that was refused, by token: the place was gone.
    pub(super) refused: BTreeMap<u64, Shown>,
    /// Work that was done, and what was proclaimed, by revision.
    pub(super) work: BTreeMap<u64, Shown>,
    /// Places that were given up, by token.
    pub(super) released: BTreeMap<u64, Shown>,
    /// Who was said to lead.
    pub(super) leaders: Vec<Shown>,
}

/// A witness of what is not as promised.
pub(super) fn broken(kind: &'static str, at: SimTime, ops: &[OpId], summary: String) -> Option<Witness> {
    Some(Witness { kind, summary, details: vec![], at, ops: ops.to_vec() })
}

impl LockQueue {
    /// Whether one at a time held it.
    pub(super) fn judge(&self, name: &str) -> Option<Witness> {
        self.one_holder(name).or_else(|| self.ordered_work(name)).or_else(|| self.nothing_returns(name))
    }

    fn ordered_work(&self, name: &str) -> Option<Witness> {
        // The highest token up to each revision, of work and of those who were told that they hold.
        let mut highest: Option<(u64, OpId, &str)> = None;
        let told = self.held.iter().filter_map(|(shown, revision, _)| Some((((*revision)?, 1), shown, "was told to hold it")));
        // At the same revision, whoever was told it may have been so after the work.
        let worked = self.work.iter().map(|(revision, shown)| ((*revision, 0), shown, "worked"));
        let mut steps: Vec<((u64, u8), &Shown, &str)> = told.chain(worked).collect();
        steps.sort_by_key(|(place, shown, _)| (*place, shown.token));
        for ((revision, is_told), shown, how) in steps {
            if let Some((token, by, earlier)) = highest.filter(|(token, ..)| shown.token < *token) {
                let text = format!(
                    "{} {how} ({name}) at revision {revision} with token {}, after {by} {earlier} with token {token}",
                    shown.op, shown.token
                );
                return broken(if is_told == 1 { "held-too-late" } else { "stale-work" }, shown.at, &[by, shown.op], text);
            }
            if highest.is_none_or(|(token, ..)| shown.token >= token) {
                highest = Some((shown.token, shown.op, how));
            }
        }
        None
    }

    fn one_holder(&self, name: &str) -> Option<Witness> {
        if let Some((shown, revision, key)) = self.held.iter().find(|(shown, ..)| shown.token == 0) {
            let when = revision.map_or(String::new(), |revision| format!(" at revision {revision}"));
            let text = format!("{} was told to hold {name}{when}, and its place {key} was not there then", shown.op);
            return broken("held-without-place", shown.at, &[shown.op], text);
        }
        let mut keys: BTreeMap<u64, (&str, OpId)> = BTreeMap::new();
        for (shown, _, key) in &self.held {
            let (other, by) = *keys.entry(shown.token).or_insert((key, shown.op));
            if other != key {
                let text = format!("{by} and {} both hold {name} with token {}, as {other} and as {key}", shown.op, shown.token);
                return broken("two-holders", shown.at, &[by, shown.op], text);
            }
        }
        None
    }

    fn nothing_returns(&self, name: &str) -> Option<Witness> {
        let work = self.work.values().map(|shown| (shown, "worked"));
        let leaders = self.leaders.iter().map(|shown| (shown, "was shown that leader"));
        let held = self.held.iter().map(|(shown, ..)| (shown, "was told to hold it"));
        for (shown, how) in work.chain(leaders).chain(held) {
            if let Some(released) = self.released.get(&shown.token).filter(|released| released.told_at < shown.asked_at) {
                let text = format!("{} had given {name} up, token {}, and then {} {how}", released.op, shown.token, shown.op);
                return broken("returns", shown.at, &[released.op, shown.op], text);
            }
        }
        let work = self.work.values().map(|shown| (shown, "worked"));
        let held = self.held.iter().map(|(shown, ..)| (shown, "was told to hold it"));
        let leaders = self.leaders.iter().map(|shown| (shown, "was shown that leader"));
        for (shown, how) in work.chain(held).chain(leaders) {
            if let Some(refused) = self.refused.get(&shown.token).filter(|refused| refused.told_at < shown.asked_at) {
                let text = format!("{} was refused: token {} of {name} was gone; and then {} {how}", refused.op, shown.token, shown.op);
                return broken("returns", shown.at, &[refused.op, shown.op], text);
            }
        }
        // Who was told to hold it did so alone, and nobody before them ever again.
        let mut told: Vec<&Shown> = self.held.iter().map(|(shown, ..)| shown).chain(&self.leaders).collect();
        told.sort_by_key(|shown| shown.told_at);
        let works =
            self.work.values().map(|shown| (shown, "worked")).chain(self.held.iter().map(|(shown, ..)| (shown, "was told to hold it")));
        let mut works: Vec<(&Shown, &str)> = works.collect();
        works.sort_by_key(|(shown, _)| shown.asked_at);
        let (mut next, mut latest): (usize, Option<&Shown>) = (0, None);
        for (work, how) in works {
            while let Some(end) = told.get(next).filter(|end| end.told_at < work.asked_at) {
                latest = latest.filter(|l| l.token > end.token).or(Some(end));
                next += 1;
            }
            if let Some(latest) = latest.filter(|latest| latest.token > work.token) {
                let text = format!(
                    "{} {how} ({name}) with token {}, asked after {} was told of token {}",
                    work.op, work.token, latest.op, latest.token
                );
                return broken("stale-work", work.at, &[latest.op, work.op], text);
            }
        }
        // Who leads only ever becomes later: both those who are told that they do, and those who ask.
        let mut ends: Vec<&Shown> = self.leaders.iter().chain(self.held.iter().map(|(shown, ..)| shown)).collect();
        ends.sort_by_key(|shown| shown.told_at);
        let mut asks: Vec<&Shown> = self.leaders.iter().collect();
        asks.sort_by_key(|shown| shown.asked_at);
        let (mut next, mut latest): (usize, Option<&Shown>) = (0, None);
        for ask in asks {
            while let Some(end) = ends.get(next).filter(|end| end.told_at < ask.asked_at) {
                latest = latest.filter(|l| l.token > end.token).or(Some(end));
                next += 1;
            }
            if let Some(latest) = latest.filter(|latest| latest.token > ask.token) {
                let text = format!(
                    "{} was shown the leader of {name} with token {}, after {} had token {}",
                    ask.op, ask.token, latest.op, latest.token
                );
                return broken("old-leader", ask.at, &[latest.op, ask.op], text);
            }
        }
        None
    }
}
