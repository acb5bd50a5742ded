//! What a process holds of the network: the port's `Net`, `Listener` and stream.
//! A dead process' handles do nothing: reads and writes never end, a drop sends nothing.

use super::{
    conn::{Body, EndState},
    network::Attempt,
};
use crate::{ids::ConnId, machine::State, process::Process};
use squall_env::{Listener, Net};
use squall_history::SimTime;
use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, MutexGuard},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The network of a process' host.
#[derive(Clone)]
pub struct SimNet {
    process: Arc<Process>,
}

impl SimNet {
    /// The network of the running task's host.
    pub fn current() -> SimNet {
        SimNet { process: Process::current() }
    }

    /// The host's own address.
    pub fn ip(&self) -> IpAddr {
        self.process.machine().lock().1.net.nics[self.process.host].ip
    }

    /// The address of a host of this name: `n1`, `c2`.
    pub fn resolve(&self, name: &str) -> Option<IpAddr> {
        let (_, state) = self.process.machine().lock();
        state.net.nics.iter().find(|nic| nic.label == name).map(|nic| nic.ip)
    }
}

impl Net for SimNet {
    type Stream = SimStream;
    type Listener = SimListener;

    async fn listen(&self, addr: SocketAddr) -> io::Result<SimListener> {
        if !self.process.is_alive() {
            return std::future::pending().await;
        }
        self.process.machine().lock().1.traffic().listen(self.process.host, self.process.incarnation, addr)?;
        Ok(SimListener { process: self.process.clone(), addr })
    }

    fn connect(&self, remote: SocketAddr) -> impl Future<Output = io::Result<SimStream>> + Send {
        ConnectFuture { process: self.process.clone(), remote, id: None }
    }
}

struct ConnectFuture {
    process: Arc<Process>,
    remote: SocketAddr,
    id: Option<ConnId>,
}

impl Future for ConnectFuture {
    type Output = io::Result<SimStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.process.is_alive() {
            return Poll::Pending;
        }
        let (now, mut state) = this.process.machine().lock();
        let id = match this.id {
            Some(id) => id,
            None => *this.id.insert(state.traffic().connect(now, this.process.host, this.process.incarnation, this.remote)),
        };
        let Some(connecting) = state.net.connecting.get_mut(&id) else { return Poll::Pending };
        match connecting.attempt {
            Attempt::Waiting => {
                connecting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Attempt::Established => {
                this.id = None;
                state.net.connecting.remove(&id);
                Poll::Ready(Ok(SimStream { process: this.process.clone(), id, end: 0 }))
            }
            Attempt::Failed(kind) => Poll::Ready(Err(kind.into())),
        }
    }
}

impl Drop for ConnectFuture {
    fn drop(&mut self) {
        if let Some(id) = self.id
            && self.process.is_alive()
        {
            let (now, mut state) = self.process.machine().lock();
            state.traffic().connect_dropped(now, id);
        }
    }
}

/// A listening socket of a process.
pub struct SimListener {
    process: Arc<Process>,
    addr: SocketAddr,
}

impl Listener for SimListener {
    type Stream = SimStream;

    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    async fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }
}

impl SimListener {
    /// The next established connection, and its peer's address. The last one who asked is woken.
    ///
    /// # Errors
    /// None today.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(SimStream, SocketAddr)>> {
        if !self.process.is_alive() {
            return Poll::Pending;
        }
        let (_, mut state) = self.process.machine().lock();
        let net = &mut state.net;
        let Some(listening) = net.listening.get_mut(&self.addr) else { return Poll::Pending };
        match listening.ready.pop_front() {
            Some(id) => {
                let peer = net.conns.get(&id).map_or(self.addr, |c| c.ends[0].addr);
                Poll::Ready(Ok((SimStream { process: self.process.clone(), id, end: 1 }, peer)))
            }
            None => {
                listening.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        if self.process.is_alive() {
            let (now, mut state) = self.process.machine().lock();
            state.traffic().unlisten(now, self.addr);
        }
    }
}

/// One end of a connection.
pub struct SimStream {
    process: Arc<Process>,
    id: ConnId,
    end: usize,
}

impl SimStream {
    /// The addresses of this end and of the other one.
    ///
    /// # Errors
    /// `NotConnected`, once the connection is gone.
    pub fn addrs(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        let (_, state) = self.process.machine().lock();
        let conn = state.net.conns.get(&self.id).ok_or(io::ErrorKind::NotConnected)?;
        Ok((conn.ends[self.end].addr, conn.ends[1 - self.end].addr))
    }

    /// The machine's state, unless the process is dead.
    fn live(&self) -> Option<(SimTime, MutexGuard<'_, State>)> {
        self.process.is_alive().then(|| self.process.machine().lock())
    }

    fn write(&self, cx: &mut Context<'_>, len: usize, copy: impl FnOnce(&mut Vec<u8>, usize)) -> Poll<io::Result<usize>> {
        let Some((now, mut state)) = self.live() else { return Poll::Pending };
        let Some(conn) = state.net.conns.get_mut(&self.id) else { return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())) };
        let this = &mut conn.ends[self.end];
        if let Some(error) = this.error {
            return Poll::Ready(Err(error.into()));
        }
        if this.fin_queued() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = len.min(this.room());
        if n == 0 && len > 0 {
            this.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if n > 0 {
            let mut bytes = Vec::with_capacity(n);
            copy(&mut bytes, n);
            state.traffic().send(now, self.id, self.end, Body::Data(bytes));
        }
        Poll::Ready(Ok(n))
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some((now, mut state)) = self.live() else { return Poll::Pending };
        let Some(conn) = state.net.conns.get_mut(&self.id) else { return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())) };
        let this = &mut conn.ends[self.end];
        let mut read = 0;
        while buf.remaining() > 0
            && let Some(chunk) = this.inbox.front()
        {
            let rest = &chunk[this.consumed..];
            let n = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..n]);
            read += n;
            this.consumed += n;
            if this.consumed == chunk.len() {
                this.inbox.pop_front();
                this.consumed = 0;
            }
        }
        if read > 0 {
            state.traffic().window_opens(now, self.id, 1 - self.end, read);
            return Poll::Ready(Ok(()));
        }
        if buf.remaining() == 0 || this.fin_received {
            return Poll::Ready(Ok(()));
        }
        // As on Linux: what arrived before the reset can still be read, then the error is seen.
        if let Some(error) = this.error {
            return Poll::Ready(Err(error.into()));
        }
        this.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, data.len(), |bytes, n| bytes.extend_from_slice(&data[..n]))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let len = parts.iter().map(|p| p.len()).sum();
        self.write(cx, len, |bytes, mut n| {
            for part in parts {
                let take = part.len().min(n);
                bytes.extend_from_slice(&part[..take]);
                n -= take;
            }
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((now, mut state)) = self.live() else { return Poll::Pending };
        let half_open = state.net.conns.get(&self.id).is_some_and(|c| {
            let this = &c.ends[self.end];
            this.error.is_none() && !this.fin_queued() && this.state == EndState::Open
        });
        if half_open {
            state.traffic().send(now, self.id, self.end, Body::Fin);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        if self.process.is_alive() {
            let (now, mut state) = self.process.machine().lock();
            state.traffic().close(now, self.id, self.end);
        }
    }
}
