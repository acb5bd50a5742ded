//! The network port: listen, connect, and byte streams with TCP's semantics.

use std::{future::Future, io, net::SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};

/// An ordered, reliable byte stream, until its connection dies. `poll_shutdown` is the half-close.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ByteStream for S {}

/// One node's network.
pub trait Net: Clone + Send + Sync + 'static {
    /// An established connection.
    type Stream: ByteStream;
    /// A bound, listening socket.
    type Listener: Listener<Stream = Self::Stream>;

    /// Binds and listens. `AddrInUse` when something listens there already.
    fn listen(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Connects. `ConnectionRefused` when the host is up and nothing listens; silence otherwise,
    /// so give it a deadline.
    fn connect(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A listening socket.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: ByteStream;

    /// The address that it is bound to.
    fn local_addr(&self) -> SocketAddr;

    /// The next established connection, and its peer's address.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}
