//! A small sub-history that still has no order.
//!
//! Dropping an operation from a linearizable history must leave it linearizable, or the rest would
//! show a violation that is not one. A read may always be dropped. A write is dropped together with
//! everything that observed its value; and only once no refused compare-and-swap is left, since those
//! observe that a value is *not* there.

use super::{Ask, Call, Decision, Register, decide};
use squall_history::{OpId, Output};

type OneKey = Call<Ask, Output>;

fn still_stuck(calls: &[OneKey], budget: u64) -> bool {
    matches!(decide(&Register, calls, budget), Decision::Stuck(_))
}

fn is_refused_swap(call: &OneKey) -> bool {
    matches!(call.output, Some(Output::Swapped { yes: false }))
}

fn observed(call: &OneKey) -> Option<&str> {
    match (&call.input, &call.output) {
        (Ask::Get, Some(Output::Got { value })) => value.as_deref(),
        (Ask::Cas { from, .. }, _) => from.as_deref(),
        _ => None,
    }
}

fn written(call: &OneKey) -> Option<&str> {
    match &call.input {
        Ask::Put(value) | Ask::Cas { to: value, .. } => Some(value),
        Ask::Get => None,
    }
}

/// `calls` without `gone` and without all that observed what it wrote, and so on.
fn without(calls: &[OneKey], gone: OpId) -> Vec<OneKey> {
    let mut dropped = vec![gone];
    let mut at = 0;
    while at < dropped.len() {
        let value = calls.iter().find(|c| c.id == dropped[at]).and_then(written);
        let observers = calls.iter().filter(|c| value.is_some() && observed(c) == value && !dropped.contains(&c.id));
        dropped.extend(observers.map(|c| c.id).collect::<Vec<_>>());
        at += 1;
    }
    calls.iter().filter(|c| !dropped.contains(&c.id)).cloned().collect()
}

/// The ids of a sub-history from which nothing more can be dropped, in order of invocation.
pub(super) fn minimal(calls: &[OneKey], budget: u64) -> Vec<OpId> {
    let mut left = calls.to_vec();
    let fewer: Vec<OneKey> = left.iter().filter(|c| !is_refused_swap(c)).cloned().collect();
    if still_stuck(&fewer, budget) {
        left = fewer;
    }
    let writes_may_go = !left.iter().any(is_refused_swap);
    // Halves first, then one by one: most of a long history has nothing to do with it.
    let mut chunk = left.len() / 2;
    while chunk >= 1 {
        let mut at = 0;
        while at < left.len() {
            let going: Vec<OpId> = left[at..(at + chunk).min(left.len())].iter().map(|c| c.id).collect();
            let mut fewer = left.clone();
            for id in going {
                let is_read = fewer.iter().any(|c| c.id == id && written(c).is_none());
                if is_read {
                    fewer.retain(|c| c.id != id);
                } else if writes_may_go {
                    fewer = without(&fewer, id);
                }
            }
            if fewer.len() < left.len() && still_stuck(&fewer, budget) {
                left = fewer;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    left.iter().map(|c| c.id).collect()
}
