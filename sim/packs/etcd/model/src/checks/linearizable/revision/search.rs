//! The search: revision by revision, and where nobody claims one, choice by choice.

use super::{
    super::{
        foresight::{Foresight, Leaves},
        store::{State, agrees},
    },
    Clash, Refused, Step, clash,
    engine::{Engine, MayChange, Place, UNSEEN, shown},
    is_unknown, stopped, told,
};
use crate::ops::{Changes as _, CompletedOp, Op, Output, stream};
use squall_linear::{Progress, frontier::Watchdog};
use std::collections::{BTreeMap, BTreeSet};

/// No more revisions are replayed in one search, over all the choices that are tried.
const STEPS_MAX: u64 = 3_000_000;

/// In the searches before the last, no more choices are tried than this, times the holes that there are.
const CHOICES_A_HOLE: usize = 50;

/// No more candidates for a gap are looked at, over all the choices of one search: a second or two.
const CANDIDATES_MAX: usize = 20_000_000;

/// Every so many revisions somebody is asked whether to go on.
pub(in super::super) const ASKED_EVERY: u64 = 256;

/// In a brief search no more choices are tried than this, and two for each hole.
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
    /// Whoever leaves the fewest keys without what will be seen of them: what somebody does under a condition can be done only now.
    Needed,
    /// At random.
    Shuffled(u64),
}

/// The stores that are remembered as tried take no more bytes, roughly.
const TRIED_BYTES_MAX: usize = 200 << 20;

impl Possible {
    pub(super) fn of(state: State) -> Possible {
        Possible { state, used: BTreeMap::new() }
    }

    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        self.state.keys.len() * 64 + self.used.len() * 24 + 160
    }
}

/// One store that is possible: and how many of each class of unanswered operations it took.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Possible {
    state: State,
    used: BTreeMap<usize, usize>,
}

/// Who may have written a revision that nobody claims.
struct Choice {
    /// `None`: something that is foreign.
    op: Option<usize>,
    /// `None`: it is pinned to that revision.
    class: Option<usize>,
    asked: usize,
}

/// A revision that nobody claims.
struct Fork {
    before: Possible,
    /// Those that were not tried yet.
    choices: std::vec::IntoIter<Choice>,
    /// About how many bytes that takes.
    bytes: usize,
    /// Why the first of them that was wrong was.
    wrong: Option<End>,
    /// Whether none of them led to a store that was reached before.
    dead: bool,
    /// Whether one of them led on.
    fruitful: bool,
}

/// How many steps of a way are not behind a revision.
fn forks_before(path: &[Step], revision: u64) -> usize {
    path.partition_point(|step| step.revision <= revision)
}

/// What stands, among the classes, for revisions that changed none of these keys and values.
const FOREIGN: usize = usize::MAX;

/// What a search has taken.
#[derive(Default)]
struct Tally {
    /// Revisions that were replayed.
    steps: u64,
    /// These, and choices that were looked at.
    visits: u64,
    /// Choices that led on.
    choices: usize,
    choices_max: usize,
    candidates: usize,
    /// What is remembered, and what is kept for the way.
    bytes: usize,
    held: usize,
    /// Whether somebody told it to stop.
    stopped: bool,
}

impl Tally {
    /// A visit more: whether that is one too many.
    fn is_spent(&mut self, at: u64, go_on: Watchdog<'_>) -> bool {
        self.visits += 1;
        self.stopped = self.visits.is_multiple_of(ASKED_EVERY)
            && !go_on(Progress { visits: self.visits, bytes: self.bytes + self.held, events: at as usize });
        let bounds = [
            self.steps > STEPS_MAX,
            self.candidates > CANDIDATES_MAX,
            self.bytes + self.held > TRIED_BYTES_MAX,
            self.choices > self.choices_max,
            self.stopped,
        ];
        bounds.contains(&true)
    }

    fn ended(&self, at: u64, furthest: Option<Furthest>) -> Refused {
        if self.stopped {
            return stopped(furthest.map_or(at, |furthest| furthest.revision.max(at)));
        }
        let Tally { choices, steps, .. } = self;
        Refused::Unknown(format!("too many writes of unknown outcome: {choices} choices and {steps} steps were tried"))
    }
}

