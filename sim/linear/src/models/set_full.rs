//! A set of which reads may lag behind, as Jepsen's `set-full`: what is in it for certain, because its add was acknowledged or a read
//! showed it, must come to stay. It is not asked when.
//!
//! A member is *lost* if the last read that was asked for does not show it, and began after it was in for certain, and after every read
//! that shows it had come back. Reads list members; one that lists a member twice is wrong, too. Where no read came back that was asked
//! for after something was in for certain, nothing is known.

use super::set;
use crate::{
    call::{Call, NEVER},
    explain::Counterexample,
    judge::{Found, Judged, Options},
    model::Outright,
    raw::{RawCall, RawEnd, RawHistory, Value},
    reading::{Reads, Unreadable, bad_input},
};
use rustc_hash::FxHashMap;
use set::{Answer, Ask};
use std::collections::BTreeMap;

/// What is known of a member.
#[derive(Clone, Copy)]
struct Member {
    /// The call that says for certain that it is in, and when that was told: the earliest.
    certain: (usize, usize),
    /// When the last read that shows it came back.
    shown: Option<usize>,
}

pub(super) fn judge_all(history: &RawHistory, _: &mut Options<'_>) -> Result<Judged, Unreadable> {
    let mut keys: BTreeMap<Option<&Value>, Vec<&RawCall>> = BTreeMap::new();
    history.calls.iter().for_each(|call| keys.entry(call.key.as_ref()).or_default().push(call));
    let number = keys.len().max(1);
    let (mut calls, mut looked_at) = (0, 0);
    for (key, all) in keys {
        let One { calls: of, members, found } = one(key, &all)?;
        (calls, looked_at) = (calls + of, looked_at + members);
        if let Some(found) = found {
            return Ok(Judged { calls: history.calls.len(), keys: number, verdict: Found::Not(Box::new(found)), remarks: vec![] });
        }
    }
    let verdict = match looked_at {
        0 if calls > 0 => Found::Unknown("no read came back that was asked for after something was in for certain".to_string()),
        _ => Found::Linearizable(vec![]),
    };
    Ok(Judged { calls, keys: number, verdict, remarks: vec![] })
}

/// What is known of one set: how many calls may have happened, of how many members a read could tell, and what is wrong.
struct One {
    calls: usize,
    members: usize,
    found: Option<Counterexample>,
}

fn one(key: Option<&Value>, all: &[&RawCall]) -> Result<One, Unreadable> {
    let mut calls: Vec<Call<Ask, Answer>> = vec![];
    for raw in all {
        let Some((input, output)) = set::parse(raw, Reads::NilIsSeen)? else { continue };
        if !matches!(input, Ask::Add(_) | Ask::Read) {
            return bad_input(raw, "add or read");
        }
        if let RawEnd::Ok(Some(Value::List(listed))) = &raw.end
            && let Some(Answer::Members(members)) = &output
            && listed.len() > members.len()
        {
            let twice = members.iter().find(|member| listed.iter().filter(|other| other == member).count() > 1);
            let why = format!("it lists {} more than once", twice.map_or(String::new(), Value::to_string));
            let call = Call { id: raw.id, input, output, invoked: raw.invoked, returned: raw.returned };
            return Ok(One { calls: 1, members: 1, found: Some(wrong(key, &[call], &[0], why)) });
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
        known.shown = known.shown.max(shown);
    };
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.returned != NEVER) {
        if let Ask::Add(value) = &call.input {
            certain(value, at, None);
        }
    }
    for at in &reads {
        if let Some(Answer::Members(shown)) = &calls[*at].output {
            shown.iter().for_each(|value| certain(value, *at, Some(calls[*at].returned)));
        }
    }
    // What the last read does not show, and could.
    let last = reads.last().copied();
    let asked = last.map_or(0, |last| calls[last].invoked);
    let told = || members.iter().filter(|(_, member)| member.certain.1 < asked);
    let is_lost = |member: &Member| member.shown.is_none_or(|returned| returned < asked);
    let mut lost: Vec<(&Value, Member)> = told().filter(|(_, member)| is_lost(member)).map(|(value, member)| (*value, *member)).collect();
    lost.sort_unstable_by_key(|(value, member)| (member.certain.1, *value));
    if let (Some(last), Some((value, member))) = (last, lost.first()) {
        let more = if lost.len() > 1 { format!("; {} members are lost in all", lost.len()) } else { String::new() };
        let how = if matches!(calls[member.certain.0].input, Ask::Add(_)) { "was acknowledged" } else { "was shown" };
        let why = format!("{value} {how} before this read was asked for, and neither it nor a later one shows it{more}");
        let found = Some(wrong(key, &calls, &[member.certain.0, last], why));
        return Ok(One { calls: calls.len(), members: told().count(), found });
    }
    Ok(One { calls: calls.len(), members: told().count(), found: None })
}

fn wrong(key: Option<&Value>, calls: &[Call<Ask, Answer>], which: &[usize], why: String) -> Counterexample {
    let ids: Vec<_> = which.iter().map(|at| calls[*at].id).collect();
    let call = calls[which[which.len() - 1]].id;
    let found = Outright { calls: ids, call, possible: String::new(), why };
    Counterexample { states: vec![], states_in_all: 0, ..Counterexample::outright(key.cloned(), calls, &found) }
}
