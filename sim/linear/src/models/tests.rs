//! Tables of legal and illegal histories, each decided in every way.

use super::Named;
use crate::{Found, Initial, MODELS, Options, Value, formats};
use squall_history::stream;

fn model(name: &str) -> &'static Named {
    MODELS.iter().find(|m| m.name == name).unwrap()
}

/// A call in a table: who, what with which input and answer, and from where to where; `..` never returned.
///
/// `1 write 3 | 0 1`, `2 read nil -> 3 | 2 4`, `1 cas [1 2] -> false | 5 6`, `2 write 4 | 7 ..`
fn table(rows: &[&str]) -> String {
    let mut events: Vec<(usize, String)> = Vec::new();
    for row in rows {
        let (call, span) = row.split_once(" | ").unwrap_or_else(|| panic!("{row}"));
        let (asked, output) = call.split_once(" -> ").map_or((call, None), |(a, o)| (a, Some(o)));
        let mut words = asked.splitn(3, ' ');
        let (process, kind, input) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or("null"));
        let (from, to) = span.split_once(' ').unwrap();
        let output = output.map_or(String::new(), |o| format!(",\"output\":{}", o.replace(' ', ",")));
        let input = input.replace(' ', ",");
        events
            .push((from.parse().unwrap(), format!("{{\"process\":{process},\"type\":\"invoke\",\"kind\":\"{kind}\",\"input\":{input}}}")));
        if to != ".." {
            events.push((to.parse().unwrap(), format!("{{\"process\":{process},\"type\":\"ok\"{output}}}")));
        }
    }
    events.sort();
    events.into_iter().map(|(_, line)| line + "\n").collect()
}

fn check(name: &str, cases: &[(&str, bool, &[&str])]) {
    for (case, legal, rows) in cases {
        let (_, history) = formats::read(&table(rows), Default::default()).unwrap_or_else(|e| panic!("{name}, {case}: {e}"));
        let initial = if name == "semaphore" { Initial::Value(Value::Int(2)) } else { Initial::Default };
        let mut options = Options { order: true, initial, ..Options::default() };
        let judged = (model(name).judge)(&history, &mut options).unwrap_or_else(|e| panic!("{name}, {case}: {e}"));
        match judged.verdict {
            Found::Linearizable(_) => assert!(*legal, "{name}, {case}: is taken for legal"),
            Found::Not(why) => {
                assert!(!*legal, "{name}, {case}: {why:#?}");
                assert!(!why.minimal.is_empty() && !why.why.is_empty(), "{name}, {case}: {why:#?}");
            }
            Found::Anomalies(all) => assert!(!legal, "{name}, {case}: {all:?}"),
            Found::Unknown(why) => panic!("{name}, {case}: {why}"),
        }
    }
    assert!(cases.iter().filter(|c| c.1).count() >= 3 && cases.iter().filter(|c| !c.1).count() >= 3, "{name}: more cases");
}