/// No more ways to the furthest store are remembered.
const WAYS_MAX: usize = 10;

/// Why an attempt ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// An answer is not that of the store.
    Wrong { kind: &'static str, culprit: usize, revision: u64, says: Output, until: u64 },
    /// Nobody can have written this revision.
    Unexplained(u64),
}

/// Why the attempts that came furthest came no further, and how they came there.
struct Furthest {
    revision: u64,
    end: End,
    ways: Vec<Vec<Step>>,
    ways_in_all: usize,
}

fn remember(furthest: &mut Option<Furthest>, revision: u64, end: Option<End>, path: &[Step]) {
    let Some(end) = end else { return };
    if furthest.as_ref().is_none_or(|furthest| furthest.revision < revision) {
        *furthest = Some(Furthest { revision, end: end.clone(), ways: vec![], ways_in_all: 0 });
    }
    if let Some(furthest) = furthest.as_mut().filter(|furthest| furthest.revision == revision) {
        furthest.ways_in_all += 1;
        // What is told of one end is not true of another.
        if furthest.ways.len() < WAYS_MAX && furthest.end == end {
            furthest.ways.push(path.to_vec());
        }
    }
}

impl<'o> Engine<'o> {
    /// A search that begins badly may take for ever where another order finds its way at once, so several
    /// are made (Gomes, Selman and Kautz 1998). Whichever comes to its end decides.
    pub(super) fn replay(&self, brief: bool, go_on: Watchdog<'_>) -> Result<Vec<Step>, Refused> {
        let last = self.seen_by.last_key_value().map_or(1, |(revision, _)| *revision);
        if last > STEPS_MAX {
            return Err(Refused::Unknown(format!("revision {last} was told, and no more than {STEPS_MAX} are replayed")));
        }
        let claimed = |revision: u64| self.claims.contains_key(&revision) || self.foreign.claims.contains_key(&revision);
        let foresight = Foresight::new(self.ops, claimed, last);
        let holes = (last as usize).saturating_sub(self.claims.len());
        let limit = CHOICES_A_HOLE * holes;
        let mut search = |order, choices_max| self.search(last, Some(&foresight), order, choices_max, go_on);
        let orders = [Order::AsAsked, Order::LatestFirst, Order::Needed].into_iter().chain((1..=SHUFFLES).map(Order::Shuffled));
        if brief {
            return self.search(last, None, Order::AsAsked, CHOICES_BRIEF + 2 * holes, go_on);
        }
        // Where one search is long, another is not better.
        let long = self.classes.len() * holes > CANDIDATES_MAX;
        let orders = orders.take(if long { 1 } else { usize::MAX });
        let decided = orders.map(|order| search(order, limit)).find(|verdict| !is_unknown(verdict));
        let verdict =
            decided.unwrap_or_else(|| search(if long { Order::AsAsked } else { Order::Needed }, if long { limit } else { usize::MAX }));
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
    ) -> Result<Vec<Step>, Refused> {
        let mut draws = stream(if let Order::Shuffled(n) = order { n } else { 0 }, "choices");
        let mut store = Possible::of(State::default());
        self.hold_reads(1, &store)
            .map_err(|end| Refused::Invalid(Box::new(Clash { ways: vec![vec![]], ways_in_all: 1, ..self.tell(end) })))?;
        let mut tried: BTreeSet<Possible> = BTreeSet::new();
        // Why the attempt that came furthest came no further.
        let mut furthest: Option<Furthest> = None;
        let mut tally = Tally { choices_max, ..Tally::default() };
        // The revisions that nobody claims, with what is chosen for each: the way to this store.
        let (mut forks, mut path): (Vec<Fork>, Vec<Step>) = (vec![], vec![]);
        let mut asked = 0;
        while store.state.revision < last {
            let at = store.state.revision;
            tally.steps += 1;
            if tally.is_spent(at, go_on) {
                return Err(tally.ended(at, furthest));
            }
            let revision = at + 1;
            let held = match self.claims.get(&revision) {
                None if self.foreign.claims.contains_key(&revision) => {
                    store.state.revision = revision;
                    self.hold_reads(revision, &store)
                }
                Some(&claim) => {
                    asked = self.ops[claim].invoked_at;
                    self.claimed(revision, claim, &mut store).and_then(|()| self.hold_reads(revision, &store))
                }
                None => {
                    tally.candidates += self.classes.len() + store.state.keys.len();
                    let mut choices = self.choices(revision, &store, asked);
                    match order {
                        Order::AsAsked => choices.sort_by_key(|choice| (choice.asked < asked, choice.asked.abs_diff(asked))),
                        Order::LatestFirst => choices.sort_by_key(|choice| std::cmp::Reverse(choice.asked)),
                        Order::Needed => choices.sort_by_cached_key(|choice| {
                            let next = self.chosen(choice, revision, &store);
                            let wanting = |next: Possible| foresight.map_or(0, |f| f.wanting(&next.state));
                            (next.map_or(usize::MAX, wanting), choice.asked < asked, choice.asked.abs_diff(asked))
                        }),
                        Order::Shuffled(_) => draws.shuffle(&mut choices),
                    }
                    let bytes = store.bytes() + choices.len() * size_of::<Choice>();
                    tally.held += bytes;
                    let choices = choices.into_iter();
                    forks.push(Fork { before: store.clone(), choices, bytes, wrong: None, dead: true, fruitful: false });
                    Ok(())
                }
            };
            let is_fork = forks.last().is_some_and(|fork| fork.before.state.revision == at);
            match held {
                Ok(()) if !is_fork => continue,
                Ok(()) => {}
                Err(wrong) => remember(&mut furthest, revision, Some(wrong), &path),
            }
            // The next choice that may lead on: of the last fork that has one left.
            loop {
                let Some(fork) = forks.last_mut() else {
                    let Furthest { end, ways, ways_in_all, .. } = furthest.expect("an attempt that does not reach the end has a reason");
                    return Err(Refused::Invalid(Box::new(Clash { ways, ways_in_all, ..self.tell(end) })));
                };
                path.truncate(forks_before(&path, fork.before.state.revision));
                let revision = fork.before.state.revision + 1;
                let Some(choice) = fork.choices.next() else {
                    let ended = forks.pop().expect("it is the last");
                    let wrong = ended.wrong.or_else(|| ended.dead.then_some(End::Unexplained(revision)));
                    tally.held -= ended.bytes;
                    remember(&mut furthest, revision, wrong.filter(|_| !ended.fruitful), &path);
                    continue;
                };
                if tally.is_spent(revision - 1, go_on) {
                    return Err(tally.ended(revision - 1, furthest));
                }
                let Some(next) = self.chosen(&choice, revision, &fork.before) else { continue };
                match self.hold_reads(revision, &next) {
                    Ok(()) if foresight.is_some_and(|f| !self.has_future(f, &next)) => {}
                    Ok(()) if tried.contains(&next) => fork.dead = false,
                    Ok(()) => {
                        fork.fruitful = true;
                        tally.bytes += 2 * next.bytes();
                        tally.choices += 1;
                        tried.insert(next.clone());
                        path.push(Step { revision, op: choice.op, asked: choice.asked });
                        (store, asked) = (next, choice.asked);
                        break;
                    }
                    // The last store that there is, is the one before.
                    Err(End::Wrong { kind, culprit, revision, says, .. }) => {
                        _ = fork.wrong.get_or_insert(End::Wrong { kind, culprit, revision, says, until: revision - 1 });
                    }
                    Err(why) => _ = fork.wrong.get_or_insert(why),
                }
            }
        }
        Ok(path)
    }

