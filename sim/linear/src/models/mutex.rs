//! A mutex that is not re-entrant, free at first. Owners are processes.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `acquire`, it is free | - | held by who asked |
//! | `release`, it is held by who asked | - | free |
//!
//! An acquire that came back refused did not happen; it says nothing of who held it.

use super::{Parsed, Reads, bad_input};
use crate::{
    model::Model,
    raw::{RawCall, RawEnd},
};

/// What is asked, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Let me hold it.
    Acquire(i64),
    /// I hold it no more.
    Release(i64),
}

/// The model.
pub struct Mutex;

impl Model for Mutex {
    /// Who holds it.
    type State = Option<i64>;
    type Input = Ask;
    type Output = ();

    fn init(&self) -> Option<i64> {
        None
    }

    fn step(&self, state: &Option<i64>, input: &Ask, _: Option<&()>) -> Option<Option<i64>> {
        match (input, state) {
            (Ask::Acquire(who), None) => Some(Some(*who)),
            (Ask::Release(who), Some(holder)) if who == holder => Some(None),
            _ => None,
        }
    }

    /// Taking one owner out, whole, leaves the others' turns as they are.
    fn goes_with(&self, gone: (&Ask, Option<&()>), other: (&Ask, Option<&()>)) -> bool {
        let (Ask::Acquire(a) | Ask::Release(a), Ask::Acquire(b) | Ask::Release(b)) = (gone.0, other.0);
        a == b
    }

    fn show_state(&self, state: &Option<i64>) -> String {
        state.map_or("free".into(), |who| format!("held by {who}"))
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
        "acquire" | "lock" => (Ask::Acquire(call.process), Some(())),
        "release" | "unlock" => (Ask::Release(call.process), Some(())),
        _ => return bad_input(call, "acquire or release"),
    }))
}
