//! A client of etcd's services, of ours or of a real one. It stays with a node while that one serves it.

mod kv;
mod lease;
mod line;
mod member;
mod watch;

use crate::refusals::{failure, words};
use bytes::Bytes;
use squall_cluster::{
    REFUSALS,
    pb::{
        etcdserverpb::{RangeRequest, ResponseHeader, kv_client::KvClient},
        myservice,
    },
};
use squall_env::Env;
use squall_etcd_model::ops::{Answer, LeaseId, Op, Outcome, Output};
use squall_rpc::{Channel, ChannelOptions, Endpoints, Unanswered, call_with_retries};
use squall_run::{BoxFuture, Client, StreamSink};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tonic::{Request, Status};

/// A client.
pub struct User<E: Env> {
    nodes: Vec<Channel<E>>,
    endpoints: Endpoints,
    op_timeout: Duration,
    sink: StreamSink,
    /// The leases that it renews in the background, each with the word to stop.
    kept: BTreeMap<LeaseId, Arc<AtomicBool>>,
}

/// Nodes answer dials at once, or are not there.
const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

impl<E: Env> User<E> {
    /// The `ordinal`th client (from 1) of these nodes, who gives up on an operation after `op_timeout`. It
    /// pings a silent connection after `ping_after`: etcd ends one that pings more often than every 5 s.
    pub fn new(net: E::Net, nodes: &[SocketAddr], ordinal: u32, op_timeout: Duration, ping_after: Duration, sink: StreamSink) -> User<E> {
        let options = ChannelOptions { dial_timeout: DIAL_TIMEOUT, default_deadline: None, ping_after, ..Default::default() };
        let endpoints = Endpoints { current: ordinal as usize % nodes.len(), count: nodes.len() };
        let nodes = nodes.iter().map(|addr| Channel::<E>::new(net.clone(), *addr, options.clone())).collect();
        User { nodes, endpoints, op_timeout, sink, kept: BTreeMap::new() }
    }

    /// The store's revision. Histories begin with an empty store, which is at revision 1.
    pub async fn revision(&mut self) -> Result<i64, Status> {
        let look = RangeRequest { key: Bytes::from_static(b"\0"), ..Default::default() };
        let reply = KvClient::new(self.node()).range(request(look, self.op_timeout)).await?.into_inner();
        Ok(reply.header.map_or(0, |h| h.revision))
    }

    /// The way to the node whose turn it is.
    fn node(&self) -> Channel<E> {
        self.nodes[self.endpoints.current].clone()
    }

    async fn attempt(&mut self, op: &Op, left: Duration) -> Result<Answer, Status> {
        match op {
            Op::Get { .. } | Op::Put { .. } | Op::Cas { .. } | Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. } => {
                kv::attempt(self.node(), op, left).await
            }
            Op::DeleteRange { .. } | Op::Reads { .. } | Op::Compact { .. } => kv::attempt(self.node(), op, left).await,
            Op::Watch { prefix, from, progress, single, without, .. } => {
                let (from, single, without) = (*from, *single, *without);
                let wish = watch::Wish { prefix, single, without, from, progress: *progress, lasts: op.max_duration() };
                watch::watch(self.node(), &self.sink, wish, left).await
            }
            Op::Lease(ask) => self.lease(ask, left).await,
            Op::Line(ask) => self.line(ask, left).await,
            Op::Member(ask) => member::attempt(self.node(), ask, left).await,
            Op::Hello { name } => {
                let mut greeter = myservice::my_service_client::MyServiceClient::new(self.node());
                let reply = greeter.my_method(request(myservice::Request { name: name.clone() }, left)).await?.into_inner();
                Ok(Answer::from(Output::Greeted { message: reply.message }))
            }
        }
    }
}

impl<E: Env> Client for User<E> {
    fn call<'a>(&'a mut self, op: &'a squall_history::Op) -> BoxFuture<'a, squall_history::Outcome> {
        let op: &Op = op.get().expect("clients of a service are asked what its workloads ask");
        let patience = self.op_timeout + op.max_duration();
        Box::pin(async move {
            let attempt = async |user: &mut Self, op: &Op, left| user.attempt(op, left).await;
            let persisting =
                call_with_retries::<E, _, _, _>(self, op, op.may_write(), patience, &REFUSALS, |user| &mut user.endpoints, attempt);
            match persisting.await {
                Ok(answer) => Outcome::Ok(answer).untyped(),
                Err(Unanswered::Failed(status)) => squall_history::Outcome::Fail(failure(&status)),
                Err(Unanswered::Unknown(status)) => squall_history::Outcome::Info(words(&status)),
            }
        })
    }

    /// Renews nothing any more.
    fn close(&mut self) {
        std::mem::take(&mut self.kept).values().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }
}

fn request<T>(message: T, left: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(left);
    request
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
