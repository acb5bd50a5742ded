//! What later answers tell of each key, so that a choice which they exclude is not followed to its end.
//!
//! ```text
//!   revision       5        6        7        8        9
//!   wrote a        c1       ?        ?        c2
//!   saw of a                         holds x
//! ```
//!
//! Behind revision 5, `a` must hold `x` already, or somebody of unknown outcome puts `x` at 6 or 7.

use super::store::{State, modified};
use crate::ops::{Act, Changes as _, CompletedOp, Op, Output};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// What an answer tells of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen<'o> {
    Absent,
    Present,
    Holds { value: &'o str, written: Option<u64> },
}

/// What the answered operations tell, key by key.
#[derive(Default)]
pub(super) struct Lookahead<'o> {
    /// The store after a revision, as somebody saw it.
    seen: BTreeMap<&'o str, BTreeMap<u64, Seen<'o>>>,
    /// The revisions at which an answered operation may have written the key.
    written: BTreeMap<&'o str, BTreeSet<u64>>,
    /// The revisions that no answered operation claims.
    pub(super) holes: BTreeSet<u64>,
}

impl<'o> Lookahead<'o> {
    pub(super) fn new(ops: &'o [CompletedOp], claimed: impl Fn(u64) -> bool, last: u64) -> Self {
        let mut lookahead = Lookahead { holes: (2..=last).filter(|r| !claimed(*r)).collect(), ..Default::default() };
        let keys: BTreeSet<&str> = ops.iter().flat_map(|op| op.changes()).map(|c| c.key).collect();
        for op in ops {
            let (Some(output), Some(revision)) = (op.output(), op.position) else { continue };
            let changes = modified(&op.ask, output);
            if changes {
                op.changes().iter().for_each(|c| _ = lookahead.written.entry(c.key).or_default().insert(revision));
            }
            // What a change tells, it tells of the store before itself.
            let at = if changes { revision - 1 } else { revision };
            lookahead.file(&op.ask, output, at, &keys);
        }
        lookahead
    }

