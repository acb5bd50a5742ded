//! A long-lived connection to one address, dialled again with backoff when it dies.
//!
//! Every call has a deadline: the request's `grpc-timeout`, or the channel's default, which is then
//! put on the wire, so that the server enforces it too. HTTP/2 pings find out a dead peer.

use crate::{
    GRPC_TIMEOUT, format_timeout,
    hyper_env::{EnvExecutor, EnvTimer},
    outcome::never_sent,
    parse_timeout,
};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioIo;
use squall_env::{Env, LocalInstant, Net, timeout_at};
use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::Mutex;
use tonic::{Code, Status, body::Body};

/// How a channel behaves.
#[derive(Clone, Debug)]
pub struct ChannelOptions {
    /// The deadline of a call that brings none. `None`: such a call may wait for ever.
    pub default_deadline: Option<Duration>,
    /// How long a dial may take.
    pub dial_timeout: Duration,
    /// The wait after the first failed dial; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// The longest wait between dials.
    pub backoff_max: Duration,
    /// A ping is sent when nothing was heard for this long.
    pub ping_after: Duration,
    /// The connection is given up when a ping is not answered within this time.
    pub ping_timeout: Duration,
    /// A header that goes with every request.
    pub header: Option<(http::HeaderName, http::HeaderValue)>,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        ChannelOptions {
            default_deadline: Some(Duration::from_secs(5)),
            dial_timeout: Duration::from_secs(1),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_millis(400),
            ping_after: Duration::from_secs(1),
            ping_timeout: Duration::from_secs(1),
            header: None,
        }
    }
}

struct Link {
    sender: Option<SendRequest<Body>>,
    failures: u32,
    not_before: LocalInstant,
}

/// A client's handle on one server. Clones share the connection.
pub struct Channel<E: Env> {
    net: E::Net,
    addr: SocketAddr,
    options: Arc<ChannelOptions>,
    link: Arc<Mutex<Link>>,
}

impl<E: Env> Clone for Channel<E> {
    fn clone(&self) -> Self {
        Channel { net: self.net.clone(), addr: self.addr, options: self.options.clone(), link: self.link.clone() }
    }
}

impl<E: Env> Channel<E> {
    /// A channel to `addr`; nothing is dialled before the first call.
    pub fn new(net: E::Net, addr: SocketAddr, options: ChannelOptions) -> Self {
        let link = Link { sender: None, failures: 0, not_before: LocalInstant(0) };
        Channel { net, addr, options: Arc::new(options), link: Arc::new(Mutex::new(link)) }
    }

    /// The address that it talks to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The connection that stands, if one does and nobody is dialling.
    fn standing(&self) -> Option<SendRequest<Body>> {
        let link = self.link.try_lock().ok()?;
        link.sender.as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    /// A connection that takes requests: the one that stands, or a new one.
    async fn ready(&self) -> Result<SendRequest<Body>, String> {
        let mut link = self.link.lock().await;
        if let Some(sender) = &link.sender {
            if !sender.is_closed() {
                return Ok(sender.clone());
            }
            link.sender = None;
        }
        if E::now() < link.not_before {
            return Err(format!("{} was unreachable a moment ago", self.addr));
        }
        let limit = E::now() + self.options.dial_timeout;
        let dialled = match timeout_at::<E, _>(limit, self.dial()).await {
            Ok(dialled) => dialled,
            Err(_) => Err("no answer".to_string()),
        };
        match dialled {
            Ok(sender) => {
                link.failures = 0;
                link.sender = Some(sender.clone());
                Ok(sender)
            }
            Err(why) => {
                let wait = self.options.backoff_min * 2u32.saturating_pow(link.failures.min(10));
                link.failures += 1;
                link.not_before = E::now() + wait.min(self.options.backoff_max);
                Err(format!("cannot connect to {}: {why}", self.addr))
            }
        }
    }

    async fn dial(&self) -> Result<SendRequest<Body>, String> {
        let stream = self.net.connect(self.addr).await.map_err(|e| e.kind().to_string())?;
        let handshake = http2::Builder::new(EnvExecutor::<E>::new())
            .timer(EnvTimer::<E>::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .keep_alive_interval(Some(self.options.ping_after))
            .keep_alive_timeout(self.options.ping_timeout)
            .keep_alive_while_idle(true)
            .handshake::<_, Body>(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(|e| e.to_string())?;
        drop(E::spawn(async move {
            // How it ended is seen by the requests that were on it.
            let _ = connection.await;
        }));
        poll_fn(|cx| sender.poll_ready(cx)).await.map_err(|e| e.to_string())?;
        Ok(sender)
    }
}

impl<E: Env> tower::Service<http::Request<Body>> for Channel<E> {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let channel = self.clone();
        let asked = request.headers().get(GRPC_TIMEOUT).and_then(|v| v.to_str().ok()).and_then(parse_timeout);
        let limit = asked.or(channel.options.default_deadline);
        if let (None, Some(limit)) = (asked, limit) {
            let value = format_timeout(limit).parse().expect("digits and a letter make a header value");
            request.headers_mut().insert(GRPC_TIMEOUT, value);
        }
        if let Some((name, value)) = &channel.options.header {
            request.headers_mut().insert(name, value.clone());
        }
        let deadline = limit.map(|limit| E::now() + limit);
        Box::pin(async move {
            let path = request.uri().path_and_query().cloned();
            let mut uri = http::uri::Parts::default();
            uri.scheme = Some(http::uri::Scheme::HTTP);
            uri.authority = Some(channel.addr.to_string().parse().expect("an address is an authority"));
            uri.path_and_query = path;
            *request.uri_mut() = http::Uri::from_parts(uri).map_err(|e| Status::internal(e.to_string()))?;
            *request.version_mut() = http::Version::HTTP_2;

            let ready = match channel.standing() {
                Some(sender) => Some(Ok(sender)),
                None => within::<E, _>(deadline, channel.ready()).await,
            };
            let mut sender = match ready {
                Some(Ok(sender)) => sender,
                Some(Err(why)) => return Err(never_sent(Code::Unavailable, why)),
                None => return Err(never_sent(Code::DeadlineExceeded, format!("deadline passed while dialling {}", channel.addr))),
            };
            match within::<E, _>(deadline, sender.send_request(request)).await {
                Some(answer) => answer.map_err(|e| Status::unavailable(transport_text(&e))),
                None => Err(Status::deadline_exceeded(format!("no answer from {} in time", channel.addr))),
            }
        })
    }
}

/// `None` when the deadline came first.
async fn within<E: Env, F: Future>(deadline: Option<LocalInstant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => timeout_at::<E, _>(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

fn transport_text(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
