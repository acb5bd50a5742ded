//! Which writes of unknown outcome must have happened, in which order, and whether there is room for them.
//!
//! ```text
//!   a holds 1, and so do b and c      will be seen of b: 2, of c: 3
//!   left:  x, txn a = 1: b = 2, c = 2      and      y, txn a = 1: a = 2, c = 3
//! ```
//!
//! Only x leaves 2 in `b`, only y leaves 3 in `c`. Behind y, `a` never holds 1 again, so x is before y; and where two revisions are left,
//! nobody else takes one of them. Without y after it x could not happen at all, since `c` would hold 2.
//!
//! Whatever is required here is required of every order there is; where these requirements contradict each other, there is none. A write
//! is required where it is the only one that can bring about what is seen, or what a required one asks for. Where several can, nothing
//! is concluded.

use super::{
    super::lookahead::{Lookahead, Next},
    engine::Engine,
    possible::Possible,
    reach::{Reach, compares, leaves},
};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// Nothing is concluded from more required writes than this.
const ACTIONS_MAX: usize = 100;

/// Who can bring something about.
enum Makers {
    Nobody,
    One(Action),
    Several,
}

/// A write that must happen, or that alone may bring something about.
#[derive(Clone, Copy)]
struct Action {
    op: usize,
    /// In which case of its condition, if that is known.
    case: Option<bool>,
    earliest: u64,
    latest: u64,
}

/// Some required writes contradict each other.
struct Contradiction;

struct Requirements<'r, 'o> {
    engine: &'r Engine<'o>,
    lookahead: &'r Lookahead<'r>,
    holes: &'r BTreeSet<u64>,
    store: &'r Possible,
    reach: &'r Reach,
    /// What will be seen of each key next.
    seen: BTreeMap<&'r str, Next<'r>>,
    actions: Vec<Action>,
    of_op: BTreeMap<usize, usize>,
    /// Which action is before which.
    order: BTreeSet<(usize, usize)>,
}

impl<'o> Engine<'o> {
    /// Whether what must happen to reach what will be seen may happen, as far as that is told apart here.
    pub(super) fn may_happen(&self, lookahead: &Lookahead<'_>, store: &Possible, reach: &Reach) -> bool {
        let seen = lookahead.next(&store.state).map(|next| (next.key, next)).collect();
        let (actions, of_op, order) = Default::default();
        let requirements = Requirements { engine: self, lookahead, holes: &lookahead.holes, store, reach, seen, actions, of_op, order };
        requirements.hold().is_ok()
    }
}