    fn file(&mut self, ask: &'o Op, output: &'o Output, at: u64, keys: &BTreeSet<&'o str>) {
        match (ask, output) {
            (Op::Get { key }, Output::Got { value }) => self.holds(key, at, value.as_deref()),
            (Op::Delete { key }, Output::Deleted { count: 0 }) => self.saw(key, at, Seen::Absent),
            (Op::Delete { key }, Output::Deleted { .. }) => self.saw(key, at, Seen::Present),
            (Op::Cas { key, expect, .. }, Output::Swapped { yes: true }) => self.holds(key, at, expect.as_deref()),
            (Op::Range { prefix, at: past }, Output::Ranged { kvs }) => {
                let at = past.unwrap_or(at);
                for kv in kvs {
                    self.saw(&kv.key, at, Seen::Holds { value: &kv.value, written: kv.revision });
                }
                let shown: BTreeSet<&str> = kvs.iter().map(|kv| kv.key.as_str()).collect();
                keys.iter().filter(|k| k.starts_with(prefix.as_str()) && !shown.contains(*k)).for_each(|k| self.saw(k, at, Seen::Absent));
            }
            (Op::Txn { compare, then, otherwise }, Output::Txn { succeeded, results }) => {
                if *succeeded {
                    compare.iter().for_each(|c| self.holds(&c.key, at, c.holds.as_deref()));
                }
                let mut touched = BTreeSet::new();
                for (act, result) in if *succeeded { then } else { otherwise }.iter().zip(results) {
                    // Of a key that it touched before, a transaction tells its own doing.
                    if !touched.insert(act.key()) {
                        continue;
                    }
                    match (act, result) {
                        (Act::Get { key }, Output::Got { value }) => self.holds(key, at, value.as_deref()),
                        (Act::Delete { key }, Output::Deleted { count: 0 }) => self.saw(key, at, Seen::Absent),
                        (Act::Delete { key }, Output::Deleted { .. }) => self.saw(key, at, Seen::Present),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn holds(&mut self, key: &'o str, at: u64, value: Option<&'o str>) {
        self.saw(key, at, value.map_or(Seen::Absent, |value| Seen::Holds { value, written: None }));
    }

    /// Of several that tell of the same, the one that tells most is kept: whether they contradict each
    /// other is found out when they are held against the store.
    fn saw(&mut self, key: &'o str, at: u64, seen: Seen<'o>) {
        let tells = |seen: &Seen<'_>| match seen {
            Seen::Present => 0,
            Seen::Absent | Seen::Holds { written: None, .. } => 1,
            Seen::Holds { written: Some(_), .. } => 2,
        };
        let known = self.seen.entry(key).or_default().entry(at).or_insert(seen);
        if tells(&seen) > tells(known) {
            *known = seen;
        }
    }

    /// How many keys do not hold what will be seen of them next, and must be written by somebody of unknown outcome before.
    pub(super) fn wanting(&self, store: &State) -> usize {
        self.next(store).filter(|next| !next.fits).count()
    }

    /// What will be seen next of each key, unless somebody known writes it in between: then what it holds now does not matter.
    pub(super) fn next<'s>(&'s self, store: &'s State) -> impl Iterator<Item = Next<'s>> {
        let now = store.revision;
        self.seen.iter().filter_map(move |(key, seen)| {
            let (at, seen) = self.seen_from(key, seen, now)?;
            let holds = store.keys.get(*key);
            let (fits, leaves, written) = match seen {
                Seen::Absent => (holds.is_none(), Leaves::Nothing, None),
                Seen::Present => (holds.is_some(), Leaves::Something, None),
                Seen::Holds { value, written } => {
                    let fits = holds.is_some_and(|(v, r)| &**v == *value && written.is_none_or(|w| w == *r));
                    (fits, Leaves::Value(value), *written)
                }
            };
            Some(Next { key, at, fits, leaves, written })
        })
    }

    /// What is seen of a key first from a revision on, unless somebody known writes it in between.
    fn seen_from<'s>(&'s self, key: &str, seen: &'s BTreeMap<u64, Seen<'o>>, now: u64) -> Option<(u64, &'s Seen<'o>)> {
        let (&at, seen) = seen.range(now..).next()?;
        let later = (Bound::Excluded(now), Bound::Excluded(at.saturating_add(1)));
        let is_written = self.written.get(key).is_some_and(|w| w.range(later).next().is_some());
        (!is_written).then_some((at, seen))
    }

    /// What a key must hold at some later revision, unless somebody known writes it in between; and the revision that wrote that, if it was told.
    pub(super) fn shown(&self, key: &str, from: u64) -> Option<(u64, Leaves<'_>, Option<u64>)> {
        let (at, seen) = self.seen_from(key, self.seen.get(key)?, from)?;
        Some(match seen {
            Seen::Absent => (at, Leaves::Nothing, None),
            Seen::Present => (at, Leaves::Something, None),
            Seen::Holds { value, written } => (at, Leaves::Value(value), *written),
        })
    }

    /// Whether what will be seen can still come about from this store. `may_leave` says whether somebody
    /// of unknown outcome is left who may write the key at a revision, so that it holds the value, or is
    /// absent; any value will do where none is asked for. `width`: how many keys may be written by one of those.
    pub(super) fn allows(&self, store: &State, width: usize, may_leave: impl Fn(&str, u64, Leaves<'_>) -> bool) -> bool {
        let now = store.revision;
        // Until when somebody must write: each key once.
        let mut needed: Vec<u64> = vec![];
        let each = self.next(store).filter(|next| !next.fits).all(|Next { key, at, leaves, written, .. }| {
            needed.push(at);
            let later = (Bound::Excluded(now), Bound::Excluded(at.saturating_add(1)));
            self.holes.range(later).any(|hole| written.is_none_or(|w| w == *hole) && may_leave(key, *hole, leaves))
        });
        needed.sort_unstable();
        let (mut holes, mut number) = (self.holes.range(now + 1..).peekable(), 0);
        each && needed.iter().enumerate().all(|(before, until)| {
            while holes.next_if(|hole| *hole <= until).is_some() {
                number += width;
            }
            before < number
        })
    }
}

/// What will be seen of a key next: when, and whether it is what the key holds.
pub(super) struct Next<'s> {
    pub(super) key: &'s str,
    pub(super) at: u64,
    pub(super) fits: bool,
    pub(super) leaves: Leaves<'s>,
    /// The revision that wrote it, if that was told.
    pub(super) written: Option<u64>,
}

/// What a write leaves in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves<'v> {
    Nothing,
    Something,
    Value(&'v str),
}

impl Leaves<'_> {
    /// Whether a key that holds this is as it is seen.
    pub(super) fn is(self, held: Option<&str>) -> bool {
        match self {
            Leaves::Nothing => held.is_none(),
            Leaves::Something => held.is_some(),
            Leaves::Value(value) => held == Some(value),
        }
    }
}
