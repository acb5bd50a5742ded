//! Random histories, each decided in every way that there is: brute force, the search, the search along a stream, a few parts of the
//! state; and every proof is held against the history, which has an order from each of its places on where it has one at all.

use crate::{
    AppendKv, Bank, Call, CallId, CallOf, Counter, Decision, Model, MultiRegister, Mutex, NEVER, Progress, Queue, Register, RegisterAnswer,
    RegisterAsk, Set, Stack, Stream, UnorderedQueue, Value, decide, decide_from,
    explain::rest,
    frontier::{Reach, decide_within, places},
    has_no_order, minimal,
    models::{append_kv, bank, counter, multi_register, mutex, queue, set, stack},
    refute::by_parts,
    replay,
    settle::with_pairs,
    some_order_exists, unlimited,
};
use std::sync::Arc;

/// An endless search may go on for ever, as of a queue into which values come again and again.
const FEW_VISITS: u64 = 1 << 10;

/// Draws a number below another.
pub type Draw<'d> = &'d mut dyn FnMut(u64) -> u64;

/// What a history was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whether it has an order.
    pub legal: bool,
    /// How many calls it has.
    pub calls: usize,
    /// How many of them a minimal counterexample keeps; 0 when it has an order.
    pub minimal: usize,
}

/// One random history of a random model.
///
/// # Errors
/// Where two ways differ, or a proof does not hold: the history, and what each said.
pub fn round(draw: Draw<'_>) -> Result<Round, String> {
    match draw(10) {
        0 => {
            let input = |draw: Draw<'_>| match draw(3) {
                0 => RegisterAsk::Read,
                1 => RegisterAsk::Write(draw(3) + 1),
                _ => RegisterAsk::Cas { from: draw(4), to: draw(3) + 1 },
            };
            let output = |draw: Draw<'_>, input: &RegisterAsk<u64>| match input {
                RegisterAsk::Read => RegisterAnswer::Holds(draw(4)),
                RegisterAsk::Write(_) => RegisterAnswer::Written,
                RegisterAsk::Cas { .. } => RegisterAnswer::Swapped(draw(2) == 0),
            };
            compare(&Register(0), &history(&Register(0), draw, &input, &output))
        }
        1 => {
            use append_kv::Ask;
            let model = AppendKv { grows: draw(2) == 0 };
            let text = |draw: Draw<'_>| -> Arc<str> { ["a", "b", "ab"][draw(3) as usize].into() };
            let input = |draw: Draw<'_>| match draw(5) {
                0 | 1 => Ask::Get,
                2 if !model.grows => Ask::Put(text(draw)),
                _ => Ask::Append(text(draw)),
            };
            let output = |draw: Draw<'_>, input: &Ask| {
                let shown = || (0..draw(4)).map(|_| text(draw).to_string()).collect::<String>().into();
                (*input == Ask::Get).then(shown)
            };
            compare(&model, &history(&model, draw, &input, &output))
        }
        2 => {
            use set::{Answer, Ask};
            let member = |draw: Draw<'_>| Value::Int(draw(3) as i64);
            let input = |draw: Draw<'_>| match draw(5) {
                0 | 1 => Ask::Add(member(draw)),
                2 => Ask::Remove(member(draw)),
                3 => Ask::Contains(member(draw)),
                _ => Ask::Read,
            };
            let output = |draw: Draw<'_>, input: &Ask| match input {
                Ask::Add(_) | Ask::Remove(_) => Answer::Done,
                Ask::Contains(_) => Answer::Has(draw(2) == 0),
                Ask::Read => {
                    let mask = draw(8);
                    Answer::Members((0..3).filter(|i| mask >> i & 1 == 1).map(Value::Int).collect())
                }
            };
            compare(&Set, &history(&Set, draw, &input, &output))
        }
        3 => {
            use queue::Ask;
            let input = |draw: Draw<'_>| if draw(2) == 0 { Ask::Dequeue } else { Ask::Enqueue(Value::Int(draw(4) as i64)) };
            compare(&Queue, &history(&Queue, draw, &input, &|draw, _| handed_out(draw)))
        }
        4 => {
            use mutex::Ask;
            let input = |draw: Draw<'_>| {
                let who = Value::Int(draw(3) as i64);
                if draw(2) == 0 { Ask::Acquire(who) } else { Ask::Release(who) }
            };
            compare(&Mutex, &history(&Mutex, draw, &input, &|_, _| ()))
        }
        5 => {
            use stack::Ask;
            let input = |draw: Draw<'_>| if draw(2) == 0 { Ask::Pop } else { Ask::Push(Value::Int(draw(4) as i64)) };
            compare(&Stack, &history(&Stack, draw, &input, &|draw, _| handed_out(draw)))
        }
        6 => {
            use queue::Ask;
            let input = |draw: Draw<'_>| if draw(2) == 0 { Ask::Dequeue } else { Ask::Enqueue(Value::Int(draw(4) as i64)) };
            compare(&UnorderedQueue, &history(&UnorderedQueue, draw, &input, &|draw, _| handed_out(draw)))
        }
        7 => {
            use counter::Ask;
            let input = |draw: Draw<'_>| if draw(2) == 0 { Ask::Read } else { Ask::Add(draw(4) as i64 - 1) };
            let output = |draw: Draw<'_>, input: &Ask| (*input == Ask::Read).then(|| draw(8) as i64 - 2);
            compare(&Counter(0), &history(&Counter(0), draw, &input, &output))
        }
        8 => {
            use bank::Ask;
            let account = |n: u64| Value::Int(n as i64);
            let model = Bank([(account(0), 2), (account(1), 2)].into());
            let input = |draw: Draw<'_>| match draw(2) {
                0 => Ask::Read,
                _ => {
                    let from = draw(2);
                    Ask::Transfer { from: account(from), to: account(1 - from), amount: draw(3) as i64 }
                }
            };
            let output = |draw: Draw<'_>, input: &Ask| {
                let on = draw(6) as i64 - 1;
                let other = if draw(6) == 0 { draw(6) as i64 } else { 4 - on };
                (*input == Ask::Read).then(|| [(account(0), on), (account(1), other)].into())
            };
            compare(&model, &history(&model, draw, &input, &output))
        }
        _ => {
            use multi_register::Step;
            let step = |draw: Draw<'_>| {
                let (key, value) = (Value::Int(draw(2) as i64), if draw(3) == 0 { Value::Nil } else { Value::Int(draw(2) as i64) });
                if draw(2) == 0 { Step::Read(key, Some(value)) } else { Step::Write(key, value) }
            };
            let input = |draw: Draw<'_>| (0..draw(2) + 1).map(|_| step(draw)).collect::<Vec<_>>();
            let model = MultiRegister::default();
            compare(&model, &history(&model, draw, &input, &|_, _| ()))
        }
    }
}