    /// The answered write of this revision is done to the store.
    fn claimed(&self, revision: u64, claim: usize, store: &mut Possible) -> Result<(), End> {
        let op = &self.ops[claim];
        let says = store.state.apply(&self.blur(&op.ask));
        let output = op.output().expect("a claim was answered");
        match agrees(&says, output) && store.state.revision == revision {
            true => Ok(()),
            false => Err(End::Wrong { kind: "wrong-answer", culprit: claim, revision, says, until: revision - 1 }),
        }
    }

    /// Nobody claims this revision: who of those that never returned may have.
    fn choices(&self, revision: u64, store: &Possible, last_asked: usize) -> Vec<Choice> {
        if let Some(&op) = self.pinned.get(&revision) {
            let choice = Choice { op: Some(op), class: None, asked: self.ops[op].invoked_at };
            return if self.may_write(op, revision) { vec![choice] } else { vec![] };
        }
        let unused = self.classes.iter().enumerate().filter_map(|(class, members)| {
            let left = &members[store.used.get(&class).copied().unwrap_or(0).min(members.len())..];
            let op = *left.first()?;
            // Whichever of them it was, they do the same.
            let nearest =
                left.iter().map(|i| self.ops[*i].invoked_at).min_by_key(|asked| (*asked < last_asked, asked.abs_diff(last_asked)))?;
            self.may_write(op, revision).then_some(Choice { op: Some(op), class: Some(class), asked: nearest })
        });
        let mut choices: Vec<Choice> = unused.collect();
        let first_seen = self.seen_by.range(revision..).next().map_or(usize::MAX, |(_, end)| *end);
        if store.used.get(&FOREIGN).copied().unwrap_or(0) < self.foreign.unclaimed && self.foreign.from < first_seen {
            choices.push(Choice { op: None, class: Some(FOREIGN), asked: last_asked });
        }
        choices
    }

