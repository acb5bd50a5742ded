//! A witness in one pass: the history is replayed in order of revision, and who wrote a revision that nobody claims is decided on
//! the way, by what comes next.
//!
//! ```text
//!   revision   5    6    7    8    9
//!   of key a   c1   ?         ?         the next read of a, at 8, shows x: whoever puts x of those of
//!   of key b             ?         c2   unknown outcome must come by 8 (the earliest deadline first);
//!                                       of b nobody reads before 9: any lost write of b may fill 7
//! ```
//!
//! Whoever was invoked before a revision was told may have written it, and any later one: there is a first possible revision
//! for each (its floor), and no last one, but for what is read. So required writes are matched by earliest deadline, and the
//! other gaps are filled by lost writes whose values nobody saw, of keys that are overwritten before they are read again;
//! those of one key are interchangeable.
//!
//! This finds most witnesses, in time linear in the history, and `valid` is said only where every answer was held against the
//! replayed store. Where it finds none it says so, and nothing else: the exact search ([`super::revision`]) decides.

mod fill;
mod known;
mod repair;
mod replay;
mod step;
mod store;

pub(super) use replay::{Filled, Impossible, ReplayFailure};

use super::log::{Kind, Log, NONE};
use crate::checks::out_of_model::OutOfModel;
use replay::{InOrder, Replay};
use squall_linear::{Progress, frontier::Watchdog};

/// So few answers are held one by one against what nobody can have written.
const LITTLE: usize = 256;

/// After this many revisions the watchdog is asked whether to go on.
const ASKED_EVERY: u64 = 1 << 14;

/// Replays the history to a witness, or says where it found none.
pub(super) fn witness(log: &Log, out_of_model: &OutOfModel, foreign_floor: u64, go_on: Watchdog<'_>) -> Result<Filled, ReplayFailure> {
    let last = log.last as usize;
    if log.last > 4 * log.rows.len() as u64 + 1_000_000 || log.last > u64::from(u32::MAX - 1) || log.rows.len() >= NONE as usize {
        return Err(ReplayFailure::Unsure);
    }
    let mut ready = || if go_on(Progress { visits: 0, bytes: 0, events: 0 }) { Ok(()) } else { Err(ReplayFailure::Stopped(1)) };
    ready()?;
    // Who claims each revision; and, in order of revision, who saw it.
    let mut claims = vec![NONE; last + 2];
    let mut first = vec![0u32; last + 3];
    let (mut lost, mut past_ranges): (Vec<u32>, Vec<(u64, u32)>) = Default::default();
    for (i, row) in log.rows.iter().enumerate() {
        let at = row.revision as usize;
        if row.revision == 0 {
            lost.push(i as u32);
            continue;
        }
        if row.revision < row.floor.max(1) + u64::from(row.changed) {
            return Err(ReplayFailure::Unsure);
        }
        if row.changed {
            if claims[at] != NONE || out_of_model.claims.contains_key(&row.revision) {
                return Err(ReplayFailure::Unsure);
            }
            claims[at] = i as u32;
        } else if row.kind == Kind::Range
            && let Some(past) = log.ranges[row.extra as usize].at
        {
            if past > log.last {
                return Err(ReplayFailure::Unsure);
            }
            past_ranges.push((past.max(1), i as u32));
        } else {
            first[at + 1] += 1;
        }
    }
    for (revision, _) in &past_ranges {
        first[*revision as usize + 1] += 1;
    }
    for at in 1..first.len() {
        first[at] += first[at - 1];
    }
    let mut readers = vec![0u32; *first.last().unwrap_or(&0) as usize];
    let mut next = first.clone();
    let mut file = |revision: usize, i: u32| {
        readers[next[revision] as usize] = i;
        next[revision] += 1;
    };
    for (i, row) in log.rows.iter().enumerate() {
        let is_past = row.kind == Kind::Range && log.ranges[row.extra as usize].at.is_some();
        if row.revision > 0 && !row.changed && !is_past {
            file(row.revision as usize, i as u32);
        }
    }
    past_ranges.iter().for_each(|(revision, i)| file(*revision as usize, *i));
    drop(next);
    ready()?;
    lost.retain(|i| matches!(log.rows[*i as usize].kind, Kind::Put | Kind::Swap | Kind::Delete | Kind::Txn));
    lost.sort_by_key(|i| log.rows[*i as usize].floor);

    let order = InOrder { claims, first, readers, out_of_model, foreign_floor, has_lost: !lost.is_empty() };
    // Where little was answered, what nobody can have written is found sooner than a way.
    let answered = log.rows.len() - lost.len();
    if order.has_lost
        && answered <= LITTLE
        && let Some(why) = Replay::new(log, &lost, out_of_model.unclaimed).nobody_wrote(&order)
    {
        return Err(ReplayFailure::Impossible(Box::new(why)));
    }
    let attempts = if order.has_lost { SLACK } else { &SLACK[..1] };
    let mut missed = ReplayFailure::Unsure;
    for slack in attempts {
        match attempt(log, &order, &lost, *slack, go_on) {
            Err(ReplayFailure::Unsure) => missed = ReplayFailure::Unsure,
            decided => return decided,
        }
    }
    Err(missed)
}

