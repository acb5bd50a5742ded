//! tokio's machine, with TLS on its connections where that is wanted.

use crate::tls::Tls;
use rand_chacha::ChaCha8Rng;
use squall_env::{
    Env, Listener, LocalInstant, Net, WallTime,
    real::{RealDisk, RealJoin, RealListener, RealNet, RealSleep, TokioEnv},
};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{Accept, TlsStream};

/// The marker of the real machine whose connections may be encrypted.
#[derive(Clone, Copy, Debug)]
pub struct ServerEnv;

impl Env for ServerEnv {
    type Sleep = RealSleep;
    type JoinHandle<T: Send + 'static> = RealJoin<T>;
    type Net = ServerNet;
    type Disk = RealDisk;

    fn now() -> LocalInstant {
        TokioEnv::now()
    }

    fn wall_now() -> WallTime {
        TokioEnv::wall_now()
    }

    fn sleep_until(deadline: LocalInstant) -> RealSleep {
        TokioEnv::sleep_until(deadline)
    }

    fn spawn<F>(future: F) -> RealJoin<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        TokioEnv::spawn(future)
    }

    fn rng() -> ChaCha8Rng {
        TokioEnv::rng()
    }
}

/// Kernel TCP, plain or under TLS, for servers and clients alike.
#[derive(Clone, Default)]
pub struct ServerNet {
    tls: Option<Arc<Tls>>,
}

impl ServerNet {
    /// With TLS on every connection.
    pub fn with_tls(tls: Tls) -> Self {
        ServerNet { tls: Some(Arc::new(tls)) }
    }
}

impl Net for ServerNet {
    type Stream = ServerStream;
    type Listener = ServerListener;

    async fn listen(&self, addr: SocketAddr) -> io::Result<ServerListener> {
        Ok(ServerListener { plain: RealNet.listen(addr).await?, tls: self.tls.clone() })
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<ServerStream> {
        let plain = RealNet.connect(addr).await?;
        let Some(tls) = &self.tls else { return Ok(ServerStream::Plain(plain)) };
        let stream = tls.connector().connect(addr.ip().into(), plain).await?;
        Ok(ServerStream::Tls(Box::new(stream.into())))
    }
}

/// A listening kernel socket.
pub struct ServerListener {
    plain: RealListener,
    tls: Option<Arc<Tls>>,
}

impl Listener for ServerListener {
    type Stream = ServerStream;

    fn local_addr(&self) -> SocketAddr {
        self.plain.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(ServerStream, SocketAddr)> {
        let (plain, peer) = self.plain.accept().await?;
        let stream = match &self.tls {
            None => ServerStream::Plain(plain),
            // The handshake is the connection's own business: nobody else waits for it.
            Some(tls) => ServerStream::Greeting(Box::new(tls.acceptor().accept(plain))),
        };
        Ok((stream, peer))
    }
}

/// A connection.
pub enum ServerStream {
    /// Not encrypted.
    Plain(TcpStream),
    /// In its handshake.
    Greeting(Box<Accept<TcpStream>>),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl ServerStream {
    /// Goes on with the handshake, if it is not done.
    fn poll_greeted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let ServerStream::Greeting(accept) = self {
            let stream = ready!(Pin::new(accept.as_mut()).poll(cx))?;
            *self = ServerStream::Tls(Box::new(stream.into()));
        }
        Poll::Ready(Ok(()))
    }
}

/// Polls the stream that there is, once the handshake is done.
macro_rules! greeted {
    ($self:ident, $cx:ident, $stream:ident => $poll:expr) => {{
        ready!($self.poll_greeted($cx))?;
        match $self.get_mut() {
            ServerStream::Plain(stream) => {
                let $stream = Pin::new(stream);
                $poll
            }
            ServerStream::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $poll
            }
            ServerStream::Greeting(_) => Poll::Pending,
        }
    }};
}

impl AsyncRead for ServerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        greeted!(self, cx, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        greeted!(self, cx, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        greeted!(self, cx, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        greeted!(self, cx, stream => stream.poll_shutdown(cx))
    }
}
