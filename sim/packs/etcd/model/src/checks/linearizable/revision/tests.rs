//! The revision engine against the generic one, on random histories of a real store, honest and spoilt.

use super::super::differential::generic;
use super::{
    super::{
        differential::{differential, value},
        store::State,
    },
    *,
};
use crate::ops::{Act, ClientId, Compare, KeyValue, SeededStream, stream};
use squall_linear::unlimited;

#[test]
fn every_way_agrees_on_50_000_random_histories() {
    let (mut valid, mut invalid, mut holes, mut quick, mut missed, mut refuted) = (0, 0, 0, 0, 0, 0);
    for seed in 0..50_000 {
        let round = differential(&mut stream(seed, "revisions")).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        valid += u32::from(round.legal);
        invalid += u32::from(!round.legal);
        holes += u32::from(round.legal && round.gaps > 0);
        match (round.legal, round.quickly) {
            (true, true) => quick += 1,
            (true, false) => missed += 1,
            (false, true) => refuted += 1,
            (false, false) => {}
        }
    }
    assert!(missed * 200 < quick && refuted > 1_500, "the quick way found {quick}, missed {missed}, refuted {refuted}");
    assert!(valid > 15_000 && invalid > 5_000 && holes > 2_000, "valid {valid}, invalid {invalid}, with holes {holes}: this proves little");
}

fn judge(ops: &[CompletedOp], out_of_model: &OutOfModel) -> Verdict {
    super::judge(ops, out_of_model, &mut unlimited).map_or_else(Verdict::from, |_| Verdict::Valid)
}

fn answered(id: u64, ask: Op, output: Output, revision: u64, (from, to): (usize, usize)) -> CompletedOp {
    let (client, invoked) = (ClientId(id as u32), SimTime(from as u64));
    let end = OpEnd::Ok(SimTime(to as u64), output);
    CompletedOp { id: OpId(id), client, ask, invoked, invoked_at: from, ended_at: to, end, position: Some(revision) }
}

#[test]
fn each_kind_of_violation_is_named() {
    let put = |k: &str, v: &str| Op::Put { key: k.into(), value: v.into() };
    let get = |k: &str| Op::Get { key: k.into() };
    let got = |v: Option<&str>| Output::Got { value: v.map(str::to_string) };
    let past = |at| Op::Range { prefix: "a".into(), at: Some(at) };
    let ranged = |v: &str, r| Output::Ranged { kvs: vec![KeyValue { key: "a".into(), value: v.into(), revision: Some(r), made: None }] };
    let first = || answered(1, put("a", "1"), Output::Done, 2, (0, 1));
    let second = || answered(2, put("a", "2"), Output::Done, 3, (2, 3));
    let cases: Vec<(&str, Vec<CompletedOp>)> = vec![
        ("valid", vec![first(), second(), answered(3, get("a"), got(Some("2")), 3, (4, 5))]),
        ("valid", vec![first(), second(), answered(3, past(2), ranged("1", 2), 3, (4, 5))]),
        ("wrong-past", vec![first(), second(), answered(3, past(2), ranged("2", 3), 3, (4, 5))]),
        ("wrong-past", vec![first(), second(), answered(3, past(2), Output::Ranged { kvs: vec![] }, 3, (4, 5))]),
        ("stale-read", vec![first(), second(), answered(3, get("a"), got(Some("1")), 2, (4, 5))]),
        ("wrong-answer", vec![first(), second(), answered(3, get("a"), got(Some("1")), 3, (4, 5))]),
        ("wrong-answer", vec![first(), second(), answered(3, get("a"), got(Some("1")), 3, (0, 5))]),
        ("valid", vec![first(), second(), answered(3, get("a"), got(Some("1")), 2, (0, 5))]),
        ("two-writes-of-one-revision", vec![first(), answered(2, put("b", "2"), Output::Done, 2, (0, 3))]),
        (
            "write-in-the-past",
            vec![answered(1, put("a", "1"), Output::Done, 3, (0, 1)), answered(2, put("a", "2"), Output::Done, 2, (2, 3))],
        ),
        ("unexplained-revision", vec![first(), answered(2, put("a", "2"), Output::Done, 4, (2, 3))]),
    ];
    for (i, (expect, ops)) in cases.into_iter().enumerate() {
        let found = judge(&ops, &OutOfModel::default());
        let kind = if let Verdict::Invalid(witness) = &found { witness.kind } else { found.word() };
        assert_eq!(kind, expect, "case {i}: {found:?}");
    }
}

