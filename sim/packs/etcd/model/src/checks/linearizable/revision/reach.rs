//! What can still come about from a store, as far as the conditions of swaps and transactions go.
//!
//! ```text
//!   a holds 1        wanted of b: 2
//!   left:  txn a = 1: b = 2      and      put a = 3
//! ```
//!
//! With `put a = 3` nobody ever leaves 2 in `b`: `a` never holds 1 again. The search would find that out only at the answer that
//! shows `b`, after every other way to fill the revisions before it.
//!
//! It is the relaxation of planning: what once came about stays (Bonet and Geffner 2001). For each condition it is asked from which
//! revision on it may hold, and for each write from which revision on it may happen: later than what it asks for. In any order that
//! there is, each of these comes no sooner, so whatever is excluded here is excluded.

use super::{place::Place, possible::Possible};
use crate::ops::{Act, Changes as _, CompletedOp, Op};
use std::{collections::BTreeMap, ops::Range};

/// What never comes about.
const NEVER: u64 = u64::MAX;

/// That a key holds what a condition asks for, or that it holds something else.
struct Fact<'o> {
    key: &'o str,
    value: Option<&'o str>,
    holds: bool,
    /// The revisions of acknowledged writes behind which it is so.
    made: Vec<u64>,
}

impl Fact<'_> {
    fn fits(&self, value: Option<&str>) -> bool {
        (self.value == value) == self.holds
    }
}

/// What a write does in one of the two cases of its condition.
#[derive(Default)]
struct Branch {
    /// What must hold: all of it, or one of it.
    asks: Vec<usize>,
    /// What holds afterwards.
    makes: Vec<usize>,
}

/// A write of unknown outcome that has a condition, or makes that of another one true.
struct Writer {
    place: Place,
    /// The first revision that it may have written, by time.
    first: u64,
    then: Branch,
    otherwise: Branch,
}

/// The conditions of the writes of unknown outcome, and who may bring them about.
#[derive(Default)]
pub(super) struct Conditions<'o> {
    facts: Vec<Fact<'o>>,
    writers: Vec<Writer>,
    /// The revisions that nobody claims.
    holes: Vec<u64>,
}

/// From which revision on each writer may do what it does under its condition, and what otherwise.
pub(super) struct Reach(Vec<(u64, u64)>);

/// What an operation leaves in each key that it writes, in one of the two cases of its condition.
pub(super) fn leaves(op: &Op, succeeded: bool) -> BTreeMap<&str, Option<&str>> {
    let acts = match op {
        Op::Txn { then, .. } if succeeded => then,
        Op::Txn { compare, otherwise, .. } if !compare.is_empty() => otherwise,
        op if succeeded => return op.changes(None).into_iter().map(|change| (change.key, change.value)).collect(),
        _ => return BTreeMap::new(),
    };
    acts.iter().filter_map(|act| Some((act.key(), Act::leaves(act)?))).collect()
}

/// What it compares with.
pub(super) fn compares(op: &Op) -> Vec<(&str, Option<&str>)> {
    match op {
        Op::Cas { key, expect, .. } => vec![(key, expect.as_deref())],
        Op::Txn { compare, .. } => compare.iter().map(|c| (c.key.as_str(), c.holds.as_deref())).collect(),
        _ => vec![],
    }
}