impl<'r> Requirements<'r, '_> {
    /// Who may bring about by a revision (or at exactly that) that a key holds something.
    fn makers(&self, key: &str, fits: &dyn Fn(Option<&str>) -> bool, by: u64, exactly: bool, but: Option<usize>) -> Makers {
        let now = self.store.state.revision;
        let from = if exactly { by } else { now + 1 };
        let mut found = Makers::Nobody;
        for change in self.engine.may_change.get(key).into_iter().flatten() {
            if from > by || Some(change.op) == but || !fits(change.value) {
                continue;
            }
            let may = |hole: &&u64| self.engine.may_change_at(change, **hole, (self.lookahead, self.store), || self.reach);
            let Some(&earliest) = self.holes.range(from..=by).find(may) else { continue };
            let latest = self.holes.range(from..=by).rfind(may).copied().unwrap_or(earliest);
            let action = Action { op: change.op, case: Some(change.case()), earliest, latest };
            found = match found {
                Makers::Nobody => Makers::One(action),
                Makers::One(other) if other.op == action.op => Makers::One(Action {
                    case: other.case.filter(|case| Some(*case) == action.case),
                    earliest: other.earliest.min(earliest),
                    latest: other.latest.max(latest),
                    ..action
                }),
                _ => return Makers::Several,
            };
        }
        found
    }

    fn require(&mut self, action: Action) -> Result<usize, Contradiction> {
        match self.of_op.entry(action.op) {
            Entry::Vacant(entry) => {
                self.actions.push(action);
                Ok(*entry.insert(self.actions.len() - 1))
            }
            Entry::Occupied(entry) => {
                let known = &mut self.actions[*entry.get()];
                // It happens once.
                if known.case.is_some() && action.case.is_some() && known.case != action.case {
                    return Err(Contradiction);
                }
                known.latest = known.latest.min(action.latest);
                known.earliest = known.earliest.max(action.earliest);
                Ok(*entry.get())
            }
        }
    }

    fn hold(mut self) -> Result<(), Contradiction> {
        let missing: Vec<&'r str> = self.seen.values().filter(|next| !next.fits).map(|next| next.key).collect();
        for key in missing {
            match self.makers_of_seen(key, None) {
                Makers::Nobody => return Err(Contradiction),
                Makers::One(action) => _ = self.require(action)?,
                Makers::Several => {}
            }
        }
        // Conditions that hold, and do not come about again: the action, the key, and what it must hold.
        let mut fragile: Vec<(usize, &'r str, Option<&'r str>, bool)> = vec![];
        let mut n = 0;
        while n < self.actions.len() && n < ACTIONS_MAX {
            self.restored(n)?;
            self.enabled(n, &mut fragile)?;
            n += 1;
        }
        for (n, key, value, holds) in fragile {
            for (other, action) in self.actions.iter().enumerate().filter(|(other, _)| *other != n) {
                let Some(case) = action.case else { continue };
                let left = leaves(&self.engine.ops[action.op].ask, case).get(key).copied();
                if left.is_some_and(|left| (left == value) != holds) {
                    self.order.insert((n, other));
                }
            }
        }
        self.in_order()?;
        self.have_room()
    }

    /// Who may bring about what will be seen of a key.
    fn makers_of_seen(&self, key: &str, but: Option<usize>) -> Makers {
        let next = &self.seen[key];
        let by = next.written.unwrap_or(next.at);
        self.makers(key, &|value| next.leaves.is(value), by, next.written.is_some(), but)
    }

    /// What an action leaves otherwise than it is seen afterwards must be changed once more.
    fn restored(&mut self, n: usize) -> Result<(), Contradiction> {
        let Action { op, case, latest, .. } = self.actions[n];
        let Some(case) = case else { return Ok(()) };
        for (key, value) in leaves(&self.engine.ops[op].ask, case) {
            if self.seen.get(key).is_none_or(|next| next.at < latest || next.leaves.is(value)) {
                continue;
            }
            match self.makers_of_seen(key, Some(op)) {
                Makers::Nobody => return Err(Contradiction),
                Makers::One(maker) => {
                    let after = self.require(maker)?;
                    self.order.insert((n, after));
                }
                Makers::Several => {}
            }
        }
        Ok(())
    }

    /// What an action asks for must be there before it.
    fn enabled(&mut self, n: usize, fragile: &mut Vec<(usize, &'r str, Option<&'r str>, bool)>) -> Result<(), Contradiction> {
        let Action { op, case, latest, .. } = self.actions[n];
        let Some(holds) = case else { return Ok(()) };
        let asks = compares(&self.engine.ops[op].ask);
        // One of several is enough for it not to hold.
        if !holds && asks.len() > 1 {
            return Ok(());
        }
        for (key, value) in asks {
            let fits = |left: Option<&str>| (left == value) == holds;
            if self.engine.conditions.is_acknowledged((key, value, holds), self.store.state.revision..latest) {
                continue;
            }
            let makers = self.makers(key, &fits, latest - 1, false, Some(op));
            match (fits(self.store.state.get(key)), makers) {
                (true, Makers::Nobody) => fragile.push((n, key, value, holds)),
                (false, Makers::Nobody) => return Err(Contradiction),
                (false, Makers::One(maker)) => {
                    let before = self.require(maker)?;
                    self.order.insert((before, n));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Each action is at a revision before those that come after it.
    fn in_order(&mut self) -> Result<(), Contradiction> {
        for _ in 0..=self.actions.len() {
            let mut goes_on = false;
            for &(before, after) in &self.order {
                let latest = self.holes.range(..self.actions[after].latest).next_back().copied().unwrap_or(0);
                let earliest = self.holes.range(self.actions[before].earliest.saturating_add(1)..).next().copied().unwrap_or(u64::MAX);
                if self.actions[before].latest > latest {
                    (self.actions[before].latest, goes_on) = (latest, true);
                }
                if self.actions[after].earliest < earliest {
                    (self.actions[after].earliest, goes_on) = (earliest, true);
                }
            }
            if self.actions.iter().any(|action| action.earliest > action.latest) {
                return Err(Contradiction);
            }
            if !goes_on {
                return Ok(());
            }
        }
        // Without a circle, it would have come to an end.
        Err(Contradiction)
    }

    /// Each action has a revision of its own.
    fn have_room(&self) -> Result<(), Contradiction> {
        let mut by: Vec<u64> = self.actions.iter().map(|action| action.latest).collect();
        by.sort_unstable();
        let (mut holes, mut number) = (self.holes.range(self.store.state.revision + 1..).peekable(), 0);
        for (before, by) in by.into_iter().enumerate() {
            while holes.next_if(|hole| **hole <= by).is_some() {
                number += 1;
            }
            if number <= before {
                return Err(Contradiction);
            }
        }
        Ok(())
    }
}
