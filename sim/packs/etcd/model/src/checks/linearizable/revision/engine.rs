//! The history as the search looks at it: who claims a revision, who saw it, who may have written it.

use super::{
    super::{lookahead::Lookahead, store::modified},
    Refused, clash,
    place::{MayChange, Place},
    possible::Possible,
    reach::{Conditions, Reach, leaves},
    told,
};
use crate::checks::out_of_model::OutOfModel;
use crate::ops::{Changes as _, CompletedOp, KeyValue, Op, OpEnd, OpId, Output};
use rustc_hash::FxHashMap;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// What stands for a value that nobody ever saw.
pub(super) const UNSEEN: &str = "\u{0}unseen";

pub(super) struct Engine<'o> {
    pub(super) ops: &'o [CompletedOp],
    /// What takes revisions without changing these keys and values.
    pub(super) out_of_model: &'o OutOfModel,
    /// The answered write that claims a revision.
    pub(super) claims: BTreeMap<u64, usize>,
    /// Answered operations that changed nothing, by the revision that they saw.
    pub(super) readers: BTreeMap<u64, Vec<usize>>,
    /// Reads of the past, by the revision that they asked for.
    pub(super) past: BTreeMap<u64, Vec<usize>>,
    /// Unanswered writes that a read saw, at the revision that it told.
    pub(super) pinned: BTreeMap<u64, usize>,
    /// The other unanswered writes, in classes that do the same, each in order of invocation.
    pub(super) classes: Vec<Vec<usize>>,
    /// For each revision, the first return of an operation that saw it or a later one: from the end.
    pub(super) seen_by: BTreeMap<u64, usize>,
    values_seen: BTreeSet<&'o str>,
    /// For each key: the revisions at which a range read saw it, and which one had written it last.
    pub(super) last_written: BTreeMap<&'o str, BTreeMap<u64, u64>>,
    /// For each key: the unanswered writes that may change it.
    pub(super) may_change: BTreeMap<&'o str, Vec<MayChange<'o>>>,
    /// No unanswered write changes more keys than this.
    pub(super) width: usize,
    /// What unanswered writes ask for, and who may bring that about.
    pub(super) conditions: Conditions<'o>,
    /// Whether what an unanswered write leaves at a revision, in a case of its condition, is consistent with what is seen: as far as it
    /// was asked for.
    consistent: RefCell<FxHashMap<(usize, bool, u64), bool>>,
}

/// Every value that an answer shows.
pub(super) fn shown<'o>(output: &'o Output, into: &mut BTreeSet<&'o str>) {
    match output {
        Output::Got { value } => into.extend(value.as_deref()),
        Output::Ranged { kvs } => into.extend(kvs.iter().map(|kv| kv.value.as_str())),
        Output::Txn { results, .. } => results.iter().for_each(|r| shown(r, into)),
        Output::Done | Output::Swapped { .. } | Output::Deleted { .. } => {}
        Output::Removed { .. } | Output::ReadAll { .. } | Output::Compacted => {}
        Output::Watched { .. } | Output::Lease(_) | Output::Line(_) | Output::Member(_) | Output::Greeted { .. } => {}
    }
}

/// Every value that an operation compares with.
fn expected(op: &Op) -> Vec<&str> {
    match op {
        Op::Cas { expect, .. } => expect.as_deref().into_iter().collect(),
        Op::Txn { compare, .. } => compare.iter().filter_map(|c| c.holds.as_deref()).collect(),
        Op::Get { .. } | Op::Put { .. } | Op::Delete { .. } | Op::Range { .. } => vec![],
        Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => vec![],
        Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => vec![],
    }
}

