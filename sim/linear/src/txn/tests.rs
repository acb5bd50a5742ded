//! Published anomalies, written anew; and every order of small histories, tried.

use super::*;
use crate::{judge::Options, unlimited};
use squall_history::{SeededStream, stream};

/// Words, an event each: `1 append x 1, r x` asks as process 1, `1 ok [1]` answers (what the reads saw, in order), `1 fail`, `1 info`.
/// Values seen: `_` is nil, `1.2` the list of 1 and 2, `.` the empty one.
fn history(script: &str, lists: bool) -> RawHistory {
    let seen = |word: &str| match (word, lists) {
        ("_", _) => Value::Nil,
        (".", _) => Value::list(vec![]),
        (all, true) => Value::List(all.split('.').map(|n| Value::Int(n.parse().unwrap())).collect()),
        (one, false) => Value::Int(one.parse().unwrap()),
    };
    let mut calls: Vec<RawCall> = vec![];
    for (place, line) in script.split("; ").enumerate() {
        let (process, rest) = line.trim().split_once(' ').unwrap();
        let process = Value::Int(process.parse().unwrap());
        let open = calls.iter_mut().rev().find(|call| call.process == process && call.returned == NEVER && call.end == RawEnd::Unknown);
        let words: Vec<&str> = rest.split(' ').collect();
        match (words[0], open) {
            ("ok", Some(call)) => {
                let mut answers = words[1..].iter();
                let Value::List(steps) = &call.input else { panic!() };
                let steps = steps.iter().map(|step| {
                    let Value::List(words) = step else { panic!() };
                    match &words[0] {
                        Value::Text(kind) if &**kind == "r" => {
                            Value::list(vec![words[0].clone(), words[1].clone(), seen(answers.next().unwrap())])
                        }
                        _ => step.clone(),
                    }
                });
                call.end = RawEnd::Ok(Some(Value::List(steps.collect())));
                call.returned = place;
            }
            ("fail", Some(call)) => (call.end, call.returned) = (RawEnd::Failed(None), place),
            ("info", Some(call)) => call.process = Value::Int(1000 + place as i64),
            _ => {
                let step = |step: &str| {
                    let words: Vec<&str> = step.split(' ').collect();
                    let mut all = vec![Value::text(words[0]), Value::text(words[1])];
                    all.push(words.get(2).map_or(Value::Nil, |n| Value::Int(n.parse().unwrap())));
                    Value::list(all)
                };
                let input = Value::List(rest.split(", ").map(step).collect());
                let id = CallId(calls.len() as u64 + 1);
                let (kind, end, times) = ("txn".into(), RawEnd::Unknown, (0, 0));
                calls.push(RawCall { id, process, kind, key: None, input, end, invoked: place, returned: NEVER, times });
            }
        }
    }
    RawHistory { calls, remarks: vec![] }
}

fn judged(history: &RawHistory, lists: bool, isolation: Isolation, order: bool) -> Result<Found, Unreadable> {
    let (mut watchdog, mut may_explain, mut found) = (unlimited, unlimited, |_: &Judged| ());
    let mut options = Options::with(&mut watchdog, &mut may_explain, &mut found);
    (options.isolation, options.order) = (isolation, order);
    let judge = if lists { list_append::judge } else { rw_register::judge };
    judge(history, &mut options).map(|judged| judged.verdict)
}

fn kinds(script: &str, lists: bool, isolation: Isolation) -> String {
    match judged(&history(script, lists), lists, isolation, false).unwrap() {
        Found::Anomalies(all) => all.iter().map(|found| found.kind).collect::<Vec<_>>().join(" "),
        Found::Linearizable(_) => "valid".to_string(),
        other => format!("{other:?}"),
    }
}

use Isolation::{ReadCommitted, ReadUncommitted, Serializable, SnapshotIsolation, StrictSerializable, StrongSessionSerializable};

/// Each script, under which isolation, and which anomalies it shows.
fn table(lists: bool, rows: &[(&str, Isolation, &str)]) {
    for (script, isolation, expect) in rows {
        assert_eq!(kinds(script, lists, *isolation), *expect, "{script} {isolation:?}");
    }
}