/// What a queue or a stack hands out.
fn handed_out(draw: Draw<'_>) -> Value {
    match draw(5) {
        0 => Value::Nil,
        n => Value::Int(n as i64 - 1),
    }
}

/// A few processes; each call takes effect at some moment, on a real object; some answers are lost, some are spoilt.
fn history<M: Model>(
    model: &M,
    draw: Draw<'_>,
    input: &dyn Fn(Draw<'_>) -> M::Input,
    output: &dyn Fn(Draw<'_>, &M::Input) -> M::Output,
) -> Vec<CallOf<M>> {
    let processes = draw(6) + 1;
    let (honest, mut state) = (draw(2) > 0, model.init());
    let loses = draw(3) > 0;
    let mut calls: Vec<CallOf<M>> = Vec::new();
    let mut busy: Vec<Option<usize>> = vec![None; processes as usize];
    // Some of those that nobody answers take effect late.
    let mut lost: Vec<usize> = Vec::new();
    for place in 0..draw(18) as usize + 2 {
        let process = draw(processes) as usize;
        if !lost.is_empty() && draw(4) == 0 {
            let call = lost.swap_remove(draw(lost.len() as u64) as usize);
            if let Some(next) = model.step(&state, &calls[call].input, None) {
                state = next;
            }
        }
        match busy[process].take() {
            None => {
                busy[process] = Some(calls.len());
                let id = CallId(calls.len() as u64 + 1);
                calls.push(Call { id, input: input(draw), output: None, invoked: place, returned: NEVER });
            }
            Some(call) if loses && draw(6) == 0 => lost.push(call),
            Some(i) => {
                let call = &calls[i];
                // An answer that is legal now, if one of a few draws is; or any.
                let mut answer = output(draw, &call.input);
                if honest || draw(3) > 0 {
                    for _ in 0..24 {
                        if model.step(&state, &call.input, Some(&answer)).is_some() {
                            break;
                        }
                        answer = output(draw, &call.input);
                    }
                }
                match model.step(&state, &call.input, Some(&answer)) {
                    Some(next) => state = next,
                    None if honest => {
                        busy[process] = Some(i);
                        continue;
                    }
                    None => {}
                }
                (calls[i].output, calls[i].returned) = (Some(answer), place);
            }
        }
    }
    calls.retain(|call| loses || call.returned != NEVER);
    calls
}

/// Decides it in every way.
///
/// # Errors
/// Where two ways differ, or a proof does not hold.
pub fn compare<M: Model>(model: &M, calls: &[CallOf<M>]) -> Result<Round, String>
where
    M::State: Clone,
{
    let legal = some_order_exists(model, calls);
    let show = || {
        let line = |c: &CallOf<M>| {
            let returned = if c.returned == NEVER { "never".to_string() } else { c.returned.to_string() };
            format!("{}: {} [{}..{returned}]\n", c.id, model.show_call(&c.input, c.output.as_ref()), c.invoked)
        };
        calls.iter().map(line).collect::<String>()
    };
    let wrong = |what: String| {
        Err(format!("brute force says that an order {}; {what}:\n{}", if legal { "exists" } else { "does not exist" }, show()))
    };
    let mut counterexample = 0;
    match decide(model, calls, true, &mut unlimited) {
        Decision::Unknown { .. } => return wrong("the search gave up".into()),
        Decision::Linearizable(_) if !legal => return wrong("the search found one".into()),
        Decision::Stuck(stuck) if legal => return wrong(format!("the search is stuck at {}", stuck.call)),
        Decision::Linearizable(order) => {
            if let Err(why) = replay(model, calls, &order) {
                return wrong(format!("the search found {order:?}, and {why}"));
            }
        }
        Decision::Stuck(_) => {
            let (kept, relaxed, whole) = minimal(model, calls);
            counterexample = kept.len();
            // Alone, the part has no order only if nothing had to be relaxed, and it is about the whole state, from the beginning.
            let part: Vec<CallOf<M>> = calls.iter().filter(|c| kept.contains(&c.id)).cloned().collect();
            if kept.is_empty() || (whole && relaxed == 0 && (!has_no_order(model, &part) || some_order_exists(model, &part))) {
                return wrong(format!("the counterexample {kept:?} has an order"));
            }
        }
    }
    for reach in [Reach::Endless, Reach::Narrow(1), Reach::Narrow(3)] {
        let few = &mut |progress: Progress| progress.visits < FEW_VISITS;
        match decide_within(model, calls, true, reach, few) {
            Decision::Stuck(stuck) if legal => return wrong(format!("the {reach:?} search is stuck at {}", stuck.call)),
            Decision::Linearizable(order) => {
                if let Err(why) = replay(model, calls, &order) {
                    return wrong(format!("the {reach:?} search found {order:?}, and {why}"));
                }
            }
            Decision::Stuck(_) | Decision::Unknown { .. } => {}
        }
    }
    if let Some(settled) = model.settled(calls) {
        match decide(model, &settled.calls, true, &mut unlimited) {
            Decision::Linearizable(order) => {
                let order = with_pairs(order, &settled.calls, &settled.pairs);
                if let Err(why) = replay(model, calls, &order) {
                    return wrong(format!("settled it has {order:?}, and {why}"));
                }
            }
            Decision::Stuck(stuck) if legal => return wrong(format!("settled it is stuck at {}", stuck.call)),
            Decision::Stuck(_) | Decision::Unknown { .. } => {}
        }
    }
    if let Some(order) = model.built(calls) {
        // It is replayed; but what is believed must not depend on that being noticed.
        match replay(model, calls, &order) {
            Err(why) if legal => return wrong(format!("built, it has {order:?}, and {why}")),
            Ok(()) if !legal => return wrong(format!("built, it has {order:?}")),
            _ => {}
        }
    }
    if let Some(found) = model.outright(calls) {
        // They have no order, whatever became of the others.
        let relaxed =
            |c: &CallOf<M>| if found.calls.contains(&c.id) { c.clone() } else { Call { output: None, returned: NEVER, ..c.clone() } };
        let alone: Vec<CallOf<M>> = calls.iter().map(relaxed).collect();
        if legal || some_order_exists(model, &alone) {
            return wrong(format!("at a glance {:?} have none: {}", found.calls, found.why));
        }
    }
    if legal && let Some(refuted) = by_parts(model, calls, &mut unlimited) {
        return wrong(format!("by what is said of {:?} there is none", refuted.kept));
    }
    if legal {
        let mut all = vec![];
        places(model, &[model.init()], calls, &mut |place, states| all.push((place, states)), &mut unlimited);
        for (place, states) in all {
            if matches!(decide_from(model, &states, &rest::<M>(calls, place), &mut unlimited), Decision::Stuck(_)) {
                let states: Vec<String> = states.iter().map(|state| model.show_state(state)).collect();
                return wrong(format!("from place {place} on, from {}, there is none", states.join(" or ")));
            }
        }
    }
    let mut stream = Stream::new(model);
    let mut events: Vec<(usize, bool, &CallOf<M>)> = calls.iter().map(|c| (c.invoked, false, c)).collect();
    events.extend(calls.iter().filter(|c| c.returned != NEVER).map(|c| (c.returned, true, c)));
    events.sort_by_key(|(at, ..)| *at);
    let mut stuck = false;
    for (_, returns, call) in events {
        match returns {
            false => stream.invoke(call.id, call.input.clone()),
            true => stuck |= stream.returned(call.id, call.output.clone()).is_err(),
        }
    }
    stuck |= stream.finish().is_err();
    if stuck == legal {
        return wrong(format!("the stream says that it is {}", if stuck { "stuck" } else { "not" }));
    }
    Ok(Round { legal, calls: calls.len(), minimal: counterexample })
}
