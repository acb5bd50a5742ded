//! Operations on ranges, said key by key, as checkers look at them.
//!
//! ```text
//!   delete from kv/2 up to kv/4: {kv/3 = a}     is     txn [get kv/2, delete kv/2, get kv/3, delete kv/3]: [-, 0, a, 1]
//!   read at once kv/* and kv/* at revision 7    is     range kv/*, and a read of revision 7
//!   read at once kv/*, then put kv/1 = a: at 9  is     put kv/1 = a, and a read of revision 8
//!   read serializably kv/*, at revision 9       is     a read of revision 9
//! ```
//!
//! The keys are those that the history names: no other key can be there.

use super::{Act, CompletedOp, KeyValue, Op, OpEnd, Output, Put, Read};
use std::collections::BTreeSet;

/// Every key that an operation on keys and values names.
pub(crate) fn keys_of(ops: &[CompletedOp]) -> BTreeSet<String> {
    ops.iter().flat_map(|op| op.ask.keys()).map(str::to_string).collect()
}

/// The same operation, without ranges.
pub(crate) fn key_by_key(op: &mut CompletedOp, keys: &BTreeSet<String>) {
    let answer = if let OpEnd::Ok(_, output) = &op.end { Some(output) } else { None };
    let (then, results) = match (&op.ask, answer) {
        (Op::DeleteRange { from, to }, answer) => {
            let shown = match answer {
                Some(Output::Removed { kvs, .. }) => &kvs[..],
                _ => &[],
            };
            let named = keys.iter().map(String::as_str).filter(|key| (from.as_str()..to.as_str()).contains(key));
            let all: BTreeSet<&str> = named.chain(shown.iter().map(|kv| kv.key.as_str())).collect();
            let mut results = Vec::new();
            for key in &all {
                let was = value_of(shown, key);
                results.extend([Output::Got { value: was.clone() }, Output::Deleted { count: u64::from(was.is_some()) }]);
            }
            // A count that does not fit what is shown, or a key that was not asked for, is no answer that there can be.
            if let Some(Output::Removed { kvs, count }) = answer
                && (kvs.len() as u64 != *count || kvs.iter().any(|kv| !(from..to).contains(&&kv.key)))
            {
                results.clear();
            }
            let both = |key: &&str| [Act::Get { key: key.to_string() }, Act::Delete { key: key.to_string() }];
            (all.iter().flat_map(both).collect::<Vec<_>>(), results)
        }
        (Op::Reads { reads, put, serializable: false }, answer) if op.position.is_none() && answer.is_some() => {
            expanded(reads, put.as_ref(), answer, keys)
        }
        (Op::Reads { reads, put, serializable: false }, answer) => {
            let is_whole = answer.is_none_or(|answer| fits(reads, answer));
            let first = reads.iter().position(|read| read.at.is_none());
            let (ask, told) = match (put, first) {
                (Some(put), _) => (Op::Put { key: put.key.clone(), value: put.value.clone() }, Output::Done),
                (None, Some(first)) => {
                    let kvs = if let Some(Output::ReadAll { ranges }) = answer { ranges.get(first).cloned() } else { None };
                    (Op::Range { prefix: reads[first].prefix.clone(), at: None }, Output::Ranged { kvs: kvs.unwrap_or_default() })
                }
                (None, None) => {
                    (Op::Txn { compare: vec![], then: vec![], otherwise: vec![] }, Output::Txn { succeeded: true, results: vec![] })
                }
            };
            op.ask = ask;
            // What is no answer to this question stays as it is: no specification gives it.
            if let OpEnd::Ok(_, output) = &mut op.end
                && is_whole
            {
                *output = told;
            }
            return;
        }
        _ => return,
    };
    op.ask = Op::Txn { compare: vec![], then, otherwise: vec![] };
    if let OpEnd::Ok(_, output) = &mut op.end {
        *output = Output::Txn { succeeded: true, results };
    }
}