#[test]
fn lists() {
    let rows = [
        ("1 append x 1; 1 ok; 2 r x; 2 ok 1", StrictSerializable, "valid"),
        // An acknowledged append is not there.
        ("1 append x 1; 1 ok; 2 r x; 2 ok .", StrictSerializable, "G-single-realtime"),
        ("1 append x 1; 1 ok; 2 r x; 2 ok .", Serializable, "valid"),
        ("1 append x 4; 1 ok; 2 append x 5; 2 ok; 3 r x; 3 ok 4", StrictSerializable, "G-single-realtime"),
        ("1 append x 1; 1 ok; 1 r x; 1 ok .", StrongSessionSerializable, "G-single-process"),
        ("1 append x 1; 2 r x; 2 ok .; 1 ok", StrictSerializable, "valid"),
        // Two writes in two orders.
        ("1 append x 1, append y 1; 2 append x 2, append y 2; 1 ok; 2 ok; 3 r x, r y; 3 ok 1.2 2.1", ReadUncommitted, "G0"),
        // Aborted, intermediate, circular.
        ("1 append x 1; 1 fail; 2 r x; 2 ok 1", ReadCommitted, "G1a"),
        ("1 append x 1; 1 fail; 2 r x; 2 ok 1", ReadUncommitted, "valid"),
        ("1 append x 1, append x 2; 2 r x; 2 ok 1; 1 ok", ReadCommitted, "G1b"),
        ("1 append x 1, r y; 2 append y 2, r x; 1 ok 2; 2 ok 1", ReadCommitted, "G1c"),
        // One read of the past in a cycle: skewed reads.
        ("1 append x 1, append y 1; 2 r x, r y; 1 ok; 2 ok 1 .; 3 r y; 3 ok 1", SnapshotIsolation, "G-single"),
        ("1 append x 1, append y 1; 2 r x, r y; 1 ok; 2 ok 1 .; 3 r y; 3 ok 1", ReadCommitted, "valid"),
        // Write skew: of two reads of the past each misses the other's write.
        ("1 r x, append y 1; 2 r y, append x 1; 1 ok .; 2 ok .; 3 r x, r y; 3 ok 1 1", Serializable, "G2-item"),
        ("1 r x, append y 1; 2 r y, append x 1; 1 ok .; 2 ok .; 3 r x, r y; 3 ok 1 1", SnapshotIsolation, "valid"),
        // Long fork: two readers see two writes in two orders.
        ("1 append x 1; 2 append y 1; 3 r x, r y; 4 r x, r y; 1 ok; 2 ok; 3 ok 1 .; 4 ok . 1", SnapshotIsolation, "G-nonadjacent"),
        // Two saw the same, and both appended.
        ("1 r x, append x 1; 2 r x, append x 2; 1 ok .; 2 ok .; 3 r x; 3 ok 1.2", SnapshotIsolation, "lost-update G-single"),
        ("1 r x, append x 1; 2 r x, append x 2; 1 ok .; 2 ok .; 3 r x; 3 ok 1.2", ReadCommitted, "valid"),
        ("1 r x; 2 r x; 1 ok 1; 2 ok .", ReadUncommitted, "unwritten"),
        ("1 append x 1; 1 ok; 2 r x; 2 ok 1.1", ReadUncommitted, "duplicate-elements"),
        ("1 append x 1; 2 append x 2; 1 ok; 2 ok; 3 r x; 3 ok 1; 4 r x; 4 ok 2", ReadUncommitted, "incompatible-order"),
        ("1 append x 1, r x; 1 ok .", SnapshotIsolation, "internal"),
        ("1 r x, append x 1, r x; 1 ok . 1", StrictSerializable, "valid"),
        // Nobody knows whether it was done; somebody saw it.
        ("1 append x 1; 1 info; 2 r x; 2 ok .", StrictSerializable, "valid"),
        ("1 append x 1; 1 info; 2 r x; 2 ok 1; 3 r x; 3 ok .", StrictSerializable, "G-single-realtime"),
        // It saw all, and appended what nobody saw.
        ("1 append x 1; 1 ok; 2 r x, append x 2; 2 ok 1", StrictSerializable, "valid"),
        ("1 append x 1; 1 ok; 2 append x 2; 3 append x 3; 2 ok; 3 ok; 4 r x; 4 ok 1", StrictSerializable, "G-single-realtime"),
    ];
    table(true, &rows);
}

