//! The sequential specifications that come with the checker. Each file is one, with its table of legal answers; the tests
//! have tables of legal and illegal histories.

pub(crate) mod append_kv;
pub(crate) mod multi_register;
pub(crate) mod mutex;
pub(crate) mod queue;
pub(crate) mod register;
pub(crate) mod set;
#[cfg(test)]
mod tests;

pub use append_kv::AppendKv;
pub use multi_register::MultiRegister;
pub use mutex::Mutex;
pub use queue::Queue;
pub use register::{Answer as RegisterAnswer, Ask as RegisterAsk, Register};
pub use set::Set;

use crate::{
    judge::{Judged, Options, judge},
    raw::{RawCall, RawHistory, Value},
};

/// What a read of nil says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// There was nothing.
    NilIsSeen,
    /// Nobody knows what there was: always legal (Knossos' models).
    NilIsUnknown,
}

/// A call as a model reads it: what is asked, and what was answered; `None` when it did not happen.
pub type Parsed<I, O> = Result<Option<(I, Option<O>)>, Unreadable>;

/// A call that a model cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{kind}` by process {process}: {what}")]
pub struct Unreadable {
    /// What it does.
    pub kind: String,
    /// Who asked.
    pub process: i64,
    /// What is wrong.
    pub what: String,
}

/// "Expects this as input."
pub fn bad_input<T>(call: &RawCall, expects: &str) -> Result<T, Unreadable> {
    let what = format!("with `{}`; this model takes {expects}", call.input);
    Err(Unreadable { kind: call.kind.to_string(), process: call.process, what })
}

/// "Expects this as an answer."
pub fn bad_answer<T>(call: &RawCall, expects: &str) -> Result<T, Unreadable> {
    let what = format!("answered with {:?}; this model takes {expects}", call.end);
    Err(Unreadable { kind: call.kind.to_string(), process: call.process, what })
}

/// A model that can be named.
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Judges a history.
    pub judge: fn(&RawHistory, &mut Options<'_>) -> Result<Judged, Unreadable>,
}

/// Every model of this crate.
pub const MODELS: &[Named] = &[
    Named {
        name: "register",
        about: "one value: read, write, cas; empty at first; decided key by key where there are keys",
        judge: |history, options| judge(&Register(Value::Nil), register::parse, true, history, options),
    },
    Named {
        name: "cas-register",
        about: "the same as register, by the name that porcupine and Knossos give it",
        judge: |history, options| judge(&Register(Value::Nil), register::parse, true, history, options),
    },
    Named {
        name: "multi-register",
        about: "several registers: transactions of reads and writes, all at once",
        judge: |history, options| judge(&MultiRegister, multi_register::parse, false, history, options),
    },
    Named {
        name: "append-kv",
        about: "keys that hold text: get, put, append; decided key by key",
        judge: |history, options| {
            let grows = !history.calls.iter().any(|call| matches!(&*call.kind, "put" | "write"));
            judge(&AppendKv { grows }, append_kv::parse, true, history, options)
        },
    },
    Named {
        name: "set",
        about: "a set: add, remove, contains, read; decided key by key where there are keys",
        judge: |history, options| judge(&Set, set::parse, true, history, options),
    },
    Named {
        name: "queue",
        about: "a FIFO queue: enqueue, dequeue; decided key by key where there are keys",
        judge: |history, options| judge(&Queue, queue::parse, true, history, options),
    },
    Named {
        name: "mutex",
        about: "a lock that is not re-entrant: acquire, release; decided key by key where there are keys",
        judge: |history, options| judge(&Mutex, mutex::parse, true, history, options),
    },
];
