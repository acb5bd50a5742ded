//! What there is where no order is left: the stores that are possible there, and why no call that was open leads on.

use super::{
    super::store::{State, Store, modified},
    BRIEF_OF, Contradiction, Step,
    engine::Engine,
    possible::Possible,
};
use crate::checks::out_of_model::OutOfModel;
use crate::ops::{Answer, Changes as _, CompletedOp, Op, OpEnd, OpId, Output};
use squall_linear::Model;
use std::collections::{BTreeMap, BTreeSet};

/// No more stores are told of.
const STATES_MAX: usize = 5;

/// No more keys of a store, and no more calls that were open.
const MAX: usize = 12;

/// What there is where no order is left.
#[derive(Debug, Default)]
pub(in super::super) struct Scene {
    /// The stores, as far as the call that cannot happen is about them; and how many ways to them there are.
    pub(in super::super) states: Vec<String>,
    pub(in super::super) states_in_all: usize,
    /// The calls that were open when it was, and may have changed something.
    pub(in super::super) open: Vec<OpId>,
    /// From each store, why none of these leads on.
    pub(in super::super) why: Vec<String>,
}

/// Looks at where it ends.
pub(in super::super) fn explanation(ops: &[CompletedOp], out_of_model: &OutOfModel, clash: &Contradiction) -> Scene {
    let culprit = &ops[clash.culprit];
    let was_open = |(i, op): &(usize, &CompletedOp)| {
        let meets = op.invoked_at < culprit.ended_at && op.ended_at > culprit.invoked_at;
        *i != clash.culprit && meets && op.ask.may_write() && !matches!(op.end, OpEnd::Fail(_))
    };
    let open: Vec<usize> = ops.iter().enumerate().filter(was_open).map(|(i, _)| i).collect();
    let mut explanation = Scene { open: open.iter().map(|i| ops[*i].id).collect(), states_in_all: clash.ways_in_all, ..Scene::default() };
    if clash.ways.is_empty() {
        // Nobody replayed anything: two answers exclude each other, whatever the store held.
        let or_later = if matches!(clash.witness.kind, "stale-read" | "write-in-the-past") { " or later" } else { "" };
        (explanation.states, explanation.states_in_all) = (vec![format!("revision {}{or_later}", clash.until)], 1);
        return explanation;
    }
    let claim = |(i, op): (usize, &CompletedOp)| Some((op.position?, i)).filter(|_| op.output().is_some_and(|o| modified(&op.ask, o)));
    let there = There {
        ops,
        clash,
        claims: ops.iter().enumerate().filter_map(claim).collect(),
        engine: if ops.len() > BRIEF_OF { None } else { Engine::new(ops, out_of_model).ok() },
    };
    let mut told: BTreeSet<String> = BTreeSet::new();
    for way in &clash.ways {
        let store = there.store(way);
        let shown = there.show(&store);
        if told.insert(shown.clone()) {
            explanation.why.push(there.why(way, &store, &shown, &open));
            explanation.states.push(shown);
        }
        if explanation.states.len() == STATES_MAX {
            break;
        }
    }
    // Where several ways lead to what looks the same from here, they are one.
    if clash.ways.len() == clash.ways_in_all && told.len() < STATES_MAX {
        explanation.states_in_all = told.len();
    }
    explanation
}

struct There<'o> {
    ops: &'o [CompletedOp],
    clash: &'o Contradiction,
    claims: BTreeMap<u64, usize>,
    engine: Option<Engine<'o>>,
}

