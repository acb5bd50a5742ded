//! Accounts between which money moves, and which are read all at once.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `transfer {:from a, :to b, :amount n}` | - | n less on a, n more on b |
//! | `read` | what is on every account | the same |
//!
//! What is on them at first must be known: it is what `--initial` says, or else what any read may have seen first.

use crate::{
    call::NEVER,
    judge::{Found, Judged, Options, judge},
    model::{CallOf, Model, Nature, Outright},
    raw::{RawCall, RawEnd, RawHistory, Value},
    reading::{Initial, Parsed, Reads, Unreadable, bad_answer, bad_input},
};
use std::collections::BTreeMap;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Move this much.
    Transfer {
        /// From whom.
        from: Value,
        /// To whom.
        to: Value,
        /// How much.
        amount: i64,
    },
    /// What is on every account?
    Read,
}

/// What is on each account.
pub type Accounts = BTreeMap<Value, i64>;

/// The model: what is on the accounts at first.
pub struct Bank(pub Accounts);

impl Model for Bank {
    type State = Accounts;
    type Input = Ask;
    /// What a read showed.
    type Output = Option<Accounts>;

    const MAY_LOSE_HOPE: bool = false;

    fn init(&self) -> Accounts {
        self.0.clone()
    }

    fn step(&self, state: &Accounts, input: &Ask, output: Option<&Option<Accounts>>) -> Option<Accounts> {
        match (input, output) {
            (Ask::Transfer { from, to, amount }, _) => {
                let mut next = state.clone();
                *next.entry(from.clone()).or_default() -= amount;
                *next.entry(to.clone()).or_default() += amount;
                Some(next)
            }
            (Ask::Read, Some(Some(seen))) => (seen == state).then(|| state.clone()),
            (Ask::Read, _) => Some(state.clone()),
        }
    }

    fn nature(&self, input: &Ask, _: Option<&Option<Accounts>>) -> Nature {
        if *input == Ask::Read { Nature::Observes } else { Nature::Adds }
    }

    /// Money moves, and is neither made nor lost.
    fn outright(&self, calls: &[CallOf<Self>]) -> Option<Outright> {
        let total = |accounts: &Accounts| accounts.values().map(|n| i128::from(*n)).sum::<i128>();
        let all = total(&self.0);
        let shown = |call: &CallOf<Self>| if call.returned == NEVER { None } else { call.output.clone().flatten() };
        let read = calls.iter().find(|call| shown(call).is_some_and(|seen| total(&seen) != all))?;
        let seen = total(&shown(read)?);
        let why =
            format!("`{}` cannot be: that is {seen} in all, and transfers leave {all}", self.show_call(&read.input, read.output.as_ref()));
        Some(Outright { calls: vec![read.id], call: read.id, possible: format!("{all} in all"), why })
    }

    fn show_state(&self, state: &Accounts) -> String {
        Value::map(state.iter().map(|(account, n)| (account.clone(), Value::Int(*n)))).to_string()
    }

    fn show_call(&self, input: &Ask, output: Option<&Option<Accounts>>) -> String {
        match (input, output) {
            (Ask::Transfer { from, to, amount }, _) => format!("transfer {amount} from {from} to {to}"),
            (Ask::Read, Some(Some(seen))) => format!("read: {}", self.show_state(seen)),
            (Ask::Read, _) => "read".into(),
        }
    }
}

fn accounts(value: &Value) -> Option<Accounts> {
    let Value::Map(all) = value else { return None };
    all.iter().map(|(account, n)| if let Value::Int(n) = n { Some((account.clone(), *n)) } else { None }).collect()
}

fn parse(call: &RawCall, _: Reads) -> Parsed<Ask, Option<Accounts>> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    Ok(Some(match &*call.kind {
        "transfer" => {
            let Value::Map(fields) = &call.input else { return bad_input(call, "{:from :to :amount}") };
            let field = |name: &str| fields.iter().find(|(key, _)| *key == Value::text(name)).map(|(_, value)| value.clone());
            let (Some(from), Some(to), Some(Value::Int(amount))) = (field("from"), field("to"), field("amount")) else {
                return bad_input(call, "{:from :to :amount}");
            };
            (Ask::Transfer { from, to, amount }, Some(None))
        }
        "read" => match &call.end {
            RawEnd::Ok(Some(Value::Nil) | None) | RawEnd::Unknown | RawEnd::Failed(_) => (Ask::Read, Some(None)),
            RawEnd::Ok(Some(value)) => match accounts(value) {
                Some(seen) => (Ask::Read, Some(Some(seen))),
                None => return bad_answer(call, "a map of accounts to whole numbers"),
            },
        },
        _ => return bad_input(call, "transfer or read"),
    }))
}

pub(super) fn judge_all(history: &RawHistory, options: &mut Options<'_>) -> Result<Judged, Unreadable> {
    let known = match &options.initial {
        Initial::Keys(all) => accounts(&Value::map(all.iter().cloned())),
        Initial::Value(value) => accounts(value),
        Initial::Default | Initial::Unknown => None,
    };
    // Else it is whatever the first read that came back leaves for the beginning: what it saw, less what may have been moved before.
    let first = history.calls.iter().filter(|call| &*call.kind == "read").min_by_key(|call| call.returned);
    let seen = first.and_then(|call| if let RawEnd::Ok(Some(value)) = &call.end { accounts(value) } else { None });
    let before: Vec<&RawCall> = history
        .calls
        .iter()
        .filter(|call| &*call.kind == "transfer" && !matches!(call.end, RawEnd::Failed(_)))
        .filter(|call| first.is_some_and(|first| call.invoked < first.returned))
        .collect();
    if known.is_none() && before.len() > BEFORE_MAX {
        let what = format!(
            "{} transfers may have come before the first read that came back: what was on the accounts at first is not known; say so with --initial a=10,b=10",
            before.len()
        );
        let calls = history.calls.len();
        return Ok(Judged { calls, keys: 1, verdict: Found::Unknown(what), remarks: vec![] });
    }
    let mut beginnings = vec![];
    for some in 0..1u32 << before.len().min(BEFORE_MAX) {
        let mut accounts = seen.clone().unwrap_or_default();
        let moved = before.iter().enumerate().filter(|(i, _)| some >> i & 1 == 1).map(|(_, call)| call);
        for call in moved {
            if let Some((Ask::Transfer { from, to, amount }, _)) = parse(call, options.reads)? {
                *accounts.entry(from).or_default() += amount;
                *accounts.entry(to).or_default() -= amount;
            }
        }
        if !beginnings.contains(&accounts) {
            beginnings.push(accounts);
        }
    }
    let beginnings = known.map_or(beginnings, |known| vec![known]);
    judge(move |_, _| beginnings.iter().cloned().map(Bank).collect(), parse, true, history, options)
}

/// No more transfers than these are taken to have come before the first read or not.
const BEFORE_MAX: usize = 10;
