//! A lock that its holder may acquire again, free at first. Owners are processes.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `acquire`, it is free or held by who asked | - | held by who asked, once more |
//! | `release`, it is held by who asked | - | once less; free after the last |
//!
//! An acquire that came back refused did not happen; it says nothing of who held it.

use super::mutex::{self, Ask};
use crate::{
    model::Model,
    raw::{RawCall, Value},
    reading::{Parsed, Reads},
};

/// The model.
pub struct ReentrantMutex;

impl Model for ReentrantMutex {
    /// Who holds it, and how often.
    type State = Option<(Value, u64)>;
    type Input = Ask;
    type Output = ();

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Self::State {
        None
    }

    fn step(&self, state: &Self::State, input: &Ask, _: Option<&()>) -> Option<Self::State> {
        match (input, state) {
            (Ask::Acquire(who), None) => Some(Some((who.clone(), 1))),
            (Ask::Acquire(who), Some((holder, times))) if who == holder => Some(Some((who.clone(), times + 1))),
            (Ask::Release(who), Some((holder, 1))) if who == holder => Some(None),
            (Ask::Release(who), Some((holder, times))) if who == holder => Some(Some((who.clone(), times - 1))),
            _ => None,
        }
    }

    /// Taking one owner out, whole, leaves the others' turns as they are.
    fn goes_with(&self, gone: (&Ask, Option<&()>), other: (&Ask, Option<&()>)) -> bool {
        let (Ask::Acquire(a) | Ask::Release(a), Ask::Acquire(b) | Ask::Release(b)) = (gone.0, other.0);
        a == b
    }

    fn show_state(&self, state: &Self::State) -> String {
        match state {
            None => "free".into(),
            Some((who, 1)) => format!("held by {who}"),
            Some((who, times)) => format!("held by {who}, {times} times"),
        }
    }

    fn show_call(&self, input: &Ask, output: Option<&()>) -> String {
        super::Mutex.show_call(input, output)
    }
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Ask, ()> {
    mutex::parse(call, reads)
}
