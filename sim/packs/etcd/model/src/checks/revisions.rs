//! `revisions`: the numbers that etcd's answers carry follow etcd's rules.
//!
//! * No two requests that changed something say that they made the same revision, and all that one changed has
//!   the revision that it was told.
//! * A client is never told an older revision than before (its operations are linearizable).
//! * A key's `mod_revision` is at most the revision at which it was seen; `version` is 1 exactly when
//!   `create_revision` is `mod_revision`; both stay the same for the same `mod_revision`, whoever looks.
//! * Along a key's revisions: while it is the same key (`create_revision`), the version grows; where it is
//!   another one, it was made later. What was deleted is another one afterwards, and so is what was made anew: something
//!   took a revision to delete it.
//!
//! * Nobody is refused a read of the past as compacted away that no node was seen to compact (where nodes tell of it).
//!
//! What it cannot see: that a request that changed nothing took no revision (the revisions that nobody
//! claims are `linearizable`'s), and anything of keys that only gets looked at.

use crate::checks::{Checker, Verdict, Witness, applies, verdict, writes};
use crate::ops::{
    COMPACTED, CompletedOp, EntryKind, LeaseOutput, LineOutput, Made, Observation, Op, OpEnd, OpId, Output, SimTime, StreamEvent, View,
    brief,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const CHECKER: Checker = Checker {
    name: "revisions",
    client_side: true,
    prefix: true,
    about: "revisions, create revisions and versions follow etcd's rules, for every client and every key",
    applies: &|view| applies(view, |view| view.ops().iter().any(|op| op.position.is_some())),
    check: &|view| verdict(view, check),
};

/// A key at one of its revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    value: String,
    made: Made,
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", brief(&self.value), self.made)
    }
}

fn wrong(kind: &'static str, at: SimTime, ops: Vec<OpId>, summary: String) -> Verdict {
    Verdict::Invalid(Box::new(Witness { kind, summary, details: vec![], at, ops }))
}

fn ended(op: &CompletedOp) -> SimTime {
    if let OpEnd::Ok(at, _) | OpEnd::Fail(at) = op.end { at } else { op.invoked }
}

/// Whether its answer carries the revision of a linearizable operation.
fn is_linearizable(op: &CompletedOp) -> bool {
    let writes = matches!(op.output(), Some(Output::Lease(LeaseOutput::Attached) | Output::Line(LineOutput::Worked { .. })));
    op.ask.is_kv() || writes
}

fn check(view: &View<'_>) -> Verdict {
    let ops = view.ops();
    let found = one_request_a_revision(ops).or_else(|| never_back(ops)).or_else(|| keys(view, ops)).or_else(|| kept(view));
    found.unwrap_or(Verdict::Valid)
}

/// What is not compacted away can be read.
fn kept(view: &View<'_>) -> Option<Verdict> {
    let mut asked: BTreeMap<OpId, u64> = BTreeMap::new();
    let mut floor = None;
    for (_, entry) in view.entries() {
        match &entry.what {
            EntryKind::Invoke { op, ask, .. } => asked.extend(ask.earliest().map(|at| (*op, at))),
            EntryKind::Node { saw: Observation::Forgot { before: revision }, .. } => floor = floor.max(Some(*revision)),
            EntryKind::Fail { op, code, why } if code == COMPACTED => {
                if let (Some(at), Some(floor)) = (asked.get(op), floor)
                    && *at >= floor
                {
                    let text = format!("{op} asked for revision {at}, and was told `{why}`; no node has compacted beyond {floor}");
                    return Some(wrong("compacted-too-much", entry.t, vec![*op], text));
                }
            }
            _ => {}
        }
    }
    None
}

fn one_request_a_revision(ops: &[CompletedOp]) -> Option<Verdict> {
    let mut made: BTreeMap<u64, OpId> = BTreeMap::new();
    for op in ops {
        let Some(revision) = op.position.filter(|_| !writes::certain(op).is_empty()) else { continue };
        if let Some(other) = made.insert(revision, op.id) {
            let text = format!("{other} and {} {} both say that they made revision {revision}", op.id, op.ask);
            return Some(wrong("one-request-a-revision", ended(op), vec![other, op.id], text));
        }
    }
    None
}

fn never_back(ops: &[CompletedOp]) -> Option<Verdict> {
    let mut told = BTreeMap::new();
    for op in ops.iter().filter(|op| is_linearizable(op)) {
        let Some(revision) = op.position else { continue };
        let (before, by) = *told.get(&op.client).unwrap_or(&(0, op.id));
        if revision < before {
            let text =
                format!("{} {} told {} of revision {revision}, after {by} had told it of revision {before}", op.id, op.ask, op.client);
            return Some(wrong("monotonic", ended(op), vec![by, op.id], text));
        }
        told.insert(op.client, (revision, op.id));
    }
    None
}

