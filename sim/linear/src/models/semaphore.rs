//! Permits without owners: whoever holds none may give one back, as in Knossos' `mutex`. All are free at first.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `acquire`, one is free | - | one less is free |
//! | `release`, one is taken | - | one more is free |

use crate::{
    judge::{Judged, Options, judge},
    model::Model,
    raw::{RawCall, RawEnd, RawHistory, Value},
    reading::{Initial, Parsed, Reads, Unreadable, bad_input},
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

    const MAY_LOSE_HOPE: bool = false;

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

/// How many permits there are, `--initial` says: nothing in a history does.
pub(super) fn judge_all(history: &RawHistory, options: &mut Options<'_>) -> Result<Judged, Unreadable> {
    let permits = |initial: &Initial| match initial {
        Initial::Value(Value::Int(n)) => u64::try_from(*n).ok().filter(|n| *n > 0),
        Initial::Default | Initial::Value(_) | Initial::Keys(_) | Initial::Unknown => None,
    };
    let Some(permits) = permits(&options.initial) else {
        let Some(first) = history.calls.first() else { return judge(|_, _| vec![Semaphore { permits: 1 }], parse, true, history, options) };
        let what = "of a semaphore, and nothing says how many permits there are: --initial 3".to_string();
        return Err(Unreadable { kind: first.kind.to_string(), process: first.process.clone(), what });
    };
    judge(move |_, _| vec![Semaphore { permits }], parse, true, history, options)
}
