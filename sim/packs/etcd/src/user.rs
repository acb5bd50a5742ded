//! A client of etcd's services, of ours or of a real one. It stays with a node while that one serves it.

mod kv;
mod lease;
mod line;
mod member;
mod watch;

use crate::refusals::failure;
use bytes::Bytes;
use squall_client::{Nodes, Stub, within};
use squall_cluster::{
    REFUSALS,
    pb::{
        etcdserverpb::{RangeRequest, ResponseHeader, kv_client::KvClient},
        myservice,
    },
};
use squall_env::Env;
use squall_etcd_model::ops::{Answer, Failure, LeaseId, Op, Output};
use squall_rpc::{Channel, ChannelOptions, Refusals};
use squall_run::StreamSink;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tonic::Status;

/// What a client has beside its way to the nodes.
pub struct User {
    op_timeout: Duration,
    sink: StreamSink,
    /// The leases that it renews in the background, each with the word to stop.
    kept: BTreeMap<LeaseId, Arc<AtomicBool>>,
}

/// A client's channels: nodes answer dials at once, or are not there. A silent connection is pinged after `ping_after`: etcd ends one
/// that pings more often than every 5 s.
pub(crate) fn channels(ping_after: Duration) -> ChannelOptions {
    ChannelOptions { dial_timeout: Duration::from_millis(500), default_deadline: None, ping_after, ..Default::default() }
}

/// The store's revision. Histories begin with an empty store, which is at revision 1.
///
/// # Errors
/// How the node refused.
pub(crate) async fn revision<E: Env>(node: Channel<E>, left: Duration) -> Result<i64, Status> {
    let look = RangeRequest { key: Bytes::from_static(b"\0"), ..Default::default() };
    let reply = KvClient::new(node).range(within(left, look)).await?.into_inner();
    Ok(reply.header.map_or(0, |h| h.revision))
}

impl User {
    /// Its operations take at most `op_timeout`, and what they let it hear goes into the sink.
    pub fn new(op_timeout: Duration, sink: StreamSink) -> User {
        User { op_timeout, sink, kept: BTreeMap::new() }
    }
}

impl<E: Env> Stub<E> for User {
    type Ask = Op;
    type Answer = Output;

    fn refusals(&self) -> &Refusals {
        &REFUSALS
    }

    async fn attempt(&mut self, nodes: &Nodes<E>, op: &Op, left: Duration) -> Result<Answer, Status> {
        match op {
            Op::Get { .. } | Op::Put { .. } | Op::Cas { .. } | Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. } => {
                kv::attempt(nodes.current(), op, left).await
            }
            Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => kv::attempt(nodes.current(), op, left).await,
            Op::Watch { prefix, from, progress, single, without, .. } => {
                let (from, single, without) = (*from, *single, *without);
                let wish = watch::Wish { prefix, single, without, from, progress: *progress, lasts: op.max_duration() };
                watch::watch(nodes.current(), &self.sink, wish, left).await
            }
            Op::Lease(ask) => self.lease(nodes, ask, left).await,
            Op::Line(ask) => self.line(nodes.current(), ask, left).await,
            Op::Member(ask) => member::attempt(nodes.current(), ask, left).await,
            Op::Hello { name } => {
                let mut greeter = myservice::my_service_client::MyServiceClient::new(nodes.current());
                let reply = greeter.my_method(within(left, myservice::Request { name: name.clone() })).await?.into_inner();
                Ok(Answer::from(Output::Greeted { message: reply.message }))
            }
        }
    }

    fn failure(&self, status: &Status) -> Failure {
        failure(status)
    }

    /// Renews nothing any more.
    fn close(&mut self) {
        std::mem::take(&mut self.kept).values().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A revision as the history counts them; what makes no sense is 0, and the checkers will say so.
fn counted(revision: i64) -> u64 {
    u64::try_from(revision).unwrap_or(0)
}

/// The answer, with the revision of its header.
fn answer(output: Output, header: Option<ResponseHeader>) -> Answer {
    Answer { output, position: header.map(|h| counted(h.revision)) }
}

/// The end of the range of keys that begin so; `None` for everything.
fn prefix_end(prefix: &str) -> Option<Bytes> {
    let mut end = prefix.as_bytes().to_vec();
    while end.last() == Some(&0xff) {
        end.pop();
    }
    *end.last_mut()? += 1;
    Some(end.into())
}

/// Every key that begins so, as a range: its key and its end.
fn prefixed(prefix: &str) -> (Bytes, Bytes) {
    prefix_end(prefix).map_or((Bytes::from_static(b"\0"), Bytes::from_static(b"\0")), |end| (bytes(prefix), end))
}
