//! Random histories of a store, honest and spoilt, each judged by everything that can judge it.

use super::{
    Store, calls,
    log::Log,
    minimal::{Effort, MinimalCore, minimal},
    quick::{ReplayFailure, witness},
    revision::{Refused, judge, order, search},
    store::{State, modified},
};
use crate::checks::out_of_model::OutOfModel;
use crate::ops::{Act, Answer, ClientId, Compare, CompletedOp, Op, OpEnd, OpId, Output, SeededStream, SimTime};
use squall_linear::{CallId, CallOf, Decision, decide, replay, unlimited};

/// What a history was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whether it is linearizable.
    pub legal: bool,
    /// Whether the one pass found that out.
    pub quickly: bool,
    /// How many revisions nobody claims.
    pub gaps: u64,
}

pub(super) fn value(id: usize, part: usize) -> String {
    format!("v{id}.{part}")
}

fn random_op(draws: &mut SeededStream, id: usize, values: &[String]) -> Op {
    let key = |draws: &mut SeededStream| format!("k{}", draws.in_range(1..=3));
    let some_value =
        |draws: &mut SeededStream| if values.is_empty() || draws.ratio(1, 3) { None } else { Some(draws.pick(values).clone()) };
    match draws.below(7) {
        0 => Op::Get { key: key(draws) },
        1 => Op::Put { key: key(draws), value: value(id, 0) },
        2 => Op::Delete { key: key(draws) },
        3 => Op::Cas { key: key(draws), expect: some_value(draws), value: value(id, 0) },
        4 | 5 => Op::Range { prefix: "k".into(), at: None },
        _ => {
            let compare = vec![Compare { key: key(draws), holds: some_value(draws) }];
            let then =
                vec![Act::Put { key: "k1".into(), value: value(id, 1) }, Act::Delete { key: "k2".into() }, Act::Get { key: "k1".into() }];
            let otherwise = if draws.ratio(1, 2) { vec![Act::Put { key: "k3".into(), value: value(id, 2) }] } else { vec![] };
            Op::Txn { compare, then, otherwise }
        }
    }
}

/// A client's open operation, and its answer once the store has done it.
type Busy = (usize, Option<(Output, u64)>);

/// Some clients, a real store; some answers are lost, some of those operations never happen; and now
/// and then an answer is spoilt, or moved to another revision.
fn random_history(draws: &mut SeededStream) -> Vec<CompletedOp> {
    let clients = draws.in_range(1..=4) as usize;
    let mut state = State::default();
    let (mut ops, mut values): (Vec<CompletedOp>, Vec<String>) = (Vec::new(), Vec::new());
    // For each client: its open operation, and its answer once the store has done it.
    let mut busy: Vec<Option<Busy>> = vec![None; clients];
    for place in 0..draws.in_range(4..=30) as usize {
        let client = draws.below(clients as u64) as usize;
        match busy[client].take() {
            None => {
                let ask = random_op(draws, ops.len(), &values);
                values.extend(ask.changes(None).into_iter().filter_map(|c| c.value.map(str::to_string)));
                let id = OpId(ops.len() as u64 + 1);
                busy[client] = Some((ops.len(), None));
                let (client, t) = (ClientId(client as u32 + 1), SimTime(place as u64));
                ops.push(CompletedOp {
                    id,
                    client,
                    ask,
                    invoked: t,
                    invoked_at: place,
                    ended_at: usize::MAX,
                    end: OpEnd::Open,
                    position: None,
                });
            }
            // Never answered: it happens now, or never.
            Some((i, None)) if draws.ratio(1, 6) => {
                if draws.ratio(1, 2) {
                    state.apply(&ops[i].ask);
                }
            }
            Some((i, None)) => {
                let output = state.apply(&ops[i].ask);
                busy[client] = Some((i, Some((output, state.revision))));
            }
            Some((i, Some((mut output, mut revision)))) => {
                if draws.ratio(1, 25) {
                    revision = (revision + draws.below(3)).saturating_sub(1).max(1);
                }
                if draws.ratio(1, 25) {
                    match &mut output {
                        Output::Got { value } => *value = values.first().cloned(),
                        Output::Ranged { kvs } => _ = kvs.pop(),
                        Output::Swapped { yes } => *yes = !*yes,
                        Output::Deleted { count } => *count = 1 - (*count).min(1),
                        Output::Txn { succeeded, .. } => *succeeded = !*succeeded,
                        Output::Done => {}
                        other => unreachable!("a store does not answer {other}"),
                    }
                }
                ops[i].end = OpEnd::Ok(SimTime(place as u64), output);
                ops[i].ended_at = place;
                ops[i].position = Some(revision);
            }
        }
    }
    ops
}

