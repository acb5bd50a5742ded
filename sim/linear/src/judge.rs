//! A whole history under one model: key by key, with a proof either way.

use crate::{
    brute::replay,
    call::{Call, CallId, NEVER},
    decision::{Decision, Progress, unlimited},
    explain::{Counterexample, Effort, explain, explain_from},
    frontier::{Reach, decide_within},
    isolation::{Anomaly, Isolation},
    model::{CallOf, Model, SettledOf},
    raw::{RawCall, RawHistory, Remark, Value},
    reading::{Initial, Parsed, Reads},
    refute::{Refuted, refuted},
    settle::with_pairs,
};
use rustc_hash::FxHashMap;

/// How to judge. `Options::default()` takes as much time as it needs, and tells of nothing before its end.
pub struct Options<'w> {
    /// What a read of nil says.
    pub reads: Reads,
    /// What the object holds at first.
    pub initial: Initial,
    /// Whether an order is wanted where there is one.
    pub order: bool,
    /// How far transactions are to be kept apart, by the models that judge transactions.
    pub isolation: Isolation,
    /// How small a counterexample is wanted where there is no order.
    pub explain: Effort,
    /// Asked now and then whether the search may go on.
    pub watchdog: Box<dyn FnMut(Progress) -> bool + 'w>,
    /// Asked now and then whether explaining may, which takes no part in the verdict.
    pub may_explain: Box<dyn FnMut(Progress) -> bool + 'w>,
    /// Told of a violation as soon as it is known: before it is made small, which may take longer than finding it.
    pub found: Box<dyn FnMut(&Judged) + 'w>,
}

impl<'w> Options<'w> {
    /// These: reads of nil that see nothing, and a small counterexample, `found` being told of violations.
    pub fn with(
        watchdog: impl FnMut(Progress) -> bool + 'w,
        may_explain: impl FnMut(Progress) -> bool + 'w,
        found: impl FnMut(&Judged) + 'w,
    ) -> Self {
        Options {
            reads: Reads::NilIsSeen,
            initial: Initial::Default,
            order: false,
            isolation: Isolation::default(),
            explain: Effort::Bounded,
            watchdog: Box::new(watchdog),
            may_explain: Box::new(may_explain),
            found: Box::new(found),
        }
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options::with(unlimited, unlimited, |_| {})
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How many calls may have happened.
    pub calls: usize,
    /// How many keys were decided by themselves; 1 where there are none.
    pub keys: usize,
    /// The verdict.
    pub verdict: Found,
    /// What the model passed over.
    pub remarks: Vec<Remark>,
}

impl Judged {
    /// With calls named so: each name once where there are several in a row.
    pub(crate) fn named(mut self, name: impl Fn(CallId) -> CallId) -> Judged {
        let all = |ids: &mut Vec<CallId>| {
            ids.iter_mut().for_each(|id| *id = name(*id));
            let mut seen = std::collections::BTreeSet::new();
            ids.retain(|id| seen.insert(*id));
        };
        match &mut self.verdict {
            Found::Linearizable(orders) => orders.iter_mut().for_each(|(_, order)| all(order)),
            Found::Not(why) => {
                why.call = name(why.call);
                all(&mut why.open);
                all(&mut why.minimal);
            }
            Found::Anomalies(_) | Found::Unknown(_) => {}
        }
        self
    }
}

/// The verdict on a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is an order; for each key, the calls in that order, if it was asked for.
    Linearizable(Vec<(Option<Value>, Vec<CallId>)>),
    /// Transactions show these, which are forbidden.
    Anomalies(Vec<Anomaly>),
    /// There is none, for this key.
    Not(Box<Counterexample>),
    /// It was stopped. What was decided by then, in words.
    Unknown(String),
}

/// A key: its calls, what is left of them when they are settled, and the models that it may be of.
struct Key<M: Model> {
    key: Option<Value>,
    calls: Vec<CallOf<M>>,
    settled: Option<SettledOf<M>>,
    models: Vec<M>,
}

/// What keys are given at first, in visits, and what one is that is alone; each round gives eight times as much.
const FIRST_TURN: u64 = 1 << 12;
const ONLY_TURN: u64 = 1 << 15;

/// How many configurations the first narrow search keeps; each round four times as many.
const FIRST_WIDTH: usize = 16;