#[test]
fn the_same_value_twice_is_no_violation_and_one_write_twice_is() {
    let open = |id: u64, at: usize| {
        let ask = Op::Put { key: "a".into(), value: "x".into() };
        let (client, invoked) = (ClientId(9), SimTime(at as u64));
        CompletedOp { id: OpId(id), client, ask, invoked, invoked_at: at, ended_at: usize::MAX, end: OpEnd::Open, position: None }
    };
    let range = |id, written, revision, at| {
        let kvs = vec![KeyValue { key: "a".into(), value: "x".into(), revision: Some(written), made: None }];
        answered(id, Op::Range { prefix: "a".into(), at: None }, Output::Ranged { kvs }, revision, at)
    };
    let again = answered(3, Op::Put { key: "a".into(), value: "x".into() }, Output::Done, 3, (4, 5));
    assert_eq!(judge(&[open(1, 0), range(2, 2, 2, (2, 3)), again], &OutOfModel::default()), Verdict::Valid);
    let other = answered(3, Op::Put { key: "b".into(), value: "y".into() }, Output::Done, 3, (4, 5));
    let twice = [open(1, 0), range(2, 2, 2, (2, 3)), other, range(4, 4, 4, (6, 7))];
    assert!(matches!(judge(&twice, &OutOfModel::default()), Verdict::Invalid(w) if w.kind == "written-twice"));
}

#[test]
fn many_writes_of_unknown_outcome_that_nobody_saw_are_no_explosion() {
    let mut ops: Vec<CompletedOp> = (1..=200)
        .map(|id| {
            let ask = Op::Put { key: format!("k{}", id % 2), value: format!("v{id}") };
            let (client, invoked) = (ClientId(1), SimTime(id));
            CompletedOp {
                id: OpId(id),
                client,
                ask,
                invoked,
                invoked_at: id as usize,
                ended_at: usize::MAX,
                end: OpEnd::Open,
                position: None,
            }
        })
        .collect();
    for (n, id) in (201..=240).enumerate() {
        // Every second revision is nobody's.
        let span = (300 + 2 * n, 301 + 2 * n);
        ops.push(answered(id, Op::Put { key: "z".into(), value: format!("z{id}") }, Output::Done, 3 + 2 * n as u64, span));
    }
    assert_eq!(judge(&ops, &OutOfModel::default()), Verdict::Valid);
}

/// A leader that cannot commit for a while: everything that it is asked in that time is given up by its
/// client, and most of it happens in the end, in order, before the first answer that tells of it.
fn stall(draws: &mut SeededStream) -> Vec<CompletedOp> {
    let (mut state, mut ops, mut line): (State, Vec<CompletedOp>, usize) = Default::default();
    let mut values: Vec<String> = Vec::new();
    let key = |draws: &mut SeededStream| format!("k{}", draws.in_range(1..=6));
    for round in 0..3 {
        for n in 0..60 {
            let id = ops.len();
            let stalled = n >= 20;
            let ask = match draws.below(6) {
                0 if !stalled => Op::Get { key: key(draws) },
                1 if !stalled => Op::Range { prefix: "k".into(), at: None },
                0 | 1 => Op::Delete { key: key(draws) },
                2 | 3 => Op::Put { key: key(draws), value: value(id, 0) },
                _ => {
                    let some: Option<String> = draws.ratio(2, 3).then(|| values.last().cloned()).flatten();
                    Op::Txn {
                        compare: vec![Compare { key: key(draws), holds: some }],
                        then: vec![Act::Put { key: key(draws), value: value(id, 1) }, Act::Delete { key: key(draws) }],
                        otherwise: if draws.ratio(1, 2) { vec![Act::Put { key: key(draws), value: value(id, 2) }] } else { vec![] },
                    }
                }
            };
            values.extend(ask.changes(None).into_iter().filter_map(|c| c.value.map(str::to_string)));
            let mut op = answered(id as u64 + 1, ask, Output::Done, 1, (line, line + 1));
            (op.end, op.position, op.ended_at) = (OpEnd::Open, None, usize::MAX);
            line += 2;
            if !stalled || draws.ratio(4, 5) {
                let output = state.apply(&op.ask);
                // The last of the stall is answered again.
                if !stalled || n == 59 {
                    (op.end, op.position, op.ended_at) = (OpEnd::Ok(SimTime(line as u64), output), Some(state.revision), line - 1);
                }
            }
            ops.push(op);
        }
        assert!(state.revision > 30 * round, "much is written");
    }
    ops
}

#[test]
fn what_was_asked_during_a_stall_is_decided() {
    for seed in 0..200 {
        let ops = stall(&mut stream(seed, "stalls"));
        assert_eq!(judge(&ops, &OutOfModel::default()), Verdict::Valid, "seed {seed}");
    }
}

/// Invoked at this place, and never answered.
fn lost(id: u64, ask: Op, at: usize) -> CompletedOp {
    CompletedOp { end: OpEnd::Open, ended_at: usize::MAX, position: None, ..answered(id, ask, Output::Done, 1, (at, at)) }
}