#[test]
fn register() {
    for name in ["register", "cas-register"] {
        check(
            name,
            &[
                ("nothing is there at first", true, &["1 read -> null | 0 1"]),
                ("a read of what nobody wrote", false, &["1 read -> 7 | 0 1"]),
                ("a write is read", true, &["1 write 1 | 0 1", "2 read -> 1 | 2 3"]),
                ("a stale read", false, &["1 write 1 | 0 1", "1 write 2 | 2 3", "2 read -> 1 | 4 5"]),
                ("beside the write either may be read", true, &["1 write 1 | 0 1", "1 write 2 | 2 5", "2 read -> 1 | 3 4"]),
                ("no write comes and goes", false, &["1 write 1 | 0 9", "2 read -> 1 | 1 2", "2 read -> null | 3 4"]),
                ("an unanswered write may be late", true, &["1 write 1 | 0 ..", "2 read -> null | 1 2", "2 read -> 1 | 3 4"]),
                (
                    "but not twice",
                    false,
                    &["1 write 1 | 0 ..", "2 write 2 | 1 2", "3 read -> 1 | 3 4", "2 write 2 | 5 6", "3 read -> 1 | 7 8"],
                ),
                ("of two swaps from one value", false, &["1 write 1 | 0 1", "2 cas [1 2] -> true | 2 5", "3 cas [1 3] -> true | 3 6"]),
                ("a refused swap saw another value", true, &["1 write 1 | 0 1", "2 cas [2 3] -> false | 2 3"]),
                ("a refused swap saw the very value", false, &["1 write 1 | 0 1", "2 cas [1 3] -> false | 2 3"]),
                (
                    "many writes at once, overwritten unseen",
                    true,
                    &["1 write 1 | 0 9", "2 write 2 | 1 10", "3 write 3 | 2 11", "4 read -> 3 | 12 13"],
                ),
                (
                    "and read in two orders",
                    false,
                    &["1 write 1 | 0 9", "2 write 2 | 1 10", "3 read -> 1 | 2 3", "3 read -> 2 | 4 5", "3 read -> 1 | 6 7"],
                ),
            ],
        );
    }
}

#[test]
fn multi_register() {
    check(
        "multi-register",
        &[
            ("both at once", true, &["1 txn [[\"w\" \"x\" 1] [\"w\" \"y\" 1]] | 0 5", "2 txn [[\"r\" \"x\" 1] [\"r\" \"y\" 1]] | 1 2"]),
            ("half of it", false, &["1 txn [[\"w\" \"x\" 1] [\"w\" \"y\" 1]] | 0 5", "2 txn [[\"r\" \"x\" 1] [\"r\" \"y\" null]] | 1 2"]),
            ("its own write is read", true, &["1 txn [[\"w\" \"x\" 1] [\"r\" \"x\" 1]] | 0 5"]),
            ("another than its own", false, &["1 txn [[\"w\" \"x\" 1] [\"r\" \"x\" 2]] | 0 5"]),
            (
                "two readers agree",
                true,
                &["1 txn [[\"w\" \"x\" 1]] | 0 9", "2 txn [[\"r\" \"x\" null]] | 1 2", "3 txn [[\"r\" \"x\" 1]] | 3 4"],
            ),
            (
                "two readers do not",
                false,
                &["1 txn [[\"w\" \"x\" 1]] | 0 9", "2 txn [[\"r\" \"x\" 1]] | 1 2", "3 txn [[\"r\" \"x\" null]] | 3 4"],
            ),
        ],
    );
}

#[test]
fn append_kv() {
    check(
        "append-kv",
        &[
            ("empty at first", true, &["1 get -> \"\" | 0 1"]),
            ("in order", true, &["1 append \"a\" | 0 1", "1 append \"b\" | 2 3", "2 get -> \"ab\" | 4 5"]),
            ("in the other order", false, &["1 append \"a\" | 0 1", "1 append \"b\" | 2 3", "2 get -> \"ba\" | 4 5"]),
            ("at once, in either", true, &["1 append \"a\" | 0 3", "3 append \"b\" | 1 2", "2 get -> \"ba\" | 4 5"]),
            ("one is lost", false, &["1 append \"a\" | 0 1", "1 append \"b\" | 2 3", "2 get -> \"b\" | 4 5"]),
            ("put begins anew", true, &["1 append \"a\" | 0 1", "1 put \"c\" | 2 3", "2 get -> \"c\" | 4 5"]),
            ("twice", false, &["1 append \"a\" | 0 1", "2 get -> \"aa\" | 4 5"]),
            ("an unanswered one, late", true, &["1 append \"a\" | 0 ..", "2 get -> \"\" | 1 2", "2 get -> \"a\" | 3 4"]),
        ],
    );
}

