//! `durable`: an acknowledged write is not lost: the final reads show it, or a write that may have
//! come after it.
//!
//! It sees only the keys that a final read answered for, and only their last state. It needs no order
//! of operations, so it decides in one pass, however long the history is.

use crate::{Checker, Verdict, Witness};
use squall_history::{CompletedOp, OpEnd, Output, SimTime, View, What};
use std::collections::BTreeMap;

pub(crate) const CHECKER: Checker = Checker {
    name: "durable",
    about: "an acknowledged write is not lost: the final reads show it, or one that may have come after it",
    check,
};

fn acknowledged(op: &CompletedOp) -> bool {
    matches!(op.end, OpEnd::Ok(_, Output::Done | Output::Swapped { yes: true }))
}

fn check(view: &View<'_>) -> Verdict {
    let Some((finals_at, _)) = view.entries().find(|(_, e)| e.what == What::FinalReads) else {
        return Verdict::Unknown("the history has no final reads".to_string());
    };
    let ops = view.ops();
    let mut keys: BTreeMap<&str, Vec<&CompletedOp>> = BTreeMap::new();
    for op in &ops {
        keys.entry(op.ask.key()).or_default().push(op);
    }
    let mut unknown = None;
    for (key, ops) in keys {
        let last_read = ops.iter().rev().find(|op| op.invoked_at > finals_at && matches!(op.end, OpEnd::Ok(_, Output::Got { .. })));
        let Some(OpEnd::Ok(at, Output::Got { value })) = last_read.map(|op| &op.end) else {
            unknown = Some(format!("no final read of {key} succeeded"));
            continue;
        };
        if let Some(witness) = judge(key, &ops, value.as_deref(), *at) {
            return Verdict::Invalid(Box::new(witness));
        }
    }
    unknown.map_or(Verdict::Valid, Verdict::Unknown)
}

/// `None` when the value that was read at last can be the last one written.
fn judge(key: &str, ops: &[&CompletedOp], read: Option<&str>, at: SimTime) -> Option<Witness> {
    let witness = |summary: String, lost: &CompletedOp| {
        let details = vec![format!("{} {} was acknowledged to {}", lost.id, lost.ask, lost.client)];
        Some(Witness { kind: "lost-write", summary, details, at, ops: vec![lost.id] })
    };
    let writers = || ops.iter().filter(|op| !matches!(op.end, OpEnd::Fail(_)) && op.ask.writes() == read);
    match read {
        None => {
            let lost = ops.iter().rev().find(|op| acknowledged(op))?;
            witness(format!("{key} is absent at the end, although writes to it were acknowledged"), lost)
        }
        // Whoever wrote it, no acknowledged write may lie wholly after every one of them.
        Some(value) => {
            let latest_end = writers().map(|op| op.ended_at).max();
            let Some(latest_end) = latest_end else {
                let summary = format!("{key} holds {value} at the end, which nobody wrote");
                return Some(Witness { kind: "invented-value", summary, details: vec![], at, ops: vec![] });
            };
            let lost = ops.iter().rev().find(|op| acknowledged(op) && op.invoked_at > latest_end)?;
            witness(format!("{key} holds {value} at the end, although a later write was acknowledged"), lost)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, Entry, Op, OpId};

    /// Lines: `put 1 a` (invoke), `ok 1`, `info 1`, `fail 1`, `final -` (a final read's answer).
    fn verdict(script: &str) -> &'static str {
        let mut history = Vec::new();
        let put = |op: u64, value: &str| What::Invoke {
            client: ClientId(1),
            op: OpId(op),
            ask: Op::Put { key: "k".into(), value: value.into() },
        };
        for (t, line) in script.split("; ").enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let whats = match words[..] {
                ["put", op, value] => vec![put(op.parse().unwrap(), value)],
                ["ok", op] => vec![What::Ok { op: OpId(op.parse().unwrap()), output: Output::Done }],
                ["info", op] => vec![What::Info { op: OpId(op.parse().unwrap()), why: String::new() }],
                ["fail", op] => vec![What::Fail { op: OpId(op.parse().unwrap()), why: String::new() }],
                ["final", value] => {
                    let read = What::Invoke { client: ClientId(1), op: OpId(99), ask: Op::Get { key: "k".into() } };
                    let value = (value != "-").then(|| value.to_string());
                    vec![What::FinalReads, read, What::Ok { op: OpId(99), output: Output::Got { value } }]
                }
                _ => panic!("{line}"),
            };
            history.extend(whats.into_iter().map(|what| Entry { t: SimTime(t as u64), what }));
        }
        check(&View::new(&history)).word()
    }

    #[test]
    fn legal_and_illegal_ends() {
        for (script, expect) in [
            ("put 1 a; ok 1; final a", "valid"),
            ("put 1 a; ok 1; final -", "invalid"),
            ("put 1 a; ok 1; put 2 b; ok 2; final a", "invalid"),
            ("put 1 a; put 2 b; ok 2; ok 1; final b", "valid"),
            ("put 1 a; put 2 b; ok 2; ok 1; final a", "valid"),
            ("put 1 a; info 1; put 2 b; ok 2; final a", "valid"),
            ("put 1 a; fail 1; put 2 b; ok 2; final a", "invalid"),
            ("put 1 a; info 1; final -", "valid"),
            ("put 1 a; ok 1; final z", "invalid"),
            ("put 1 a; ok 1", "unknown"),
        ] {
            assert_eq!(verdict(script), expect, "{script}");
        }
    }
}
