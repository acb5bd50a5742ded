//! The brute-force oracle, and the tables. Every clever decision is held against every order.

use super::{Ask, Call, Decision, Model, Register, calls, decide, explain};
use squall_history::{Op, OpId, Output, SeededStream, stream};

type OneKey = Call<Ask, Output>;

/// Tries every order: an operation may come next when none that is left returned before it began.
fn some_order_exists(state: &Option<String>, left: &[OneKey]) -> bool {
    if left.iter().all(|c| c.returned == usize::MAX) {
        return true;
    }
    let first_return = left.iter().map(|c| c.returned).min().unwrap_or(usize::MAX);
    left.iter().enumerate().filter(|(_, c)| c.invoked < first_return).any(|(i, c)| {
        let Some(next) = Register.step(state, &c.input, c.output.as_ref()) else { return false };
        let rest: Vec<OneKey> = left.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, c)| c.clone()).collect();
        some_order_exists(&next, &rest)
    })
}

/// A random history of one key: some clients, few values, answers right, wrong or missing.
fn random_history(draws: &mut SeededStream) -> Vec<OneKey> {
    let (clients, values) = (draws.in_range(1..=4), draws.in_range(1..=3));
    let mut calls: Vec<OneKey> = Vec::new();
    let mut busy: Vec<Option<usize>> = vec![None; clients as usize];
    let value = |draws: &mut SeededStream| format!("v{}", draws.in_range(1..=values));
    let maybe = |draws: &mut SeededStream| (!draws.ratio(1, 4)).then(|| format!("v{}", draws.in_range(1..=values)));
    // The answers of a real register, some of them spoilt: else nearly every history is invalid.
    let mut real: Option<String> = None;
    for place in 0..draws.in_range(2..=14) as usize {
        let client = draws.below(clients) as usize;
        match busy[client].take() {
            None => {
                let input = match draws.below(3) {
                    0 => Ask::Get,
                    1 => Ask::Put(value(draws)),
                    _ => Ask::Cas { from: maybe(draws), to: value(draws) },
                };
                busy[client] = Some(calls.len());
                calls.push(Call { id: OpId(calls.len() as u64 + 1), input, output: None, invoked: place, returned: usize::MAX });
            }
            // It never returns; its client goes on with something else.
            Some(_) if draws.ratio(1, 6) => {}
            Some(i) => {
                let honest = !draws.ratio(1, 8);
                let output = match &calls[i].input {
                    Ask::Get if honest => Output::Got { value: real.clone() },
                    Ask::Get => Output::Got { value: maybe(draws) },
                    Ask::Put(_) => Output::Done,
                    Ask::Cas { from, .. } if honest => Output::Swapped { yes: *from == real },
                    Ask::Cas { .. } => Output::Swapped { yes: draws.ratio(1, 2) },
                };
                if let Some(next) = Register.step(&real, &calls[i].input, Some(&output)) {
                    real = next;
                }
                calls[i].output = Some(output);
                calls[i].returned = place;
            }
        }
    }
    calls
}

#[test]
fn the_frontier_agrees_with_brute_force_on_100_000_random_histories() {
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..100_000 {
        let history = random_history(&mut stream(seed, "oracle"));
        let expect = some_order_exists(&None, &history);
        let found = decide(&Register, &history, u64::MAX);
        match (&found, expect) {
            (Decision::Linearizable, true) => valid += 1,
            (Decision::Stuck(_), false) => invalid += 1,
            _ => panic!("seed {seed}: brute force says {expect}, the frontier {found:?}: {history:?}"),
        }
    }
    assert!(valid > 20_000 && invalid > 10_000, "valid {valid}, invalid {invalid}: the histories prove little");
}

#[test]
fn a_minimal_witness_is_stuck_and_brute_force_agrees() {
    let mut shrunk = 0;
    for seed in 0..20_000 {
        let history = random_history(&mut stream(seed, "minimal"));
        if some_order_exists(&None, &history) {
            continue;
        }
        let ids = explain::minimal(&history, u64::MAX);
        let rest: Vec<OneKey> = history.iter().filter(|c| ids.contains(&c.id)).cloned().collect();
        assert!(!some_order_exists(&None, &rest), "seed {seed}: the witness has an order");
        shrunk += usize::from(rest.len() < history.len());
    }
    assert!(shrunk > 1_000, "only {shrunk} were shrunk");
}