#[test]
fn where_it_ends_is_told_with_the_store_and_every_call_that_was_open() {
    let put = |k: &str, v: &str| Op::Put { key: k.into(), value: v.into() };
    let get = |k: &str| Op::Get { key: k.into() };
    let got = |v: &str| Output::Got { value: Some(v.into()) };
    let first = || answered(1, put("a", "1"), Output::Done, 2, (0, 1));
    let cases: Vec<(Vec<CompletedOp>, OpId, &str, &[&str])> = vec![
        (
            // A value that nobody left there, among calls that do not help.
            vec![
                first(),
                answered(2, put("b", "x"), Output::Done, 3, (2, 9)),
                lost(3, put("a", "3"), 3),
                answered(4, put("a", "4"), Output::Done, 4, (4, 9)),
                answered(5, get("a"), got("9"), 3, (5, 8)),
            ],
            OpId(5),
            "revision 3: a = 1 (of revision 2)",
            &[
                "`get a: 9 at revision 3` cannot happen",
                "op3 `put a = 3`? cannot be revision 4, which is of op4",
                "op4 `put a = 4` tells of revision 4",
                "another one that was open does not change a",
            ],
        ),
        (
            // Nobody is left for revision 3.
            vec![
                first(),
                lost(2, put("a", "2"), 6),
                answered(3, put("b", "x"), Output::Done, 4, (2, 3)),
                lost(4, Op::Delete { key: "c".into() }, 2),
            ],
            OpId(3),
            "revision 2: no b",
            &["is told of, and nobody leads there", "op4 `delete c`? changes nothing"],
        ),
        (
            // It would have to be seen.
            vec![first(), lost(2, put("a", "2"), 2), answered(3, get("a"), got("1"), 3, (3, 4))],
            OpId(3),
            "revision 2: a = 1 (of revision 2)",
            &["op2 `put a = 2`? would be seen in what is read of its keys later"],
        ),
        (
            // The one that may have made that revision left something else: it ends before.
            vec![first(), lost(2, put("a", "2"), 2), answered(3, get("a"), got("9"), 3, (3, 4))],
            OpId(3),
            "revision 2: a = 1 (of revision 2)",
            &["after op2 `put a = 2`?, op3 get a by c3 answered `9` at revision 3, and the store at revision 3 answers `2`"],
        ),
        (
            // Two answers exclude each other.
            vec![first(), answered(2, put("a", "2"), Output::Done, 3, (2, 3)), answered(3, get("a"), got("1"), 2, (4, 5))],
            OpId(3),
            "revision 3 or later",
            &[],
        ),
    ];
    for (n, (ops, culprit, state, whys)) in cases.into_iter().enumerate() {
        let none = OutOfModel::default();
        let Err(Refused::Invalid(clash)) = super::judge(&ops, &none, &mut unlimited) else { panic!("case {n}") };
        let explanation = explanation(&ops, &none, &clash);
        assert_eq!(
            (ops[clash.culprit].id, &explanation.states, explanation.states_in_all),
            (culprit, &vec![state.to_string()], 1),
            "case {n}: {clash:#?}"
        );
        let why = explanation.why.join("\n");
        whys.iter().for_each(|w| assert!(why.contains(w), "case {n}: {w}: {why}"));
    }
}

#[test]
fn a_store_is_told_with_the_end_that_is_its_own() {
    let put = |v: &str| Op::Put { key: "a".into(), value: v.into() };
    let get = || Op::Get { key: "a".into() };
    let got = |v: &str| Output::Got { value: Some(v.into()) };
    // With x the one who saw y is wrong, with y the one who saw x.
    let ops = [
        answered(1, put("1"), Output::Done, 2, (0, 1)),
        lost(2, put("x"), 2),
        lost(3, put("y"), 3),
        answered(4, Op::Put { key: "b".into(), value: "z".into() }, Output::Done, 4, (4, 7)),
        answered(5, get(), got("x"), 4, (5, 8)),
        answered(6, get(), got("y"), 4, (6, 9)),
    ];
    let none = OutOfModel::default();
    let Err(Refused::Invalid(clash)) = super::judge(&ops, &none, &mut unlimited) else { panic!() };
    let explanation = explanation(&ops, &none, &clash);
    let saw = ops[clash.culprit].output().unwrap().to_string();
    let held = if saw == "x" { "y" } else { "x" };
    assert_eq!(
        (&explanation.states, explanation.states_in_all),
        (&vec![format!("revision 4: a = {held} (of revision 3)")], 2),
        "{clash:#?}"
    );
}

