//! A set of which reads may lag behind, as Jepsen's `set-full`: what is in it for certain, because its add was acknowledged or a read
//! showed it, must come to stay. It is not asked when.
//!
//! A member is *lost* if the last read that was asked for, of those that began after it was in for certain, does not show it, and no read
//! that was asked for later does. Reads list members; one that lists a member twice is wrong, too.

use super::{Reads, Unreadable, set};
use crate::{
    explain::Counterexample,
    judge::{Found, Judged, Options},
    model::{Call, NEVER, Outright},
    raw::{RawCall, RawEnd, RawHistory, Value},
};
use rustc_hash::FxHashMap;
use set::{Answer, Ask};
use std::collections::BTreeMap;

/// What is known of a member.
#[derive(Clone, Copy)]
struct Member {
    /// The call that says for certain that it is in, and when that was told: the earliest.
    certain: (usize, usize),
    /// The place of the last read that shows it, by when it was asked for.
    shown: Option<usize>,
}

pub(super) fn judge_all(history: &RawHistory, _: &mut Options<'_>) -> Result<Judged, Unreadable> {
    let mut keys: BTreeMap<Option<&Value>, Vec<&RawCall>> = BTreeMap::new();
    history.calls.iter().for_each(|call| keys.entry(call.key.as_ref()).or_default().push(call));
    let number = keys.len().max(1);
    let mut calls = 0;
    for (key, all) in keys {
        let (of, found) = one(key, &all)?;
        calls += of;
        if let Some(found) = found {
            return Ok(Judged { calls: history.calls.len(), keys: number, verdict: Found::Not(Box::new(found)), remarks: vec![] });
        }
    }
    Ok(Judged { calls, keys: number, verdict: Found::Linearizable(vec![]), remarks: vec![] })
}

/// One set: how many calls may have happened, and what is wrong.
fn one(key: Option<&Value>, all: &[&RawCall]) -> Result<(usize, Option<Counterexample>), Unreadable> {
    let mut calls: Vec<Call<Ask, Answer>> = vec![];
    for raw in all {
        let Some((input, output)) = set::parse(raw, Reads::NilIsSeen)? else { continue };
        if !matches!(input, Ask::Add(_) | Ask::Read) {
            return super::bad_input(raw, "add or read");
        }
        if let RawEnd::Ok(Some(Value::List(listed))) = &raw.end
            && let Some(Answer::Members(members)) = &output
            && listed.len() > members.len()
        {
            let twice = members.iter().find(|member| listed.iter().filter(|other| other == member).count() > 1);
            let why = format!("it lists {} more than once", twice.map_or(String::new(), Value::to_string));
            let call = Call { id: raw.id, input, output, invoked: raw.invoked, returned: raw.returned };
            return Ok((1, Some(wrong(key, &[call], &[0], why))));
        }
        let output = if raw.returned == NEVER { None } else { output };
        calls.push(Call { id: raw.id, input, output, invoked: raw.invoked, returned: raw.returned });
    }
    let mut reads: Vec<usize> = (0..calls.len()).filter(|at| matches!(calls[*at].output, Some(Answer::Members(_)))).collect();
    reads.sort_by_key(|at| calls[*at].invoked);
    let mut members: FxHashMap<&Value, Member> = FxHashMap::default();
    let mut certain = |value, at: usize, shown: Option<usize>| {
        let known = members.entry(value).or_insert(Member { certain: (at, calls[at].returned), shown: None });
        if calls[at].returned < known.certain.1 {
            known.certain = (at, calls[at].returned);
        }
        known.shown = shown.or(known.shown);
    };
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.returned != NEVER) {
        if let Ask::Add(value) = &call.input {
            certain(value, at, None);
        }
    }
    for (place, at) in reads.iter().enumerate() {
        if let Some(Answer::Members(shown)) = &calls[*at].output {
            shown.iter().for_each(|value| certain(value, *at, Some(place)));
        }
    }
    // What the last read that counts does not show, and none after it.
    let mut lost: Vec<(usize, &Value, Member)> = vec![];
    for (value, member) in &members {
        let last = reads.len().checked_sub(1).filter(|last| calls[reads[*last]].invoked > member.certain.1);
        if let Some(last) = last.filter(|last| member.shown.is_none_or(|shown| shown < *last)) {
            lost.push((last, value, *member));
        }
    }
    lost.sort_unstable_by_key(|(_, value, member)| (member.certain.1, *value));
    if let Some((last, value, member)) = lost.first() {
        let more = if lost.len() > 1 { format!("; {} members are lost in all", lost.len()) } else { String::new() };
        let how = if matches!(calls[member.certain.0].input, Ask::Add(_)) { "was acknowledged" } else { "was shown" };
        let why = format!("{value} {how} before this read was asked for, and neither it nor a later one shows it{more}");
        return Ok((calls.len(), Some(wrong(key, &calls, &[member.certain.0, reads[*last]], why))));
    }
    Ok((calls.len(), None))
}

fn wrong(key: Option<&Value>, calls: &[Call<Ask, Answer>], which: &[usize], why: String) -> Counterexample {
    let ids: Vec<_> = which.iter().map(|at| calls[*at].id).collect();
    let call = calls[which[which.len() - 1]].id;
    let found = Outright { calls: ids, call, possible: String::new(), why };
    Counterexample { states: vec![], states_in_all: 0, ..Counterexample::outright(key.cloned(), calls, &found) }
}