fn keys(view: &View<'_>, ops: &[CompletedOp]) -> Option<Verdict> {
    // A value that was written once was written at the revision that its writer was told.
    let mut writers: BTreeMap<(String, String), Vec<&CompletedOp>> = BTreeMap::new();
    for op in ops {
        for write in writes::possible(op) {
            writers.entry(write).or_default().push(op);
        }
    }
    let elsewhere = |key: &str, value: &str, revision: u64| {
        let [one] = writers.get(&(key.to_string(), value.to_string()))?[..] else { return None };
        let told = one.position.filter(|told| *told != revision && !writes::certain(one).is_empty());
        told.map(|told| (one.id, told))
    };
    let mut facts: BTreeMap<(String, u64), (Fact, OpId, SimTime)> = BTreeMap::new();
    let ranged = ops.iter().filter_map(|op| match (&op.ask, op.output()) {
        (Op::Range { at, .. }, Some(Output::Ranged { kvs })) => Some((op.id, ended(op), at.or(op.position), kvs)),
        _ => None,
    });
    let shown = view.shown().iter().map(|shown| (shown.op, shown.at, shown.seen_at, &shown.kvs));
    for (op, told_at, seen_at, kvs) in ranged.chain(shown) {
        for kv in kvs {
            let (Some(revision), Some(made)) = (kv.revision, kv.made) else { continue };
            let says = format!("{op} says that {} was written at revision {revision}, {made}", kv.key);
            if let Some(seen_at) = seen_at.filter(|at| revision > *at) {
                return Some(wrong("from-the-future", told_at, vec![op], format!("{says}, and was answered at revision {seen_at}")));
            }
            if made.version == 0 || made.created > revision || (made.version == 1) != (made.created == revision) {
                return Some(wrong("version", told_at, vec![op], says));
            }
            if let Some((writer, told)) = elsewhere(&kv.key, &kv.value, revision) {
                let text = format!("{says}, and {writer}, which wrote that, was told of revision {told}");
                return Some(wrong("one-revision-a-request", told_at, vec![writer, op], text));
            }
            let fact = Fact { value: kv.value.clone(), made };
            let (known, by, _) = facts.entry((kv.key.clone(), revision)).or_insert((fact.clone(), op, told_at));
            if *known != fact {
                return Some(wrong("disagreement", told_at, vec![*by, op], format!("{says}, and {by} saw {known}")));
            }
        }
    }
    for (_, at, op, heard) in view.heard() {
        let StreamEvent::Events { events, .. } = heard else { continue };
        for told in events {
            let Some(value) = &told.value else { continue };
            if let Some((writer, revision)) = elsewhere(&told.key, value, told.revision) {
                let text = format!(
                    "{op} tells {} at revision {}, and {writer}, which wrote that, was told of {revision}",
                    told.key, told.revision
                );
                return Some(wrong("one-revision-a-request", at, vec![writer, op], text));
            }
            let fact = Fact { value: value.clone(), made: Made { created: told.created, version: told.version } };
            let (known, by, _) = facts.entry((told.key.clone(), told.revision)).or_insert((fact.clone(), op, at));
            if *known != fact {
                let text = format!("{op} tells {} at revision {}: {fact}, and {by} saw {known}", told.key, told.revision);
                return Some(wrong("disagreement", at, vec![*by, op], text));
            }
        }
    }
    // Where a key was certainly deleted.
    let mut gone: BTreeSet<(String, u64)> = BTreeSet::new();
    for op in ops {
        let Some(revision) = op.position else { continue };
        let deleted = writes::certain(op).into_iter().filter(|(_, value)| value.is_none());
        gone.extend(deleted.map(|(key, _)| (key, revision)));
    }
    for (_, _, _, heard) in view.heard() {
        if let StreamEvent::Events { events, .. } = heard {
            gone.extend(events.iter().filter(|told| told.value.is_none()).map(|told| (told.key.clone(), told.revision)));
        }
    }
    let mut before: Option<(&String, u64, &Fact, OpId)> = None;
    for ((key, revision), (fact, by, at)) in &facts {
        let deleted = gone.range((key.clone(), 0)..(key.clone(), *revision)).next_back();
        if let Some((_, gone)) = deleted.filter(|(_, gone)| fact.made.created < *gone) {
            let text = format!("{key} was deleted at revision {gone}, and at revision {revision} it is {}", fact.made);
            return Some(wrong("version", *at, vec![*by], text));
        }
        if let Some((_, earlier, was, by_before)) = before.filter(|(k, ..)| *k == key) {
            let fits = match fact.made.created == was.made.created {
                true => fact.made.version > was.made.version && fact.made.version - was.made.version <= revision - earlier,
                // Between the two somebody deleted it.
                false => fact.made.created > earlier + 1,
            };
            if !fits {
                let text = format!("{key} at revision {earlier}: {}; at revision {revision}: {}", was.made, fact.made);
                return Some(wrong("version", *at, vec![by_before, *by], text));
            }
        }
        before = Some((key, *revision, fact, *by));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, KeyValue, NodeId};

    /// Lines: `c1 put 3`, `c1 get 3`, `c1 see 5 a@3,2,2` (at revision 5, `a` of revision 3, made at 2, version 2).
    fn verdict(script: &str) -> &'static str {
        let mut history = Vec::new();
        for (i, line) in (1..).zip(script.split("; ")) {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["compact", revision] = words[..] {
                let saw = Observation::Forgot { before: revision.parse().unwrap() };
                history.push(Entry { t: SimTime(i), what: EntryKind::Node { node: NodeId(1), saw } });
                continue;
            }
            let (ask, output) = match words[1..] {
                ["write", _, value] => (Op::Put { key: "a".into(), value: value.into() }, Output::Done),
                ["put", _] => (Op::Put { key: "k".into(), value: format!("v{i}") }, Output::Done),
                ["del", _] => (Op::Delete { key: "a".into() }, Output::Deleted { count: 1 }),
                ["get", _] => (Op::Get { key: "k".into() }, Output::Got { value: None }),
                ["see", _, kv] => {
                    let (key, rest) = kv.split_once('@').unwrap();
                    let numbers: Vec<u64> = rest.split(',').map(|n| n.parse().unwrap()).collect();
                    let made = Some(Made { created: numbers[1], version: numbers[2] });
                    let value = format!("w{}", numbers.get(3).unwrap_or(&numbers[0]));
                    let kvs = vec![KeyValue { key: key.into(), value, revision: Some(numbers[0]), made }];
                    (Op::Range { prefix: String::new(), at: None }, Output::Ranged { kvs })
                }
                ["past", at] => {
                    let ask = Op::Range { prefix: String::new(), at: at.parse().ok() };
                    let why = "etcdserver: mvcc: required revision has been compacted".to_string();
                    history.push(Entry { t: SimTime(i), what: EntryKind::Invoke { client: ClientId(1), op: OpId(i), ask } });
                    history.push(Entry { t: SimTime(i), what: EntryKind::Fail { op: OpId(i), code: COMPACTED.into(), why } });
                    continue;
                }
                _ => panic!("{line}"),
            };
            let client = ClientId(words[0][1..].parse().unwrap());
            history.push(Entry { t: SimTime(i), what: EntryKind::Invoke { client, op: OpId(i), ask } });
            history.push(Entry { t: SimTime(i), what: EntryKind::Ok { op: OpId(i), output, position: words[2].parse().ok() } });
        }
        match check(&View::new(&history)) {
            Verdict::Invalid(witness) => witness.kind,
            other => other.word(),
        }
    }

    #[test]
    fn legal_and_illegal_numbers() {
        for (script, expect) in [
            ("c1 put 2; c2 put 3; c1 get 3", "valid"),
            ("c1 put 2; c2 put 2", "one-request-a-revision"),
            ("c1 put 3; c1 get 2", "monotonic"),
            ("c1 write 3 w3; c1 see 5 a@3,2,2", "valid"),
            ("c1 write 4 w3; c1 see 5 a@3,2,2", "one-revision-a-request"),
            ("c1 write 4 w3; c1 write 5 w3; c1 see 5 a@3,2,2", "valid"),
            ("c1 put 3; c2 get 2", "valid"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@3,2,2; c2 see 6 a@4,2,3", "valid"),
            ("c1 see 2 a@3,2,2", "from-the-future"),
            ("c1 see 5 a@3,2,1", "version"),
            ("c1 see 5 a@3,3,2", "version"),
            ("c1 see 5 a@3,4,2", "version"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@3,2,3", "disagreement"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@3,2,2,9", "disagreement"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@4,2,2", "version"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@4,2,4", "version"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@5,5,1", "valid"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@5,3,2", "version"),
            ("c1 see 5 a@3,2,2; c2 see 6 a@4,4,1", "version"),
            ("c1 see 3 a@3,2,2; c1 del 4; c2 see 6 a@5,5,1", "valid"),
            ("c1 see 3 a@3,2,2; c1 del 4; c2 see 6 a@5,2,3", "version"),
            ("c1 del 4; c2 see 6 a@5,3,2", "version"),
            ("c1 del 4; c2 see 6 a@3,2,2", "valid"),
            ("c1 put 4; compact 4; c1 past 3", "valid"),
            ("c1 put 4; compact 4; c1 past 4", "compacted-too-much"),
            ("c1 put 4; c1 past 4", "valid"),
            ("c1 put 4; compact 2; compact 4; c1 past 3", "valid"),
        ] {
            assert_eq!(verdict(script), expect, "{script}");
        }
    }
}
