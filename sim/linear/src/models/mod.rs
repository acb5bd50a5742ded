//! The sequential specifications that come with the checker. Each file is one, with its table of legal answers; the tests
//! have tables of legal and illegal histories.

pub(crate) mod append_kv;
pub(crate) mod bank;
pub(crate) mod counter;
pub(crate) mod fenced_mutex;
pub(crate) mod multi_register;
pub(crate) mod mutex;
pub(crate) mod priority_queue;
pub(crate) mod queue;
pub(crate) mod reentrant_mutex;
pub(crate) mod register;
pub(crate) mod semaphore;
pub(crate) mod set;
pub(crate) mod set_full;
pub(crate) mod stack;
#[cfg(test)]
mod tests;
pub(crate) mod unordered_queue;

pub use append_kv::AppendKv;
pub use bank::Bank;
pub use counter::Counter;
pub use fenced_mutex::FencedMutex;
pub use multi_register::MultiRegister;
pub use mutex::Mutex;
pub use priority_queue::PriorityQueue;
pub use queue::Queue;
pub use reentrant_mutex::ReentrantMutex;
pub use register::{Answer as RegisterAnswer, Ask as RegisterAsk, Register};
pub use semaphore::Semaphore;
pub use set::Set;
pub use stack::Stack;
pub use unordered_queue::UnorderedQueue;

use crate::{
    judge::{Judged, Options, judge},
    raw::RawHistory,
    reading::Unreadable,
};

/// A model that can be named.
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Whether it can begin with something else than nothing.
    pub initial: bool,
    /// Judges a history.
    pub judge: fn(&RawHistory, &mut Options<'_>) -> Result<Judged, Unreadable>,
}

/// Every model of this crate.
pub const MODELS: &[Named] = &[
    Named {
        name: "register",
        about: "one value: read, write, cas; nil at first (--initial); decided key by key where there are keys",
        initial: true,
        judge: register::judge_all,
    },
    Named {
        name: "cas-register",
        about: "the same as register, by the name that porcupine and Knossos give it",
        initial: true,
        judge: register::judge_all,
    },
    Named {
        name: "multi-register",
        about: "several registers: transactions of reads and writes, all at once; all nil at first (--initial)",
        initial: true,
        judge: |history, options| {
            let initial = options.initial.clone();
            judge(move |_, _| vec![MultiRegister::new(initial.clone())], multi_register::parse, false, history, options)
        },
    },
    Named {
        name: "append-kv",
        about: "keys that hold text: get, put, append; empty at first; decided key by key",
        initial: false,
        judge: |history, options| {
            let grows = !history.calls.iter().any(|call| matches!(&*call.kind, "put" | "write"));
            judge(move |_, _| vec![AppendKv { grows }], append_kv::parse, true, history, options)
        },
    },
    Named {
        name: "set",
        about: "a set: add, remove, contains, read; empty at first; decided key by key where there are keys",
        initial: false,
        judge: |history, options| judge(|_, _| vec![Set], set::parse, true, history, options),
    },
    Named {
        name: "set-full",
        about: "a set whose reads may lag behind, as Jepsen's set-full: add, read; what was acknowledged or shown must not be lost for good",
        initial: false,
        judge: set_full::judge_all,
    },
    Named {
        name: "queue",
        about: "a FIFO queue: enqueue, dequeue, drain; empty at first; decided key by key where there are keys",
        initial: false,
        judge: |history, options| queue::drained(history, |history| judge(|_, _| vec![Queue], queue::parse, true, history, options)),
    },
    Named {
        name: "unordered-queue",
        about: "a queue that hands out in any order: enqueue, dequeue, drain; empty at first; decided key by key where there are keys",
        initial: false,
        judge: |history, options| {
            queue::drained(history, |history| judge(|_, _| vec![UnorderedQueue], unordered_queue::parse, true, history, options))
        },
    },
    Named {
        name: "priority-queue",
        about: "a queue that hands out the smallest first: enqueue, dequeue, drain; empty at first; decided key by key where there are keys",
        initial: false,
        judge: |history, options| {
            queue::drained(history, |history| judge(|_, _| vec![PriorityQueue], priority_queue::parse, true, history, options))
        },
    },
    Named {
        name: "stack",
        about: "last in, first out: push, pop; empty at first; decided key by key where there are keys",
        initial: false,
        judge: |history, options| judge(|_, _| vec![Stack], stack::parse, true, history, options),
    },
    Named {
        name: "counter",
        about: "a number: add, read; 0 at first (--initial); decided key by key where there are keys",
        initial: true,
        judge: |history, options| {
            let initial = options.initial.clone();
            judge(move |key, _| vec![Counter::from(initial.of(key))], counter::parse, true, history, options)
        },
    },
    Named {
        name: "bank",
        about: "accounts: transfer {:from :to :amount}, read of all of them; what they hold at first is what the first read saw, or --initial",
        initial: true,
        judge: bank::judge_all,
    },
    Named {
        name: "mutex",
        about: "a lock with owners (processes), not re-entrant: acquire, release; only its holder may release it; free at first",
        initial: false,
        judge: |history, options| judge(|_, _| vec![Mutex], mutex::parse, true, history, options),
    },
    Named {
        name: "mutex-without-owners",
        about: "a lock that anybody may release, as Knossos' mutex: acquire, release; free at first",
        initial: false,
        judge: |history, options| judge(|_, _| vec![Semaphore { permits: 1 }], semaphore::parse, true, history, options),
    },
    Named {
        name: "reentrant-mutex",
        about: "a lock with owners (processes), which its holder may acquire again: acquire, release; free after as many releases",
        initial: false,
        judge: |history, options| judge(|_, _| vec![ReentrantMutex], reentrant_mutex::parse, true, history, options),
    },
    Named {
        name: "fenced-mutex",
        about: "a mutex with owners whose acquire answers a fencing token, a number above all before; free at first",
        initial: false,
        judge: |history, options| judge(|_, _| vec![FencedMutex], fenced_mutex::parse, true, history, options),
    },
    Named {
        name: "semaphore",
        about: "permits without owners: acquire, release; --initial says how many there are, all free at first",
        initial: true,
        judge: semaphore::judge_all,
    },
    Named {
        name: "list-append",
        about: "transactions of [append k v] and [r k [v ...]]: Elle's anomalies, with the cycle; values unique, lists empty at first; --isolation",
        initial: false,
        judge: crate::txn::list_append::judge,
    },
    Named {
        name: "rw-register",
        about: "transactions of [w k v] and [r k v]: Elle's anomalies, with the cycle; values unique, nil at first; --isolation",
        initial: false,
        judge: crate::txn::rw_register::judge,
    },
];
