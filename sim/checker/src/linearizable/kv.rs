//! A store by itself: what `squall check --model kv` says of a history.

use super::{
    Store, calls,
    minimal::{Effort, Small, minimal},
    revision::{self, Clash, Refused},
};
use crate::foreign::Foreign;
use squall_history::{Answer, CompletedOp, OpId};
use squall_linear::{CallId, Counterexample, Decision, Found, Judged, Options, decide, explain};

/// Judges operations on keys and values as one store, with its revisions where its answers carry them.
pub fn judge_kv(ops: &[CompletedOp], options: &mut Options<'_>) -> Judged {
    let foreign = Foreign::of(ops);
    let own = foreign.without(ops);
    let judged = |verdict| Judged { calls: own.len(), keys: 1, verdict };
    let with_revisions = own.iter().all(|op| op.output().is_none() || op.revision.is_some());
    if with_revisions {
        let found = match revision::judge(&own, &foreign, options.watchdog) {
            Ok(fills) if options.order => {
                (options.found)(&Found::Linearizable(vec![]));
                let order = revision::order(&own, &fills).iter().map(|id| CallId(id.0)).collect();
                Found::Linearizable(vec![(None, order)])
            }
            Ok(_) => Found::Linearizable(vec![]),
            Err(Refused::Unknown(why)) => Found::Unknown(why),
            Err(Refused::Invalid(clash)) => Found::Not(explained(&own, &foreign, *clash, options)),
        };
        return judged(found);
    }
    let answer = |op: &CompletedOp| op.output().map(|output| Answer { output: output.clone(), revision: op.revision });
    let calls = calls(&own, |op| (op.ask.clone(), answer(op)));
    judged(match decide(&Store, &calls, options.order, options.watchdog) {
        Decision::Linearizable(order) => Found::Linearizable(vec![(None, order)]),
        Decision::Stuck(stuck) => {
            (options.found)(&Found::Not(Box::new(Counterexample::of(&Store, None, &calls, &stuck))));
            Found::Not(Box::new(explain(&Store, None, &calls, &stuck, options.explain, options.watchdog)))
        }
        Decision::Unknown { at, events } => {
            Found::Unknown(format!("everything before the return of call {at} has an order ({events} events)"))
        }
    })
}

fn explained(ops: &[CompletedOp], foreign: &Foreign, clash: Clash, options: &mut Options<'_>) -> Box<Counterexample> {
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
    });
    if options.explain {
        (options.found)(&Found::Not(why.clone()));
        let scene = revision::scene(ops, foreign, &clash);
        (why.states, why.states_in_all) = (scene.states, scene.states_in_all);
        why.open = scene.open.iter().map(call_id).collect();
        why.why.extend(scene.why);
        (options.found)(&Found::Not(why.clone()));
        let Small { calls, relaxed, one_minimal } = minimal(ops, foreign, &clash.witness.ops, Effort::MUCH, options.watchdog);
        (why.minimal, why.relaxed, why.one_minimal) = (calls.iter().map(call_id).collect(), relaxed, one_minimal);
    }
    why
}
