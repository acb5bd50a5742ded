//! The search of [`frontier`](crate::frontier) where everything fits machine words: at the most 64 calls open at a time and 64 states
//! possible at a time, no call of unknown outcome that may change something, and no foresight. Most histories are so.
//!
//! It keeps the same configurations and drops them for the same reasons; there the reasons are told. It knows nothing of the model: what
//! a call makes of a state is asked once for each open call and state ([`Object`]), and looked up from then on. A history that does not
//! fit is given up, and searched there.

mod config;
mod object;
mod search;

use self::{
    object::{Asked, Halt, Object},
    search::Search,
};
use crate::{
    bits::ones,
    call::NEVER,
    decision::{Decision, Stuck, Watchdog},
    model::{Context, Model, Nature},
};

/// Decides whether an order exists from any of these states. `None`: the history does not fit.
///
/// `all_asked`: from which event on every call that is not legal in every state was invoked.
pub(crate) fn decide<M: Model>(
    context: Context<'_, M>,
    states: &[M::State],
    (events, all_asked): (&[(usize, bool, u32)], usize),
    order: bool,
    watchdog: Watchdog<'_>,
) -> Option<Decision<M::State>> {
    let calls = context.calls;
    let may_change = |lost: &M::Input| context.model.nature(lost, None) != Nature::Observes;
    if calls.iter().any(|call| call.returned == NEVER && may_change(&call.input)) {
        return None;
    }
    let mut asked = Asked::new(context);
    let mut search = Search::new(calls.len(), order);
    for state in states {
        search.begin(asked.intern(state.clone()).ok()?);
    }
    for (at, (_, returns, call)) in events.iter().enumerate() {
        search.all_asked = at >= all_asked;
        if search.sure && !order {
            return Some(Decision::Linearizable(vec![]));
        }
        let halt = match returns {
            // What of unknown outcome only observes says nothing.
            false if calls[*call as usize].returned == NEVER => Ok(()),
            false => search.invoke(&mut asked, *call),
            true => search.returns(&mut asked, *call, watchdog),
        };
        let id = |call: u32| calls[call as usize].id;
        match halt.and_then(|()| search.tick(watchdog)) {
            Ok(()) => {}
            Err(Halt::Full) => return None,
            Err(Halt::Stopped) => return Some(Decision::Unknown { at: id(*call), events: at }),
            Err(Halt::Stuck(states, open)) => {
                let states = ones(0, states).map(|state| asked.states[state as usize].clone()).collect();
                let open = open.into_iter().map(id).collect();
                return Some(Decision::Stuck(Stuck { call: id(*call), states, open, ahead: None }));
            }
        }
    }
    let overwrites = |call: u32| asked.nature(call) == Nature::Overwrites;
    let order = search.trace.order(search.frontier[0].trace, overwrites, |call| calls[call as usize].returned != NEVER);
    Some(Decision::Linearizable(order.into_iter().map(|call| calls[call as usize].id).collect()))
}

#[cfg(test)]
mod tests {
    use crate::{
        Call, CallId, CallOf, Decision, NEVER, Register, RegisterAnswer as A, RegisterAsk as Q, Stream, decide, replay, unlimited,
    };

    /// Clients of a register that take turns at random; each call takes effect between its invocation and its return.
    fn history(seed: u64, clients: usize, values: u64) -> Vec<CallOf<Register<u64>>> {
        let mut drawn = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |below: u64| {
            drawn ^= drawn << 13;
            drawn ^= drawn >> 7;
            drawn ^= drawn << 17;
            drawn % below
        };
        let (mut held, mut calls, mut open) = (0, vec![], vec![None; clients]);
        for place in 0..2_000 {
            let client = draw(clients as u64) as usize;
            match open[client].take() {
                None => {
                    open[client] = Some(calls.len());
                    let input = match draw(10) {
                        0..5 => Q::Read,
                        5..8 => Q::Write(draw(values)),
                        _ => Q::Cas { from: held, to: draw(values) },
                    };
                    calls.push(Call { id: CallId(calls.len() as u64), input, output: None, invoked: place, returned: NEVER });
                }
                Some(at) if calls[at].output.is_none() => {
                    open[client] = Some(at);
                    let (output, next) = match calls[at].input {
                        Q::Read => (A::Holds(held), held),
                        Q::Write(value) => (A::Written, value),
                        Q::Cas { from, to } => (A::Swapped(from == held), if from == held { to } else { held }),
                    };
                    (calls[at].output, held) = (Some(output), next);
                }
                Some(at) => calls[at].returned = place,
            }
        }
        // What took effect returns at last.
        calls.retain(|call| call.output.is_some());
        let open = calls.iter_mut().filter(|call| call.returned == NEVER);
        open.enumerate().for_each(|(n, call)| call.returned = 2_000 + n);
        calls
    }

    /// What the other search finds, which goes along with the history.
    fn streamed(calls: &[CallOf<Register<u64>>]) -> Option<CallId> {
        let mut events: Vec<(usize, bool, usize)> = vec![];
        for (at, call) in calls.iter().enumerate() {
            events.extend([(call.invoked, false, at), (call.returned, true, at)]);
        }
        events.sort_unstable();
        let mut stream = Stream::new(Register(0));
        let mut stuck = None;
        for (_, returns, at) in events {
            let call = &calls[at];
            if !returns {
                stream.invoke(call.id, call.input.clone());
            } else if let Err(found) = stream.returned(call.id, call.output.clone()) {
                stuck.get_or_insert(found.call);
            }
        }
        stuck
    }

    #[test]
    fn both_searches_agree_where_states_come_and_go() {
        let mut illegal = 0;
        for seed in 0..60 {
            let values = [3, 40, 100_000][seed as usize % 3];
            let mut calls = history(seed, 3 + seed as usize % 5, values);
            let Decision::Linearizable(order) = decide(&Register(0), &calls, true, &mut unlimited) else {
                panic!("{seed}: it has an order")
            };
            assert_eq!((replay(&Register(0), &calls, &order), streamed(&calls)), (Ok(()), None), "{seed}");
            // A read that sees what was there long ago, or never.
            let spoilt = calls.iter_mut().filter(|call| call.invoked > 900).find_map(|call| match &mut call.output {
                Some(A::Holds(seen)) => Some(seen),
                _ => None,
            });
            *spoilt.unwrap() += 1;
            let found = match decide(&Register(0), &calls, true, &mut unlimited) {
                Decision::Stuck(stuck) => Some(stuck.call),
                Decision::Linearizable(order) => {
                    assert_eq!(replay(&Register(0), &calls, &order), Ok(()), "{seed}");
                    None
                }
                Decision::Unknown { .. } => panic!("{seed}: nobody stops it"),
            };
            assert_eq!(found, streamed(&calls), "{seed}");
            illegal += u32::from(found.is_some());
        }
        assert!(illegal > 20, "{illegal}");
    }
}
