//! The revision engine: every answer carries the store's revision, and revisions are the order.
//!
//! ```text
//!   revision   2       3       4       5       6
//!   written by c1      c3      ?       c2      c1          ? : an operation that nobody saw return
//!   read by            c2              c4, c1
//! ```
//!
//! 1. *Real time*: an operation that began after another one ended has no lower revision (and, if it
//!    changed something, a higher one). One pass with a running maximum.
//! 2. *Replay*: the store is rebuilt revision by revision; every answer is held against it. A revision
//!    that no answered write claims (a hole) was written by one of those of unknown outcome: those that a
//!    read saw are pinned to the revision that it told; among the others choices are tried, depth first,
//!    and none twice from the same store.
//!
//! It is exact: a linearization must be in order of revision, since the specification
//! ([`super::store`]) counts them. Interchangeable choices are made once: operations of unknown outcome
//! that do the same, with values that nobody ever saw, are used in order of their invocation. (If a later
//! one could fill a hole, so could an earlier one, and what is left can fill what the other would have.)
//!
//! A choice is not tried where later answers exclude it ([`super::foresight`]). Without holes, time is
//! linear in the history; the number of steps is bounded, and passing the bound is `unknown`.

use super::{
    foresight::{Foresight, Leaves},
    log::{Log, NONE},
    quick::{Missed, witness},
    store::{State, agrees, modified},
};
use crate::{Verdict, Witness, foreign::Foreign};
use squall_history::{CompletedOp, KeyValue, Op, OpEnd, OpId, Output, SimTime, stream};
use squall_linear::{Progress, frontier::Watchdog};
use std::collections::{BTreeMap, BTreeSet};

/// No more revisions are replayed in one search, over all the choices that are tried.
const STEPS_MAX: u64 = 3_000_000;

/// In the searches before the last, no more choices are tried than this, times the holes that there are.
const CHOICES_A_HOLE: usize = 50;

/// No more candidates for a gap are looked at, over all the choices of one search: a second or two.
const CANDIDATES_MAX: usize = 20_000_000;

/// Every so many revisions somebody is asked whether to go on.
pub(super) const ASKED_EVERY: u64 = 256;

/// In a brief search no more choices are tried than this.
const CHOICES_BRIEF: usize = 200;

/// So many searches in a random order are made before the last.
const SHUFFLES: u64 = 6;

/// Which of several possible writers of a revision is tried first. None is left out.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// A leader writes in the order in which it is asked: the next one after the last, then the last before it.
    AsAsked,
    /// The last that was asked: a request that is lost seldom comes late.
    LatestFirst,
    /// At random.
    Shuffled(u64),
}

/// The stores that are remembered as tried take no more bytes, roughly.
const TRIED_BYTES_MAX: usize = 200 << 20;

impl Possible {
    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        self.state.keys.len() * 64 + self.used.len() * 24 + 160
    }
}

/// One store that is possible: and how many of each class of unanswered operations it took.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Possible {
    state: State,
    used: BTreeMap<usize, usize>,
}

/// How a store came about: who filled which revision, and when that was asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    revision: u64,
    /// `None`: something that is foreign.
    op: Option<usize>,
    asked: usize,
}

/// What stands, among the classes, for revisions that changed none of these keys and values.
const FOREIGN: usize = usize::MAX;

/// What stands for a value that nobody ever saw.
const UNSEEN: &str = "\u{0}unseen";

struct Engine<'o> {
    ops: &'o [CompletedOp],
    /// What takes revisions without changing these keys and values.
    foreign: &'o Foreign,
    /// The answered write that claims a revision.
    claims: BTreeMap<u64, usize>,
    /// Answered operations that changed nothing, by the revision that they saw.
    readers: BTreeMap<u64, Vec<usize>>,
    /// Reads of the past, by the revision that they asked for.
    past: BTreeMap<u64, Vec<usize>>,
    /// Unanswered writes that a read saw, at the revision that it told.
    pinned: BTreeMap<u64, usize>,
    /// The other unanswered writes, in classes that do the same, each in order of invocation.
    classes: Vec<Vec<usize>>,
    /// For each revision, the first return of an operation that saw it or a later one: from the end.
    seen_by: BTreeMap<u64, usize>,
    values_seen: BTreeSet<&'o str>,
    /// For each key: the revisions at which a range read saw it, and which one had written it last.
    last_written: BTreeMap<&'o str, BTreeMap<u64, u64>>,
    /// For each key: the unanswered writes that may change it.
    may_change: BTreeMap<&'o str, Vec<MayChange<'o>>>,
}