pub(super) fn generic(ops: &[CompletedOp]) -> Decision<State> {
    decide(&Store, &calls_of(ops), false, &mut unlimited)
}

fn calls_of(ops: &[CompletedOp]) -> Vec<CallOf<Store>> {
    let answer = |op: &CompletedOp| op.output().map(|output| Answer { output: output.clone(), position: op.position });
    calls(ops, |op| (op.ask.clone(), answer(op)))
}

/// The proof either way is one: an order that replays, or a part that has none either and nothing of which can be spared.
fn proved(ops: &[CompletedOp], none: &OutOfModel) -> Result<(), String> {
    match judge(ops, none, &mut unlimited) {
        Ok(fills) => replay(&Store, &calls_of(ops), &order(ops, &fills).iter().map(|id| CallId(id.0)).collect::<Vec<_>>())
            .map_err(|why| format!("the order does not replay: {why}")),
        Err(Refused::Invalid(clash)) => {
            let MinimalCore { calls: part, relaxed, one_minimal } = minimal(ops, none, &clash.witness.ops, Effort::MUCH, &mut unlimited);
            let relax = |op: &CompletedOp, kept: &[OpId]| match op.end {
                OpEnd::Ok(..) if kept.contains(&op.id) => Some(op.clone()),
                OpEnd::Ok(..) if !op.ask.may_write() => None,
                _ => Some(CompletedOp { end: OpEnd::Open, ended_at: usize::MAX, position: None, ..op.clone() }),
            };
            let has_order = |kept: &[OpId]| {
                let some: Vec<CompletedOp> = ops.iter().filter_map(|op| relax(op, kept)).collect();
                generic(&some).is_linearizable()
            };
            let spared = |id: &OpId| part.iter().copied().filter(|other| other != id).collect::<Vec<_>>();
            match part.iter().find(|id| !has_order(&spared(id))) {
                _ if part.is_empty() || !one_minimal => Err("no minimal part was found".to_string()),
                _ if has_order(&part) => Err(format!("the part {part:?} has an order (with {relaxed} others)")),
                Some(id) => Err(format!("{id} can be spared in {part:?}")),
                None => Ok(()),
            }
        }
        Err(_) => Ok(()),
    }
}

/// One random history: by the generic search, by the exact search among the revisions, and in one pass.
///
/// # Errors
/// Where two differ: the history, and what each said.
pub fn differential(draws: &mut SeededStream) -> Result<Round, String> {
    let ops = random_history(draws);
    let none = OutOfModel::default();
    let found = search(&ops, &none, false, &mut unlimited);
    let quickly = Log::of(&ops).map_or(Err(ReplayFailure::Unsure), |log| witness(&log, &none, 0, &mut unlimited));
    let generic = generic(&ops);
    let legal = generic.is_linearizable();
    let fits = match (&found, &quickly) {
        (Ok(_), Ok(_) | Err(ReplayFailure::Unsure)) => legal,
        (Err(Refused::Invalid(_)), Err(_)) => !legal,
        _ => false,
    };
    let proved = proved(&ops, &none);
    if !fits || proved.is_err() {
        let line = |op: &CompletedOp| format!("{op:?}\n");
        let history: String = ops.iter().map(line).collect();
        return Err(format!("the generic search says {generic:?}, the exact one {found:?}, the pass {quickly:?}; {proved:?}:\n{history}"));
    }
    let claimed = ops.iter().filter(|op| op.output().is_some_and(|o| modified(&op.ask, o))).count() as u64;
    let last = ops.iter().filter_map(|op| op.position).max().unwrap_or(1);
    Ok(Round { legal, quickly: quickly != Err(ReplayFailure::Unsure), gaps: last.saturating_sub(claimed + 1) })
}
