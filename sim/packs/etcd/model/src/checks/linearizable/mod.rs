//! `linearizable`: there is one order of all operations, each between its invocation and its answer,
//! in which every answer is right (Herlihy and Wing 1990).
//!
//! Gets, puts and swaps are about one key each, so each key is decided by itself: linearizability is
//! local. With deletes, ranges and transactions the whole store is one object: decided by the revisions
//! that its answers carry ([`quick`], and [`revision`] where that finds no witness), or, without them, by the generic search. What this cannot see:
//! anything about keys that nobody read, nor what
//! hangs on leases and lines ([`crate::checks::out_of_model`]).

mod differential;
mod kv;
mod log;
mod lookahead;
mod minimal;
mod quick;
mod read;
mod revision;
mod store;

pub use differential::{Round, differential};
pub use kv::judge_kv;
pub use read::{Columns, read_columns};
pub use store::{State as StoreState, Store};

use crate::checks::{Checker, Verdict, Witness, applies, out_of_model::OutOfModel, verdict};
use crate::ops::{Answer, CompletedOp, Op, OpEnd, OpId, Output, View};
use minimal::{Effort, MinimalCore, minimal};
use revision::{Contradiction, Refused};
use squall_linear::{
    Call, CallId, CallOf, Counterexample, Decision, Model, Progress, RawCall, RawEnd, RawHistory, Register, RegisterAnswer, RegisterAsk,
    Stuck, Value, decide, explain, unlimited,
};
use std::collections::BTreeMap;

pub(crate) const CHECKER: Checker = Checker {
    name: "linearizable",
    client_side: true,
    prefix: true,
    about: "one order of all operations explains every answer, and puts each operation between its invocation and its answer",
    // Where there is nothing but what hangs on leases and lines, there is nothing to judge.
    applies: &|view| {
        applies(view, |view| {
            let ops = view.ops();
            OutOfModel::of(ops).leaves_any(ops)
        })
    },
    check: &|view| verdict(view, check),
};

/// How many configurations one key's search may visit before it says `unknown`.
const VISITS_MAX: u64 = 20_000_000;

/// And how many bytes, roughly.
const BYTES_MAX: usize = 2 << 30;

fn check(view: &View<'_>) -> Verdict {
    let all = view.ops();
    let out_of_model = OutOfModel::of(all);
    let mut ops = out_of_model.without(all);
    if !view.as_of().is_empty() {
        let ops = ops.to_mut();
        ops.extend(out_of_model.without(view.as_of()).into_owned());
        ops.sort_by_key(|op| op.invoked_at);
    }
    let spans_keys = |op: &CompletedOp| matches!(op.ask, Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. });
    match ops.iter().any(spans_keys) {
        false => check_keys(ops.into_owned()),
        true if ops.iter().all(|op| op.output().is_none() || op.position.is_some()) => {
            match revision::judge(&ops, &out_of_model, &mut unlimited) {
                Ok(_) => Verdict::Valid,
                Err(Refused::Unknown(why)) => Verdict::Unknown(why),
                Err(Refused::Invalid(clash)) => Verdict::Invalid(told(*clash, &ops, &out_of_model)),
            }
        }
        true => check_store(&ops),
    }
}

/// What there is where no order is left; and as the operations that show it a part that has no order either, and nothing of
/// which can be spared.
fn told(clash: Contradiction, ops: &[CompletedOp], out_of_model: &OutOfModel) -> Box<Witness> {
    let explanation = revision::explanation(ops, out_of_model, &clash);
    let mut witness = Box::new(clash.witness);
    witness.details.extend(explanation.why);
    let MinimalCore { calls: part, relaxed, .. } = minimal(ops, out_of_model, &witness.ops, Effort::LITTLE, &mut unlimited);
    if !part.is_empty() {
        let others = if relaxed > 0 { format!(", whatever became of {relaxed} other writes") } else { String::new() };
        let list: Vec<String> = part.iter().map(OpId::to_string).collect();
        witness.details.push(format!("{} alone: there is no order{others}", list.join(", ")));
        witness.ops = part;
        witness.ops.dedup();
    }
    witness
}

