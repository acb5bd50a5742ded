//! A whole history under one model: key by key, with a proof either way.

use crate::{
    explain::{Counterexample, Effort, explain, explain_from},
    frontier::{Decision, Progress, decide},
    model::{Call, CallId, CallOf, Model, NEVER},
    models::{Initial, Parsed, Reads},
    raw::{RawCall, RawHistory, Remark, Value},
    refute::{Refuted, refuted},
    txn::{Anomaly, Isolation},
};
use std::collections::BTreeMap;

/// How to judge. [`Options::with`] has what most callers want.
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
    pub watchdog: &'w mut dyn FnMut(Progress) -> bool,
    /// Asked now and then whether explaining may, which takes no part in the verdict.
    pub may_explain: &'w mut dyn FnMut(Progress) -> bool,
    /// Told of a violation as soon as it is known: before it is made small, which may take longer than finding it.
    pub found: &'w mut dyn FnMut(&Judged),
}

impl<'w> Options<'w> {
    /// As much time as it takes, reads of nil that see nothing, and a small counterexample, `found` being told of violations.
    pub fn with(
        watchdog: &'w mut dyn FnMut(Progress) -> bool,
        may_explain: &'w mut dyn FnMut(Progress) -> bool,
        found: &'w mut dyn FnMut(&Judged),
    ) -> Self {
        let (reads, initial, explain) = (Reads::NilIsSeen, Initial::Default, Effort::Bounded);
        Options { reads, initial, order: false, isolation: Isolation::default(), explain, watchdog, may_explain, found }
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

/// How a model reads a call.
pub type Parse<M> = fn(&RawCall, Reads) -> Parsed<<M as Model>::Input, <M as Model>::Output>;

/// A key, its calls, and the models that it may be of.
type Key<M> = (Option<Value>, Vec<CallOf<M>>, Vec<M>);

/// What keys are given at first, in visits; each round gives eight times as much.
const FIRST_TURN: u64 = 1 << 12;

/// Judges a history. With `keyed`, calls that name a key are decided key by key: linearizability is local (Herlihy and Wing
/// 1990, theorem 1). Keys take turns, the smallest first, with more and more effort, so that a hard one holds up nobody; a history is
/// invalid as soon as one key is; else unknown as soon as one key is.
///
/// `models`: the model of each key; several of them, equal but for their beginning, where it is not known what the object holds at
/// first: an order from any will do.
///
/// # Errors
/// When the model cannot read a call.
pub fn judge<M: Model>(
    models: impl Fn(Option<&Value>, &[CallOf<M>]) -> Vec<M>,
    parse: Parse<M>,
    keyed: bool,
    history: &RawHistory,
    options: &mut Options<'_>,
) -> Result<Judged, crate::Unreadable> {
    let mut keys: BTreeMap<Option<Value>, Vec<CallOf<M>>> = BTreeMap::new();
    let (mut calls, mut nil) = (0, 0);
    for raw in &history.calls {
        let Some((input, output)) = parse(raw, options.reads)? else { continue };
        nil += u64::from(options.reads == Reads::NilIsUnknown && raw.is_read_of_nil());
        let returned = raw.returned;
        let output = if returned == NEVER { None } else { output };
        let call = Call { id: raw.id, input, output, invoked: raw.invoked, returned };
        calls += 1;
        keys.entry(if keyed { raw.key.clone() } else { None }).or_default().push(call);
    }
    let what = "reads of nil passed over, as Knossos does: with --nil-is-seen they saw that nothing is there".to_string();
    let remarks = if nil > 0 { vec![Remark { what, count: nil, line: None }] } else { vec![] };
    let number = keys.len().max(1);
    let judged = |verdict| Judged { calls, keys: number, verdict, remarks: remarks.clone() };
    let mut left: Vec<Key<M>> = keys.into_iter().map(|(key, calls)| (key.clone(), calls, vec![])).collect();
    left.iter_mut().for_each(|(key, calls, of)| *of = models(key.as_ref(), calls));
    left.sort_by_key(|(_, calls, _)| calls.len());
    let (mut orders, mut decided, mut turn) = (Vec::new(), 0, if left.len() > 1 { FIRST_TURN } else { u64::MAX });
    let mut unknown = None;
    // What a few parts of the state show is found before the whole is looked at, key by key.
    let mut stopped = false;
    for (key, calls, models) in &left {
        let [model] = &models[..] else { continue };
        let watchdog = &mut options.watchdog;
        let found = refuted(model, calls, &mut |progress| {
            stopped |= !watchdog(progress);
            !stopped
        });
        if let Some(Refuted { kept, calls, stuck }) = found {
            let looked_at = |found: Counterexample| Counterexample { looked_at: kept.clone(), ..found };
            let known = looked_at(Counterexample::of(model, key.clone(), &calls, &stuck));
            (options.found)(&judged(Found::Not(Box::new(known))));
            let mut told = looked_at(explain(model, key.clone(), &calls, &stuck, options.explain, options.may_explain));
            if told.about.is_empty() && !told.minimal.is_empty() {
                told.about = kept;
            }
            return Ok(judged(Found::Not(Box::new(told))));
        }
    }
    while !left.is_empty() {
        let (mut again, mut stopped) = (Vec::new(), false);
        for (key, calls, models) in left {
            if stopped {
                continue;
            }
            let watchdog = &mut options.watchdog;
            let (by, decision) = decide_any(&models, &calls, options.order, &mut |progress| {
                stopped |= !watchdog(progress);
                !stopped && progress.visits < turn
            });
            match decision {
                Decision::Linearizable(order) => {
                    decided += 1;
                    orders.push((key, order));
                }
                Decision::Stuck(stuck) => {
                    let model = &models[by];
                    let known = Found::Not(Box::new(Counterexample::of(model, key.clone(), &calls, &stuck)));
                    (options.found)(&judged(known));
                    // They differ in nothing else.
                    let beginnings: Vec<M::State> = models.iter().map(Model::init).collect();
                    let counterexample = explain_from(model, &beginnings, key, &calls, &stuck, options.explain, options.may_explain);
                    return Ok(judged(Found::Not(Box::new(counterexample))));
                }
                Decision::Unknown { at, events } => {
                    if stopped {
                        let of = key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
                        unknown = Some(format!(
                            "everything{of} before the return of call {at} has an order ({events} of {} events)",
                            2 * calls.len()
                        ));
                    }
                    again.push((key, calls, models));
                }
            }
        }
        left = if stopped { vec![] } else { again };
        turn = turn.saturating_mul(8);
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
    watchdog: &mut dyn FnMut(Progress) -> bool,
) -> (usize, Decision<M::State>) {
    let mut first = None;
    for (by, model) in models.iter().enumerate() {
        let decision = decide(model, calls, order, watchdog);
        if !matches!(decision, Decision::Stuck(_)) {
            return (by, decision);
        }
        first.get_or_insert((by, decision));
    }
    first.unwrap_or((0, Decision::Linearizable(vec![])))
}