impl<'o> Engine<'o> {
    pub(super) fn new(ops: &'o [CompletedOp], out_of_model: &'o OutOfModel) -> Result<Engine<'o>, Refused> {
        let mut engine = Engine {
            ops,
            out_of_model,
            claims: BTreeMap::new(),
            readers: BTreeMap::new(),
            past: BTreeMap::new(),
            pinned: BTreeMap::new(),
            classes: Vec::new(),
            seen_by: BTreeMap::new(),
            values_seen: BTreeSet::new(),
            last_written: BTreeMap::new(),
            may_change: BTreeMap::new(),
            width: 0,
            conditions: Conditions::default(),
            consistent: RefCell::default(),
        };
        engine.file_answers()?;
        engine.real_time()?;
        engine.file_unanswered()?;
        Ok(engine)
    }

    fn file_answers(&mut self) -> Result<(), Refused> {
        for (i, op) in self.ops.iter().enumerate() {
            self.values_seen.extend(expected(&op.ask));
            let (Some(output), Some(revision)) = (op.output(), op.position) else { continue };
            shown(output, &mut self.values_seen);
            // An empty store is at revision 1.
            if revision < 1 + u64::from(modified(&op.ask, output)) {
                let summary = format!("{}, before there was a first revision", told(op));
                return self.refuse(i, "write-in-the-past", summary, (vec![], vec![op.id]), revision);
            }
            if modified(&op.ask, output) {
                if self.out_of_model.claims.contains_key(&revision) {
                    let summary = format!("{}, and something else that was acknowledged made that revision", told(op));
                    return self.refuse(i, "two-writes-of-one-revision", summary, (vec![], vec![op.id]), revision - 1);
                }
                if let Some(other) = self.claims.insert(revision, i) {
                    let other = &self.ops[other];
                    let summary = format!("{} and {} both say that they wrote revision {revision}", other.id, op.id);
                    let shown = (vec![told(other), told(op)], vec![other.id, op.id]);
                    return self.refuse(i, "two-writes-of-one-revision", summary, shown, revision - 1);
                }
            } else {
                self.readers.entry(revision).or_default().push(i);
            }
            let mut seen_at = revision;
            if let Op::Range { at: Some(at), .. } = op.ask {
                self.past.entry(at).or_default().push(i);
                seen_at = at;
            }
            if let Output::Ranged { kvs } = output {
                for kv in kvs {
                    self.last_written.entry(&kv.key).or_default().extend(kv.revision.map(|written| (seen_at, written)));
                }
            }
        }
        Ok(())
    }

    /// In order of the history's lines: what began after something ended does not lie before it.
    fn real_time(&mut self) -> Result<(), Refused> {
        let answered = || self.ops.iter().enumerate().filter_map(|(i, op)| Some((i, op, op.position?)));
        let mut ends: Vec<(usize, usize, u64)> = answered().map(|(i, op, r)| (op.ended_at, i, r)).collect();
        ends.sort_unstable();
        let mut begins: Vec<(usize, usize, u64)> = answered().map(|(i, op, r)| (op.invoked_at, i, r)).collect();
        begins.sort_unstable();
        let (mut next, mut latest): (usize, Option<(u64, usize)>) = (0, None);
        for (begun, i, revision) in begins {
            while let Some((_, j, r)) = ends.get(next).filter(|(end, ..)| *end < begun) {
                latest = latest.max(Some((*r, *j)));
                next += 1;
            }
            let Some((seen, by)) = latest else { continue };
            let op = &self.ops[i];
            let writes = self.claims.get(&revision) == Some(&i);
            if revision < seen || (writes && revision == seen) {
                let earlier = &self.ops[by];
                let kind = if writes { "write-in-the-past" } else { "stale-read" };
                let summary =
                    format!("{} {} by {} began after revision {seen} was seen, and answered at {revision}", op.id, op.ask, op.client);
                return self.refuse(i, kind, summary, (vec![told(earlier), told(op)], vec![earlier.id, op.id]), seen);
            }
        }
        let mut first = usize::MAX;
        let mut by_revision: Vec<(u64, usize)> = answered().map(|(_, op, r)| (r, op.ended_at)).collect();
        by_revision.sort_unstable();
        for (revision, end) in by_revision.into_iter().rev() {
            first = first.min(end);
            self.seen_by.insert(revision, first);
        }
        Ok(())
    }

    fn file_unanswered(&mut self) -> Result<(), Refused> {
        let open: Vec<usize> = (0..self.ops.len()).filter(|i| self.ops[*i].end == OpEnd::Open && self.ops[*i].ask.may_write()).collect();
        // A value that several wrote pins none of them.
        let mut writers: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (i, op) in self.ops.iter().enumerate() {
            op.changes().into_iter().filter_map(|c| c.value).for_each(|value| _ = writers.entry(value).or_default().insert(i));
        }
        // A read of one key tells when the key was last written, too, if that write was answered.
        for op in self.ops {
            let (Some(revision), Some(output)) = (op.position, op.output()) else { continue };
            let gets: Vec<(&'o str, &'o Output)> = match (&op.ask, output) {
                (Op::Get { key }, output) => vec![(key, output)],
                // Reads after writes of the same transaction tell of itself.
                (Op::Txn { then, otherwise, .. }, Output::Txn { succeeded, results }) if !modified(&op.ask, output) => {
                    let acts = if *succeeded { then } else { otherwise };
                    acts.iter().zip(results).map(|(act, result)| (act.key(), result)).collect()
                }
                _ => vec![],
            };
            for (key, output) in gets {
                let Output::Got { value: Some(value) } = output else { continue };
                let writer = writers.get(value.as_str()).filter(|w| w.len() == 1).and_then(|w| w.first());
                let written = writer.and_then(|i| self.ops[*i].position).filter(|written| *written <= revision);
                if let Some(written) = written {
                    self.last_written.entry(key).or_default().entry(revision).or_insert(written);
                }
            }
        }
        let only = |value: &str| writers.get(value).filter(|w| w.len() == 1).and_then(|w| w.first().copied());
        let ranges = self.ops.iter().filter_map(|op| if let Some(Output::Ranged { kvs }) = op.output() { Some(kvs) } else { None });
        for KeyValue { value, revision, .. } in ranges.flatten() {
            if let (Some(i), Some(revision)) = (only(value).filter(|i| self.ops[*i].end == OpEnd::Open), revision) {
                self.pinned.insert(*revision, i);
            }
        }
        let mut once: BTreeMap<usize, u64> = BTreeMap::new();
        for (&revision, &i) in &self.pinned {
            if let Some(first) = once.insert(i, revision) {
                let op = &self.ops[i];
                let summary = format!("{} was written at revision {first} and again at revision {revision}", told(op));
                return self.refuse(i, "written-twice", summary, (vec![], vec![op.id]), revision.max(first) - 1);
            }
        }
        let pinned: BTreeSet<usize> = self.pinned.values().copied().collect();
        let mut classes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for i in open.into_iter().filter(|i| !pinned.contains(i)) {
            let same = format!("{:?}", self.blur(&self.ops[i].ask));
            classes.entry(same).or_default().push(i);
        }
        self.classes = classes.into_values().collect();
        for class in &mut self.classes {
            class.sort_by_key(|i| self.ops[*i].invoked_at);
        }
        let pinned = self.pinned.iter().map(|(revision, i)| (*i, Place::Pinned(*revision)));
        let members = self.classes.iter().enumerate();
        let members = members.flat_map(|(class, m)| m.iter().enumerate().map(move |(nth, i)| (*i, Place::Member(class, nth))));
        let places: Vec<(usize, Place)> = pinned.chain(members).collect();
        let last = self.seen_by.last_key_value().map_or(1, |(revision, _)| *revision);
        let claimed = |r: &u64| self.claims.contains_key(r) || self.out_of_model.claims.contains_key(r);
        let holes = (2..=last).filter(|r| !claimed(r)).collect();
        let (conditions, conditional) = Conditions::of((self.ops, &self.claims), &places, holes, |i, revision| self.in_time(i, revision));
        for (i, place) in places {
            for succeeded in [true, false] {
                let left = leaves(&self.ops[i].ask, succeeded);
                self.width = self.width.max(left.len());
                for (key, value) in left {
                    let condition = conditional.get(&i).map(|writer| (*writer, succeeded));
                    self.may_change.entry(key).or_default().push(MayChange { op: i, place, value, condition });
                }
            }
        }
        self.conditions = conditions;
        Ok(())
    }

    fn refuse(
        &self,
        culprit: usize,
        kind: &'static str,
        summary: String,
        shown: (Vec<String>, Vec<OpId>),
        until: u64,
    ) -> Result<(), Refused> {
        Err(Refused::Invalid(Box::new(clash(self.ops, culprit, kind, summary, shown, until))))
    }

    /// The operation, with every value that nobody ever saw replaced by one that stands for all of them.
    pub(super) fn blur(&self, op: &Op) -> Op {
        let blur = |value: &mut String| {
            if !self.values_seen.contains(value.as_str()) {
                *value = UNSEEN.to_string();
            }
        };
        let mut op = op.clone();
        match &mut op {
            Op::Put { value, .. } | Op::Cas { value, .. } => blur(value),
            Op::Txn { then, otherwise, .. } => {
                for act in then.iter_mut().chain(otherwise) {
                    if let crate::ops::Act::Put { value, .. } = act {
                        blur(value);
                    }
                }
            }
            Op::Get { .. } | Op::Delete { .. } | Op::Range { .. } => {}
            Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => {}
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => {}
        }
        op
    }

    /// Whether from a store on an unanswered operation may change a key at a revision.
    pub(super) fn may_change_at<'r>(
        &self,
        change: &MayChange<'_>,
        at: u64,
        (lookahead, store): (&Lookahead<'_>, &Possible),
        reach: impl FnOnce() -> &'r Reach,
    ) -> bool {
        let unused = |(class, nth)| store.used.get(&class).is_none_or(|used| nth >= *used);
        let left = if let Place::Member(class, nth) = change.place { unused((class, nth)) } else { true };
        left && self.may_be_at(change, at)
            && change.condition.is_none_or(|(writer, succeeded)| reach().allows(writer, succeeded, at))
            && self.is_consistent(change, at, lookahead)
    }

    fn may_be_at(&self, change: &MayChange<'_>, at: u64) -> bool {
        let place = match change.place {
            Place::Pinned(pinned) => pinned == at,
            Place::Member(..) => !self.pinned.contains_key(&at),
        };
        place && self.may_write(change.op, at)
    }

    /// Whether everything that an unanswered operation leaves at a revision is as it is seen afterwards, or somebody may change it again
    /// before that.
    fn is_consistent(&self, change: &MayChange<'_>, at: u64, lookahead: &Lookahead<'_>) -> bool {
        let place = (change.op, change.case(), at);
        if let Some(known) = self.consistent.borrow().get(&place) {
            return *known;
        }
        let is = leaves(&self.ops[change.op].ask, change.case()).into_iter().all(|(key, value)| {
            let Some((by, seen, written)) = lookahead.shown(key, at) else { return true };
            let again = |other: &MayChange<'_>| {
                let may = |hole: &u64| written.is_none_or(|written| written == *hole) && self.may_be_at(other, *hole);
                other.op != change.op && seen.is(other.value) && lookahead.holes.range(at + 1..).take_while(|hole| **hole <= by).any(may)
            };
            (seen.is(value) && written.is_none_or(|written| written == at)) || self.may_change.get(key).into_iter().flatten().any(again)
        });
        self.consistent.borrow_mut().insert(place, is);
        is
    }

    /// Whether an operation was asked before anybody saw this revision.
    pub(super) fn in_time(&self, op: usize, revision: u64) -> bool {
        let first_seen = self.seen_by.range(revision..).next().map_or(usize::MAX, |(_, end)| *end);
        self.ops[op].invoked_at < first_seen
    }

    /// Whether an unanswered operation may have written this revision: it was asked before anybody saw it.
    pub(super) fn may_write(&self, op: usize, revision: u64) -> bool {
        let overwritten = |key: &str| {
            let next_read = self.last_written.get(key).and_then(|reads| reads.range(revision..).next());
            next_read.is_none_or(|(_, written)| *written >= revision)
        };
        // A transaction may change less than it could.
        let is_txn = matches!(self.ops[op].ask, Op::Txn { .. });
        self.in_time(op, revision) && (is_txn || self.ops[op].ask.changes(None).iter().all(|c| overwritten(c.key)))
    }
}
