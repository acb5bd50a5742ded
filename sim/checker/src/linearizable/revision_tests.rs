//! The revision engine against the generic one, on random histories of a real store, honest and spoilt.

use super::{super::store::modified, *};
use crate::linearizable::{Store, calls};
use squall_history::{Act, Answer, ClientId, Compare, SeededStream, stream};
use squall_linear::{Decision, decide, unlimited};

fn value(id: usize, part: usize) -> String {
    format!("v{id}.{part}")
}

fn random_op(draws: &mut SeededStream, id: usize, values: &[String]) -> Op {
    let key = |draws: &mut SeededStream| format!("k{}", draws.in_range(1..=3));
    let some_value =
        |draws: &mut SeededStream| if values.is_empty() || draws.ratio(1, 3) { None } else { Some(draws.pick(values).clone()) };
    match draws.below(7) {
        0 => Op::Get { key: key(draws) },
        1 => Op::Put { key: key(draws), value: value(id, 0) },
        2 => Op::Delete { key: key(draws) },
        3 => Op::Cas { key: key(draws), expect: some_value(draws), value: value(id, 0) },
        4 | 5 => Op::Range { prefix: "k".into(), at: None },
        _ => {
            let compare = vec![Compare { key: key(draws), holds: some_value(draws) }];
            let then =
                vec![Act::Put { key: "k1".into(), value: value(id, 1) }, Act::Delete { key: "k2".into() }, Act::Get { key: "k1".into() }];
            let otherwise = if draws.ratio(1, 2) { vec![Act::Put { key: "k3".into(), value: value(id, 2) }] } else { vec![] };
            Op::Txn { compare, then, otherwise }
        }
    }
}

/// A client's open operation, and its answer once the store has done it.
type Busy = (usize, Option<(Output, u64)>);

/// Some clients, a real store; some answers are lost, some of those operations never happen; and now
/// and then an answer is spoilt, or moved to another revision.
fn random_history(draws: &mut SeededStream) -> Vec<CompletedOp> {
    let clients = draws.in_range(1..=4) as usize;
    let mut state = State::default();
    let (mut ops, mut values): (Vec<CompletedOp>, Vec<String>) = (Vec::new(), Vec::new());
    // For each client: its open operation, and its answer once the store has done it.
    let mut busy: Vec<Option<Busy>> = vec![None; clients];
    for place in 0..draws.in_range(4..=30) as usize {
        let client = draws.below(clients as u64) as usize;
        match busy[client].take() {
            None => {
                let ask = random_op(draws, ops.len(), &values);
                values.extend(ask.changes(None).into_iter().filter_map(|c| c.value.map(str::to_string)));
                let id = OpId(ops.len() as u64 + 1);
                busy[client] = Some((ops.len(), None));
                let (client, t) = (ClientId(client as u32 + 1), SimTime(place as u64));
                ops.push(CompletedOp {
                    id,
                    client,
                    ask,
                    invoked: t,
                    invoked_at: place,
                    ended_at: usize::MAX,
                    end: OpEnd::Open,
                    revision: None,
                });
            }
            // Never answered: it happens now, or never.
            Some((i, None)) if draws.ratio(1, 6) => {
                if draws.ratio(1, 2) {
                    state.apply(&ops[i].ask);
                }
            }
            Some((i, None)) => {
                let output = state.apply(&ops[i].ask);
                busy[client] = Some((i, Some((output, state.revision))));
            }
            Some((i, Some((mut output, mut revision)))) => {
                if draws.ratio(1, 25) {
                    revision = (revision + draws.below(3)).saturating_sub(1).max(1);
                }
                if draws.ratio(1, 25) {
                    match &mut output {
                        Output::Got { value } => *value = values.first().cloned(),
                        Output::Ranged { kvs } => _ = kvs.pop(),
                        Output::Swapped { yes } => *yes = !*yes,
                        Output::Deleted { count } => *count = 1 - (*count).min(1),
                        Output::Txn { succeeded, .. } => *succeeded = !*succeeded,
                        Output::Done => {}
                        other => unreachable!("a store does not answer {other}"),
                    }
                }
                ops[i].end = OpEnd::Ok(SimTime(place as u64), output);
                ops[i].ended_at = place;
                ops[i].revision = Some(revision);
            }
        }
    }
    ops
}

fn generic(ops: &[CompletedOp]) -> Decision<State> {
    let answer = |op: &CompletedOp| op.output().map(|output| Answer { output: output.clone(), revision: op.revision });
    let calls = calls(ops, |op| (op.ask.clone(), answer(op)));
    decide(&Store, &calls, false, &mut unlimited)
}

