//! A mutex that gives each holder a fencing token: a number above all that were given before. Not re-entrant, free at first. Owners are
//! processes.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `acquire`, it is free | a number above all before | held by who asked |
//! | `release`, it is held by who asked | - | free |
//!
//! An acquire that came back without a number is a mutex's: it says nothing of tokens.

use super::mutex::{self, Ask};
use crate::{
    model::Model,
    raw::{RawCall, RawEnd, Value},
    reading::{Parsed, Reads, bad_answer},
};

/// The model.
pub struct FencedMutex;

impl Model for FencedMutex {
    /// Who holds it, and the highest token that was seen.
    type State = (Option<Value>, Option<i64>);
    type Input = Ask;
    /// The token that was given, if one was.
    type Output = Option<i64>;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Self::State {
        (None, None)
    }

    fn step(&self, (holder, highest): &Self::State, input: &Ask, output: Option<&Option<i64>>) -> Option<Self::State> {
        match (input, holder) {
            (Ask::Acquire(who), None) => match output.copied().flatten() {
                Some(token) if highest.is_some_and(|highest| highest >= token) => None,
                token => Some((Some(who.clone()), token.or(*highest))),
            },
            (Ask::Release(who), Some(holder)) if who == holder => Some((None, *highest)),
            _ => None,
        }
    }

    fn goes_with(&self, gone: (&Ask, Option<&Option<i64>>), other: (&Ask, Option<&Option<i64>>)) -> bool {
        let (Ask::Acquire(a) | Ask::Release(a), Ask::Acquire(b) | Ask::Release(b)) = (gone.0, other.0);
        a == b
    }

    fn show_state(&self, (holder, highest): &Self::State) -> String {
        let token = highest.map_or(String::new(), |highest| format!(", highest token {highest}"));
        format!("{}{token}", super::Mutex.show_state(holder))
    }

    fn show_call(&self, input: &Ask, output: Option<&Option<i64>>) -> String {
        let token = output.copied().flatten().map_or(String::new(), |token| format!(": {token}"));
        format!("{}{token}", super::Mutex.show_call(input, None))
    }
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Ask, Option<i64>> {
    let Some((input, _)) = mutex::parse(call, reads)? else { return Ok(None) };
    let token = match (&input, &call.end) {
        (Ask::Acquire(_), RawEnd::Ok(Some(Value::Int(token)))) => Some(*token),
        (Ask::Acquire(_), RawEnd::Ok(Some(other))) if *other != Value::Nil => return bad_answer(call, "a whole number, the token"),
        _ => None,
    };
    Ok(Some((input, Some(token))))
}