/// An unanswered write that may change a key.
struct MayChange<'o> {
    op: usize,
    place: Place,
    /// What it leaves: the value, or nothing.
    value: Option<&'o str>,
}

/// An unanswered write: pinned to a revision, or the so-manyth of a class.
#[derive(Clone, Copy, Debug)]
enum Place {
    Pinned(u64),
    Member(usize, usize),
}

/// Who wrote the revisions that nobody claims: the places of operations of unknown outcome; `None`: something that is foreign.
pub(super) type Fills = Vec<(u64, Option<usize>)>;

/// Judges operations of which every answered one carries a revision.
///
/// # Errors
/// What is wrong, or why it is not known.
pub(super) fn judge(ops: &[CompletedOp], foreign: &Foreign, go_on: Watchdog<'_>) -> Result<Fills, Box<Verdict>> {
    // Most histories have a witness that is found in one pass.
    let Ok(log) = Log::of(ops) else { return search(ops, foreign, false, go_on) };
    match witness(&log, foreign, foreign_floor(ops, foreign), go_on) {
        Ok(filled) => {
            let place = |row: u32| (row != NONE).then(|| log.places[row as usize] as usize);
            Ok(filled.into_iter().map(|(revision, row)| (revision, place(row))).collect())
        }
        Err(Missed::Unsure) => search(ops, foreign, false, go_on),
        Err(Missed::Stopped(revision)) => Err(stopped(revision)),
        Err(Missed::Impossible { row, key, value, revision, since }) => {
            // The search tells more, where it comes to an end soon.
            match search(ops, foreign, true, go_on) {
                Err(told) if matches!(*told, Verdict::Unknown(_)) => Err(impossible(ops, &log, (row, key, value), revision, since)),
                told => told,
            }
        }
    }
}

fn stopped(revision: u64) -> Box<Verdict> {
    Box::new(Verdict::Unknown(format!("it was stopped at revision {revision}: every answer before that has an order")))
}

/// The operations in an order that explains every answer: each revision's write, and then those who saw it.
pub(super) fn order(ops: &[CompletedOp], fills: &Fills) -> Vec<OpId> {
    let answered = ops.iter().filter_map(|op| Some(((op.revision?, !modified(&op.ask, op.output()?), op.invoked_at), op.id)));
    let filled = fills.iter().filter_map(|(revision, place)| Some(((*revision, false, 0), ops[(*place)?].id)));
    let mut all: Vec<_> = answered.chain(filled).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, id)| id).collect()
}

/// An answer tells of a key what nobody can have written.
fn impossible(ops: &[CompletedOp], log: &Log, (row, key, value): (u32, u32, u32), revision: u64, since: u64) -> Box<Verdict> {
    let op = &ops[log.places[row as usize] as usize];
    let key = log.keys.text(key);
    let holds = if value == NONE { "absent".to_string() } else { log.values.text(value) };
    let summary = format!("{}, and {key} cannot be {holds} at revision {revision}", told(op));
    let wrote = |o: &&CompletedOp| {
        let claims = o.revision == Some(since);
        claims && o.changes().iter().any(|c| c.key == key)
    };
    let last = ops.iter().find(wrote);
    let mut details: Vec<String> = last.map(|o| format!("revision {since}: {}", told(o))).into_iter().collect();
    details.push(format!("it was otherwise at revision {since}, and no write of unknown outcome fits between that and {revision}"));
    let ids = last.map(|o| o.id).into_iter().chain([op.id]).collect();
    violation(if op.revision == Some(revision) { "wrong-answer" } else { "wrong-past" }, ended(op), summary, details, ids)
}