#[test]
fn both_engines_agree_on_50_000_random_histories() {
    let (mut valid, mut invalid, mut holes, mut quick, mut missed, mut refuted) = (0, 0, 0, 0, 0, 0);
    for seed in 0..50_000 {
        let ops = random_history(&mut stream(seed, "revisions"));
        let found = search(&ops, &Foreign::default(), false);
        // The quick way may miss a witness, and never finds one that is none.
        let quickly = Log::of(&ops).map_or(Err(Missed::Unsure), |log| witness(&log, &Foreign::default(), 0));
        match (&found, quickly) {
            (Verdict::Valid, Ok(())) => quick += 1,
            (Verdict::Valid, Err(Missed::Unsure)) => missed += 1,
            (Verdict::Invalid(_), Err(Missed::Impossible { .. })) => refuted += 1,
            (Verdict::Invalid(_), Err(Missed::Unsure)) => {}
            (_, quickly) => panic!("seed {seed}: the quick way says {quickly:?}, the search {found:?}"),
        }
        match (&found, generic(&ops)) {
            (Verdict::Valid, Decision::Linearizable(_)) => valid += 1,
            (Verdict::Invalid(_), Decision::Stuck(_)) => invalid += 1,
            (found, expect) => panic!(
                "seed {seed}: the generic engine says {expect:?}, this one {found:?}:\n{}",
                ops.iter().map(|op| format!("{} {}..{} {}\n", told(op), op.invoked_at, op.ended_at, op.client)).collect::<String>()
            ),
        }
        let claimed = ops.iter().filter(|op| op.output().is_some_and(|o| modified(&op.ask, o))).count() as u64;
        let last = ops.iter().filter_map(|op| op.revision).max().unwrap_or(1);
        holes += u64::from(found == Verdict::Valid && last > claimed + 1);
    }
    assert!(missed * 200 < quick && refuted > 1_500, "the quick way found {quick}, missed {missed}, refuted {refuted}");
    assert!(valid > 15_000 && invalid > 5_000 && holes > 2_000, "valid {valid}, invalid {invalid}, with holes {holes}: this proves little");
}

fn answered(id: u64, ask: Op, output: Output, revision: u64, (from, to): (usize, usize)) -> CompletedOp {
    let (client, invoked) = (ClientId(id as u32), SimTime(from as u64));
    let end = OpEnd::Ok(SimTime(to as u64), output);
    CompletedOp { id: OpId(id), client, ask, invoked, invoked_at: from, ended_at: to, end, revision: Some(revision) }
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
        let found = judge(&ops, &Foreign::default());
        let kind = if let Verdict::Invalid(witness) = &found { witness.kind } else { found.word() };
        assert_eq!(kind, expect, "case {i}: {found:?}");
    }
}

#[test]
fn the_same_value_twice_is_no_violation_and_one_write_twice_is() {
    let open = |id: u64, at: usize| {
        let ask = Op::Put { key: "a".into(), value: "x".into() };
        let (client, invoked) = (ClientId(9), SimTime(at as u64));
        CompletedOp { id: OpId(id), client, ask, invoked, invoked_at: at, ended_at: usize::MAX, end: OpEnd::Open, revision: None }
    };
    let range = |id, written, revision, at| {
        let kvs = vec![KeyValue { key: "a".into(), value: "x".into(), revision: Some(written), made: None }];
        answered(id, Op::Range { prefix: "a".into(), at: None }, Output::Ranged { kvs }, revision, at)
    };
    let again = answered(3, Op::Put { key: "a".into(), value: "x".into() }, Output::Done, 3, (4, 5));
    assert_eq!(judge(&[open(1, 0), range(2, 2, 2, (2, 3)), again], &Foreign::default()), Verdict::Valid);
    let other = answered(3, Op::Put { key: "b".into(), value: "y".into() }, Output::Done, 3, (4, 5));
    let twice = [open(1, 0), range(2, 2, 2, (2, 3)), other, range(4, 4, 4, (6, 7))];
    assert!(matches!(judge(&twice, &Foreign::default()), Verdict::Invalid(w) if w.kind == "written-twice"));
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
                revision: None,
            }
        })
        .collect();
    for (n, id) in (201..=240).enumerate() {
        // Every second revision is nobody's.
        let span = (300 + 2 * n, 301 + 2 * n);
        ops.push(answered(id, Op::Put { key: "z".into(), value: format!("z{id}") }, Output::Done, 3 + 2 * n as u64, span));
    }
    assert_eq!(judge(&ops, &Foreign::default()), Verdict::Valid);
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
            (op.end, op.revision, op.ended_at) = (OpEnd::Open, None, usize::MAX);
            line += 2;
            if !stalled || draws.ratio(4, 5) {
                let output = state.apply(&op.ask);
                // The last of the stall is answered again.
                if !stalled || n == 59 {
                    (op.end, op.revision, op.ended_at) = (OpEnd::Ok(SimTime(line as u64), output), Some(state.revision), line - 1);
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
        assert_eq!(judge(&ops, &Foreign::default()), Verdict::Valid, "seed {seed}");
    }
}