#[test]
fn set() {
    check(
        "set",
        &[
            ("empty at first", true, &["1 read -> [] | 0 1"]),
            ("any order", true, &["1 add 2 | 0 1", "1 add 1 | 2 3", "2 read -> [1 2] | 4 5"]),
            ("one is lost", false, &["1 add 2 | 0 1", "1 add 1 | 2 3", "2 read -> [1] | 4 5"]),
            ("removed", true, &["1 add 2 | 0 1", "1 remove 2 | 2 3", "2 contains 2 -> false | 4 5"]),
            ("removed, and there", false, &["1 add 2 | 0 1", "1 remove 2 | 2 3", "2 contains 2 -> true | 4 5"]),
            ("there, and not any more", false, &["1 add 2 | 0 9", "2 contains 2 -> true | 1 2", "2 contains 2 -> false | 3 4"]),
        ],
    );
}

#[test]
fn queue() {
    check(
        "queue",
        &[
            ("first in, first out", true, &["1 enqueue 1 | 0 1", "1 enqueue 2 | 2 3", "2 dequeue -> 1 | 4 5", "2 dequeue -> 2 | 6 7"]),
            ("last in, first out", false, &["1 enqueue 1 | 0 1", "1 enqueue 2 | 2 3", "2 dequeue -> 2 | 4 5"]),
            ("put in at once", true, &["1 enqueue 1 | 0 3", "3 enqueue 2 | 1 2", "2 dequeue -> 2 | 4 5"]),
            ("handed out twice", false, &["1 enqueue 1 | 0 1", "2 dequeue -> 1 | 2 3", "3 dequeue -> 1 | 2 3"]),
            ("empty, and it is not", false, &["1 enqueue 1 | 0 1", "2 dequeue -> null | 2 3"]),
            ("empty, beside it", true, &["1 enqueue 1 | 0 4", "2 dequeue -> null | 2 3"]),
            ("an unanswered dequeue took it", true, &["1 enqueue 1 | 0 1", "2 dequeue | 2 ..", "3 dequeue -> null | 4 5"]),
        ],
    );
}

#[test]
fn mutex() {
    check(
        "mutex",
        &[
            ("taken and given", true, &["1 acquire | 0 1", "1 release | 2 3", "2 acquire | 4 5"]),
            ("taken twice", false, &["1 acquire | 0 1", "2 acquire | 2 3"]),
            ("taken while it is given", true, &["1 acquire | 0 1", "1 release | 2 5", "2 acquire | 3 4"]),
            ("given by another", false, &["1 acquire | 0 1", "2 release | 2 3"]),
            ("an unanswered release", true, &["1 acquire | 0 1", "1 release | 2 ..", "2 acquire | 4 5"]),
            ("given without being taken", false, &["1 release | 0 1"]),
        ],
    );
}