/// The highest revision that anybody had been told before the first of what is foreign was asked for.
pub(super) fn foreign_floor(ops: &[CompletedOp], foreign: &Foreign) -> u64 {
    ops.iter().filter(|op| op.ended_at < foreign.from).filter_map(|op| op.revision).max().unwrap_or(0)
}

/// The exact search, which also explains. A brief one gives up soon.
///
/// # Errors
/// What is wrong, or why it is not known.
pub(super) fn search(ops: &[CompletedOp], foreign: &Foreign, brief: bool, go_on: Watchdog<'_>) -> Result<Fills, Box<Verdict>> {
    let fills = Engine::new(ops, foreign)?.replay(brief, go_on)?;
    Ok(fills.into_iter().map(|step| (step.revision, step.op)).collect())
}

fn is_unknown<T>(verdict: &Result<T, Box<Verdict>>) -> bool {
    verdict.as_ref().is_err_and(|v| matches!(**v, Verdict::Unknown(_)))
}

fn violation(kind: &'static str, at: SimTime, summary: String, details: Vec<String>, ops: Vec<OpId>) -> Box<Verdict> {
    Box::new(Verdict::Invalid(Box::new(Witness { kind, summary, details, at, ops })))
}

fn ended(op: &CompletedOp) -> SimTime {
    if let OpEnd::Ok(at, _) | OpEnd::Fail(at) = op.end { at } else { op.invoked }
}

fn told(op: &CompletedOp) -> String {
    let answer = op.output().map_or("nobody knows".to_string(), Output::to_string);
    let revision = op.revision.map_or(String::new(), |r| format!(" at revision {r}"));
    format!("{} {} by {} answered `{answer}`{revision}", op.id, op.ask, op.client)
}

/// Every value that an answer shows.
fn shown<'o>(output: &'o Output, into: &mut BTreeSet<&'o str>) {
    match output {
        Output::Got { value } => into.extend(value.as_deref()),
        Output::Ranged { kvs } => into.extend(kvs.iter().map(|kv| kv.value.as_str())),
        Output::Txn { results, .. } => results.iter().for_each(|r| shown(r, into)),
        Output::Done | Output::Swapped { .. } | Output::Deleted { .. } => {}
        Output::Watched { .. } | Output::Lease(_) | Output::Line(_) | Output::Member(_) | Output::Greeted { .. } => {}
    }
}

/// Every value that an operation compares with.
fn expected(op: &Op) -> Vec<&str> {
    match op {
        Op::Cas { expect, .. } => expect.as_deref().into_iter().collect(),
        Op::Txn { compare, .. } => compare.iter().filter_map(|c| c.holds.as_deref()).collect(),
        Op::Get { .. } | Op::Put { .. } | Op::Delete { .. } | Op::Range { .. } => vec![],
        Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => vec![],
    }
}

