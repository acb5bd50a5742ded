//! Is this history linearizable? A fast decision, and a proof either way.
//!
//! A history is a list of [`Call`]s on one object, each with where it was invoked and where it returned. It is *linearizable*
//! (Herlihy and Wing 1990) if there is one order of the calls, in which each stands between its invocation and its return, that
//! the object's sequential specification, a [`Model`], allows. [`decide`] finds out:
//!
//! ```
//! use squall_linear::{Call, CallId, Decision, NEVER, Register, RegisterAnswer as A, RegisterAsk as Q, decide, unlimited};
//!
//! let call = |id, input, output, invoked, returned| Call { id: CallId(id), input, output: Some(output), invoked, returned };
//! let history = [
//!     call(1, Q::Write(1), A::Written, 0, 1),
//!     call(2, Q::Write(2), A::Written, 2, NEVER), // nobody knows whether it happened
//!     call(3, Q::Read, A::Holds(2), 3, 4),
//!     call(4, Q::Read, A::Holds(1), 5, 6), // and gone again
//! ];
//! let Decision::Stuck(stuck) = decide(&Register(0), &history, false, &mut unlimited) else { panic!() };
//! assert_eq!((stuck.call, stuck.states), (CallId(4), vec![2]));
//!
//! let Decision::Linearizable(order) = decide(&Register(0), &history[..3], true, &mut unlimited) else { panic!() };
//! assert_eq!(order, [CallId(1), CallId(2), CallId(3)]);
//! ```
//!
//! # A model of your own
//!
//! ```
//! use squall_linear::{Model, Nature};
//!
//! /// A counter: `Some(n)` adds n, `None` reads.
//! struct Counter;
//!
//! impl Model for Counter {
//!     type State = i64;
//!     type Input = Option<i64>;
//!     type Output = i64;
//!     fn init(&self) -> i64 {
//!         0
//!     }
//!     fn step(&self, sum: &i64, input: &Option<i64>, output: Option<&i64>) -> Option<i64> {
//!         match (input, output) {
//!             (None, Some(seen)) if seen != sum => None,
//!             _ => Some(sum + input.unwrap_or(0)),
//!         }
//!     }
//!     // Not needed; makes the search faster.
//!     fn nature(&self, input: &Option<i64>, _: Option<&i64>) -> Nature {
//!         if input.is_none() { Nature::Observes } else { Nature::Changes }
//!     }
//!     fn show_state(&self, sum: &i64) -> String {
//!         sum.to_string()
//!     }
//!     fn show_call(&self, input: &Option<i64>, output: Option<&i64>) -> String {
//!         format!("{input:?}: {output:?}")
//!     }
//! }
//! ```
//!
//! Or let a file be read ([`formats`]) as [`RawCall`]s, opaque `{ kind, key, input, output }`, and give [`judge`] the model and a
//! closure that reads one of them; [`lanes()`] draws what is told of, and [`Lanes`] whatever else has a time.
//!
//! ```
//! # use squall_linear::{Found, Options, Register, RegisterAnswer as A, RegisterAsk as Q, RawEnd, Value, formats, judge, lanes};
//! let file = r#"
//!     {:process 0, :type :invoke, :f :set, :value 3} {:process 0, :type :ok, :f :set, :value 3}
//!     {:process 1, :type :invoke, :f :look, :value nil} {:process 1, :type :ok, :f :look, :value 2}"#;
//! let (_, history) = formats::read(file, Default::default()).unwrap();
//! let number = |value: &Value| if let Value::Int(n) = value { *n } else { 0 };
//! let judged = judge(|_, _| vec![Register(0)], |call, _| Ok(Some(match (&*call.kind, &call.end) {
//!     ("set", _) => (Q::Write(number(&call.input)), Some(A::Written)),
//!     (_, RawEnd::Ok(Some(seen))) => (Q::Read, Some(A::Holds(number(seen)))),
//!     _ => (Q::Read, None),
//! })), true, &history, &mut Options::default()).unwrap();
//! let Found::Not(why) = judged.verdict else { panic!() };
//! println!("{}", lanes(&history, &why.minimal, |call| call.kind.to_string()));
//! ```
//!
//! # What it promises
//!
//! *Exact*: a verdict is never a guess, whatever the concurrency and however many calls never returned; nothing saturates
//! or is left out. Where the watchdog ends the search, the answer is [`Decision::Unknown`], with how far it came. *A proof either
//! way*: an order that replays ([`replay`] checks it), or a [`Counterexample`]. *Deterministic*: the same history, the same answer,
//! the same proof. Deciding is NP-complete in general (Gibbons and Korach 1997), and how the search avoids that in
//! practice is told in [`frontier`].
//!
//! What it cannot see: anything that no answer shows.

mod bits;
mod brute;
mod call;
mod compact;
mod decision;
mod explain;
pub mod formats;
pub mod frontier;
pub mod fuzz;
mod isolation;
mod judge;
mod lanes;
mod model;
mod models;
mod persistent;
mod raw;
mod reading;
mod refute;
mod settle;
mod stream;
mod trace;
mod txn;

pub use brute::{replay, some_order_exists};
pub use call::{Call, CallId, NEVER, Settled};
pub use decision::{Decision, Progress, Stuck, unlimited};
pub use explain::{Counterexample, Effort, explain, has_no_order, minimal, why};
pub use frontier::{decide, decide_from, where_stuck};
pub use isolation::{Anomaly, Isolation};
pub use judge::{Found, Judged, Options, StreamingVerdict, judge};
pub use lanes::{Lanes, lanes};
pub use model::{CallOf, Model, Nature, Outright, SettledOf};
pub use models::{
    AppendKv, Bank, Counter, FencedMutex, MODELS, MultiRegister, Mutex, Named, PriorityQueue, Queue, ReentrantMutex, Register,
    RegisterAnswer, RegisterAsk, Semaphore, Set, Stack, UnorderedQueue,
};
pub use raw::{RawCall, RawEnd, RawHistory, Remark, Value};
pub use reading::{Initial, Parsed, Reads, Unreadable, bad_answer, bad_input};
pub use stream::Stream;
