//! Whether the code that runs is a node's, and not the machine's.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Waker},
};

thread_local! {
    // No destructor: functions of libc ask this at any time.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// What the node did that cannot be simulated.
    static LEAK: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Who ends the node's turn.
    static ENDS: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Whether the code that asks is a node's: a task of its runtime is being polled.
pub fn is_inside() -> bool {
    INSIDE.try_with(Cell::get).unwrap_or(false)
}

/// Does this as the machine, and not as the node that runs: whatever asks the machine itself.
pub fn on_machine<T>(act: impl FnOnce() -> T) -> T {
    let _as_machine = As::machine();
    act()
}

/// Until it is dropped, code counts as a node's, or as the machine's.
pub(crate) struct As(bool);

impl As {
    pub(crate) fn node() -> As {
        As(INSIDE.replace(true))
    }

    pub(crate) fn machine() -> As {
        As(INSIDE.replace(false))
    }
}

impl Drop for As {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// The node did something that cannot be simulated: it ends as soon as the task that did it waits.
pub(crate) fn leaks(what: &str) {
    let _as_machine = As::machine();
    LEAK.with_borrow_mut(|leak| _ = leak.get_or_insert_with(|| what.to_string()));
    ends_turn();
}

/// The node's turn ends: whatever is ready in it will run in the next one.
pub(crate) fn ends_turn() {
    ENDS.with_borrow(|ends| ends.iter().for_each(Waker::wake_by_ref));
}

/// Whether it did; if not, who is woken when it does.
pub(crate) fn has_leaked(cx: &Context<'_>) -> bool {
    ENDS.set(Some(cx.waker().clone()));
    LEAK.with_borrow(Option::is_some)
}

pub(crate) fn take_leak() -> Option<String> {
    LEAK.take()
}