impl<'o> Engine<'o> {
    fn new(ops: &'o [CompletedOp], foreign: &'o Foreign) -> Result<Engine<'o>, Box<Verdict>> {
        let mut engine = Engine {
            ops,
            foreign,
            claims: BTreeMap::new(),
            readers: BTreeMap::new(),
            past: BTreeMap::new(),
            pinned: BTreeMap::new(),
            classes: Vec::new(),
            seen_by: BTreeMap::new(),
            values_seen: BTreeSet::new(),
            last_written: BTreeMap::new(),
            may_change: BTreeMap::new(),
        };
        engine.file_answers()?;
        engine.real_time()?;
        engine.file_unanswered()?;
        Ok(engine)
    }

    fn file_answers(&mut self) -> Result<(), Box<Verdict>> {
        for (i, op) in self.ops.iter().enumerate() {
            self.values_seen.extend(expected(&op.ask));
            let (Some(output), Some(revision)) = (op.output(), op.revision) else { continue };
            shown(output, &mut self.values_seen);
            // An empty store is at revision 1.
            if revision < 1 + u64::from(modified(&op.ask, output)) {
                let summary = format!("{}, before there was a first revision", told(op));
                return Err(violation("write-in-the-past", ended(op), summary, vec![], vec![op.id]));
            }
            if modified(&op.ask, output) {
                if self.foreign.claims.contains_key(&revision) {
                    let summary = format!("{}, and something else that was acknowledged made that revision", told(op));
                    return Err(violation("two-writes-of-one-revision", ended(op), summary, vec![], vec![op.id]));
                }
                if let Some(other) = self.claims.insert(revision, i) {
                    let other = &self.ops[other];
                    let summary = format!("{} and {} both say that they wrote revision {revision}", other.id, op.id);
                    return Err(violation(
                        "two-writes-of-one-revision",
                        ended(op),
                        summary,
                        vec![told(other), told(op)],
                        vec![other.id, op.id],
                    ));
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
    fn real_time(&mut self) -> Result<(), Box<Verdict>> {
        let answered = || self.ops.iter().enumerate().filter_map(|(i, op)| Some((i, op, op.revision?)));
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
                return Err(violation(kind, ended(op), summary, vec![told(earlier), told(op)], vec![earlier.id, op.id]));
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

    fn file_unanswered(&mut self) -> Result<(), Box<Verdict>> {
        let open: Vec<usize> = (0..self.ops.len()).filter(|i| self.ops[*i].end == OpEnd::Open && self.ops[*i].ask.may_write()).collect();
        // A value that several wrote pins none of them.
        let mut writers: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (i, op) in self.ops.iter().enumerate() {
            op.changes().into_iter().filter_map(|c| c.value).for_each(|value| _ = writers.entry(value).or_default().insert(i));
        }
        // A read of one key tells when the key was last written, too, if that write was answered.
        for op in self.ops {
            let (Some(revision), Some(output)) = (op.revision, op.output()) else { continue };
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
                let written = writer.and_then(|i| self.ops[*i].revision).filter(|written| *written <= revision);
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
                return Err(violation("written-twice", op.invoked, summary, vec![], vec![op.id]));
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
        for (i, place) in pinned.chain(members) {
            for change in self.ops[i].changes() {
                self.may_change.entry(change.key).or_default().push(MayChange { op: i, place, value: change.value });
            }
        }
        Ok(())
    }

    /// The operation, with every value that nobody ever saw replaced by one that stands for all of them.
    fn blur(&self, op: &Op) -> Op {
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
                    if let squall_history::Act::Put { value, .. } = act {
                        blur(value);
                    }
                }
            }
            Op::Get { .. } | Op::Delete { .. } | Op::Range { .. } => {}
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => {}
        }
        op
    }

    /// Whether an unanswered operation may have written this revision: it was asked before anybody saw it.
    fn may_write(&self, op: usize, revision: u64) -> bool {
        let first_seen = self.seen_by.range(revision..).next().map_or(usize::MAX, |(_, end)| *end);
        let overwritten = |key: &str| {
            let next_read = self.last_written.get(key).and_then(|reads| reads.range(revision..).next());
            next_read.is_none_or(|(_, written)| *written >= revision)
        };
        // A transaction may change less than it could.
        let is_txn = matches!(self.ops[op].ask, Op::Txn { .. });
        self.ops[op].invoked_at < first_seen && (is_txn || self.ops[op].ask.changes(None).iter().all(|c| overwritten(c.key)))
    }

    /// A search that begins badly may take for ever where another order finds its way at once, so several
    /// are made (Gomes, Selman and Kautz 1998). Whichever comes to its end decides.
    fn replay(&self, brief: bool, go_on: Watchdog<'_>) -> Result<Vec<Step>, Box<Verdict>> {
        let last = self.seen_by.last_key_value().map_or(1, |(revision, _)| *revision);
        if last > STEPS_MAX {
            return Err(Box::new(Verdict::Unknown(format!("revision {last} was told, and no more than {STEPS_MAX} are replayed"))));
        }
        let claimed = |revision: u64| self.claims.contains_key(&revision) || self.foreign.claims.contains_key(&revision);
        let foresight = Foresight::new(self.ops, claimed, last);
        let limit = CHOICES_A_HOLE * (last as usize).saturating_sub(self.claims.len());
        let mut search = |order, choices_max| self.search(last, Some(&foresight), order, choices_max, go_on);
        let orders = [Order::AsAsked, Order::LatestFirst].into_iter().chain((1..=SHUFFLES).map(Order::Shuffled));
        if brief {
            return self.search(last, None, Order::AsAsked, CHOICES_BRIEF.min(limit), go_on);
        }
        // Where one search is long, another is not better.
        let long = self.classes.len() * (last as usize).saturating_sub(self.claims.len()) > CANDIDATES_MAX;
        let orders = orders.take(if long { 1 } else { usize::MAX });
        let decided = orders.map(|order| search(order, limit)).find(|verdict| !is_unknown(verdict));
        let verdict = decided.unwrap_or_else(|| search(Order::AsAsked, if long { limit } else { usize::MAX }));
        if verdict.is_ok() || is_unknown(&verdict) {
            return verdict;
        }
        // Foresight gives up before the answer that tells why: where it can be reached, it says more.
        let explained = self.search(last, None, Order::AsAsked, limit, go_on);
        if is_unknown(&explained) { verdict } else { explained }
    }

    fn search(
        &self,
        last: u64,
        foresight: Option<&Foresight<'_>>,
        order: Order,
        choices_max: usize,
        go_on: Watchdog<'_>,
    ) -> Result<Vec<Step>, Box<Verdict>> {
        let mut draws = stream(if let Order::Shuffled(n) = order { n } else { 0 }, "choices");
        let start = Possible { state: State::default(), used: BTreeMap::new() };
        self.hold_reads(1, &start)?;
        // With each, how it came about.
        let mut untried = vec![(start, Step::default())];
        let mut path: Vec<Step> = Vec::new();
        let mut tried: BTreeSet<Possible> = BTreeSet::new();
        // Why the attempt that came furthest came no further.
        let mut furthest: Option<(u64, Box<Verdict>)> = None;
        let (mut steps, mut tried_bytes, mut candidates) = (0, 0, 0);
        'attempts: while let Some((mut store, step)) = untried.pop() {
            let mut asked = step.asked;
            path.truncate(path.partition_point(|earlier| earlier.revision < step.revision));
            path.push(step);
            while store.state.revision < last {
                steps += 1;
                if steps % ASKED_EVERY == 0 {
                    let progress = Progress { visits: steps, bytes: tried_bytes, events: store.state.revision as usize };
                    if !go_on(progress) {
                        return Err(stopped(furthest.map_or(store.state.revision, |(revision, _)| revision.max(store.state.revision))));
                    }
                }
                if steps > STEPS_MAX || candidates > CANDIDATES_MAX || tried_bytes > TRIED_BYTES_MAX || tried.len() > choices_max {
                    return Err(Box::new(Verdict::Unknown(format!(
                        "too many writes of unknown outcome: {} choices and {steps} steps were tried",
                        tried.len()
                    ))));
                }
                let revision = store.state.revision + 1;
                let wrong = match self.claims.get(&revision) {
                    None if self.foreign.claims.contains_key(&revision) => {
                        store.state.revision = revision;
                        self.hold_reads(revision, &store).err()
                    }
                    Some(&claim) => {
                        asked = self.ops[claim].invoked_at;
                        self.claimed(revision, claim, &mut store).and_then(|()| self.hold_reads(revision, &store)).err()
                    }
                    None => {
                        candidates += self.classes.len() + store.state.keys.len();
                        let mut choices = self.fill(revision, &store, asked);
                        match order {
                            Order::AsAsked => choices.sort_by_key(|(_, step)| (step.asked < asked, step.asked.abs_diff(asked))),
                            Order::LatestFirst => choices.sort_by_key(|(_, step)| std::cmp::Reverse(step.asked)),
                            Order::Shuffled(_) => draws.shuffle(&mut choices),
                        }
                        let mut wrong = choices.is_empty().then(|| self.unexplained(revision));
                        for (choice, step) in choices.into_iter().rev() {
                            match self.hold_reads(revision, &choice) {
                                Ok(()) if foresight.is_some_and(|f| !self.has_future(f, &choice)) => {
                                    wrong.get_or_insert_with(|| self.unexplained(revision));
                                }
                                Ok(()) if tried.insert(choice.clone()) => {
                                    tried_bytes += 2 * choice.bytes();
                                    untried.push((choice, step));
                                }
                                Ok(()) => {}
                                Err(why) => wrong = Some(why),
                            }
                        }
                        self.remember(&mut furthest, revision, wrong);
                        continue 'attempts;
                    }
                };
                if wrong.is_some() {
                    self.remember(&mut furthest, revision, wrong);
                    continue 'attempts;
                }
            }
            // The first is how it began.
            return Ok(path.split_off(1));
        }
        Err(furthest.expect("an attempt that does not reach the end has a reason").1)
    }

    fn remember(&self, furthest: &mut Option<(u64, Box<Verdict>)>, revision: u64, wrong: Option<Box<Verdict>>) {
        if let Some(wrong) = wrong
            && furthest.as_ref().is_none_or(|(r, _)| *r < revision)
        {
            *furthest = Some((revision, wrong));
        }
    }

    /// The answered write of this revision is done to the store.
    fn claimed(&self, revision: u64, claim: usize, store: &mut Possible) -> Result<(), Box<Verdict>> {
        let op = &self.ops[claim];
        let says = store.state.apply(&self.blur(&op.ask));
        let output = op.output().expect("a claim was answered");
        match agrees(&says, output) && store.state.revision == revision {
            true => Ok(()),
            false => Err(self.wrong("wrong-answer", op, revision, &says)),
        }
    }

    /// Nobody claims this revision: the stores that one of those that never returned may have made.
    fn fill(&self, revision: u64, store: &Possible, last_asked: usize) -> Vec<(Possible, Step)> {
        let take = |op: usize, class: Option<usize>| {
            let mut next = store.clone();
            next.state.apply(&self.blur(&self.ops[op].ask));
            // When it was written is no more seen than what was.
            next.state.keys.values_mut().filter(|(value, _)| &**value == UNSEEN).for_each(|(_, revision)| *revision = 0);
            if let Some(class) = class {
                *next.used.entry(class).or_default() += 1;
            }
            (next.state.revision == revision).then_some(next)
        };
        if let Some(&op) = self.pinned.get(&revision) {
            let choice = if self.may_write(op, revision) { take(op, None) } else { None };
            return choice.map(|choice| (choice, Step { revision, op: Some(op), asked: self.ops[op].invoked_at })).into_iter().collect();
        }
        let unused = self.classes.iter().enumerate().filter_map(|(class, members)| {
            let left = &members[store.used.get(&class).copied().unwrap_or(0).min(members.len())..];
            let op = *left.first()?;
            // Whichever of them it was, they do the same.
            let nearest =
                left.iter().map(|i| self.ops[*i].invoked_at).min_by_key(|asked| (*asked < last_asked, asked.abs_diff(last_asked)))?;
            self.may_write(op, revision).then_some((op, class, nearest))
        });
        let step = |op, asked| Step { revision, op, asked };
        let mut choices: Vec<(Possible, Step)> =
            unused.filter_map(|(op, class, asked)| Some((take(op, Some(class))?, step(Some(op), asked)))).collect();
        let first_seen = self.seen_by.range(revision..).next().map_or(usize::MAX, |(_, end)| *end);
        if store.used.get(&FOREIGN).copied().unwrap_or(0) < self.foreign.unclaimed && self.foreign.from < first_seen {
            let mut same = store.clone();
            same.state.revision = revision;
            *same.used.entry(FOREIGN).or_default() += 1;
            choices.push((same, step(None, last_asked)));
        }
        choices
    }

    /// Whether what will be seen can come about from this store.
    fn has_future(&self, foresight: &Foresight<'_>, store: &Possible) -> bool {
        foresight.allows(&store.state, |key, revision, leaves| {
            self.may_change.get(key).into_iter().flatten().any(|MayChange { op, place, value }| {
                let fits = match leaves {
                    Leaves::Nothing => value.is_none(),
                    Leaves::Something => value.is_some(),
                    Leaves::Value(asked) => *value == Some(asked),
                };
                let left = match place {
                    Place::Pinned(at) => *at == revision,
                    Place::Member(class, nth) => {
                        store.used.get(class).is_none_or(|used| nth >= used) && !self.pinned.contains_key(&revision)
                    }
                };
                fits && left && self.may_write(*op, revision)
            })
        })
    }

    fn unexplained(&self, revision: u64) -> Box<Verdict> {
        // Who saw it, or a later one?
        let seen = self.ops.iter().filter(|op| op.revision.is_some_and(|r| r >= revision)).min_by_key(|op| (op.revision, op.ended_at));
        let (at, details, ids) = seen.map_or((SimTime(0), vec![], vec![]), |op| (ended(op), vec![told(op)], vec![op.id]));
        let summary = format!("nobody can have written revision {revision}: no write of unknown outcome fits");
        violation("unexplained-revision", at, summary, details, ids)
    }

    /// What was read at this revision, then or later, is held against the store.
    fn hold_reads(&self, revision: u64, store: &Possible) -> Result<(), Box<Verdict>> {
        let now = self.readers.get(&revision).into_iter().flatten().map(|i| (&self.ops[*i], false));
        let later = self.past.get(&revision).into_iter().flatten().map(|i| (&self.ops[*i], true));
        for (op, past) in now.chain(later) {
            let is_past = matches!(op.ask, Op::Range { at: Some(_), .. });
            if is_past != past {
                continue;
            }
            // What changes nothing here would change nothing in a copy; most only look.
            let (says, reached) = match store.state.look(&op.ask) {
                Some(says) => (says, store.state.revision),
                None => {
                    let mut after = store.state.clone();
                    (after.apply(&op.ask), after.revision)
                }
            };
            if !agrees(&says, op.output().expect("a reader was answered")) || (!past && reached != revision) {
                return Err(self.wrong(if past { "wrong-past" } else { "wrong-answer" }, op, revision, &says));
            }
        }
        Ok(())
    }

    fn wrong(&self, kind: &'static str, op: &CompletedOp, revision: u64, expected: &Output) -> Box<Verdict> {
        let summary = format!("{}, and the store at revision {revision} answers `{expected}`", told(op));
        let mut details = Vec::new();
        // Who last wrote what it is about, as far as that is known.
        let mut ids = BTreeSet::new();
        let touches = |other: &CompletedOp| match &op.ask {
            Op::Range { prefix, .. } => other.changes().iter().any(|c| c.key.starts_with(prefix.as_str())),
            ask => other.changes().iter().any(|c| ask.keys().contains(&c.key)),
        };
        for (r, i) in self.claims.range(..revision).rev().filter(|(_, i)| touches(&self.ops[**i])).take(3) {
            details.push(format!("revision {r}: {}", told(&self.ops[*i])));
            ids.insert(self.ops[*i].id);
        }
        // And whoever wrote what it saw.
        let mut values = BTreeSet::new();
        if let Some(output) = op.output() {
            shown(output, &mut values);
        }
        let wrote = |other: &&CompletedOp| other.changes().iter().any(|c| c.value.is_some_and(|v| values.contains(v)));
        ids.extend(self.ops.iter().filter(wrote).map(|other| other.id).take(12));
        ids.insert(op.id);
        violation(kind, ended(op), summary, details, ids.into_iter().collect())
    }
}

#[cfg(test)]
#[path = "revision_tests.rs"]
mod tests;