#[test]
fn queues_that_hand_out_in_another_order() {
    check(
        "unordered-queue",
        &[
            ("any order", true, &["1 enqueue 1 | 0 1", "1 enqueue 2 | 2 3", "2 dequeue -> 2 | 4 5", "2 dequeue -> 1 | 6 7"]),
            ("what never came", false, &["1 enqueue 1 | 0 1", "2 dequeue -> 2 | 4 5"]),
            ("twice", false, &["1 enqueue 1 | 0 1", "2 dequeue -> 1 | 2 3", "3 dequeue -> 1 | 2 3"]),
            ("before it came", false, &["2 dequeue -> 1 | 0 1", "1 enqueue 1 | 2 3"]),
            ("empty, beside it", true, &["1 enqueue 1 | 0 4", "2 dequeue -> null | 2 3"]),
            ("an unanswered one came", true, &["1 enqueue 1 | 0 ..", "2 dequeue -> 1 | 2 3"]),
            ("drained", true, &["1 enqueue 1 | 0 1", "3 enqueue 2 | 0 1", "2 drain -> [2 1] | 2 3", "1 dequeue -> null | 4 5"]),
            ("and one is left", false, &["1 enqueue 1 | 0 1", "3 enqueue 2 | 0 1", "2 drain -> [2] | 2 3", "1 dequeue -> null | 4 5"]),
            ("an unanswered drain took it", true, &["1 enqueue 1 | 0 1", "2 drain | 2 ..", "1 dequeue -> null | 4 5"]),
        ],
    );
    check(
        "priority-queue",
        &[
            ("the smallest first", true, &["1 enqueue 2 | 0 1", "1 enqueue 1 | 2 3", "2 dequeue -> 1 | 4 5", "2 dequeue -> 2 | 6 7"]),
            ("not the smallest", false, &["1 enqueue 2 | 0 1", "1 enqueue 1 | 2 3", "2 dequeue -> 2 | 4 5"]),
            ("the smallest came later", true, &["1 enqueue 2 | 0 1", "1 enqueue 1 | 2 5", "2 dequeue -> 2 | 3 4"]),
            ("twice", false, &["1 enqueue 1 | 0 1", "2 dequeue -> 1 | 2 3", "3 dequeue -> 1 | 2 3"]),
            ("an unanswered dequeue took it", true, &["1 enqueue 1 | 0 1", "2 dequeue | 2 ..", "3 dequeue -> null | 4 5"]),
            ("empty, and it is not", false, &["1 enqueue 1 | 0 1", "2 dequeue -> null | 2 3"]),
        ],
    );
    check(
        "stack",
        &[
            ("last in, first out", true, &["1 push 1 | 0 1", "1 push 2 | 2 3", "2 pop -> 2 | 4 5", "2 pop -> 1 | 6 7"]),
            ("first in, first out", false, &["1 push 1 | 0 1", "1 push 2 | 2 3", "2 pop -> 1 | 4 5"]),
            ("put in at once", true, &["1 push 1 | 0 3", "3 push 2 | 1 2", "2 pop -> 1 | 4 5"]),
            ("handed out twice", false, &["1 push 1 | 0 1", "2 pop -> 1 | 2 3", "3 pop -> 1 | 2 3"]),
            ("an unanswered pop took it", true, &["1 push 1 | 0 1", "1 push 2 | 2 3", "2 pop | 4 ..", "3 pop -> 1 | 6 7"]),
            ("an unanswered push came", true, &["1 push 1 | 0 1", "3 push 2 | 2 ..", "2 pop -> 2 | 4 5", "2 pop -> 1 | 6 7"]),
            ("empty, and it is not", false, &["1 push 1 | 0 1", "2 pop -> null | 2 3"]),
        ],
    );
}

#[test]
fn numbers() {
    check(
        "counter",
        &[
            ("0 at first", true, &["1 read -> 0 | 0 1"]),
            ("a sum", true, &["1 add 2 | 0 1", "1 add 3 | 2 3", "2 read -> 5 | 4 5"]),
            ("one is lost", false, &["1 add 2 | 0 1", "1 add 3 | 2 3", "2 read -> 3 | 4 5"]),
            ("too much", false, &["1 add 2 | 0 1", "2 read -> 3 | 4 5"]),
            ("within bounds, and no sum", false, &["1 add 2 | 0 9", "3 add 2 | 0 9", "2 read -> 3 | 4 5"]),
            ("an unanswered one, late", true, &["1 add 2 | 0 ..", "2 read -> 0 | 1 2", "2 read -> 2 | 3 4"]),
        ],
    );
    let transfer = "1 transfer {\"from\":1,\"to\":2,\"amount\":3}";
    let moved = |span: &str| format!("{transfer} | {span}");
    check(
        "bank",
        &[
            ("what the first read shows was there", true, &["2 read -> {\"1\":5,\"2\":5} | 0 1"]),
            ("moved", true, &["2 read -> {\"1\":5,\"2\":5} | 0 1", &moved("2 3"), "2 read -> {\"1\":2,\"2\":8} | 4 5"]),
            ("not moved", false, &["2 read -> {\"1\":5,\"2\":5} | 0 1", &moved("2 3"), "2 read -> {\"1\":5,\"2\":5} | 4 5"]),
            ("money is lost", false, &["2 read -> {\"1\":5,\"2\":5} | 0 1", &moved("2 3"), "2 read -> {\"1\":2,\"2\":7} | 4 5"]),
            ("moved twice", false, &["2 read -> {\"1\":5,\"2\":5} | 0 1", &moved("2 .."), "2 read -> {\"1\":-1,\"2\":11} | 4 5"]),
            ("an unanswered one", true, &["2 read -> {\"1\":5,\"2\":5} | 0 1", &moved("2 .."), "2 read -> {\"1\":5,\"2\":5} | 4 5"]),
        ],
    );
}

