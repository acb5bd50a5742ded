//! The search: revision by revision, and where nobody claims one, choice by choice.

use super::{
    super::{
        lookahead::{Leaves, Lookahead},
        store::{State, agrees},
    },
    Contradiction, Refused, Step,
    engine::{Engine, UNSEEN},
    held::End,
    is_unknown,
    possible::Possible,
    tally::{CANDIDATES_MAX, Furthest, STEPS_MAX, Tally, remember},
};
use crate::ops::stream;
use squall_linear::frontier::Watchdog;
use std::{cell::OnceCell, collections::BTreeSet};

/// In the searches before the last, no more choices are tried than this, times the holes that there are.
const CHOICES_A_HOLE: usize = 50;

/// In the first searches no more choices are tried than this, and two for each hole.
const CHOICES_FIRST: usize = 300;

/// In a brief search no more choices are tried than this, and two for each hole.
const CHOICES_BRIEF: usize = 200;

/// How many searches in a random order are made before the last.
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

/// Who may have written a revision that nobody claims.
struct Choice {
    /// `None`: something that is out of the model.
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

impl<'o> Engine<'o> {
    /// A search that begins badly may take for ever where another order finds its way at once, so several
    /// are made (Gomes, Selman and Kautz 1998). Whichever comes to its end decides.
    pub(super) fn replay(&self, brief: bool, go_on: Watchdog<'_>) -> Result<Vec<Step>, Refused> {
        let last = self.seen_by.last_key_value().map_or(1, |(revision, _)| *revision);
        if last > STEPS_MAX {
            return Err(Refused::Unknown(format!("revision {last} was told, and no more than {STEPS_MAX} are replayed")));
        }
        let claimed = |revision: u64| self.claims.contains_key(&revision) || self.out_of_model.claims.contains_key(&revision);
        let lookahead = Lookahead::new(self.ops, claimed, last);
        let holes = (last as usize).saturating_sub(self.claims.len());
        let limit = CHOICES_A_HOLE * holes;
        let mut search = |order, choices_max| self.search(last, Some(&lookahead), order, choices_max, go_on);
        let named = [Order::AsAsked, Order::LatestFirst, Order::Needed];
        let orders: Vec<Order> = named.into_iter().chain((1..=SHUFFLES).map(Order::Shuffled)).collect();
        if brief {
            return self.search(last, None, Order::AsAsked, CHOICES_BRIEF + 2 * holes, go_on);
        }
        // Where one search is long, another is not better.
        let long = self.classes.len() * holes > CANDIDATES_MAX;
        // Most that begin well need few choices, so each order is given few at first.
        let limits = [CHOICES_FIRST + 2 * holes, limit];
        let all = limits.into_iter().filter(|_| !long).flat_map(|max| orders.iter().map(move |order| (*order, max)));
        let decided = all.map(|(order, max)| search(order, max)).find(|verdict| !is_unknown(verdict));
        let verdict =
            decided.unwrap_or_else(|| search(if long { Order::AsAsked } else { Order::Needed }, if long { limit } else { usize::MAX }));
        if verdict.is_ok() || is_unknown(&verdict) {
            return verdict;
        }
        // Lookahead gives up before the answer that tells why: where it can be reached, it says more.
        let explained = self.search(last, None, Order::AsAsked, limit, go_on);
        if is_unknown(&explained) { verdict } else { explained }
    }

    fn search(
        &self,
        last: u64,
        lookahead: Option<&Lookahead<'_>>,
        order: Order,
        choices_max: usize,
        go_on: Watchdog<'_>,
    ) -> Result<Vec<Step>, Refused> {
        let mut draws = stream(if let Order::Shuffled(n) = order { n } else { 0 }, "choices");
        let mut store = Possible::of(State::default());
        self.hold_reads(1, &store)
            .map_err(|end| Refused::Invalid(Box::new(Contradiction { ways: vec![vec![]], ways_in_all: 1, ..self.tell(end) })))?;
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
                None if self.out_of_model.claims.contains_key(&revision) => {
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
                            let wanting = |next: Possible| lookahead.map_or(0, |f| f.wanting(&next.state));
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
                    return Err(Refused::Invalid(Box::new(Contradiction { ways, ways_in_all, ..self.tell(end) })));
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
                    Ok(()) if lookahead.is_some_and(|f| !self.has_future(f, &next)) => {}
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
        if store.used.get(&FOREIGN).copied().unwrap_or(0) < self.out_of_model.unclaimed && self.out_of_model.from < first_seen {
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
    fn has_future(&self, lookahead: &Lookahead<'_>, store: &Possible) -> bool {
        let reach = OnceCell::new();
        let reach = || reach.get_or_init(|| self.conditions.reach(store));
        let may_leave = |key: &str, revision: u64, leaves: Leaves<'_>| {
            let changes = self.may_change.get(key).into_iter().flatten();
            changes.into_iter().any(|change| leaves.is(change.value) && self.may_change_at(change, revision, (lookahead, store), reach))
        };
        lookahead.allows(&store.state, self.width, may_leave) && self.may_happen(lookahead, store, reach())
    }
}
