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
//! A choice is not tried where later answers exclude it ([`super::lookahead`]), where what must happen cannot any more under its
//! conditions ([`reach`]), or where there is no order or no room for all that must ([`required`]). Without holes, time is
//! linear in the history; the number of steps is bounded, and passing the bound is `unknown`.

mod engine;
mod explanation;
mod held;
mod place;
mod possible;
mod reach;
mod required;
mod search;
mod tally;

use super::{
    log::{Log, NONE},
    quick::{Impossible, ReplayFailure, witness},
    store::modified,
};
use crate::checks::{Verdict, Witness, out_of_model::OutOfModel};
use crate::ops::{Changes as _, CompletedOp, Op, OpEnd, OpId, Output, SimTime};
use engine::Engine;
pub(super) use explanation::explanation;
use squall_linear::frontier::Watchdog;
pub(super) use tally::ASKED_EVERY;

/// How a store came about: who filled which revision, and when that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    revision: u64,
    /// `None`: something that is out of the model.
    op: Option<usize>,
    asked: usize,
}

/// Why a history is not accepted.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is not known whether it has an order; why.
    Unknown(String),
    /// It has none.
    Invalid(Box<Contradiction>),
}

/// Where no order is left.
#[derive(Debug)]
pub(super) struct Contradiction {
    pub(super) witness: Witness,
    /// The place of the call whose answer cannot be.
    pub(super) culprit: usize,
    /// The last revision of which there is a store.
    until: u64,
    /// Some of the ways in which that store may have come about; none where nobody looked.
    ways: Vec<Vec<Step>>,
    /// How many there are, as far as is known.
    ways_in_all: usize,
}

impl From<Refused> for Verdict {
    fn from(refused: Refused) -> Verdict {
        match refused {
            Refused::Unknown(why) => Verdict::Unknown(why),
            Refused::Invalid(clash) => Verdict::Invalid(Box::new(clash.witness)),
        }
    }
}

/// Who wrote the revisions that nobody claims: the places of operations of unknown outcome; `None`: something that is out of the model.
pub(super) type Fills = Vec<(u64, Option<usize>)>;

/// Judges operations of which every answered one carries a revision.
///
/// # Errors
/// What is wrong, or why it is not known.
pub(super) fn judge(ops: &[CompletedOp], out_of_model: &OutOfModel, go_on: Watchdog<'_>) -> Result<Fills, Refused> {
    // Most histories have a witness that is found in one pass.
    let Ok(log) = Log::of(ops) else { return search(ops, out_of_model, false, go_on) };
    match witness(&log, out_of_model, foreign_floor(ops, out_of_model), go_on) {
        Ok(filled) => {
            let place = |row: u32| (row != NONE).then(|| log.places[row as usize] as usize);
            Ok(filled.into_iter().map(|(revision, row)| (revision, place(row))).collect())
        }
        Err(ReplayFailure::Unsure) => search(ops, out_of_model, false, go_on),
        Err(ReplayFailure::Stopped(revision)) => Err(stopped(revision)),
        Err(ReplayFailure::Impossible(why)) => {
            // The search tells more, where it comes to an end soon.
            let told = if ops.len() > BRIEF_OF { None } else { search(ops, out_of_model, true, go_on).err() };
            Err(told.filter(|told| matches!(told, Refused::Invalid(_))).unwrap_or_else(|| impossible(ops, &log, &why)))
        }
    }
}

/// Of more operations than this no brief search is made: it would take longer than what it adds is worth.
const BRIEF_OF: usize = 20_000;

fn stopped(revision: u64) -> Refused {
    Refused::Unknown(format!("it was stopped at revision {revision}: every answer before that has an order"))
}

/// The operations in an order that explains every answer: each revision's write, and then those who saw it.
pub(super) fn order(ops: &[CompletedOp], fills: &Fills) -> Vec<OpId> {
    let answered = ops.iter().filter_map(|op| Some(((op.position?, !modified(&op.ask, op.output()?), op.invoked_at), op.id)));
    let filled = fills.iter().filter_map(|(revision, place)| Some(((*revision, false, 0), ops[(*place)?].id)));
    let mut all: Vec<_> = answered.chain(filled).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, id)| id).collect()
}