/// Operations as other models read them: get, put and cas of a key are read, write and cas of a register.
pub fn raw(ops: &[CompletedOp]) -> RawHistory {
    let held = |value: &Option<String>| value.as_deref().map_or(Value::Nil, Value::text);
    let call = |op: &CompletedOp| {
        let (kind, key, input) = match &op.ask {
            Op::Get { key } => ("read", Some(key), Value::Nil),
            Op::Put { key, value } => ("write", Some(key), Value::text(value)),
            Op::Cas { key, expect, value } => ("cas", Some(key), Value::list(vec![held(expect), Value::text(value)])),
            Op::Delete { key } => ("delete", Some(key), Value::Nil),
            other => (other.verb(), None, Value::text(&other.to_string())),
        };
        let end = match &op.end {
            OpEnd::Open => RawEnd::Unknown,
            OpEnd::Fail(_) => RawEnd::Failed(None),
            OpEnd::Ok(_, Output::Got { value }) => RawEnd::Ok(Some(held(value))),
            OpEnd::Ok(_, Output::Swapped { yes }) => RawEnd::Ok(Some(Value::Bool(*yes))),
            OpEnd::Ok(_, Output::Done) => RawEnd::Ok(None),
            OpEnd::Ok(_, output) => RawEnd::Ok(Some(Value::text(&output.to_string()))),
        };
        let ended = match op.end {
            OpEnd::Ok(at, _) | OpEnd::Fail(at) => at.0,
            OpEnd::Open => u64::MAX,
        };
        RawCall {
            id: CallId(op.id.0),
            process: Value::Int(op.client.0.into()),
            kind: kind.into(),
            key: key.map(|key| Value::text(key)),
            input,
            end,
            invoked: op.invoked_at,
            returned: op.ended_at,
            times: (op.invoked.0, ended),
        }
    };
    RawHistory { calls: ops.iter().map(call).collect(), remarks: vec![] }
}

/// What the search may take.
fn in_bounds(progress: Progress) -> bool {
    progress.visits <= VISITS_MAX && progress.bytes <= BYTES_MAX
}

/// Operations on several keys at once, without revisions: the whole store is one object.
fn check_store(ops: &[CompletedOp]) -> Verdict {
    let answer = |op: &CompletedOp| op.output().map(|output| Answer { output: output.clone(), position: op.position });
    let calls = calls(ops, |op| (op.ask.clone(), answer(op)));
    match decide(&Store, &calls, false, &mut in_bounds) {
        Decision::Linearizable(_) => Verdict::Valid,
        Decision::Unknown { at, .. } => Verdict::Unknown(format!("more than {VISITS_MAX} configurations, at the answer of op{at}")),
        Decision::Stuck(stuck) => Verdict::Invalid(Box::new(witness("", ops, &counterexample(&Store, &calls, &stuck)))),
    }
}

/// Every operation is about one key: each key is decided by itself.
fn check_keys(ops: Vec<CompletedOp>) -> Verdict {
    let mut keys: BTreeMap<String, Vec<CompletedOp>> = BTreeMap::new();
    for op in ops {
        let key = op.ask.key().expect("each of these is about one key").to_string();
        keys.entry(key).or_default().push(op);
    }
    let mut unknown = None;
    let register = Register(Value::Nil);
    for (key, ops) in &keys {
        let calls = calls(ops, |op| (asked(&op.ask), op.output().map(|output| answered(&op.ask, output))));
        match decide(&register, &calls, false, &mut in_bounds) {
            Decision::Linearizable(_) => {}
            Decision::Unknown { .. } => unknown = Some(format!("key {key}: more than {VISITS_MAX} configurations")),
            Decision::Stuck(stuck) => {
                return Verdict::Invalid(Box::new(witness(key, ops, &counterexample(&register, &calls, &stuck))));
            }
        }
    }
    unknown.map_or(Verdict::Valid, Verdict::Unknown)
}

fn value(held: Option<&str>) -> Value {
    held.map_or(Value::Nil, Value::text)
}

/// What an operation asks of its one key, as a register.
fn asked(op: &Op) -> RegisterAsk<Value> {
    match op {
        Op::Get { .. } => RegisterAsk::Read,
        Op::Put { value, .. } => RegisterAsk::Write(Value::text(value)),
        Op::Cas { expect, value: to, .. } => RegisterAsk::Cas { from: value(expect.as_deref()), to: Value::text(to) },
        Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. } => panic!("a register is not asked `{op}`"),
        Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => panic!("a register is not asked `{op}`"),
        Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => panic!("a register is not asked `{op}`"),
    }
}

/// What a register answers. What no register ever does is told as an answer that does not fit the question: no order allows that.
fn answered(ask: &Op, output: &Output) -> RegisterAnswer<Value> {
    match output {
        Output::Got { value: held } => RegisterAnswer::Holds(value(held.as_deref())),
        Output::Done => RegisterAnswer::Written,
        Output::Swapped { yes } => RegisterAnswer::Swapped(*yes),
        Output::Deleted { .. } | Output::Ranged { .. } | Output::Txn { .. } | Output::Watched { .. } => misfit(ask),
        Output::Removed { .. } | Output::ReadAll { .. } | Output::Compacted => misfit(ask),
        Output::Lease(_) | Output::Line(_) | Output::Member(_) | Output::Greeted { .. } => misfit(ask),
    }
}

