//! tonic's own transport over the simulated machine's network.

use crate::net::{TcpListener, TcpStream, resolve};
use hyper_util::rt::TokioIo;
use std::{error::Error, io, net::SocketAddr};
use tonic::transport::{
    Channel, Endpoint, Uri,
    server::{Connected, Router, TcpConnectInfo},
};

impl Connected for TcpStream {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo { local_addr: self.local_addr().ok(), remote_addr: self.peer_addr().ok() }
    }
}

async fn connect_to(uri: Uri) -> io::Result<TokioIo<TcpStream>> {
    let port = uri.port_u16().unwrap_or(80);
    let addr = resolve(&format!("{}:{port}", uri.host().unwrap_or_default()))?;
    Ok(TokioIo::new(TcpStream::connect(addr).await?))
}

/// Connects when it is first used, as [`Endpoint::connect_lazy`] does.
pub fn connect_lazy(endpoint: Endpoint) -> Channel {
    endpoint.connect_with_connector_lazy(tower::service_fn(connect_to))
}

/// Connects, as [`Endpoint::connect`] does.
///
/// # Errors
/// As tonic's.
pub async fn connect(endpoint: Endpoint) -> Result<Channel, tonic::transport::Error> {
    endpoint.connect_with_connector(tower::service_fn(connect_to)).await
}

/// Serves, as [`Router::serve`] does.
///
/// # Errors
/// When it cannot listen there, or tonic gives up.
pub async fn serve(router: Router, addr: SocketAddr) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind(addr).await?;
    let incoming = futures_util::stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    Ok(router.serve_with_incoming(incoming).await?)
}