/// An answer tells of a key what nobody can have written.
fn impossible(ops: &[CompletedOp], log: &Log, why: &Impossible) -> Refused {
    let Impossible { revision, since, .. } = *why;
    let place = |row: u32| log.places[row as usize] as usize;
    let culprit = place(why.row);
    let op = &ops[culprit];
    let key = log.keys.text(why.key);
    let holds = if why.value == NONE { "absent".to_string() } else { log.values.text(why.value) };
    let summary = format!("{}, and {key} cannot be {holds} at revision {revision}", told(op));
    let wrote = |o: &&CompletedOp| {
        let claims = o.position == Some(since);
        claims && o.changes().iter().any(|c| c.key == key)
    };
    let last = ops.iter().find(wrote);
    let mut details: Vec<String> = last.map(|o| format!("revision {since}: {}", told(o))).into_iter().collect();
    details.push(format!("it was otherwise at revision {since}, and no write of unknown outcome fits between that and {revision}"));
    if why.filled.as_ref().is_some_and(|filled| !filled.is_empty()) {
        details.push("the store that is shown is of one way to fill what nobody claims".to_string());
    }
    let ids = last.map(|o| o.id).into_iter().chain([op.id]).collect();
    let kind = if matches!(op.ask, Op::Range { at: Some(_), .. }) { "wrong-past" } else { "wrong-answer" };
    let step = |(revision, row): &(u64, u32)| Step { revision: *revision, op: (*row != NONE).then(|| place(*row)), asked: 0 };
    let ways: Vec<Vec<Step>> = why.filled.iter().map(|filled| filled.iter().map(step).collect()).collect();
    Refused::Invalid(Box::new(Contradiction {
        ways_in_all: ways.len(),
        ways,
        ..clash(ops, culprit, kind, summary, (details, ids), revision)
    }))
}

/// The highest revision that anybody had been told before the first of what is out of the model was asked for.
pub(super) fn foreign_floor(ops: &[CompletedOp], out_of_model: &OutOfModel) -> u64 {
    ops.iter().filter(|op| op.ended_at < out_of_model.from).filter_map(|op| op.position).max().unwrap_or(0)
}

/// The exact search, which also explains. A brief one gives up soon.
///
/// # Errors
/// What is wrong, or why it is not known.
pub(super) fn search(ops: &[CompletedOp], out_of_model: &OutOfModel, brief: bool, go_on: Watchdog<'_>) -> Result<Fills, Refused> {
    let fills = Engine::new(ops, out_of_model)?.replay(brief, go_on)?;
    Ok(fills.into_iter().map(|step| (step.revision, step.op)).collect())
}

fn is_unknown<T>(found: &Result<T, Refused>) -> bool {
    matches!(found, Err(Refused::Unknown(_)))
}

/// The answer of the call at `culprit` cannot be; `until`: the last revision of which there is a store.
fn clash(
    ops: &[CompletedOp],
    culprit: usize,
    kind: &'static str,
    summary: String,
    (details, ids): (Vec<String>, Vec<OpId>),
    until: u64,
) -> Contradiction {
    let witness = Witness { kind, summary, details, at: ended(&ops[culprit]), ops: ids };
    Contradiction { witness, culprit, until, ways: vec![], ways_in_all: 0 }
}

fn ended(op: &CompletedOp) -> SimTime {
    if let OpEnd::Ok(at, _) | OpEnd::Fail(at) = op.end { at } else { op.invoked }
}

fn told(op: &CompletedOp) -> String {
    let answer = op.output().map_or("unknown outcome".to_string(), Output::to_string);
    let revision = op.position.map_or(String::new(), |r| format!(" at revision {r}"));
    format!("{} {} by {} answered `{answer}`{revision}", op.id, op.ask, op.client)
}

#[cfg(test)]
mod tests;