impl<'o> Conditions<'o> {
    /// Of the operations of unknown outcome, each with its place.
    /// Which of the writers each of them is comes with it, where it has a condition.
    pub(super) fn of(
        (ops, claims): (&'o [CompletedOp], &BTreeMap<u64, usize>),
        places: &[(usize, Place)],
        holes: Vec<u64>,
        in_time: impl Fn(usize, u64) -> bool,
    ) -> (Conditions<'o>, BTreeMap<usize, usize>) {
        let mut conditional = BTreeMap::new();
        let mut known: BTreeMap<(&'o str, Option<&'o str>), usize> = BTreeMap::new();
        let mut facts: Vec<Fact<'o>> = Vec::new();
        for (key, value) in places.iter().flat_map(|(i, _)| compares(&ops[*i].ask)) {
            known.entry((key, value)).or_insert_with(|| {
                facts.extend([true, false].map(|holds| Fact { key, value, holds, made: vec![] }));
                facts.len() - 2
            });
        }
        let mut of_key: BTreeMap<&'o str, Vec<usize>> = BTreeMap::new();
        facts.iter().enumerate().for_each(|(n, fact)| of_key.entry(fact.key).or_default().push(n));
        for (revision, claim) in claims {
            for change in ops[*claim].changes() {
                for n in of_key.get(change.key).into_iter().flatten() {
                    if facts[*n].fits(change.value) {
                        facts[*n].made.push(*revision);
                    }
                }
            }
        }
        let mut conditions = Conditions { facts, holes, writers: vec![] };
        for (i, place) in places {
            let op = &ops[*i].ask;
            let asked: Vec<usize> = compares(op).iter().map(|compare| known[compare]).collect();
            let makes = |succeeded| {
                let fits = |(key, value)| {
                    let some = of_key.get(key).into_iter().flatten();
                    some.copied().filter(|n| conditions.facts[*n].fits(value)).collect::<Vec<_>>()
                };
                leaves(op, succeeded).into_iter().flat_map(fits).collect()
            };
            let otherwise = Branch { asks: asked.iter().map(|n| n + 1).collect(), makes: makes(false) };
            let writer = Writer {
                place: *place,
                first: conditions.holes.get(conditions.holes.partition_point(|hole| !in_time(*i, *hole))).copied().unwrap_or(NEVER),
                then: Branch { asks: asked, makes: makes(true) },
                otherwise,
            };
            let has_condition = !writer.then.asks.is_empty();
            if has_condition {
                conditional.insert(*i, conditions.writers.len());
            }
            if has_condition || !writer.then.makes.is_empty() {
                conditions.writers.push(writer);
            }
        }
        (conditions, conditional)
    }

    /// Whether an acknowledged write between two revisions brings about what a condition asks for, or what it does not.
    pub(super) fn is_acknowledged(&self, (key, value, holds): (&str, Option<&str>, bool), between: Range<u64>) -> bool {
        let same = |fact: &&Fact<'_>| fact.key == key && fact.value == value && fact.holds == holds;
        let made = self.facts.iter().find(same).map_or(&[][..], |fact| &fact.made);
        made.get(made.partition_point(|at| *at <= between.start)).is_some_and(|at| *at < between.end)
    }

    /// What is possible from a store on.
    pub(super) fn reach(&self, store: &Possible) -> Reach {
        let now = store.state.revision;
        let since = |fact: &Fact<'_>| match fact.fits(store.state.get(fact.key)) {
            true => now,
            false => fact.made.get(fact.made.partition_point(|at| *at <= now)).copied().unwrap_or(NEVER),
        };
        let mut since: Vec<u64> = self.facts.iter().map(since).collect();
        let mut reach = vec![(NEVER, NEVER); self.writers.len()];
        let mut goes_on = true;
        while std::mem::take(&mut goes_on) {
            for (writer, reached) in self.writers.iter().zip(&mut reach) {
                let done = |asked: u64| match writer.place {
                    _ if asked == NEVER => NEVER,
                    Place::Pinned(at) => {
                        if at > asked {
                            at
                        } else {
                            NEVER
                        }
                    }
                    Place::Member(class, nth) if store.used.get(&class).is_some_and(|used| nth < *used) => NEVER,
                    Place::Member(..) => {
                        let from = writer.first.max(asked.saturating_add(1));
                        self.holes.get(self.holes.partition_point(|hole| *hole < from)).copied().unwrap_or(NEVER)
                    }
                };
                let all = writer.then.asks.iter().map(|n| since[*n]).fold(now, u64::max);
                let one = writer.otherwise.asks.iter().map(|n| since[*n]).min().unwrap_or(NEVER);
                for (branch, asked, at) in [(&writer.then, all, &mut reached.0), (&writer.otherwise, one, &mut reached.1)] {
                    let by = done(asked);
                    if by < *at {
                        *at = by;
                        for n in &branch.makes {
                            goes_on |= by < since[*n];
                            since[*n] = since[*n].min(by);
                        }
                    }
                }
            }
        }
        Reach(reach)
    }
}

impl Reach {
    /// Whether a writer may do by this revision what it does under its condition, or otherwise.
    pub(super) fn allows(&self, writer: usize, succeeded: bool, revision: u64) -> bool {
        let (then, otherwise) = self.0[writer];
        (if succeeded { then } else { otherwise }) <= revision
    }
}