impl There<'_> {
    /// The store that a way leads to.
    fn store(&self, way: &[Step]) -> State {
        let filled: BTreeMap<u64, usize> = way.iter().filter_map(|step| Some((step.revision, step.op?))).collect();
        let mut state = State::default();
        for revision in 2..=self.clash.until {
            if let Some(i) = self.claims.get(&revision).or_else(|| filled.get(&revision)) {
                state.apply(&self.ops[*i].ask);
            }
            // What is out of the model changes none of these keys.
            state.revision = revision;
        }
        state
    }

    /// The keys that the call which cannot happen is about.
    fn keys(&self, store: &State) -> BTreeSet<String> {
        let culprit = &self.ops[self.clash.culprit];
        let (Op::Range { prefix, .. }, Some(Output::Ranged { kvs })) = (&culprit.ask, culprit.output()) else {
            return culprit.ask.keys().into_iter().map(str::to_string).collect();
        };
        // Of a range, those that it shows otherwise than they are.
        let held: BTreeMap<String, String> = store.range(prefix).into_iter().map(|kv| (kv.key, kv.value)).collect();
        let shown: BTreeMap<String, String> = kvs.iter().map(|kv| (kv.key.clone(), kv.value.clone())).collect();
        let all: BTreeSet<&String> = held.keys().chain(shown.keys()).collect();
        let differing: BTreeSet<String> = all.iter().filter(|key| held.get(**key) != shown.get(**key)).map(|key| (*key).clone()).collect();
        if differing.is_empty() { all.into_iter().cloned().collect() } else { differing }
    }

    fn show(&self, store: &State) -> String {
        let keys = self.keys(store);
        let held = |key: &String| match store.keys.get(key.as_str()) {
            Some((value, written)) => format!("{key} = {value} (of revision {written})"),
            None => format!("no {key}"),
        };
        let some: Vec<String> = keys.iter().take(MAX).map(held).collect();
        let more = if keys.len() > MAX { format!(", and {} more keys", keys.len() - MAX) } else { String::new() };
        format!("revision {}: {}{more}", self.clash.until, some.join(", "))
    }

    /// Why none of the calls that were open leads on from this store.
    fn why(&self, way: &[Step], store: &State, shown: &str, open: &[usize]) -> String {
        let culprit = &self.ops[self.clash.culprit];
        let keys = self.keys(store);
        // A revision that nobody can have written might be of any of them.
        let any = self.clash.witness.kind == "unexplained-revision";
        let touches = |i: &&usize| any || self.ops[**i].changes().iter().any(|c| keys.contains(c.key));
        let relevant: Vec<usize> = open.iter().filter(touches).copied().collect();
        let others = open.len() - relevant.len();
        let taken: BTreeMap<usize, u64> = way.iter().filter_map(|step| Some((step.op?, step.revision))).collect();
        let (happened, relevant): (Vec<usize>, Vec<usize>) = relevant.into_iter().partition(|i| taken.contains_key(i));
        // Those that were asked for last are likelier to be what one looks for.
        let mut texts: Vec<String> = relevant.iter().rev().take(MAX).map(|i| self.cannot(*i, store)).collect();
        let more = relevant.len().saturating_sub(MAX);
        texts.extend((more > 0).then(|| format!("and {more} more")));
        if let Some(last) = happened.iter().filter_map(|i| taken.get(i)).max() {
            texts.push(format!("{} of unknown outcome happened, the last at revision {last}", happened.len()));
        }
        let keys = Vec::from_iter(keys).join(", ");
        texts.extend(match others {
            0 => None,
            1 => Some(format!("another one that was open does not change {keys}")),
            _ => Some(format!("{others} others that were open do not change {keys}")),
        });
        let rest = if texts.is_empty() { "nothing else was open".to_string() } else { texts.join("; ") };
        let answer = culprit.output().map(|output| Answer { output: output.clone(), position: culprit.position });
        let call = Store.show_call(&culprit.ask, answer.as_ref());
        let direct = if any { "is told of, and nobody leads there" } else { "cannot happen" };
        format!("at {shown}: `{call}` {direct}; {rest}")
    }

    /// Why a call that was open cannot be what comes next.
    fn cannot(&self, i: usize, store: &State) -> String {
        let (op, next) = (&self.ops[i], self.clash.until + 1);
        let call = format!("{} `{}`", op.id, op.ask);
        if let (Some(revision), Some(_)) = (op.position, op.output()) {
            return match revision {
                _ if self.claims.get(&revision) != Some(&i) => format!("{call} answered that it changed nothing"),
                _ if revision < next => format!("{call} happened, at revision {revision}"),
                _ => format!("{call} tells of revision {revision}"),
            };
        }
        let call = format!("{call}?");
        if let Some((pinned, _)) = self.engine.as_ref().and_then(|engine| engine.pinned.iter().find(|(_, other)| **other == i)) {
            return format!("{call} was seen to be revision {pinned}");
        }
        let mut after = store.clone();
        after.apply(&op.ask);
        if after.revision == store.revision {
            return format!("{call} changes nothing");
        }
        if let Some(claim) = self.claims.get(&next) {
            return format!("{call} cannot be revision {next}, which is of {}", self.ops[*claim].id);
        }
        if let Some(engine) = &self.engine {
            if engine.out_of_model.claims.contains_key(&next) {
                return format!("{call} cannot be revision {next}, which is not one of these keys'");
            }
            let first_seen = engine.seen_by.range(next..).next().map_or(usize::MAX, |(_, end)| *end);
            if op.invoked_at >= first_seen {
                return format!("{call} was asked for when revision {next} had been told of");
            }
            if !engine.may_write(i, next) {
                return format!("{call} would be seen in what is read of its keys later");
            }
            if let Err(wrong) = engine.hold_reads(next, &Possible::of(after)) {
                return format!("after {call}, {}", engine.tell(wrong).witness.summary);
            }
        }
        format!("after {call} it is revision {next}, and what is told cannot be either")
    }
}
