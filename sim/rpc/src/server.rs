//! The serve loop: accept, HTTP/2, a deadline around each request.

use crate::{
    GRPC_TIMEOUT,
    hyper_env::{EnvExecutor, EnvTimer},
    parse_timeout,
};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use squall_env::{Env, Listener, timeout};
use std::{convert::Infallible, time::Duration};
use tonic::{Status, body::Body, service::Routes};
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
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { deadline_max: None, ping_after: Duration::from_secs(5), ping_timeout: Duration::from_secs(5) }
    }
}

/// Serves `routes` on `listener` until it is dropped, or its accept fails.
pub async fn serve<E: Env>(
    mut listener: <E::Net as squall_env::Net>::Listener,
    routes: Routes,
    options: ServerOptions,
) -> std::io::Result<()> {
    let routes = routes.prepare();
    loop {
        let (stream, _peer) = listener.accept().await?;
        let (routes, options) = (routes.clone(), options.clone());
        drop(E::spawn(async move {
            let (ping_after, ping_timeout) = (options.ping_after, options.ping_timeout);
            let service = service_fn(move |request: http::Request<Incoming>| answer::<E>(routes.clone(), request, options.deadline_max));
            // A connection's end is its clients' business; the server goes on.
            let _ = http2::Builder::new(EnvExecutor::<E>::new())
                .timer(EnvTimer::<E>::new())
                .auto_date_header(false)
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20)
                .keep_alive_interval(Some(ping_after))
                .keep_alive_timeout(ping_timeout)
                // After a heal, a burst of cancelled calls arrives at once: h2's default of 20 would
                // end the connection for it (ENHANCE_YOUR_CALM).
                .max_pending_accept_reset_streams(Some(4096))
                .max_local_error_reset_streams(Some(4096))
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }));
    }
}

async fn answer<E: Env>(
    mut routes: Routes,
    request: http::Request<Incoming>,
    deadline_max: Option<Duration>,
) -> Result<http::Response<Body>, Infallible> {
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
    Ok(answered.unwrap_or_else(|never: Infallible| match never {}))
}
