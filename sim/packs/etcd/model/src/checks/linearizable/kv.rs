//! A store by itself: what `squall check --model kv` says of a history.

use super::{
    Store, calls,
    minimal::{Effort, MinimalCore, minimal},
    revision::{self, Contradiction, Refused},
};
use crate::checks::out_of_model::OutOfModel;
use crate::ops::{Answer, CompletedOp, OpId};
use squall_linear::{CallId, Counterexample, Decision, Found, Judged, Options, decide, explain};

/// Judges operations on keys and values as one store, with its revisions where its answers carry them.
pub fn judge_kv(ops: &[CompletedOp], options: &mut Options<'_>) -> Judged {
    let out_of_model = OutOfModel::of(ops);
    let own = out_of_model.without(ops);
    let judged = |verdict| Judged { calls: own.len(), keys: 1, verdict, remarks: vec![] };
    let with_revisions = own.iter().all(|op| op.output().is_none() || op.position.is_some());
    if with_revisions {
        let found = match revision::judge(&own, &out_of_model, &mut *options.watchdog) {
            Ok(fills) if options.order => {
                (options.found)(&judged(Found::Linearizable(vec![])));
                let order = revision::order(&own, &fills).iter().map(|id| CallId(id.0)).collect();
                Found::Linearizable(vec![(None, order)])
            }
            Ok(_) => Found::Linearizable(vec![]),
            Err(Refused::Unknown(why)) => Found::Unknown(why),
            Err(Refused::Invalid(clash)) => Found::Not(explained(&own, &out_of_model, *clash, options, &judged)),
        };
        return judged(found);
    }
    let answer = |op: &CompletedOp| op.output().map(|output| Answer { output: output.clone(), position: op.position });
    let calls = calls(&own, |op| (op.ask.clone(), answer(op)));
    judged(match decide(&Store, &calls, options.order, &mut *options.watchdog) {
        Decision::Linearizable(order) => Found::Linearizable(vec![(None, order)]),
        Decision::Stuck(stuck) => {
            (options.found)(&judged(Found::Not(Box::new(Counterexample::of(&Store, None, &calls, &stuck)))));
            Found::Not(Box::new(explain(&Store, None, &calls, &stuck, options.explain, &mut *options.may_explain)))
        }
        Decision::Unknown { at, events } => {
            Found::Unknown(format!("everything before the return of call {at} has an order ({events} events)"))
        }
    })
}

