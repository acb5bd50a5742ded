//! A number to which one adds; 0 at first, unless it is said what else.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `add n` (`inc`, `dec`: 1) | - | n more |
//! | `read` | what it is | the same |

use crate::{
    call::NEVER,
    model::{CallOf, Model, Nature, Outright},
    raw::{RawCall, RawEnd, Value},
    reading::{Parsed, Reads, bad_answer, bad_input},
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Be so much more.
    Add(i64),
    /// How much are you?
    Read,
}

/// The model: what it is at first.
pub struct Counter(pub i64);

impl Counter {
    pub(super) fn from(initial: Option<&Value>) -> Counter {
        Counter(if let Some(Value::Int(n)) = initial { *n } else { 0 })
    }
}

impl Model for Counter {
    type State = i64;
    type Input = Ask;
    /// What a read showed.
    type Output = Option<i64>;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> i64 {
        self.0
    }

    fn step(&self, state: &i64, input: &Ask, output: Option<&Option<i64>>) -> Option<i64> {
        match (input, output) {
            (Ask::Add(n), _) => Some(state.wrapping_add(*n)),
            (Ask::Read, Some(Some(seen))) => (seen == state).then_some(*state),
            (Ask::Read, _) => Some(*state),
        }
    }

    fn nature(&self, input: &Ask, _: Option<&Option<i64>>) -> Nature {
        if *input == Ask::Read { Nature::Observes } else { Nature::Adds }
    }

    /// At each read, it is at the least what must have been added by then, and at the most what may have been.
    fn outright(&self, calls: &[CallOf<Self>]) -> Option<Outright> {
        let added = |call: &CallOf<Self>| if let Ask::Add(n) = call.input { n } else { 0 };
        // Places at which the bounds move: what more may be there from an invocation on, what less from a return on.
        let mut moves: Vec<(usize, i128, i128)> = vec![];
        for call in calls.iter().filter(|call| added(call) != 0) {
            let n = i128::from(added(call));
            moves.push((call.invoked, n.min(0), n.max(0)));
            if call.returned != NEVER {
                moves.push((call.returned, n.max(0), n.min(0)));
            }
        }
        moves.sort_unstable();
        let mut bounds: Vec<(i128, i128)> = vec![(self.0.into(), self.0.into())];
        for (_, least, most) in &moves {
            let last = bounds[bounds.len() - 1];
            bounds.push((last.0 + least, last.1 + most));
        }
        let until = |place: usize| bounds[moves.partition_point(|(at, ..)| *at < place)];
        // Sums wrap around: nothing is said of those.
        let all: i128 = calls.iter().map(|call| i128::from(added(call)).abs()).sum();
        if all + i128::from(self.0).abs() > i64::MAX.into() {
            return None;
        }
        for read in calls.iter().filter(|call| call.input == Ask::Read && call.returned != NEVER) {
            let Some(Some(seen)) = read.output else { continue };
            // What was open when it was asked may happen before or after; so may what was asked while it was open.
            let (mut least, mut most) = until(read.invoked);
            let (from, to) = (moves.partition_point(|(at, ..)| *at < read.invoked), moves.partition_point(|(at, ..)| *at < read.returned));
            for (_, less, more) in &moves[from..to] {
                (least, most) = (least + (*less).min(0), most + (*more).max(0));
            }
            if i128::from(seen) < least || i128::from(seen) > most {
                // It can be as far from there as all go that may; those that go back for certain are needed until that is too little.
                let above = i128::from(seen) > most;
                let back = |n: i64| if above { n < 0 } else { n > 0 };
                let may = |call: &&CallOf<Self>| call.invoked < read.returned && added(call) != 0 && !back(added(call));
                let mut far = i128::from(self.0) + calls.iter().filter(may).map(|call| i128::from(added(call))).sum::<i128>();
                let mut certain: Vec<&CallOf<Self>> =
                    calls.iter().filter(|call| call.returned < read.invoked && back(added(call))).collect();
                certain.sort_by_key(|call| (std::cmp::Reverse(added(call).unsigned_abs()), call.invoked));
                let mut needed: Vec<&CallOf<Self>> = vec![read];
                for call in certain {
                    if if above { far < i128::from(seen) } else { far > i128::from(seen) } {
                        break;
                    }
                    far += i128::from(added(call));
                    needed.push(call);
                }
                needed.sort_by_key(|call| call.invoked);
                let possible = if least == most { least.to_string() } else { format!("{least} to {most}") };
                let what = if above { "all that may have been added by then makes it" } else { "all that was added for certain makes it" };
                let (bound, end) = if above { (most, "at the most") } else { (least, "at the least") };
                let why = format!("`read: {seen}` cannot be: {what} {bound} {end}");
                return Some(Outright { calls: needed.iter().map(|call| call.id).collect(), call: read.id, possible, why });
            }
        }
        None
    }

    fn show_state(&self, state: &i64) -> String {
        state.to_string()
    }

    fn show_call(&self, input: &Ask, output: Option<&Option<i64>>) -> String {
        match (input, output) {
            (Ask::Add(n), _) => format!("add {n}"),
            (Ask::Read, Some(Some(seen))) => format!("read: {seen}"),
            (Ask::Read, _) => "read".into(),
        }
    }
}

pub(super) fn parse(call: &RawCall, reads: Reads) -> Parsed<Ask, Option<i64>> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    Ok(Some(match (&*call.kind, &call.input) {
        ("add" | "inc" | "increment", Value::Int(n)) => (Ask::Add(*n), Some(None)),
        ("inc" | "increment", Value::Nil) => (Ask::Add(1), Some(None)),
        ("dec" | "decrement", Value::Nil) => (Ask::Add(-1), Some(None)),
        ("dec" | "decrement", Value::Int(n)) => (Ask::Add(n.wrapping_neg()), Some(None)),
        ("read" | "get", _) => match &call.end {
            RawEnd::Ok(Some(Value::Int(n))) => (Ask::Read, Some(Some(*n))),
            RawEnd::Ok(Some(Value::Nil)) if reads == Reads::NilIsSeen => return bad_answer(call, "a number"),
            RawEnd::Ok(Some(Value::Nil) | None) | RawEnd::Unknown | RawEnd::Failed(_) => (Ask::Read, Some(None)),
            RawEnd::Ok(Some(_)) => return bad_answer(call, "a number"),
        },
        ("add", _) => return bad_input(call, "a number to add"),
        _ => return bad_input(call, "add or read"),
    }))
}