/// A call with its answer, where it was invoked, and where it returned.
type Row<'r> = (&'r str, usize, usize);

fn table(rows: &[Row<'_>]) -> Vec<OneKey> {
    let call = |(i, (text, invoked, returned)): (usize, &Row<'_>)| {
        let words: Vec<&str> = text.split(' ').collect();
        let value = |w: &str| (w != "-").then(|| w.to_string());
        let (input, output) = match words[..] {
            ["get", v] => (Ask::Get, Output::Got { value: value(v) }),
            ["put", v] => (Ask::Put(v.to_string()), Output::Done),
            ["cas", from, to] => (Ask::Cas { from: value(from), to: to.to_string() }, Output::Swapped { yes: true }),
            ["cas-no", from, to] => (Ask::Cas { from: value(from), to: to.to_string() }, Output::Swapped { yes: false }),
            _ => panic!("{text}"),
        };
        let output = (*returned != usize::MAX).then_some(output);
        Call { id: OpId(i as u64 + 1), input, output, invoked: *invoked, returned: *returned }
    };
    rows.iter().enumerate().map(call).collect()
}

#[test]
fn legal_and_illegal_histories() {
    const NEVER: usize = usize::MAX;
    let cases: &[(&str, bool, &[Row<'_>])] = &[
        ("nothing is absent", true, &[("get -", 0, 1)]),
        ("a read of what nobody wrote", false, &[("get a", 0, 1)]),
        ("a write is read", true, &[("put a", 0, 1), ("get a", 2, 3)]),
        ("a stale read", false, &[("put a", 0, 1), ("put b", 2, 3), ("get a", 4, 5)]),
        ("a read beside the write may see either", true, &[("put a", 0, 1), ("put b", 2, 5), ("get a", 3, 4)]),
        ("two readers may not see a write come and go", false, &[("put a", 0, 9), ("get a", 1, 2), ("get -", 3, 4)]),
        ("an unanswered write may happen late", true, &[("put a", 0, NEVER), ("get -", 1, 2), ("get a", 3, 4), ("get a", 5, 6)]),
        ("but not twice", false, &[("put a", 0, NEVER), ("put b", 1, 2), ("get a", 3, 4), ("put b", 5, 6), ("get a", 7, 8)]),
        ("one of two swaps from the same value", false, &[("put a", 0, 1), ("cas a b", 2, 5), ("cas a c", 3, 6)]),
        ("a refused swap saw another value", true, &[("put a", 0, 1), ("cas-no b c", 2, 3)]),
        ("a refused swap saw the very value", false, &[("put a", 0, 1), ("cas-no a c", 2, 3)]),
        ("an unanswered write explains a refused swap", true, &[("put a", 0, 1), ("put b", 2, NEVER), ("cas-no a c", 3, 4)]),
    ];
    for (name, legal, rows) in cases {
        let history = table(rows);
        let found = decide(&Register, &history, u64::MAX) == Decision::Linearizable;
        assert_eq!(found, *legal, "{name}");
        assert_eq!(some_order_exists(&None, &history), *legal, "{name}, by brute force");
    }
}

#[test]
fn a_budget_that_is_too_small_is_unknown_not_valid() {
    let rows: Vec<(String, usize, usize)> = (0..12).map(|i| (format!("put v{i}"), i, 50 + i)).collect();
    let rows: Vec<Row<'_>> = rows.iter().map(|(t, a, b)| (t.as_str(), *a, *b)).collect();
    assert_eq!(decide(&Register, &table(&rows), 3), Decision::OutOfBudget);
}

#[test]
fn failed_operations_and_unanswered_reads_are_left_out() {
    use squall_history::{ClientId, Entry, SimTime, View, What};
    let ask = |op| What::Invoke { client: ClientId(1), op: OpId(op), ask: Op::Put { key: "k".into(), value: format!("v{op}") } };
    let lines = [ask(1), What::Fail { op: OpId(1), why: String::new() }, ask(2), What::Info { op: OpId(2), why: String::new() }];
    let history: Vec<Entry> = lines.into_iter().map(|what| Entry { t: SimTime(0), what }).collect();
    let calls = calls(View::new(&history).ops(), |op| (Ask::of(&op.ask), op.output().cloned()));
    assert_eq!(calls.iter().map(|c| c.id.0).collect::<Vec<_>>(), [2]);
}