#[test]
fn more_locks() {
    check(
        "mutex-without-owners",
        &[
            ("taken and given", true, &["1 acquire | 0 1", "1 release | 2 3", "2 acquire | 4 5"]),
            ("given by another", true, &["1 acquire | 0 1", "2 release | 2 3", "3 acquire | 4 5"]),
            ("taken twice", false, &["1 acquire | 0 1", "2 acquire | 2 3"]),
            ("given without being taken", false, &["1 release | 0 1"]),
            ("an unanswered release", true, &["1 acquire | 0 1", "1 release | 2 ..", "2 acquire | 4 5"]),
            ("given twice", false, &["1 acquire | 0 1", "1 release | 2 3", "1 release | 4 5"]),
        ],
    );
    check(
        "reentrant-mutex",
        &[
            (
                "taken again by its holder",
                true,
                &["1 acquire | 0 1", "1 acquire | 2 3", "1 release | 4 5", "1 release | 6 7", "2 acquire | 8 9"],
            ),
            ("given once of twice", false, &["1 acquire | 0 1", "1 acquire | 2 3", "1 release | 4 5", "2 acquire | 8 9"]),
            ("given by another", false, &["1 acquire | 0 1", "2 release | 2 3"]),
            ("taken by another", false, &["1 acquire | 0 1", "2 acquire | 2 3"]),
            ("an unanswered release", true, &["1 acquire | 0 1", "1 release | 2 ..", "2 acquire | 4 5"]),
            ("taken while it is given", true, &["1 acquire | 0 1", "1 release | 2 5", "2 acquire | 3 4"]),
        ],
    );
    check(
        "fenced-mutex",
        &[
            ("tokens go up", true, &["1 acquire -> 3 | 0 1", "1 release | 2 3", "2 acquire -> 5 | 4 5"]),
            ("a token twice", false, &["1 acquire -> 3 | 0 1", "1 release | 2 3", "2 acquire -> 3 | 4 5"]),
            ("tokens go down", false, &["1 acquire -> 3 | 0 1", "1 release | 2 3", "2 acquire -> 2 | 4 5"]),
            (
                "without a token",
                true,
                &["1 acquire -> 3 | 0 1", "1 release | 2 3", "2 acquire | 4 5", "2 release | 6 7", "1 acquire -> 4 | 8 9"],
            ),
            ("taken twice", false, &["1 acquire -> 3 | 0 1", "2 acquire -> 4 | 2 3"]),
            ("an unanswered release", true, &["1 acquire -> 1 | 0 1", "1 release | 2 ..", "2 acquire -> 2 | 4 5"]),
        ],
    );
    check(
        "semaphore",
        &[
            ("two of two", true, &["1 acquire | 0 1", "2 acquire | 2 3"]),
            ("three of two", false, &["1 acquire | 0 1", "2 acquire | 2 3", "3 acquire | 4 5"]),
            ("given back by anybody", true, &["1 acquire | 0 1", "2 acquire | 2 3", "3 release | 4 5", "3 acquire | 6 7"]),
            ("more than there are", false, &["1 release | 0 1"]),
            ("an unanswered release", true, &["1 acquire | 0 1", "2 acquire | 2 3", "1 release | 4 ..", "3 acquire | 6 7"]),
            ("given back twice", false, &["1 acquire | 0 1", "1 release | 2 3", "1 release | 4 5"]),
        ],
    );
}