/// Reads in a transaction whose answer tells no revision, as gets of every key.
fn expanded(reads: &[Read], put: Option<&Put>, answer: Option<&Output>, keys: &BTreeSet<String>) -> (Vec<Act>, Vec<Output>) {
    let (mut then, mut results) = (vec![], vec![]);
    for (i, read) in reads.iter().enumerate().filter(|(_, read)| read.at.is_none()) {
        let shown = match answer {
            Some(Output::ReadAll { ranges }) => ranges.get(i).map_or(&[][..], Vec::as_slice),
            _ => &[],
        };
        let named = keys.iter().map(String::as_str).filter(|key| key.starts_with(read.prefix.as_str()));
        let all: BTreeSet<&str> = named.chain(shown.iter().map(|kv| kv.key.as_str())).collect();
        results.extend(all.iter().map(|key| Output::Got { value: value_of(shown, key) }));
        then.extend(all.iter().map(|key| Act::Get { key: key.to_string() }));
    }
    then.extend(put.iter().map(|put| Act::Put { key: put.key.clone(), value: put.value.clone() }));
    results.extend(put.iter().map(|_| Output::Done));
    if answer.is_some_and(|answer| !fits(reads, answer)) {
        results.clear();
    }
    (then, results)
}

/// Whether there is an answer to each question, and of no other keys.
fn fits(reads: &[Read], answer: &Output) -> bool {
    let own = |(read, kvs): (&Read, &Vec<KeyValue>)| kvs.iter().all(|kv| kv.key.starts_with(read.prefix.as_str()));
    matches!(answer, Output::ReadAll { ranges } if ranges.len() == reads.len() && reads.iter().zip(ranges).all(own))
}

fn value_of(shown: &[KeyValue], key: &str) -> Option<String> {
    shown.iter().find(|kv| kv.key == key).map(|kv| kv.value.clone())
}

