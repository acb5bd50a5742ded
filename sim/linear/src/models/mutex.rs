//! A mutex that is not re-entrant, free at first. Owners are processes.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `acquire`, it is free | - | held by who asked |
//! | `release`, it is held by who asked | - | free |
//!
//! An acquire that came back refused did not happen; it says nothing of who held it.

use crate::{
    model::{CallOf, Model},
    raw::{RawCall, RawEnd, Value},
    reading::{Parsed, Reads, bad_input},
};
use std::collections::BTreeMap;

/// What is asked, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Let me hold it.
    Acquire(Value),
    /// I hold it no more.
    Release(Value),
}

/// The model.
pub struct Mutex;

impl Model for Mutex {
    /// Who holds it.
    type State = Option<Value>;
    type Input = Ask;
    type Output = ();

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Option<Value> {
        None
    }

    fn step(&self, state: &Option<Value>, input: &Ask, _: Option<&()>) -> Option<Option<Value>> {
        match (input, state) {
            (Ask::Acquire(who), None) => Some(Some(who.clone())),
            (Ask::Release(who), Some(holder)) if who == holder => Some(None),
            _ => None,
        }
    }

    /// Taking one owner out, whole, leaves the others' turns as they are.
    fn goes_with(&self, gone: (&Ask, Option<&()>), other: (&Ask, Option<&()>)) -> bool {
        let (Ask::Acquire(a) | Ask::Release(a), Ask::Acquire(b) | Ask::Release(b)) = (gone.0, other.0);
        a == b
    }

    /// An acquire and the release after it by the same owner: without this turn the others' are as they were.
    fn groups(&self, calls: &[CallOf<Mutex>]) -> Option<Vec<usize>> {
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|i| calls[*i].invoked);
        let mut turns: BTreeMap<&Value, usize> = BTreeMap::new();
        let (mut groups, mut next) = (vec![0; calls.len()], 0);
        for i in order {
            let (Ask::Acquire(who) | Ask::Release(who)) = &calls[i].input;
            let open = turns.remove(who);
            groups[i] = match (&calls[i].input, open) {
                (Ask::Release(_), Some(turn)) => turn,
                _ => {
                    next += 1;
                    next
                }
            };
            // A second acquire in a row, and a release of nothing, are turns of their own.
            if matches!(calls[i].input, Ask::Acquire(_)) {
                turns.insert(who, groups[i]);
            }
        }
        Some(groups)
    }

    fn show_state(&self, state: &Option<Value>) -> String {
        state.as_ref().map_or("free".into(), |who| format!("held by {who}"))
    }

    fn show_call(&self, input: &Ask, _: Option<&()>) -> String {
        match input {
            Ask::Acquire(who) => format!("acquire by {who}"),
            Ask::Release(who) => format!("release by {who}"),
        }
    }
}

pub(super) fn parse(call: &RawCall, _: Reads) -> Parsed<Ask, ()> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    Ok(Some(match &*call.kind {
        "acquire" | "lock" => (Ask::Acquire(call.process.clone()), Some(())),
        "release" | "unlock" => (Ask::Release(call.process.clone()), Some(())),
        _ => return bad_input(call, "acquire or release"),
    }))
}