/// Much that is known, then a long time in which nobody is answered: each client knows what the keys held before that, and asks
/// for changes under that condition, of which most cannot hold any more when it is their turn. Some of these get lost on the way,
/// the others happen in the order in which they were asked for. Then every key is read.
fn blind(draws: &mut SeededStream, keys: u64, asked: usize) -> (Vec<CompletedOp>, OutOfModel) {
    let (mut state, mut ops, mut line): (State, Vec<CompletedOp>, usize) = Default::default();
    let name = |n: u64| format!("k{n}");
    let end = |op: &mut CompletedOp, output, state: &State, line: usize| {
        (op.end, op.position, op.ended_at) = (OpEnd::Ok(SimTime(line as u64), output), Some(state.revision), line);
    };
    for n in 0..keys {
        let mut op = lost(n + 1, Op::Put { key: name(n), value: value(n as usize, 0) }, line);
        let output = state.apply(&op.ask);
        end(&mut op, output, &state, line + 1);
        line += 2;
        ops.push(op);
    }
    let known = state.clone();
    let mut out_of_model = OutOfModel::default();
    for _ in 0..asked {
        let id = ops.len();
        let key = |draws: &mut SeededStream| name(draws.below(keys));
        let compare = |draws: &mut SeededStream| {
            let key = key(draws);
            Compare { holds: known.get(&key).map(str::to_string), key }
        };
        let ask = match draws.below(10) {
            0 => Op::Delete { key: key(draws) },
            1..=3 => Op::Put { key: key(draws), value: value(id, 0) },
            4 | 5 => {
                let Compare { key, holds } = compare(draws);
                Op::Cas { key, expect: holds, value: value(id, 0) }
            }
            _ => {
                let compare: Vec<Compare> = (0..=draws.below(2)).map(|_| compare(draws)).collect();
                let mut then = vec![Act::Put { key: compare[0].key.clone(), value: value(id, 1) }];
                match draws.below(3) {
                    0 => then[0] = Act::Delete { key: compare[0].key.clone() },
                    1 => {}
                    _ => then.push(Act::Put { key: key(draws), value: value(id, 2) }),
                }
                then.push(Act::Put { key: key(draws), value: value(id, 3) });
                let otherwise = if draws.ratio(1, 2) { vec![Act::Put { key: key(draws), value: value(id, 9) }] } else { vec![] };
                Op::Txn { compare, then, otherwise }
            }
        };
        let op = lost(id as u64 + 1, ask, line);
        line += 1;
        if draws.ratio(2, 3) {
            state.apply(&op.ask);
            if draws.ratio(1, 5) {
                state.revision += 1;
                out_of_model.unclaimed += 1;
            }
        }
        ops.push(op);
    }
    for n in 0..keys {
        let mut op = lost(ops.len() as u64 + 1, Op::Get { key: name(n) }, line);
        let output = state.apply(&op.ask);
        end(&mut op, output, &state, line + 1);
        line += 2;
        ops.push(op);
    }
    (ops, out_of_model)
}

#[test]
fn what_was_asked_under_conditions_that_soon_do_not_hold_is_decided() {
    for seed in 0..20 {
        let (ops, out_of_model) = blind(&mut stream(seed, "blind"), 12, 60);
        assert_eq!(judge(&ops, &out_of_model), Verdict::Valid, "seed {seed}");
    }
}

/// The same in small, answers spoilt: what is excluded from the search is so by the generic engine, too, which excludes nothing.
#[test]
fn what_cannot_have_happened_under_these_conditions_is_refused() {
    let (mut legal, mut illegal) = (0, 0);
    for seed in 0..6_000 {
        let mut draws = stream(seed, "blind and spoilt");
        let asked = draws.in_range(3..=8) as usize;
        let (mut ops, out_of_model) = blind(&mut draws, 3, asked);
        // The generic engine knows of no revisions but the store's.
        if out_of_model.unclaimed > 0 {
            continue;
        }
        let written: Vec<Option<String>> =
            ops.iter().flat_map(|op| op.ask.changes(None)).map(|change| change.value.map(str::to_string)).collect();
        let reads = ops.len() - 3;
        for op in &mut ops[reads..] {
            if draws.ratio(1, 3)
                && let OpEnd::Ok(_, Output::Got { value }) = &mut op.end
            {
                *value = draws.pick(&written).clone();
            }
        }
        let has_order = generic(&ops).is_linearizable();
        assert_eq!(judge(&ops, &out_of_model) == Verdict::Valid, has_order, "seed {seed}: {ops:#?}");
        (legal, illegal) = (legal + u32::from(has_order), illegal + u32::from(!has_order));
    }
    assert!(legal > 1_000 && illegal > 1_000, "legal {legal}, illegal {illegal}: this proves little");
}
