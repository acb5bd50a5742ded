//! The serve loop: accept, HTTP/2, a deadline around each request.

use crate::{
    GRPC_TIMEOUT,
    hyper_env::{EnvExecutor, EnvTimer},
    parse_timeout,
    shutdown::Shutdown,
};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use squall_env::{Env, Listener, timeout};
use std::{convert::Infallible, time::Duration};
use tonic::{Code, Status, body::Body, service::Routes};
use tower::Service;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The longest that a request may ask for; also the deadline of one that asks for none.
    /// `None`: no deadline but the client's.
    pub deadline_max: Option<Duration>,
    /// A ping is sent when nothing was heard for this long, so that half-open connections end.
    pub ping_after: Duration,
    /// The connection is given up when a ping is not answered within this time.
    pub ping_timeout: Duration,
    /// How many connections are served at a time; further ones are closed at once.
    pub connections_max: usize,
    /// Who says when it stops.
    pub stopping: Shutdown,
    /// How many calls of one connection are served at a time; further ones wait at the client.
    pub streams_max: u32,
    /// The services that `routes` has, as `package.Service`: what is asked of another one is told so.
    pub services: &'static [&'static str],
}

/// How often accepting may fail in a row, with a pause after each failure.
const ACCEPT_FAILURES_MAX: u32 = 100;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            deadline_max: None,
            ping_after: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(5),
            connections_max: 10_000,
            stopping: Shutdown::default(),
            streams_max: 20_000,
            services: &[],
        }
    }
}

/// Serves `routes` on `listener` until it is dropped, or its accept fails.
pub async fn serve<E: Env>(
    mut listener: <E::Net as squall_env::Net>::Listener,
    routes: Routes,
    options: ServerOptions,
) -> std::io::Result<()> {
    let routes = routes.prepare();
    let mut failures = 0;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            // A connection that died in the queue, or no file descriptors left: it passes, or does not.
            Err(e) if failures >= ACCEPT_FAILURES_MAX => return Err(e),
            Err(_) => {
                failures += 1;
                E::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        failures = 0;
        // Refused at the door: those who are in are not to suffer.
        let Some(place) = options.stopping.place(options.connections_max) else { continue };
        let (routes, options) = (routes.clone(), options.clone());
        drop(E::spawn(async move {
            let _place = place;
            let (ping_after, ping_timeout) = (options.ping_after, options.ping_timeout);
            let (deadline_max, services) = (options.deadline_max, options.services);
            let service = service_fn(move |request: http::Request<Incoming>| answer::<E>(routes.clone(), request, deadline_max, services));
            let connection = http2::Builder::new(EnvExecutor::<E>::new())
                .timer(EnvTimer::<E>::new())
                .auto_date_header(false)
                .max_concurrent_streams(Some(options.streams_max))
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20)
                .keep_alive_interval(Some(ping_after))
                .keep_alive_timeout(ping_timeout)
                // After a heal, a burst of cancelled calls arrives at once: h2's default of 20 would
                // end the connection for it (ENHANCE_YOUR_CALM).
                .max_pending_accept_reset_streams(Some(4096))
                .max_local_error_reset_streams(Some(4096))
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            // A connection's end is its clients' business; the server goes on.
            tokio::select! {
                biased;
                _ = &mut connection => {}
                () = options.stopping.said() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }));
    }
}

async fn answer<E: Env>(
    mut routes: Routes,
    request: http::Request<Incoming>,
    deadline_max: Option<Duration>,
    services: &[&str],
) -> Result<http::Response<Body>, Infallible> {
    let path = request.uri().path().to_string();
    let asked = match request.headers().get(GRPC_TIMEOUT) {
        None => None,
        Some(value) => match value.to_str().ok().and_then(parse_timeout) {
            Some(asked) => Some(asked),
            None => return Ok(Status::internal("malformed grpc-timeout header").into_http()),
        },
    };
    let limit = match (asked, deadline_max) {
        (Some(asked), Some(max)) => Some(asked.min(max)),
        (asked, max) => asked.or(max),
    };
    let answered = match limit {
        None => routes.call(request).await,
        Some(limit) => match timeout::<E, _>(limit, routes.call(request)).await {
            Ok(answered) => answered,
            Err(_) => return Ok(Status::deadline_exceeded("the server's deadline passed").into_http()),
        },
    };
    let answered = answered.unwrap_or_else(|never: Infallible| match never {});
    // What nobody serves is told without a word by the router.
    let is_unknown = Status::from_header_map(answered.headers()).is_some_and(|s| s.code() == Code::Unimplemented && s.message().is_empty());
    Ok(if is_unknown { unknown(&path, services).into_http() } else { answered })
}

/// What a Go server says of a method, or a service, that it has not.
fn unknown(path: &str, services: &[&str]) -> Status {
    let asked = path.strip_prefix('/').unwrap_or(path);
    match asked.rsplit_once('/') {
        Some((service, method)) if services.contains(&service) => {
            Status::unimplemented(format!("unknown method {method} for service {service}"))
        }
        Some((service, _)) => Status::unimplemented(format!("unknown service {service}")),
        // The code is that of Go's gRPC library.
        None => Status::resource_exhausted(format!("malformed method name: \"{path}\"")),
    }
}
