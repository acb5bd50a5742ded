//! A watch channel that wakes its receivers in the order of their subscription.
//!
//! tokio's wakes them in an order drawn from a thread-local generator: three repeats of one seed gave
//! three digests. Nothing else here is unusual: a value, a version, wakers.

use openraft_rt::{OptionalSend, OptionalSync, watch};
use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard},
    task::{Poll, Waker},
};

/// The family of these channels.
pub struct OrderedWatch;

struct Turn {
    version: u64,
    subscriptions: u64,
    receivers: usize,
    senders: usize,
    wakers: BTreeMap<u64, Waker>,
}

struct Shared<T> {
    value: RwLock<T>,
    turn: Mutex<Turn>,
}

impl<T> Shared<T> {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().expect("nothing panics under this lock")
    }

    fn value(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().expect("a writer of the watched value does not panic")
    }

    fn changed(&self) {
        let wakers = {
            let mut turn = self.turn();
            turn.version += 1;
            std::mem::take(&mut turn.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }

    fn subscribe(self: &Arc<Self>, seen: Option<u64>) -> OrderedReceiver<T> {
        let mut turn = self.turn();
        turn.subscriptions += 1;
        turn.receivers += 1;
        OrderedReceiver { shared: self.clone(), id: turn.subscriptions, seen: seen.unwrap_or(turn.version) }
    }
}

/// The sending half. The channel closes when the last one is dropped.
pub struct OrderedSender<T>(Arc<Shared<T>>);

impl<T> Clone for OrderedSender<T> {
    fn clone(&self) -> Self {
        self.0.turn().senders += 1;
        OrderedSender(self.0.clone())
    }
}

impl<T> Drop for OrderedSender<T> {
    fn drop(&mut self) {
        let wakers = {
            let mut turn = self.0.turn();
            turn.senders -= 1;
            if turn.senders > 0 {
                return;
            }
            std::mem::take(&mut turn.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }
}

/// The receiving half.
pub struct OrderedReceiver<T> {
    shared: Arc<Shared<T>>,
    id: u64,
    seen: u64,
}

impl<T> Clone for OrderedReceiver<T> {
    fn clone(&self) -> Self {
        self.shared.subscribe(Some(self.seen))
    }
}

impl<T> Drop for OrderedReceiver<T> {
    fn drop(&mut self) {
        let mut turn = self.shared.turn();
        turn.receivers -= 1;
        turn.wakers.remove(&self.id);
    }
}

impl watch::Watch for OrderedWatch {
    type Sender<T: OptionalSend + OptionalSync> = OrderedSender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = OrderedReceiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = RwLockReadGuard<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (OrderedSender<T>, OrderedReceiver<T>) {
        let turn = Turn { version: 0, subscriptions: 0, receivers: 0, senders: 1, wakers: BTreeMap::new() };
        let shared = Arc::new(Shared { value: RwLock::new(init), turn: Mutex::new(turn) });
        let receiver = shared.subscribe(Some(0));
        (OrderedSender(shared), receiver)
    }
}

impl<T: OptionalSend + OptionalSync> watch::WatchSender<OrderedWatch, T> for OrderedSender<T> {
    fn send(&self, value: T) -> Result<(), watch::SendError<T>> {
        if self.0.turn().receivers == 0 {
            return Err(watch::SendError(value));
        }
        *self.0.value.write().expect("a reader does not panic") = value;
        self.0.changed();
        Ok(())
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let modified = modify(&mut self.0.value.write().expect("a reader does not panic"));
        if modified {
            self.0.changed();
        }
        modified
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.0.value()
    }

    fn subscribe(&self) -> OrderedReceiver<T> {
        self.0.subscribe(None)
    }
}

impl<T: OptionalSend + OptionalSync> watch::WatchReceiver<OrderedWatch, T> for OrderedReceiver<T> {
    async fn changed(&mut self) -> Result<(), watch::RecvError> {
        let Self { shared, id, seen } = self;
        poll_fn(|cx| {
            let mut turn = shared.turn();
            if turn.version != *seen {
                *seen = turn.version;
                return Poll::Ready(Ok(()));
            }
            if turn.senders == 0 {
                return Poll::Ready(Err(watch::RecvError(())));
            }
            turn.wakers.insert(*id, cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.shared.value()
    }

    fn borrow_and_update(&mut self) -> RwLockReadGuard<'_, T> {
        self.seen = self.shared.turn().version;
        self.shared.value()
    }
}

#[cfg(test)]
mod tests {
    use super::super::runtime::RaftRuntime;
    use openraft_rt::testing::Suite;
    use squall_env::real::TokioEnv;

    type Tested = Suite<RaftRuntime<TokioEnv>>;

    #[tokio::test]
    async fn it_is_a_watch_and_the_runtime_is_a_runtime_as_openraft_wants_them() {
        Tested::test_spawn_join_handle().await;
        Tested::test_sleep().await;
        Tested::test_sleep_until().await;
        Tested::test_timeout().await;
        Tested::test_timeout_at().await;
        Tested::test_watch_init_value().await;
        Tested::test_watch_overwrite_init_value().await;
        Tested::test_watch_send_error_no_receiver().await;
        Tested::test_watch_send_if_modified().await;
        Tested::test_watch_wait_until_ge().await;
        Tested::test_watch_wait_until().await;
        Tested::test_watch_changed_marks_as_seen().await;
        Tested::test_watch_borrow_and_update_marks_seen().await;
        Tested::test_watch_changed_returns_immediately_when_unseen().await;
        Tested::test_watch_multiple_borrow_then_changed().await;
        Tested::test_watch_wait_loop_pattern().await;
        Tested::test_watch_multiple_receivers().await;
        Tested::test_watch_subscribe().await;
        Tested::test_watch_send_if_different().await;
        Tested::test_watch_send_if_greater().await;
    }
}
