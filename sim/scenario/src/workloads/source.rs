//! What a client asks, one operation after another, and when.

use squall_history::{Answer, Ask, Body, Op, SeededStream, stream};
use std::time::Duration;

/// When the next operation comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// This long after the last one ended: closed loop.
    AfterLast(Duration),
    /// This long after the last one *began*: open loop.
    AfterStart(Duration),
    /// This long after the client's start; at once, when that is past.
    At(Duration),
}

/// One client's operations, one after another.
pub trait OpSource: Send {
    /// The next operation, and when it is due; `None` once there is none. Each is drawn from a stream
    /// of its own ordinal.
    fn next(&mut self) -> Option<(Pace, Op)>;

    /// What a client asks whose operations are over, when the world wants to know whether it is served:
    /// it changes nothing.
    fn probe(&self) -> Op;

    /// What the last operation answered, if it did.
    fn answered(&mut self, op: &Op, answer: &Answer);

    /// The last operation was refused, or nobody knows what became of it.
    fn unanswered(&mut self, _op: &Op) {}
}

/// One client's operations, by a pack that knows their types.
pub trait Source: Send {
    /// What is asked.
    type Ask: Ask;
    /// What is answered.
    type Answer: Body + Clone;

    /// As [`OpSource::next`].
    fn next(&mut self) -> Option<(Pace, Self::Ask)>;

    /// As [`OpSource::probe`].
    fn probe(&self) -> Self::Ask;

    /// As [`OpSource::answered`].
    fn answered(&mut self, _op: &Self::Ask, _answer: &Answer<Self::Answer>) {}

    /// As [`OpSource::unanswered`].
    fn unanswered(&mut self, _op: &Self::Ask) {}
}

/// A source, as the harness takes it.
pub fn source(typed: impl Source + 'static) -> Box<dyn OpSource> {
    Box::new(Typed(typed))
}

/// A client's operations that no answer changes: each is drawn, with its pace, from a stream of its own. `probe` is asked when the
/// operations are over ([`OpSource::probe`]).
pub fn drawn<A: Ask + Clone>(
    seed: u64,
    client: u32,
    probe: A,
    draw: impl FnMut(&mut SeededStream) -> (Pace, A) + Send + 'static,
) -> Box<dyn OpSource> {
    Box::new(Drawn { seed, client, ordinal: 0, probe, draw })
}

struct Drawn<A, F> {
    seed: u64,
    client: u32,
    ordinal: u64,
    probe: A,
    draw: F,
}

impl<A: Ask + Clone, F: FnMut(&mut SeededStream) -> (Pace, A) + Send> OpSource for Drawn<A, F> {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.ordinal += 1;
        let (pace, op) = (self.draw)(&mut stream(self.seed, &format!("{} op {}", self.client, self.ordinal)));
        Some((pace, Op::new(op)))
    }

    fn probe(&self) -> Op {
        Op::new(self.probe.clone())
    }

    fn answered(&mut self, _op: &Op, _answer: &Answer) {}
}

/// These operations, as the harness takes them.
pub fn asks<O: Ask>(typed: impl IntoIterator<Item = O>) -> Vec<Op> {
    typed.into_iter().map(Op::new).collect()
}

struct Typed<S>(S);

impl<S: Source> OpSource for Typed<S> {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.0.next().map(|(pace, op)| (pace, Op::new(op)))
    }

    fn probe(&self) -> Op {
        Op::new(self.0.probe())
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        if let (Some(op), Some(output)) = (op.get(), answer.output.get::<S::Answer>()) {
            self.0.answered(op, &Answer { output: output.clone(), position: answer.position });
        }
    }

    fn unanswered(&mut self, op: &Op) {
        if let Some(op) = op.get() {
            self.0.unanswered(op);
        }
    }
}
