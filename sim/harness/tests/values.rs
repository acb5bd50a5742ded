//! What a harness makes of the values that it is given: its pack, judged by hand.

use serde::{Deserialize, Serialize};
use squall_harness::{Client, CompletedOp, Harness, Operation, Unanswered, Verdict};
use squall_history::{ClientId, Entry, EntryKind, OpId, SimTime, Untyped, View, read_jsonl, write_jsonl};
use squall_run::Pack;
use std::{net::SocketAddr, sync::Arc};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Op {
    Look,
    Add(u32),
}

impl Operation for Op {
    fn is_read(&self) -> bool {
        *self == Op::Look
    }
}

struct Nobody;

impl Client for Nobody {
    type Op = Op;
    type Answer = u32;

    async fn call(&mut self, _op: &Op) -> Result<u32, Unanswered> {
        Err(Unanswered::refused("nobody is there"))
    }
}

fn never_more_than_nine(ops: &[CompletedOp<Op, u32>]) -> Verdict {
    match ops.iter().find(|op| op.output().is_some_and(|sum| *sum > 9)) {
        Some(op) => Verdict::invalid("too-much", op.invoked, format!("{:?} was told {:?}", op.ask, op.output())),
        None => Verdict::Valid,
    }
}

fn counter() -> Arc<dyn Pack> {
    Harness::new("counter")
        .service(|_| std::future::pending::<Result<(), String>>())
        .client(|_: SocketAddr| Nobody)
        .workload("adds", "it adds, and looks", |draws| if draws.below(3) == 0 { Op::Look } else { Op::Add(1) })
        .specification(0, |sum, op, answer| {
            let after = if let Op::Add(more) = op { sum + more } else { *sum };
            answer.is_none_or(|told| *told == after).then_some(after)
        })
        .check("small", "it never counts beyond nine", never_more_than_nine)
        .pack()
}

/// The verdicts of its checkers over these operations, one after the other, each with its answer.
fn judged(asked: &[(&str, u32)]) -> Vec<(&'static str, &'static str)> {
    let pack = counter();
    let json = |text: &str| Untyped(serde_json::from_str(text).expect("JSON"));
    let mut history = Vec::new();
    for (i, (ask, answer)) in (1..).zip(asked) {
        let line = |what: EntryKind| Entry { t: SimTime(i), what };
        history.push(line(EntryKind::Invoke { client: ClientId(1), op: OpId(i), ask: json(ask).into() }));
        history.push(line(EntryKind::Ok { op: OpId(i), output: json(&answer.to_string()).into(), position: None }));
    }
    let mut text = Vec::new();
    write_jsonl(&history, &mut text).expect("memory takes it");
    let history = read_jsonl(&text[..], pack.dialect()).expect("the pack knows its own operations");
    let view = View::new(&history);
    pack.checkers().iter().map(|checker| (checker.name, (checker.check)(&view).word())).collect()
}

#[test]
fn a_specification_and_a_check_judge_what_serde_reads() {
    let right = [(r#"{"add": 4}"#, 4), (r#""look""#, 4), (r#"{"add": 5}"#, 9)];
    assert_eq!(judged(&right), [("linearizable", "valid"), ("small", "valid")]);
    assert_eq!(judged(&[(r#"{"add": 4}"#, 4), (r#""look""#, 5)]), [("linearizable", "invalid"), ("small", "valid")]);
    assert_eq!(judged(&[(r#"{"add": 12}"#, 12)]), [("linearizable", "valid"), ("small", "invalid")]);
}

#[test]
fn a_checker_that_saw_nothing_of_its_own_does_not_apply() {
    let pack = counter();
    assert!(pack.checkers().iter().all(|checker| !(checker.applies)(&View::new(&[]))));
}

#[test]
fn what_is_asked_in_the_end_is_what_only_read_and_each_once() {
    let pack = counter();
    let mut looks = pack.leftovers();
    let ask = |text: &str| {
        let line = format!("{{\"squall_history\":6}}\n{}\n", invoked(text));
        let history = read_jsonl(line.as_bytes(), pack.dialect()).expect("an operation of its own");
        let EntryKind::Invoke { ask, .. } = history[0].what.clone() else { panic!("an invocation") };
        ask
    };
    for text in [r#""look""#, r#"{"add":1}"#, r#""look""#] {
        looks.asked(&ask(text));
    }
    assert_eq!(looks.reads(), [ask(r#""look""#)]);
    assert_eq!((ask(r#"{"add":1}"#).verb(), ask(r#"{"add":1}"#).to_string()), ("add", "add 1".to_string()));
}

fn invoked(ask: &str) -> String {
    let ask: squall_history::Op = Untyped(serde_json::from_str(ask).expect("JSON")).into();
    squall_history::to_line(&Entry { t: SimTime(1), what: EntryKind::Invoke { client: ClientId(1), op: OpId(1), ask } })
}

#[test]
fn only_a_connection_that_was_refused_is_certain() {
    use std::io::{Error, ErrorKind};
    for (kind, certain) in [
        (ErrorKind::ConnectionRefused, true),
        (ErrorKind::ConnectionReset, false),
        (ErrorKind::UnexpectedEof, false),
        (ErrorKind::TimedOut, false),
        (ErrorKind::NotFound, false),
    ] {
        assert_eq!(matches!(Unanswered::from(Error::from(kind)), Unanswered::Refused(_)), certain, "{kind}");
    }
}