#[test]
fn registers() {
    let rows = [
        ("1 w x 1; 1 ok; 2 r x; 2 ok 1", StrictSerializable, "valid"),
        ("1 w x 1; 1 ok; 2 r x; 2 ok _", StrictSerializable, "G-single-realtime"),
        ("1 w x 1; 1 ok; 2 r x; 2 ok 2", ReadUncommitted, "unwritten"),
        ("1 w x 1; 1 fail; 2 r x; 2 ok 1", ReadCommitted, "G1a"),
        ("1 w x 1, w x 2; 2 r x; 2 ok 1; 1 ok", ReadCommitted, "G1b"),
        ("1 w x 1, r y; 2 w y 2, r x; 1 ok 2; 2 ok 1", ReadCommitted, "G1c"),
        ("1 w x 1, r x; 1 ok 2; 2 w x 2; 2 ok", SnapshotIsolation, "internal"),
        ("1 r x, w x 1; 2 r x, w x 2; 1 ok _; 2 ok _", SnapshotIsolation, "lost-update"),
        ("1 w x 1, w y 1; 2 r x, r y; 1 ok; 2 ok 1 _", SnapshotIsolation, "G-single"),
        ("1 r x, w y 1; 2 r y, w x 1; 1 ok _; 2 ok _", Serializable, "G2-item"),
        ("1 w x 1; 2 w y 1; 3 r x, r y; 4 r x, r y; 1 ok; 2 ok; 3 ok 1 _; 4 ok _ 1", SnapshotIsolation, "G-nonadjacent"),
        ("1 w x 1; 1 ok; 2 w x 2; 2 ok; 3 r x; 3 ok 1", StrictSerializable, "G-single-realtime"),
        ("1 w x 1; 1 ok; 2 w x 2; 2 ok; 3 r x; 3 ok 1", Serializable, "valid"),
        // Sequential consistency: later than it was, but in each process's own order.
        ("1 w x 1; 1 ok; 2 r x; 2 ok _; 2 r x; 2 ok 1", StrongSessionSerializable, "valid"),
        ("1 w x 1; 1 ok; 2 r x; 2 ok 1; 2 r x; 2 ok _", StrongSessionSerializable, "G-single-process"),
        ("1 w x 1; 1 ok; 2 r x; 2 ok 1; 2 r x; 2 ok _", Serializable, "valid"),
        ("1 w x 1; 1 ok; 2 r x, w x 2; 2 ok 1; 3 r x, w x 3; 3 ok 2; 4 r x; 4 ok 3", StrictSerializable, "valid"),
        ("1 w x 1; 1 info; 2 r x; 2 ok _; 3 r x; 3 ok 1; 4 r x; 4 ok _", StrictSerializable, "G-single-realtime"),
    ];
    table(false, &rows);
}

#[test]
fn what_cannot_be_judged_is_said() {
    let twice = "1 append x 1; 1 ok; 2 append x 1; 2 ok";
    let text = judged(&history(twice, true), true, StrictSerializable, false).unwrap_err().to_string();
    assert_eq!(text, "`txn` by process 2: writes 1 to x, which call 1 does, too: values must be unique, or nobody knows whose was read");
    let nil = RawHistory { calls: history("1 w x 1; 1 ok", false).calls, remarks: vec![] };
    assert!(judged(&nil, true, StrictSerializable, false).unwrap_err().to_string().contains("`[append k v]`"));
}

#[test]
fn a_cycle_is_told_in_words() {
    let script = "1 append x 1, append y 1; 2 r x, r y; 1 ok; 2 ok 1 .; 3 r y; 3 ok 1";
    let Found::Anomalies(all) = judged(&history(script, true), true, SnapshotIsolation, false).unwrap() else { panic!() };
    assert_eq!(
        all[0].steps,
        [
            "call 2 comes before call 1: it did not see 1 in y, which that one appended",
            "call 1 comes before call 2: it appended 1 to x, which that one saw",
        ]
    );
    assert_eq!(all[0].calls, [CallId(2), CallId(1)]);
}

/// What each key holds in one order, done transaction by transaction; `None` where a read saw something else.
fn replays(txns: &Txns, order: &[usize], lists: bool) -> bool {
    let mut state: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
    order.iter().all(|at| {
        txns.all[*at].steps.iter().all(|step| match step {
            Step::Write { key, value } => {
                let held = state.entry(*key).or_default();
                if !lists {
                    held.clear();
                }
                held.push(value.clone());
                true
            }
            Step::Read { seen: None, .. } => true,
            Step::Read { key, seen: Some(seen) } => {
                let held = state.get(key).cloned().unwrap_or_default();
                match lists {
                    true => *seen == Value::list(held.clone()) || (held.is_empty() && *seen == Value::Nil),
                    false => *seen == held.last().cloned().unwrap_or(Value::Nil),
                }
            }
        })
    })
}