/// An answer to another question.
fn misfit(ask: &Op) -> RegisterAnswer<Value> {
    if matches!(ask, Op::Get { .. }) { RegisterAnswer::Written } else { RegisterAnswer::Holds(Value::Nil) }
}

/// What the engine needs to know of each operation that may have happened.
fn calls<I, O>(ops: &[CompletedOp], asked: impl Fn(&CompletedOp) -> (I, Option<O>)) -> Vec<Call<I, O>> {
    let may_matter = |op: &&CompletedOp| match op.end {
        OpEnd::Ok(..) => true,
        OpEnd::Fail(_) => false,
        // A read that nobody got the answer of says nothing.
        OpEnd::Open => op.ask.may_write(),
    };
    let call = |op: &CompletedOp| {
        let (input, output) = asked(op);
        Call { id: CallId(op.id.0), input, output, invoked: op.invoked_at, returned: op.ended_at }
    };
    ops.iter().filter(may_matter).map(call).collect()
}

fn counterexample<M: Model>(model: &M, calls: &[CallOf<M>], stuck: &Stuck<M::State>) -> Counterexample {
    explain(model, None, calls, stuck, squall_linear::Effort::Bounded, &mut unlimited)
}

fn witness(key: &str, ops: &[CompletedOp], why: &Counterexample) -> Witness {
    let culprit = ops.iter().find(|op| op.id.0 == why.call.0).expect("a call is an operation");
    let on = if key.is_empty() { String::new() } else { format!(" on {key}") };
    let mut details = vec![format!("before that answer it could hold: {}", why.states.join(", "))];
    if why.states_in_all > why.states.len() {
        details.push(format!("... and {} more", why.states_in_all - why.states.len()));
    }
    details.extend(why.why.iter().cloned());
    if !why.from.is_empty() {
        details.push(format!("the operations shown begin when it held {}", why.from.join(" or ")));
    }
    match why.relaxed {
        0 => {}
        1 => details.push("whatever became of 1 other operation".to_string()),
        n => details.push(format!("whatever became of {n} other operations")),
    }
    let answer = if let OpEnd::Ok(_, output) = &culprit.end { output.to_string() } else { String::new() };
    let at = if let OpEnd::Ok(at, _) = culprit.end { at } else { culprit.invoked };
    Witness {
        kind: "no-order",
        summary: format!("{} by {} answered `{answer}`, and no order of the operations{on} allows that", culprit.ask, culprit.client),
        details,
        at,
        ops: why.minimal.iter().map(|id| OpId(id.0)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, EntryKind, KeyValue, Read, SimTime};

    #[test]
    fn failed_operations_and_unanswered_reads_are_left_out() {
        let ask = |op| EntryKind::Invoke { client: ClientId(1), op: OpId(op), ask: Op::Put { key: "k".into(), value: format!("v{op}") } };
        let lines = [
            ask(1),
            EntryKind::Fail { op: OpId(1), code: String::new(), why: String::new() },
            ask(2),
            EntryKind::Info { op: OpId(2), why: String::new() },
        ];
        let history: Vec<Entry> = lines.into_iter().map(|what| Entry { t: SimTime(0), what }).collect();
        let calls = calls(View::new(&history).ops(), |op| (asked(&op.ask), op.output().map(|output| answered(&op.ask, output))));
        assert_eq!(calls.iter().map(|c| c.id.0).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_stale_read_is_explained_and_many_concurrent_writes_are_decided() {
        let invoke = |op, ask| EntryKind::Invoke { client: ClientId(op as u32), op: OpId(op), ask };
        let put = |v: &str| Op::Put { key: "k".into(), value: v.into() };
        let ok = |op, output| EntryKind::Ok { op: OpId(op), output, position: None };
        let get = || Op::Get { key: "k".into() };
        let got = |v: &str| Output::Got { value: Some(v.into()) };
        let judge = |lines: Vec<EntryKind>| {
            let history: Vec<Entry> = lines.into_iter().enumerate().map(|(i, what)| Entry { t: SimTime(i as u64), what }).collect();
            check(&View::new(&history))
        };
        let stale = vec![
            invoke(1, put("a")),
            ok(1, Output::Done),
            invoke(2, put("b")),
            ok(2, Output::Done),
            invoke(3, put("c")),
            ok(3, Output::Done),
            invoke(4, get()),
            ok(4, got("a")),
        ];
        let Verdict::Invalid(witness) = judge(stale) else { panic!() };
        assert_eq!(witness.ops, [OpId(1), OpId(3), OpId(4)], "{witness:#?}");
        // Sixty writes at once, none of which anybody reads but one.
        let mut many: Vec<EntryKind> = (1..=60).map(|op| invoke(op, put(&format!("v{op}")))).collect();
        many.extend((1..=60).map(|op| ok(op, Output::Done)));
        many.extend([invoke(61, get()), ok(61, got("v17"))]);
        assert_eq!(judge(many), Verdict::Valid);
        // An answer to another question is no answer.
        for (ask, output) in [
            (get(), Output::Ranged { kvs: vec![] }),
            (get(), Output::Done),
            (put("a"), Output::Deleted { count: 1 }),
            (put("a"), got("a")),
            (Op::Cas { key: "k".into(), expect: None, value: "a".into() }, Output::Done),
            (Op::Cas { key: "k".into(), expect: None, value: "a".into() }, Output::Greeted { message: "hello".into() }),
        ] {
            let verdict = judge(vec![invoke(1, ask.clone()), ok(1, output.clone())]);
            assert!(matches!(verdict, Verdict::Invalid(_)), "{ask}: {output}: {verdict:?}");
        }
    }

    #[test]
    fn deletions_of_ranges_and_reads_of_any_revision_are_judged() {
        let invoke = |op, ask| EntryKind::Invoke { client: ClientId(op as u32), op: OpId(op), ask };
        let put = |key: &str, v: &str| Op::Put { key: key.into(), value: v.into() };
        let ok = |op, output, revision| EntryKind::Ok { op: OpId(op), output, position: Some(revision) };
        let kv = |key: &str, v: &str| KeyValue { key: key.into(), value: v.into(), revision: None, made: None };
        let judge = |last: Vec<EntryKind>| {
            // k1 at revision 2, k2 at 3, k1 again at 4.
            let mut lines = vec![];
            for (op, key, v) in [(1, "k1", "a"), (2, "k2", "b"), (3, "k1", "c")] {
                lines.extend([invoke(op, put(key, v)), ok(op, Output::Done, op + 1)]);
            }
            lines.extend(last);
            let history: Vec<Entry> = lines.into_iter().enumerate().map(|(i, what)| Entry { t: SimTime(i as u64), what }).collect();
            let verdict = check(&View::new(&history));
            if let Verdict::Invalid(witness) = &verdict { witness.kind.to_string() } else { verdict.word().to_string() }
        };
        let remove = || invoke(4, Op::DeleteRange { from: "k1".into(), to: "k2".into() });
        let removed = |kvs: Vec<KeyValue>, revision| ok(4, Output::Removed { count: kvs.len() as u64, kvs }, revision);
        let get = |at| [invoke(5, Op::Get { key: "k2".into() }), ok(5, Output::Got { value: None }, at)];
        let reads = |serializable, at| invoke(4, Op::Reads { reads: vec![Read { prefix: "k".into(), at }], put: None, serializable });
        let seen = |kvs, revision| ok(4, Output::ReadAll { ranges: vec![kvs] }, revision);
        assert_eq!(judge(vec![remove(), removed(vec![kv("k1", "c")], 5)]), "valid");
        // What was before it is told, and its end stays.
        assert_eq!(judge(vec![remove(), removed(vec![kv("k1", "a")], 5)]), "wrong-answer");
        assert_eq!(judge(vec![remove(), removed(vec![kv("k1", "c")], 5), get(5)[0].clone(), get(5)[1].clone()]), "wrong-answer");
        assert_eq!(judge(vec![remove(), removed(vec![], 4)]), "wrong-answer");
        // A serializable read may be old, but is of the revision that it tells.
        assert_eq!(judge(vec![reads(true, None), seen(vec![kv("k1", "a")], 2)]), "valid");
        assert_eq!(judge(vec![reads(true, None), seen(vec![kv("k1", "a"), kv("k2", "b")], 3)]), "valid");
        assert_eq!(judge(vec![reads(true, None), seen(vec![kv("k1", "a")], 3)]), "wrong-past");
        assert_eq!(judge(vec![reads(false, None), seen(vec![kv("k1", "a")], 2)]), "stale-read");
        assert_eq!(judge(vec![reads(false, None), seen(vec![kv("k1", "c"), kv("k2", "b")], 4)]), "valid");
        // No answer to the question: a key that was not asked for, or no range at all.
        assert_eq!(judge(vec![reads(false, None), seen(vec![kv("x", "v")], 4)]), "wrong-answer");
        assert_eq!(judge(vec![reads(false, None), ok(4, Output::ReadAll { ranges: vec![] }, 4)]), "wrong-answer");
        // The past, inside a transaction.
        assert_eq!(judge(vec![reads(false, Some(2)), seen(vec![kv("k1", "a")], 4)]), "valid");
        assert_eq!(judge(vec![reads(false, Some(2)), seen(vec![kv("k1", "c"), kv("k2", "b")], 4)]), "wrong-past");
    }
}