/// What was decided of a file while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamingVerdict {
    /// There is an order.
    Valid {
        /// How many operations there are.
        ops: usize,
        /// Whether the history comes to its end.
        ended: bool,
    },
    /// It was not to go on.
    Stopped {
        /// How many operations there are.
        ops: usize,
        /// Up to where in the service's own order every answer has one.
        at: u64,
    },
    /// Somebody else is to decide.
    Undecided,
}

/// Judges a history. With `keyed`, calls that name a key are decided key by key: linearizability is local (Herlihy and Wing
/// 1990, theorem 1). Keys take turns, the smallest first, with more and more effort, so that a hard one holds up nobody; a history is
/// invalid as soon as one key is; else unknown as soon as one key is.
///
/// `parse` reads a call for the model. `models`: the model of each key; several of them, equal but for their beginning, where it is not known what the object holds at
/// first: an order from any will do.
///
/// # Errors
/// When the model cannot read a call.
pub fn judge<M: Model>(
    models: impl Fn(Option<&Value>, &[CallOf<M>]) -> Vec<M>,
    parse: impl Fn(&RawCall, Reads) -> Parsed<M::Input, M::Output>,
    keyed: bool,
    history: &RawHistory,
    options: &mut Options<'_>,
) -> Result<Judged, crate::Unreadable> {
    // The calls of each key, in order of the keys' first calls; and the place of each key.
    let mut keys: Vec<(Option<&Value>, Vec<CallOf<M>>)> = Vec::new();
    let mut places: FxHashMap<&Value, usize> = FxHashMap::default();
    let (mut calls, mut nil) = (0, 0);
    for raw in &history.calls {
        let Some((input, output)) = parse(raw, options.reads)? else { continue };
        nil += u64::from(options.reads == Reads::NilIsUnknown && raw.is_read_of_nil());
        let returned = raw.returned;
        let output = if returned == NEVER { None } else { output };
        let call = Call { id: raw.id, input, output, invoked: raw.invoked, returned };
        calls += 1;
        let key = raw.key.as_ref().filter(|_| keyed);
        let place = match key {
            Some(key) => *places.entry(key).or_insert(keys.len()),
            None => keys.iter().position(|(key, _)| key.is_none()).unwrap_or(keys.len()),
        };
        if place == keys.len() {
            keys.push((key, vec![]));
        }
        keys[place].1.push(call);
    }
    keys.sort_by_key(|(key, _)| *key);
    let what = "reads of nil passed over, as Knossos does: with --nil-is-seen they saw that nothing is there".to_string();
    let remarks = if nil > 0 { vec![Remark { what, count: nil, line: None }] } else { vec![] };
    let number = keys.len().max(1);
    let judged = |verdict| Judged { calls, keys: number, verdict, remarks: remarks.clone() };
    let of = |(key, calls): (Option<&Value>, Vec<CallOf<M>>)| {
        let models = models(key, &calls);
        let settled = models.first().and_then(|model| model.settled(&calls));
        Key { key: key.cloned(), calls, settled, models }
    };
    let mut left: Vec<Key<M>> = keys.into_iter().map(of).collect();
    left.sort_by_key(|key| key.calls.len());
    let (mut orders, mut decided, mut turn) = (Vec::new(), 0, if left.len() > 1 { FIRST_TURN } else { ONLY_TURN });
    let mut width = FIRST_WIDTH;
    let mut unknown = None;
    // What a few parts of the state show is found before the whole is looked at, key by key.
    let mut stopped = false;
    for Key { key, calls, models, .. } in &left {
        let outright = || models.iter().map(|model| model.outright(calls)).collect::<Option<Vec<_>>>();
        if let Some([found, ..]) = outright().as_deref() {
            return Ok(judged(Found::Not(Box::new(Counterexample::outright(key.clone(), calls, found)))));
        }
        let [model] = &models[..] else { continue };
        let watchdog = &mut options.watchdog;
        let found = refuted(model, calls, &mut |progress| {
            stopped |= !watchdog(progress);
            !stopped
        });
        if let Some(Refuted { kept, model: of_parts, calls, stuck }) = found {
            let model = of_parts.as_ref().unwrap_or(model);
            let looked_at = |found: Counterexample| Counterexample { looked_at: kept.clone(), ..found };
            let known = looked_at(Counterexample::of(model, key.clone(), &calls, &stuck));
            (options.found)(&judged(Found::Not(Box::new(known))));
            let mut told = looked_at(explain(model, key.clone(), &calls, &stuck, options.explain, &mut *options.may_explain));
            if told.about.is_empty() && !told.minimal.is_empty() {
                told.about = kept;
            }
            return Ok(judged(Found::Not(Box::new(told))));
        }
    }
    left.retain(|Key { key, calls, models, .. }| {
        let built = models.iter().find_map(|model| model.built(calls).filter(|order| replay(model, calls, order).is_ok()));
        let found = built.is_some();
        decided += usize::from(found);
        orders.extend(built.map(|order| (key.clone(), order)));
        !found
    });
    while !left.is_empty() {
        let (mut again, mut stopped) = (Vec::new(), false);
        for Key { key, calls, settled, models } in left {
            if stopped {
                continue;
            }
            let watchdog = &mut options.watchdog;
            let looked_at = settled.as_ref().map_or(&calls, |settled| &settled.calls);
            let open = looked_at.iter().any(|call| call.returned == NEVER);
            let (mut by, mut decision) = (0, Decision::Unknown { at: CallId(0), events: 0 });
            // Many calls of unknown outcome make it exponential, unless one of the others happens to know.
            let narrow = |width: usize| (Reach::Narrow(width), turn.saturating_mul(8));
            let reaches = [(Reach::Exact, turn), (Reach::Endless, turn), narrow(width), narrow(4 * width), narrow(16 * width)];
            let reaches =
                reaches.iter().filter(|(reach, _)| open || (*reach != Reach::Endless && (turn > ONLY_TURN || *reach == Reach::Exact)));
            for (reach, visits) in reaches {
                let (of, found) = decide_any(&models, looked_at, options.order, *reach, &mut |progress| {
                    stopped |= !watchdog(progress);
                    !stopped && progress.visits < *visits
                });
                match (&decision, found) {
                    (Decision::Unknown { events: before, .. }, Decision::Unknown { at, events }) => {
                        if *reach == Reach::Exact || (matches!(reach, Reach::Narrow(_)) && events > *before) {
                            decision = Decision::Unknown { at, events };
                        }
                    }
                    (_, found) => (by, decision) = (of, found),
                }
                if stopped || !matches!(decision, Decision::Unknown { .. }) {
                    break;
                }
            }
            match decision {
                Decision::Linearizable(order) => {
                    decided += 1;
                    let pairs = settled.as_ref().filter(|_| options.order);
                    orders.push((key, pairs.map_or(order.clone(), |settled| with_pairs(order, &settled.calls, &settled.pairs))));
                }
                Decision::Stuck(stuck) => {
                    let model = &models[by];
                    let stuck = settled.as_ref().map_or(stuck.clone(), |settled| settled.told(stuck, &calls));
                    let known = Found::Not(Box::new(Counterexample::of(model, key.clone(), &calls, &stuck)));
                    (options.found)(&judged(known));
                    // They differ in nothing else.
                    let beginnings: Vec<M::State> = models.iter().map(Model::init).collect();
                    let counterexample = explain_from(model, &beginnings, key, &calls, &stuck, options.explain, &mut *options.may_explain);
                    return Ok(judged(Found::Not(Box::new(counterexample))));
                }
                Decision::Unknown { at, events } => {
                    if stopped {
                        let of = key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
                        unknown = Some(format!(
                            "everything{of} before the return of call {at} has an order ({events} of {} events)",
                            2 * looked_at.len()
                        ));
                    }
                    again.push(Key { key, calls, settled, models });
                }
            }
        }
        left = if stopped { vec![] } else { again };
        turn = turn.saturating_mul(8);
        width = width.saturating_mul(8);
    }
    orders.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(judged(match unknown {
        None => Found::Linearizable(orders),
        Some(so_far) => Found::Unknown(format!("{decided} of {number} keys are decided; {so_far}")),
    }))
}

/// Whether an order exists from any of these beginnings; if none does, where the first of them ends.
fn decide_any<M: Model>(
    models: &[M],
    calls: &[CallOf<M>],
    order: bool,
    reach: Reach,
    watchdog: &mut dyn FnMut(Progress) -> bool,
) -> (usize, Decision<M::State>) {
    let mut first = None;
    for (by, model) in models.iter().enumerate() {
        let decision = decide_within(model, calls, order, reach, watchdog);
        if !matches!(decision, Decision::Stuck(_)) {
            return (by, decision);
        }
        first.get_or_insert((by, decision));
    }
    first.unwrap_or((0, Decision::Linearizable(vec![])))
}