/// What is required in no more revisions than this comes before what nobody saw: one attempt each. The first one takes what is
/// required as soon as it can.
const SLACK: &[u64] = &[u64::MAX, 16, 4, 64, 8, 1, 32, 256];

/// One way through the history.
fn attempt(log: &Log, order: &InOrder<'_>, lost: &[u32], slack: u64, go_on: Watchdog<'_>) -> Result<Filled, ReplayFailure> {
    let out_of_model = order.out_of_model;
    let mut replay = Replay::new(log, lost, out_of_model.unclaimed);
    replay.slack = slack;
    if order.has_lost {
        let gap = |r: &u64| order.claims[*r as usize] == NONE && !out_of_model.claims.contains_key(r);
        replay.gaps = (2..=log.last).filter(gap).collect();
    }
    // Each turn back costs what it undoes. In a short history the exact search finds its way sooner than many turns.
    let mut steps_left = 4 * log.last + (50 * log.last).min(100_000);
    let mut revision = 1;
    let (mut unseen_first, mut asked) = (false, ASKED_EVERY);
    while revision <= log.last {
        asked -= 1;
        if asked == 0 {
            asked = ASKED_EVERY;
            if !go_on(Progress { visits: 0, bytes: 0, events: revision as usize }) {
                return Err(ReplayFailure::Stopped(revision));
            }
        }
        match replay.revision(order, revision, std::mem::take(&mut unseen_first)) {
            Ok(()) => revision += 1,
            Err(ReplayFailure::Impossible(mut why)) => {
                // What was repaired is a guess.
                let filled = || replay.fills.iter().map(|fill| (fill.revision, fill.op)).collect();
                why.filled = (!replay.repaired).then(filled);
                return Err(ReplayFailure::Impossible(why));
            }
            Err(stopped @ ReplayFailure::Stopped(_)) => return Err(stopped),
            Err(ReplayFailure::Unsure) => {
                let back = replay.turn_back(revision).ok_or(ReplayFailure::Unsure)?;
                steps_left = steps_left.checked_sub(revision - back).ok_or(ReplayFailure::Unsure)?;
                (revision, unseen_first) = (back, true);
            }
        }
    }
    let fills = std::mem::take(&mut replay.fills);
    let filled = fills.iter().map(|fill| (fill.revision, fill.op)).collect();
    if replay.repaired {
        // What was repaired is a guess until it is replayed.
        let mut again = Replay::new(log, lost, out_of_model.unclaimed);
        again.given = Some(fills);
        for revision in 1..=log.last {
            if revision % ASKED_EVERY == 0 && !go_on(Progress { visits: 0, bytes: 0, events: revision as usize }) {
                return Err(ReplayFailure::Stopped(revision));
            }
            again.revision(order, revision, false).map_err(|_| ReplayFailure::Unsure)?;
        }
    }
    Ok(filled)
}
