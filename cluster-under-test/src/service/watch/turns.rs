//! The life of one stream: answers, requests, news, each in its turn.

use super::watching::Watching;
use crate::{
    Failpoint,
    pb::etcdserverpb::{WatchRequest, WatchResponse},
};
use futures_util::FutureExt as _;
use openraft_rt::WatchReceiver as _;
use squall_env::Env;
use tonic::Status;

/// What a stream waits for.
enum Woken {
    Applied(bool),
    Asked(Result<Option<WatchRequest>, Status>),
    TimeToTell,
}

impl<E: Env> Watching<E> {
    pub(super) async fn next(&mut self) -> Option<Result<WatchResponse, Status>> {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                if !answer.events.is_empty() {
                    // It cannot fail.
                    let _ = E::failpoint(Failpoint::BeforeWatchSend).await;
                }
                return Some(Ok(answer));
            }
            // What its client asks comes first: one that cannot keep up must be able to cancel.
            if let Some(asked) = self.requests.as_mut().and_then(|requests| requests.message().now_or_never()) {
                match asked {
                    Ok(Some(request)) => self.asked(request),
                    Ok(None) => self.requests = None,
                    Err(status) => return Some(Err(status)),
                }
                continue;
            }
            if self.tell_more() {
                self.tell_how_far_if_asked();
                // History is read piece by piece, and others have their turn in between.
                if self.answers.is_empty() {
                    a_turn_for_others().await;
                }
                continue;
            }
            match self.wait().await {
                Woken::Applied(true) => {}
                Woken::Applied(false) => return Some(Err(Status::unavailable("etcdserver: server stopped"))),
                Woken::Asked(Ok(Some(request))) => self.asked(request),
                Woken::Asked(Ok(None)) => self.requests = None,
                Woken::Asked(Err(status)) => return Some(Err(status)),
                Woken::TimeToTell => self.tell_how_far(),
            }
        }
    }

    async fn wait(&mut self) -> Woken {
        let wants_progress = self.progressive > 0;
        let asked = async {
            match &mut self.requests {
                Some(requests) => requests.message().await,
                None => std::future::pending().await,
            }
        };
        let time_to_tell = async {
            match wants_progress {
                true => E::sleep_until(self.tell_at).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            applied = self.progress.changed() => Woken::Applied(applied.is_ok()),
            asked = asked => Woken::Asked(asked),
            () = time_to_tell => Woken::TimeToTell,
        }
    }
}

/// Lets every other task that is ready run first.
async fn a_turn_for_others() {
    let mut waited = false;
    std::future::poll_fn(|cx| match std::mem::replace(&mut waited, true) {
        true => std::task::Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        }
    })
    .await;
}