    /// The store that a choice makes; `None` when it changes nothing.
    fn chosen(&self, choice: &Choice, revision: u64, store: &Possible) -> Option<Possible> {
        let mut next = store.clone();
        match choice.op {
            None => next.state.revision = revision,
            Some(op) => {
                next.state.apply(&self.blur(&self.ops[op].ask));
                // When it was written is no more seen than what was.
                next.state.keys.values_mut().filter(|(value, _)| &**value == UNSEEN).for_each(|(_, revision)| *revision = 0);
            }
        }
        if let Some(class) = choice.class {
            *next.used.entry(class).or_default() += 1;
        }
        (next.state.revision == revision).then_some(next)
    }

    /// Whether what will be seen can come about from this store.
    fn has_future(&self, foresight: &Foresight<'_>, store: &Possible) -> bool {
        foresight.allows(&store.state, self.width, |key, revision, leaves| {
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

    /// In words.
    pub(super) fn tell(&self, end: End) -> Clash {
        match end {
            End::Wrong { kind, culprit, revision, says, until } => self.wrong(kind, culprit, revision, &says, until),
            End::Unexplained(revision) => self.unexplained(revision),
        }
    }

    fn unexplained(&self, revision: u64) -> Clash {
        // Who saw it, or a later one?
        let told_of = self.ops.iter().enumerate().filter(|(_, op)| op.position.is_some_and(|r| r >= revision));
        let (seen, op) = told_of.min_by_key(|(_, op)| (op.position, op.ended_at)).expect("no more is replayed than was told");
        let summary = format!("nobody can have written revision {revision}: no write of unknown outcome fits");
        clash(self.ops, seen, "unexplained-revision", summary, (vec![told(op)], vec![op.id]), revision - 1)
    }

    /// What was read at this revision, then or later, is held against the store.
    pub(super) fn hold_reads(&self, revision: u64, store: &Possible) -> Result<(), End> {
        let now = self.readers.get(&revision).into_iter().flatten().map(|i| (*i, false));
        let later = self.past.get(&revision).into_iter().flatten().map(|i| (*i, true));
        for (i, past) in now.chain(later) {
            let op = &self.ops[i];
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
                let kind = if past { "wrong-past" } else { "wrong-answer" };
                return Err(End::Wrong { kind, culprit: i, revision, says, until: revision });
            }
        }
        Ok(())
    }

    fn wrong(&self, kind: &'static str, culprit: usize, revision: u64, expected: &Output, until: u64) -> Clash {
        let op = &self.ops[culprit];
        // Values that nobody ever saw are one to the search.
        let expected = expected.to_string().replace(UNSEEN, "a value that no answer shows");
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
        clash(self.ops, culprit, kind, summary, (details, ids.into_iter().collect()), until)
    }
}