#[test]
fn set_full() {
    check(
        "set-full",
        &[
            ("it comes to stay", true, &["1 add 1 | 0 1", "2 read -> [1] | 2 3"]),
            ("late", true, &["1 add 1 | 0 1", "2 read -> [] | 2 3", "2 read -> [1] | 4 5"]),
            ("not at all", false, &["1 add 1 | 0 1", "2 read -> [] | 2 3", "2 read -> [] | 4 5"]),
            ("it goes again", false, &["1 add 1 | 0 1", "2 read -> [1] | 2 3", "2 read -> [] | 4 5"]),
            ("an unanswered one that was shown goes", false, &["1 add 1 | 0 ..", "2 read -> [1] | 2 3", "2 read -> [] | 4 5"]),
            ("an unanswered one", true, &["1 add 1 | 0 ..", "3 add 2 | 0 1", "2 read -> [2] | 2 3"]),
            ("a read that shows it comes back last", true, &["1 add 1 | 0 1", "2 read -> [1] | 2 5", "3 read -> [] | 3 4"]),
            ("listed twice", false, &["1 add 1 | 0 1", "2 read -> [1 1] | 2 3"]),
        ],
    );
}

#[test]
fn what_no_read_could_show_is_not_called_valid() {
    for rows in [&["1 add 1 | 0 1"][..], &["1 add 1 | 0 ..", "2 read -> [] | 2 3"], &["1 add 1 | 0 3", "2 read -> [] | 1 2"]] {
        let (_, history) = formats::read(&table(rows), Default::default()).unwrap();
        let judged = (model("set-full").judge)(&history, &mut Options::default()).unwrap();
        assert!(matches!(&judged.verdict, Found::Unknown(why) if why.contains("no read came back")), "{rows:?}: {judged:?}");
    }
}

#[test]
fn calls_that_do_the_same_have_an_order_however_many_are_open_and_wherever_they_return() {
    use crate::{Call, CallId, Decision, Register, RegisterAnswer as A, RegisterAsk as Q, decide, replay, unlimited};
    let history = |writes: usize, reads: &[u64]| {
        let write = |n: usize| (Q::Write(n as u64 % 2 + 1), A::Written, n, 1_000);
        let read = |(n, seen): (usize, &u64)| (Q::Read, A::Holds(*seen), 100 + 2 * n, 101 + 2 * n);
        let all = (0..writes).map(write).chain(reads.iter().enumerate().map(read)).enumerate();
        all.map(|(n, (input, output, invoked, returned))| Call { id: CallId(n as u64), input, output: Some(output), invoked, returned })
            .collect::<Vec<_>>()
    };
    for (writes, reads, legal) in [
        (70, &[1, 2, 1, 2][..], true),
        (70, &[1, 2, 3], false),
        (12, &[1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2], true),
        (12, &[1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1], false),
    ] {
        let calls = history(writes, reads);
        match decide(&Register(0), &calls, true, &mut unlimited) {
            Decision::Linearizable(order) => {
                assert!(legal && replay(&Register(0), &calls, &order).is_ok(), "{writes}, {reads:?}: {order:?}")
            }
            found => assert!(!legal && matches!(found, Decision::Stuck(_)), "{writes}, {reads:?}: {found:?}"),
        }
    }
}

#[test]
fn every_way_agrees_on_20_000_random_histories() {
    let (mut legal, mut illegal, mut smaller) = (0, 0, 0);
    for seed in 0..20_000 {
        let mut draws = stream(seed, "linear");
        let round = crate::fuzz::round(&mut |n| draws.below(n)).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        legal += u32::from(round.legal);
        illegal += u32::from(!round.legal);
        smaller += u32::from(!round.legal && round.minimal < round.calls);
    }
    assert!(legal > 5_000 && illegal > 3_000 && smaller > 1_500, "legal {legal}, illegal {illegal}, smaller {smaller}: this proves little");
}
