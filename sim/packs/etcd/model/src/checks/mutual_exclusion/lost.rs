//! What somebody had, and lost: work that was done, and a place that nobody gave up.

use super::line::broken;
use crate::{
    checks::Witness,
    ops::{CompletedOp, EntryKind, LeaseId, LeaseOp, LeaseOutput, LineOp, LineOutput, Op, OpEnd, Output, View, work_key},
};
use std::collections::BTreeMap;

/// What is read at the end of what somebody worked on.
pub(super) fn lost_work(view: &View<'_>, ops: &[CompletedOp]) -> Option<Witness> {
    let (finals_at, _) = view.entries().find(|(_, e)| e.what == EntryKind::FinalReads)?;
    let mut works: BTreeMap<String, Vec<(&CompletedOp, &str)>> = BTreeMap::new();
    for op in ops {
        let Op::Line(LineOp::Work { name, value, .. }) = &op.ask else { continue };
        if !matches!(op.end, OpEnd::Fail(_) | OpEnd::Ok(_, Output::Line(LineOutput::Worked { yes: false }))) {
            works.entry(work_key(name)).or_default().push((op, value));
        }
    }
    for read in ops.iter().filter(|op| op.invoked_at > finals_at) {
        let (Op::Get { key }, OpEnd::Ok(at, Output::Got { value })) = (&read.ask, &read.end) else { continue };
        let Some(works) = works.get(key) else { continue };
        let Some((last, what)) = works.iter().filter(|(op, _)| op.position.is_some()).max_by_key(|(op, _)| op.position) else { continue };
        let may_be_later = |(op, written): &(&CompletedOp, &str)| {
            Some(*written) == value.as_deref() && op.position.is_none_or(|r| Some(r) >= last.position)
        };
        if !works.iter().any(may_be_later) {
            let holds = value.as_deref().unwrap_or("nothing");
            let revision = last.position.unwrap_or(0);
            let text = format!(
                "{} left {what} in {key} at revision {revision}, the last that was acknowledged; at the end there is {holds}",
                last.id
            );
            return broken("lost-work", *at, &[last.id, read.id], text);
        }
    }
    None
}

/// Somebody was refused because their place was gone, whose lease lives on, and who did nothing to give it up.
pub(super) fn lost_place(ops: &[CompletedOp]) -> Option<Witness> {
    let mut alive: BTreeMap<LeaseId, &CompletedOp> = BTreeMap::new();
    // Places that somebody gave up, or stood for without being told how that ended: then the server may have given them up.
    let mut doubtful: BTreeMap<(&str, LeaseId), usize> = BTreeMap::new();
    for op in ops {
        match (&op.ask, op.output()) {
            (Op::Lease(LeaseOp::KeepAlive { lease }), Some(Output::Lease(LeaseOutput::Renewed { ttl }))) if *ttl > 0 => {
                _ = alive.insert(*lease, op)
            }
            (Op::Lease(LeaseOp::TimeLeft { lease }), Some(Output::Lease(LeaseOutput::Left { ttl, .. }))) if *ttl >= 0 => {
                _ = alive.insert(*lease, op)
            }
            (Op::Line(LineOp::Release { name, place, .. }), _) => _ = doubtful.entry((name, place.lease)).or_insert(op.invoked_at),
            (Op::Line(LineOp::Acquire { name, lease, .. }), None) => _ = doubtful.entry((name, *lease)).or_insert(op.invoked_at),
            _ => {}
        }
    }
    ops.iter().find_map(|op| {
        let (Op::Line(LineOp::Work { name, place, fenced: true, .. }), OpEnd::Ok(at, Output::Line(LineOutput::Worked { yes: false }))) =
            (&op.ask, &op.end)
        else {
            return None;
        };
        let later = alive.get(&place.lease).filter(|later| later.invoked_at > op.ended_at)?;
        if place.token == 0 || doubtful.get(&(name.as_str(), place.lease)).is_some_and(|since| *since < op.ended_at) {
            return None;
        }
        let text = format!(
            "{} was refused: its place {} of {name} was gone; nobody gave it up, and {} found its lease alive after that",
            op.id, place.key, later.id
        );
        broken("lost-place", *at, &[op.id, later.id], text)
    })
}
