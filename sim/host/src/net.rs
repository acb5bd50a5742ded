//! `tokio::net` over the simulated machine's network. Hosts have names (`n1`, `c1`); 0.0.0.0 and 127.0.0.1 are the host itself.

use crate::bell::{outside, poll_outside};
use squall_env::{Listener as _, Net as _};
use squall_machine::{SimListener, SimNet, SimStream};
use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What can be made into addresses: an address, or a name and a port.
pub trait ToSocketAddrs {
    /// It, for people and for lookups: `n2:7000`.
    fn written(&self) -> String;
}

impl ToSocketAddrs for SocketAddr {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl ToSocketAddrs for str {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl ToSocketAddrs for String {
    fn written(&self) -> String {
        self.clone()
    }
}

impl<A: std::fmt::Display> ToSocketAddrs for (A, u16) {
    fn written(&self) -> String {
        format!("{}:{}", self.0, self.1)
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn written(&self) -> String {
        (**self).written()
    }
}

/// The addresses of a host, by its name.
///
/// # Errors
/// `InvalidInput` without a port; `NotFound` where no host has that name.
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<impl Iterator<Item = SocketAddr>> {
    Ok(std::iter::once(resolve(&host.written())?))
}

pub(crate) fn resolve(written: &str) -> io::Result<SocketAddr> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("{written}: an address is HOST:PORT"));
    let (name, port) = written.rsplit_once(':').ok_or_else(invalid)?;
    let port = port.parse().map_err(|_| invalid())?;
    let net = SimNet::current();
    let known = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let ip = match known {
        Some(ip) if ip.is_loopback() => net.ip(),
        Some(ip) => ip,
        None if name == "localhost" => net.ip(),
        None => net.resolve(name).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no host is called {name}")))?,
    };
    Ok(SocketAddr::new(ip, port))
}

/// A listening socket.
pub struct TcpListener(SimListener);

impl TcpListener {
    /// Binds and listens.
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` where the address is another host's.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let net = SimNet::current();
        let mut addr = resolve(&addr.written())?;
        if addr.ip().is_unspecified() {
            addr.set_ip(net.ip());
        }
        outside(net.listen(addr)).await.map(TcpListener)
    }

    /// The next connection, and who made it.
    ///
    /// # Errors
    /// As the machine's network has them.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The same, polled.
    ///
    /// # Errors
    /// As the machine's network has them.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        poll_outside(cx, |cx| self.0.poll_accept(cx)).map_ok(|(stream, from)| (TcpStream(End::Simulated(stream)), from))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local_addr())
    }
}

/// One end of a connection.
pub struct TcpStream(End);

enum End {
    Simulated(SimStream),
    /// Of a client of a cluster that really runs.
    Real(tokio::net::TcpStream),
}

impl TcpStream {
    /// Connects. Without a deadline it waits for as long as nobody answers. Outside of a simulation it is tokio's own.
    ///
    /// # Errors
    /// `ConnectionRefused` where nothing listens; `NotFound` where no host has that name.
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<TcpStream> {
        if squall_machine::virtual_time().is_none() {
            return tokio::net::TcpStream::connect(addr.written()).await.map(|stream| TcpStream(End::Real(stream)));
        }
        let addr = resolve(&addr.written())?;
        outside(SimNet::current().connect(addr)).await.map(|stream| TcpStream(End::Simulated(stream)))
    }

    /// This end's address.
    ///
    /// # Errors
    /// `NotConnected`, once the connection is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            End::Simulated(stream) => stream.addrs().map(|(this, _)| this),
            End::Real(stream) => stream.local_addr(),
        }
    }

    /// The other end's.
    ///
    /// # Errors
    /// `NotConnected`, once the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            End::Simulated(stream) => stream.addrs().map(|(_, other)| other),
            End::Real(stream) => stream.peer_addr(),
        }
    }

    /// Nothing waits to be sent with more: the machine sends at once.
    ///
    /// # Errors
    /// None in a simulation.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &self.0 {
            End::Simulated(_) => Ok(()),
            End::Real(stream) => stream.set_nodelay(nodelay),
        }
    }

    /// A half to read from, and one to write to.
    pub fn into_split(self) -> (tokio::io::ReadHalf<TcpStream>, tokio::io::WriteHalf<TcpStream>) {
        tokio::io::split(self)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            End::Simulated(stream) => poll_outside(cx, |cx| Pin::new(stream).poll_read(cx, to)),
            End::Real(stream) => Pin::new(stream).poll_read(cx, to),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            End::Simulated(stream) => poll_outside(cx, |cx| Pin::new(stream).poll_write(cx, from)),
            End::Real(stream) => Pin::new(stream).poll_write(cx, from),
        }
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            End::Simulated(stream) => poll_outside(cx, |cx| Pin::new(stream).poll_write_vectored(cx, from)),
            End::Real(stream) => Pin::new(stream).poll_write_vectored(cx, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            End::Simulated(stream) => stream.is_write_vectored(),
            End::Real(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            End::Simulated(stream) => poll_outside(cx, |cx| Pin::new(stream).poll_flush(cx)),
            End::Real(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            End::Simulated(stream) => poll_outside(cx, |cx| Pin::new(stream).poll_shutdown(cx)),
            End::Real(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