fn explained(
    ops: &[CompletedOp],
    out_of_model: &OutOfModel,
    clash: Contradiction,
    options: &mut Options<'_>,
    judged: &dyn Fn(Found) -> Judged,
) -> Box<Counterexample> {
    let call_id = |id: &OpId| CallId(id.0);
    let mut why = Box::new(Counterexample {
        key: None,
        call: call_id(&ops[clash.culprit].id),
        states: vec![],
        states_in_all: 0,
        open: vec![],
        why: [clash.witness.summary.clone()].into_iter().chain(clash.witness.details.iter().cloned()).collect(),
        minimal: vec![],
        one_minimal: false,
        relaxed: 0,
        looked_at: vec![],
        about: vec![],
        from: vec![],
    });
    if options.explain != squall_linear::Effort::Nothing {
        (options.found)(&judged(Found::Not(why.clone())));
        let explanation = revision::explanation(ops, out_of_model, &clash);
        (why.states, why.states_in_all) = (explanation.states, explanation.states_in_all);
        why.open = explanation.open.iter().map(call_id).collect();
        why.why.extend(explanation.why);
        (options.found)(&judged(Found::Not(why.clone())));
        let MinimalCore { calls, relaxed, one_minimal } =
            minimal(ops, out_of_model, &clash.witness.ops, Effort::MUCH, &mut *options.may_explain);
        (why.minimal, why.relaxed, why.one_minimal) = (calls.iter().map(call_id).collect(), relaxed, one_minimal);
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::generate::{Spec, generate};
    use crate::ops::{Entry, OpEnd, Output, View};

    #[test]
    fn wherever_it_is_stopped_what_is_known_by_then_is_told() {
        let spec = Spec { ops: 40_000, clients: 10, keys: 10, unknown_per_mille: 50, ranges_per_mille: 10, seed: 0 };
        let history: Vec<Entry> = generate(spec).collect();
        let good = View::new(&history).ops().to_vec();
        let mut bad = good.clone();
        let spoilt = bad.iter_mut().rev().find_map(|op| match &mut op.end {
            OpEnd::Ok(_, Output::Got { value: Some(value) }) => Some(value),
            _ => None,
        });
        spoilt.unwrap().push_str("-nobody");
        // Told to stop when it is asked for the nth time.
        let judge = |ops: &[CompletedOp], n: u32| {
            let (asked, mut told) = (std::cell::Cell::new(0), None);
            let ask = |_| {
                asked.set(asked.get() + 1);
                asked.get() < n
            };
            let found = |judged: &Judged| told = Some(matches!(judged.verdict, Found::Not(_)));
            let verdict = judge_kv(ops, &mut Options { order: true, ..Options::with(ask, ask, found) }).verdict;
            (verdict, told, asked.get())
        };
        assert!(matches!(judge(&good, u32::MAX).0, Found::Linearizable(orders) if !orders[0].1.is_empty()));
        let (mut unknown, mut early) = (0, 0);
        for n in 1..40 {
            let (verdict, told, asked) = judge(&good, n);
            match verdict {
                Found::Unknown(why) => {
                    assert!(told.is_none() && why.contains("every answer before that has an order"), "{n}: {why}");
                    unknown += 1;
                }
                other => assert!(matches!(other, Found::Linearizable(_)) && told == Some(false), "{n}, {asked}: {other:?}"),
            }
            match judge(&bad, n) {
                (Found::Unknown(_), told, _) => assert_eq!(told, None, "{n}"),
                (Found::Not(why), told, _) => {
                    assert!(told == Some(true) && !why.why.is_empty() && !why.states.is_empty(), "{n}: {why:?}");
                    early += u32::from(!why.one_minimal);
                }
                (other, ..) => panic!("{n}: {other:?}"),
            }
        }
        assert!(unknown > 1 && early > 0, "{unknown} were stopped, {early} were not made small");
    }

    #[test]
    fn a_long_history_is_made_small_by_the_keys_in_question() {
        let spec = Spec { ops: 30_000, clients: 10, keys: 20, unknown_per_mille: 10, ranges_per_mille: 10, seed: 1 };
        let history: Vec<Entry> = generate(spec).collect();
        let good = View::new(&history).ops().to_vec();
        let judge = |ops: &[CompletedOp]| match judge_kv(ops, &mut Options::default()).verdict {
            Found::Not(why) => why,
            other => panic!("{other:?}"),
        };
        // A value that nobody wrote; and a range that shows a key that nobody wrote.
        let mut bad = good.clone();
        let at = bad.iter().rposition(|op| matches!(op.output(), Some(Output::Got { value: Some(_) }))).unwrap();
        let OpEnd::Ok(_, Output::Got { value }) = &mut bad[at].end else { panic!() };
        *value = Some("nobody".into());
        let why = judge(&bad);
        assert_eq!((why.call, &why.minimal, why.one_minimal), (CallId(bad[at].id.0), &vec![CallId(bad[at].id.0)], true), "{why:#?}");
        let mut bad = good.clone();
        let at = bad.iter().rposition(|op| matches!(op.output(), Some(Output::Ranged { .. }))).unwrap();
        let OpEnd::Ok(_, Output::Ranged { kvs }) = &mut bad[at].end else { panic!() };
        let mut never = kvs[0].clone();
        never.key = "kz".into();
        kvs.push(never);
        let why = judge(&bad);
        assert_eq!((why.call, &why.minimal), (CallId(bad[at].id.0), &vec![CallId(bad[at].id.0)]), "{why:#?}");
    }
}