/// Whether there is an order at all: every one is tried, with and without those of unknown outcome.
fn some_order(txns: &Txns, lists: bool, realtime: bool) -> bool {
    fn grow(txns: &Txns, order: &mut Vec<usize>, lists: bool, realtime: bool) -> bool {
        if !replays(txns, order, lists) {
            return false;
        }
        let left: Vec<usize> = (0..txns.all.len()).filter(|at| !order.contains(at) && !txns.all[*at].aborted).collect();
        if left.iter().all(|at| !txns.all[*at].certain) {
            return true;
        }
        left.iter().any(|next| {
            let first = |other: &usize| txns.all[*other].certain && txns.all[*other].returned < txns.all[*next].invoked;
            if realtime && left.iter().any(first) {
                return false;
            }
            order.push(*next);
            let found = grow(txns, order, lists, realtime);
            order.pop();
            found
        })
    }
    grow(txns, &mut vec![], lists, realtime)
}

/// A small history of a store that now and then answers wrongly.
fn drawn(draws: &mut SeededStream, lists: bool) -> String {
    let mut below = |n: u32| draws.below(n.into()) as u32;
    let (mut state, mut next): (BTreeMap<u32, Vec<u32>>, _) = (BTreeMap::new(), 0);
    let mut script: Vec<String> = vec![];
    let mut open: Vec<(u32, Vec<String>, Vec<String>)> = vec![];
    let wrong = 3 + below(12);
    let mut process = 0;
    while process < 6 || !open.is_empty() {
        if process < 6 && (open.is_empty() || below(2) == 0) && open.len() < 3 {
            let (mut asks, mut sees) = (vec![], vec![]);
            // It takes effect where it begins; what it sees may be of another time.
            let earlier = state.clone();
            for _ in 0..1 + below(3) {
                let key = below(2);
                let name = ["x", "y"][key as usize];
                if below(2) == 0 {
                    next += 1;
                    let held = state.entry(key).or_default();
                    if !lists {
                        held.clear();
                    }
                    held.push(next);
                    asks.push(format!("{} {name} {next}", if lists { "append" } else { "w" }));
                } else {
                    let from = if below(wrong) == 0 { &earlier } else { &state };
                    let mut held = from.get(&key).cloned().unwrap_or_default();
                    if below(wrong) == 0 {
                        held.pop();
                    }
                    let held: Vec<String> = held.iter().map(u32::to_string).collect();
                    let empty = if lists { "." } else { "_" };
                    sees.push(if held.is_empty() {
                        empty.to_string()
                    } else if lists {
                        held.join(".")
                    } else {
                        held[held.len() - 1].clone()
                    });
                    asks.push(format!("r {name}"));
                }
            }
            process += 1;
            script.push(format!("{process} {}", asks.join(", ")));
            open.push((process, asks, sees));
        } else {
            let (process, _, sees) = open.remove(below(open.len() as u32) as usize);
            script.push(match below(8) {
                0 => format!("{process} info"),
                1 if below(3) == 0 => format!("{process} fail"),
                _ => format!("{process} ok {}", sees.join(" ")).trim_end().to_string(),
            });
        }
    }
    script.join("; ")
}

#[test]
fn every_order_of_small_histories_agrees() {
    let (mut illegal, mut missed) = ([0, 0], [0, 0]);
    for n in 0..6000 {
        let lists = n % 2 == 0;
        let script = drawn(&mut stream(15, &n.to_string()), lists);
        let history = history(&script, lists);
        let write: &[&str] = if lists { &["append"] } else { &["w"] };
        let txns = Txns::of(&history, write, "").unwrap();
        for isolation in [Serializable, StrictSerializable] {
            let legal = some_order(&txns, lists, isolation == StrictSerializable);
            illegal[usize::from(!lists)] += usize::from(!legal);
            match judged(&history, lists, isolation, lists).unwrap() {
                Found::Anomalies(all) => assert!(!legal, "{script} {isolation:?}: {all:?}"),
                Found::Linearizable(orders) if lists => {
                    assert!(legal, "{script} {isolation:?}");
                    let order: Vec<usize> = orders[0].1.iter().map(|id| id.0 as usize - 1).collect();
                    assert!(replays(&txns, &order, true), "{script}: {order:?}");
                }
                // Of registers not every order of versions is known.
                Found::Linearizable(_) => missed[1] += usize::from(!legal),
                other => panic!("{script}: {other:?}"),
            }
        }
    }
    eprintln!("illegal {illegal:?}, missed {missed:?}");
    assert!(illegal[0] > 500 && illegal[1] > 500, "{illegal:?}");
    assert!(missed[1] * 10 < illegal[1], "{missed:?} of {illegal:?}");
}
