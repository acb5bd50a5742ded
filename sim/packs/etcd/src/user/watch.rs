//! Watches.

use super::{bytes, counted, prefixed, text};
use squall_cluster::pb::{
    etcdserverpb::{
        WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse, watch_client::WatchClient, watch_create_request::FilterType,
        watch_request::RequestUnion,
    },
    mvccpb::{Event, event::EventType},
};
use squall_env::{Env, timeout_at};
use squall_etcd_model::ops::{Answer, Before, Kind, Output, StreamEvent, WatchEvent};
use squall_rpc::Channel;
use squall_run::StreamSink;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Request, Status};

/// How often it is asked how far the watch has come.
const ASKED_EVERY: Duration = Duration::from_millis(700);

fn told(event: &Event) -> Option<WatchEvent> {
    let kv = event.kv.as_ref()?;
    let before = event.prev_kv.as_ref().map(|kv| Before {
        value: text(&kv.value),
        revision: counted(kv.mod_revision),
        created: counted(kv.create_revision),
        version: counted(kv.version),
    });
    Some(WatchEvent {
        key: text(&kv.key),
        value: (event.r#type() == EventType::Put).then(|| text(&kv.value)),
        revision: counted(kv.mod_revision),
        created: counted(kv.create_revision),
        version: counted(kv.version),
        before,
    })
}

/// What an answer says, in order.
fn heard(reply: &WatchResponse) -> StreamEvent {
    let revision = reply.header.as_ref().map_or(0, |h| counted(h.revision));
    if reply.canceled {
        return StreamEvent::Canceled { compacted: counted(reply.compact_revision), why: reply.cancel_reason.clone() };
    }
    if reply.created {
        return StreamEvent::Created { revision };
    }
    match reply.events.is_empty() {
        true => StreamEvent::Progress { revision },
        false => StreamEvent::Events { revision, events: reply.events.iter().filter_map(told).collect() },
    }
}

/// What is to be watched: every key that begins so (or the one that is so), from there on (or from now on), for so long.
pub(super) struct Wish<'w> {
    pub(super) prefix: &'w str,
    pub(super) single: bool,
    pub(super) without: Option<Kind>,
    pub(super) from: Option<u64>,
    /// Whether it is asked now and then how far the watch has come.
    pub(super) progress: bool,
    pub(super) lasts: Duration,
}

fn filter(without: Kind) -> FilterType {
    match without {
        Kind::Puts => FilterType::Noput,
        Kind::Deletes => FilterType::Nodelete,
    }
}

/// Watches at one node; to be there, the watch may take what is `left` beyond its time.
pub(super) async fn watch<E: Env>(
    node: Channel<E>,
    sink: &StreamSink,
    Wish { prefix, single, without, from, progress, lasts }: Wish<'_>,
    left: Duration,
) -> Result<Answer, Status> {
    let began = E::now();
    let (ask, asked) = mpsc::channel::<WatchRequest>(4);
    let asked = futures_util::stream::unfold(asked, |mut asked| async { Some((asked.recv().await?, asked)) });
    let (key, range_end) = prefixed(prefix);
    let create = WatchCreateRequest {
        key: if prefix.is_empty() { bytes("\0") } else { key },
        range_end: if single { Default::default() } else { range_end },
        filters: without.into_iter().map(|kind| filter(kind).into()).collect(),
        start_revision: from.map_or(0, |from| from as i64),
        prev_kv: true,
        progress_notify: progress,
        ..Default::default()
    };
    let say = |union| WatchRequest { request_union: Some(union) };
    let _ = ask.send(say(RequestUnion::CreateRequest(create))).await;
    if progress {
        // At once: a watch that begins in the past is catching up then (etcd's issue 15220).
        let _ = ask.send(say(RequestUnion::ProgressRequest(WatchProgressRequest {}))).await;
    }
    let there_by = began + left.saturating_sub(lasts).max(Duration::from_millis(50));
    let late = || Status::unavailable("the watch did not come about in time");
    let mut client = WatchClient::new(node);
    let mut answers = timeout_at::<E, _>(there_by, client.watch(Request::new(asked))).await.map_err(|_| late())??.into_inner();
    let (end, mut ask_at) = (began + left.min(lasts), began + ASKED_EVERY);
    let mut created = false;
    let mut next = from.unwrap_or(0);
    loop {
        let until = if created { end.min(ask_at) } else { there_by };
        let reply = match timeout_at::<E, _>(until, answers.message()).await {
            Ok(Ok(Some(reply))) => reply,
            // The stream broke. What was heard was heard.
            Ok(Ok(None) | Err(_)) if created => break,
            Ok(Ok(None)) => return Err(Status::unavailable("the stream ended before the watch was there")),
            Ok(Err(status)) => return Err(status),
            Err(_) if !created => return Err(late()),
            Err(_) if E::now() >= end => break,
            Err(_) => {
                ask_at = E::now() + ASKED_EVERY;
                if !progress {
                    continue;
                }
                let _ = ask.try_send(say(RequestUnion::ProgressRequest(WatchProgressRequest {})));
                continue;
            }
        };
        let heard = heard(&reply);
        match &heard {
            StreamEvent::Created { revision } => {
                created = true;
                next = next.max(if from.is_none() { revision + 1 } else { 0 });
            }
            StreamEvent::Events { events, .. } => next = next.max(events.last().map_or(0, |event| event.revision + 1)),
            StreamEvent::Progress { revision } => next = next.max(revision + 1),
            StreamEvent::Canceled { compacted, .. } => {
                // It begins anew where the store still remembers.
                next = next.max(*compacted);
                sink.hears(heard.into());
                break;
            }
            StreamEvent::Observing | StreamEvent::Leader { .. } => {}
        }
        sink.hears(heard.into());
    }
    Ok(Answer::from(Output::Watched { next }))
}
