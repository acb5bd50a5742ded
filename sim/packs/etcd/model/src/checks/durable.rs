//! `durable`: an acknowledged write is not lost: the final reads show it, or a write that may have
//! come after it.
//!
//! It sees only the keys that a final read answered for, and only their last state; none of those that hang
//! on a lease or belong to a line. It needs no order
//! of operations, so it decides in one pass, however long the history is.

use crate::checks::{Checker, Verdict, Witness, applies, out_of_model::OutOfModel, verdict};
use crate::ops::{Changes as _, CompletedOp, EntryKind, OpEnd, Output, SimTime, View};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const CHECKER: Checker = Checker {
    name: "durable",
    client_side: true,
    prefix: true,
    about: "an acknowledged write is not lost: the final reads show it, or one that may have come after it",
    applies: &|view| applies(view, |view| view.asks().any(|op| !op.keys().is_empty())),
    check: &|view| verdict(view, check),
};

/// What an operation did, or may have done, to one key.
struct Write<'o> {
    op: &'o CompletedOp,
    /// `None`: it removed the key.
    value: Option<&'o str>,
    /// Whether it was acknowledged.
    certain: bool,
}

fn check(view: &View<'_>) -> Verdict {
    let Some((finals_at, _)) = view.entries().find(|(_, e)| e.what == EntryKind::FinalReads) else {
        return Verdict::Unknown("the history has no final reads".to_string());
    };
    let ops = view.ops();
    let mut writes: BTreeMap<&str, Vec<Write<'_>>> = BTreeMap::new();
    for op in ops {
        let certain = matches!(op.end, OpEnd::Ok(..));
        for change in op.changes() {
            writes.entry(change.key).or_default().push(Write { op, value: change.value, certain });
        }
    }
    let mut unknown = None;
    let keys: BTreeSet<&str> = ops.iter().flat_map(|op| op.ask.keys()).collect();
    let out_of_model = OutOfModel::of(ops);
    for key in keys.into_iter().filter(|key| !out_of_model.has(key)) {
        let is_final = |op: &&CompletedOp| op.invoked_at > finals_at && op.ask.key() == Some(key);
        let last_read = ops.iter().rev().filter(is_final).find(|op| matches!(op.end, OpEnd::Ok(_, Output::Got { .. })));
        let Some(OpEnd::Ok(at, Output::Got { value })) = last_read.map(|op| &op.end) else {
            unknown = Some(format!("no final read of {key} succeeded"));
            continue;
        };
        if let Some(witness) = judge(key, writes.get(key).map_or(&[], Vec::as_slice), value.as_deref(), *at) {
            return Verdict::Invalid(Box::new(witness));
        }
    }
    unknown.map_or(Verdict::Valid, Verdict::Unknown)
}

/// `None` when what was read at last can be what was written last.
fn judge(key: &str, writes: &[Write<'_>], read: Option<&str>, at: SimTime) -> Option<Witness> {
    // Whoever left it so, no acknowledged write may lie wholly after every one of them.
    let latest_end = writes.iter().filter(|w| w.value == read).map(|w| w.op.ended_at).max();
    let holds = read.map_or(format!("{key} is absent at the end"), |value| format!("{key} holds {value} at the end"));
    if read.is_some() && latest_end.is_none() {
        let summary = format!("{holds}, which nobody wrote");
        return Some(Witness { kind: "invented-value", summary, details: vec![], at, ops: vec![] });
    }
    let after = |w: &&Write<'_>| w.certain && w.value != read && latest_end.is_none_or(|end| w.op.invoked_at > end);
    let lost = writes.iter().rev().find(after)?.op;
    let details = vec![format!("{} {} was acknowledged to {}", lost.id, lost.ask, lost.client)];
    Some(Witness {
        kind: "lost-write",
        summary: format!("{holds}, although a later write was acknowledged"),
        details,
        at,
        ops: vec![lost.id],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, Op, OpId};

    /// Lines: `put 1 a` (invoke), `ok 1`, `info 1`, `fail 1`, `final -` (a final read's answer).
    fn verdict(script: &str) -> &'static str {
        let mut history = Vec::new();
        let put = |op: u64, value: &str| EntryKind::Invoke {
            client: ClientId(1),
            op: OpId(op),
            ask: Op::Put { key: "k".into(), value: value.into() },
        };
        for (t, line) in script.split("; ").enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let whats = match words[..] {
                ["put", op, value] => vec![put(op.parse().unwrap(), value)],
                ["delete", op] => {
                    vec![EntryKind::Invoke { client: ClientId(1), op: OpId(op.parse().unwrap()), ask: Op::Delete { key: "k".into() } }]
                }
                ["deleted", op, count] => {
                    let output = Output::Deleted { count: count.parse().unwrap() };
                    vec![EntryKind::Ok { op: OpId(op.parse().unwrap()), output, position: None }]
                }
                ["ok", op] => vec![EntryKind::Ok { op: OpId(op.parse().unwrap()), output: Output::Done, position: None }],
                ["info", op] => vec![EntryKind::Info { op: OpId(op.parse().unwrap()), why: String::new() }],
                ["fail", op] => vec![EntryKind::Fail { op: OpId(op.parse().unwrap()), code: String::new(), why: String::new() }],
                ["final", value] => {
                    let read = EntryKind::Invoke { client: ClientId(1), op: OpId(99), ask: Op::Get { key: "k".into() } };
                    let value = (value != "-").then(|| value.to_string());
                    vec![EntryKind::FinalReads, read, EntryKind::Ok { op: OpId(99), output: Output::Got { value }, position: None }]
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
            ("put 1 a; ok 1; delete 2; deleted 2 1; final -", "valid"),
            ("put 1 a; ok 1; delete 2; deleted 2 1; final a", "invalid"),
            ("put 1 a; ok 1; delete 2; info 2; final a", "valid"),
            ("put 1 a; ok 1; delete 2; info 2; final -", "valid"),
            ("delete 1; deleted 1 0; put 2 a; ok 2; final -", "invalid"),
            ("put 1 a; delete 2; ok 1; deleted 2 0; final a", "valid"),
            ("put 1 a; ok 1; delete 2; deleted 2 1; put 3 b; ok 3; final -", "invalid"),
            ("put 1 a; ok 1", "unknown"),
        ] {
            assert_eq!(verdict(script), expect, "{script}");
        }
    }
}