/// The reads in it that are of one revision whenever they happened: those of the past; those that are serializable, which are
/// of the revision that they tell, and may have been answered at any time before; and beside the first one that is of now the others.
/// What is read before something is written is of the revision before.
pub(crate) fn as_of(op: &CompletedOp) -> Vec<CompletedOp> {
    let (Op::Reads { reads, put, serializable }, Some(Output::ReadAll { ranges }), Some(revision)) = (&op.ask, op.output(), op.position)
    else {
        return vec![];
    };
    let OpEnd::Ok(told, _) = op.end else { return vec![] };
    let first = reads.iter().position(|read| read.at.is_none()).filter(|_| !serializable && put.is_none());
    let now = revision - u64::from(put.is_some() && revision > 1);
    let one = |(_, (Read { prefix, at }, kvs)): (usize, (&Read, &Vec<KeyValue>))| CompletedOp {
        ask: Op::Range { prefix: prefix.clone(), at: Some(at.unwrap_or(now)) },
        invoked_at: if *serializable { 0 } else { op.invoked_at },
        end: OpEnd::Ok(told, Output::Ranged { kvs: kvs.clone() }),
        ..op.clone()
    };
    reads.iter().zip(ranges).enumerate().filter(|(i, _)| Some(*i) != first).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{ClientId, Entry, EntryKind, KeyValue, Op, OpId, Output, Put, Read, SimTime, View};

    fn kv(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.into(), value: value.into(), revision: None, made: None }
    }

    /// A put of `k2` and of `k5`, and this one, answered at revision 7.
    fn history(ask: Op, output: Option<Output>) -> Vec<Entry> {
        let put = |key: &str| Op::Put { key: key.into(), value: "v".into() };
        let invoke = |op, ask| EntryKind::Invoke { client: ClientId(1), op: OpId(op), ask };
        let mut whats = vec![invoke(1, put("k2")), invoke(2, put("k5")), invoke(3, ask)];
        whats.extend(output.map(|output| EntryKind::Ok { op: OpId(3), output, position: Some(7) }));
        whats.into_iter().enumerate().map(|(t, what)| Entry { t: SimTime(t as u64), what }).collect()
    }

    fn told(view: &View<'_>) -> String {
        let op = &view.ops()[2];
        let as_of = view.as_of().iter().map(|op| format!("; {}: {} (from {})", op.ask, op.output().unwrap(), op.invoked_at));
        format!("{}: {}{}", op.ask, op.output().map_or("?".to_string(), Output::to_string), as_of.collect::<String>())
    }

    #[test]
    fn without_a_revision_reads_are_gets_of_every_key() {
        let reads = vec![Read { prefix: "k".into(), at: None }];
        let ask = Op::Reads { reads, put: Some(Put { key: "k2".into(), value: "w".into() }), serializable: false };
        for (kvs, expect) in [
            (vec![kv("k2", "v")], "txn if  then [get k2, get k5, put k2 = w] else []: then [v, (absent), ok]"),
            // A key that was not asked for.
            (vec![kv("x", "v")], "txn if  then [get k2, get k5, get x, put k2 = w] else []: then []"),
        ] {
            let mut history = history(ask.clone(), Some(Output::ReadAll { ranges: vec![kvs] }));
            if let Some(Entry { what: EntryKind::Ok { position: revision, .. }, .. }) = history.last_mut() {
                *revision = None;
            }
            assert_eq!(told(&View::new(&history)), expect);
        }
    }

    #[test]
    fn ranges_are_told_key_by_key() {
        let range = || Op::DeleteRange { from: "k1".into(), to: "k5".into() };
        let read = |prefix: &str, at| Read { prefix: prefix.into(), at };
        let reads = |serializable| Op::Reads { reads: vec![read("k", None), read("k2", Some(4))], put: None, serializable };
        let both = || Output::ReadAll { ranges: vec![vec![kv("k2", "a")], vec![]] };
        for (ask, output, expect) in [
            (range(), None, "txn if  then [get k2, delete k2] else []: ?"),
            (
                range(),
                Some(Output::Removed { kvs: vec![kv("k3", "x")], count: 1 }),
                "txn if  then [get k2, delete k2, get k3, delete k3] else []: then [(absent), 0 deleted, x, 1 deleted]",
            ),
            // No answer that there can be.
            (
                range(),
                Some(Output::Removed { kvs: vec![kv("k5", "x")], count: 1 }),
                "txn if  then [get k2, delete k2, get k5, delete k5] else []: then []",
            ),
            (range(), Some(Output::Removed { kvs: vec![], count: 1 }), "txn if  then [get k2, delete k2] else []: then []"),
            (reads(false), Some(both()), "range k*: {k2 = a}; range k2* at revision 4: {} (from 2)"),
            (
                reads(true),
                Some(both()),
                "read serializably k* and k2* at revision 4: {k2 = a} and {}; range k* at revision 7: {k2 = a} (from 0); \
                 range k2* at revision 4: {} (from 0)",
            ),
            (
                Op::Reads { reads: vec![read("k2", None)], put: Some(Put { key: "k9".into(), value: "w".into() }), serializable: false },
                Some(Output::ReadAll { ranges: vec![vec![]] }),
                "put k9 = w: ok; range k2* at revision 6: {} (from 2)",
            ),
            // A key that was not asked for.
            (
                Op::Reads { reads: vec![read("k2", None), read("k", None)], put: None, serializable: false },
                Some(Output::ReadAll { ranges: vec![vec![kv("k5", "a")], vec![]] }),
                "range k2*: {k5 = a} and {}; range k* at revision 7: {} (from 2)",
            ),
        ] {
            let is_removal = matches!(output, Some(Output::Removed { .. }));
            let history = history(ask, output);
            let view = View::new(&history);
            assert_eq!(told(&view), expect);
            // What is deleted, or read before something is written, is of the revision before.
            let seen: Vec<_> = view.shown().iter().map(|shown| shown.seen_at).collect();
            assert!(!is_removal || seen == [Some(6)], "{seen:?}");
        }
    }
}
