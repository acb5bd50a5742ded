//! What wakes a task of a node's own runtime wakes the simulated process that the runtime is in.

use crate::inside::As;
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

/// Whom to wake when a socket or a disk has news for a task of the runtime within.
#[derive(Default)]
pub(crate) struct Bell(Mutex<Option<Waker>>);

thread_local! {
    static BELL: RefCell<Option<Arc<Bell>>> = const { RefCell::new(None) };
}

impl Bell {
    pub(crate) fn is_answered_by(&self, waker: &Waker) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    pub(crate) fn rang(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn rings(&self) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Until it is dropped, tasks that are polled ring this bell.
pub(crate) struct Within(Option<Arc<Bell>>);

impl Within {
    pub(crate) fn of(bell: &Arc<Bell>) -> Within {
        Within(BELL.replace(Some(bell.clone())))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        BELL.set(self.0.take());
    }
}

struct Both(Waker, Arc<Bell>);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.rings();
    }
}

/// Polls something of the machine from a task of a node's own runtime.
pub(crate) fn poll_outside<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let _as_machine = As::machine();
    match BELL.with_borrow(Clone::clone) {
        None => poll(cx),
        Some(bell) => {
            let waker = Waker::from(Arc::new(Both(cx.waker().clone(), bell)));
            poll(&mut Context::from_waker(&waker))
        }
    }
}

/// Awaits something of the simulated machine (of `squall_env`'s ports) from a task of a node's own runtime.
pub async fn outside<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| poll_outside(cx, |cx| future.as_mut().poll(cx))).await
}
