//! Permits without owners: whoever holds none may give one back, as in Knossos' `mutex`. All are free at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `acquire`, one is free | - | one less is free |
//! | `release`, one is taken | - | one more is free |

use super::{Parsed, Reads, bad_input};
use crate::{
    model::Model,
    raw::{RawCall, RawEnd},
};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Let me have one.
    Acquire,
    /// Take one back.
    Release,
}

/// The model: how many there are.
pub struct Semaphore {
    /// How many may be taken at once.
    pub permits: u64,
}

impl Model for Semaphore {
    /// How many are taken.
    type State = u64;
    type Input = Ask;
    type Output = ();

    fn init(&self) -> u64 {
        0
    }

    fn step(&self, taken: &u64, input: &Ask, _: Option<&()>) -> Option<u64> {
        match input {
            Ask::Acquire => (*taken < self.permits).then(|| taken + 1),
            Ask::Release => taken.checked_sub(1),
        }
    }

    fn show_state(&self, taken: &u64) -> String {
        match (self.permits, taken) {
            (1, 0) => "free".into(),
            (1, _) => "held".into(),
            (all, taken) => format!("{taken} of {all} taken"),
        }
    }

    fn show_call(&self, input: &Ask, _: Option<&()>) -> String {
        match input {
            Ask::Acquire => "acquire".into(),
            Ask::Release => "release".into(),
        }
    }
}

pub(super) fn parse(call: &RawCall, _: Reads) -> Parsed<Ask, ()> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    Ok(Some(match &*call.kind {
        "acquire" | "lock" => (Ask::Acquire, Some(())),
        "release" | "unlock" => (Ask::Release, Some(())),
        _ => return bad_input(call, "acquire or release"),
    }))
}
