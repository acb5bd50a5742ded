//! Word to the connections of a server that it stops: each takes no new call, and ends with the last that it
//! is in.

use squall_env::{Env, timeout};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Shared by a server and whoever stops it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    said: AtomicBool,
    word: Notify,
    /// How many connections there are.
    connections: AtomicUsize,
}

/// Stands for one connection.
pub(crate) struct ConnectionPermit(Arc<Inner>);

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shutdown {
    /// One connection more, if there are not as many as that already.
    pub(crate) fn place(&self, connections_max: usize) -> Option<ConnectionPermit> {
        let place = ConnectionPermit(self.inner.clone());
        let before = self.inner.connections.fetch_add(1, Ordering::Relaxed);
        (before < connections_max).then_some(place)
    }

    /// Ends once it was said.
    pub(crate) async fn said(&self) {
        let word = self.inner.word.notified();
        if !self.inner.said.load(Ordering::Relaxed) {
            word.await;
        }
    }

    /// Says it, and waits for the connections to end, but no longer than this: streams that never end are cut.
    pub async fn stop<E: Env>(&self, patience: Duration) {
        self.inner.said.store(true, Ordering::Relaxed);
        self.inner.word.notify_waiters();
        let ended = async {
            while self.inner.connections.load(Ordering::Relaxed) > 0 {
                E::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout::<E, _>(patience, ended).await;
    }
}
