//! Listening, and becoming connected: SYN, its answer, its retries, the accept queue.

use super::{
    BACKLOG, USER_TIMEOUT,
    conn::{Body, Conn, End, EndState},
    network::{Attempt, Connecting, Listening},
    traffic::Traffic,
};
use crate::{ids::ConnId, queue::TimerEvent};
use squall_history::SimTime;
use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

/// The first SYN retry comes after one second, then two, then four (RFC 6298, section 5.7).
const SYN_RTO: Duration = Duration::from_secs(1);

impl Traffic<'_> {
    pub(super) fn listen(&mut self, host: usize, incarnation: u32, addr: SocketAddr) -> io::Result<()> {
        if addr.ip() != self.net.nics[host].ip {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                format!("{addr} is not an address of {}", self.net.nics[host].label),
            ));
        }
        if self.net.listening.contains_key(&addr) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("something listens on {addr} already")));
        }
        self.net.listening.insert(addr, Listening { host, incarnation, ready: VecDeque::new(), waker: None });
        Ok(())
    }

    /// A listener is closed: connections that wait for `accept` are reset.
    pub(super) fn unlisten(&mut self, now: SimTime, addr: SocketAddr) {
        let Some(listening) = self.net.listening.remove(&addr) else { return };
        for id in listening.ready {
            if let Some(conn) = self.net.conns.get_mut(&id) {
                conn.ends[1].state = EndState::Gone;
            }
            self.send_reset(now, id, 1);
            self.reap(id);
        }
    }

    pub(super) fn connect(&mut self, now: SimTime, host: usize, incarnation: u32, remote: SocketAddr) -> ConnId {
        let id = ConnId(self.net.next_conn);
        self.net.next_conn += 1;
        let port = self.net.nics[host].take_port();
        let local = SocketAddr::new(self.net.nics[host].ip, port);
        let target = self.net.host_of(remote.ip());
        let attempt = Attempt::Waiting;
        let connecting =
            Connecting { host, incarnation, local, remote, target, started: now, rto: SYN_RTO, retry: None, waker: None, attempt };
        self.net.connecting.insert(id, connecting);
        self.send_syn(now, id);
        id
    }

    fn send_syn(&mut self, now: SimTime, id: ConnId) {
        let Some(c) = self.net.connecting.get_mut(&id) else { return };
        let (from, target, rto, deadline) = (c.host, c.target, c.rto, c.started + USER_TIMEOUT);
        c.rto *= 2;
        c.retry = Some(self.queue.push((now + rto).min(deadline), TimerEvent::SynRetry { conn: id }));
        if let Some(to) = target
            && !self.net.is_cut(from, to)
        {
            let arrives = self.net.link(from, to).transit(now, id.0, 0).0;
            self.queue.push(arrives, TimerEvent::Syn { conn: id });
        }
    }

    pub(crate) fn syn_retry(&mut self, now: SimTime, id: ConnId) {
        let Some(c) = self.net.connecting.get_mut(&id) else { return };
        c.retry = None;
        if c.attempt != Attempt::Waiting {
            return;
        }
        match now >= c.started + USER_TIMEOUT {
            true => self.attempt_ends(id, Attempt::Failed(io::ErrorKind::TimedOut)),
            false => self.send_syn(now, id),
        }
    }

    fn attempt_ends(&mut self, id: ConnId, attempt: Attempt) {
        let Some(c) = self.net.connecting.get_mut(&id) else { return };
        c.attempt = attempt;
        if let Some(waker) = c.waker.take() {
            waker.wake();
        }
        if let Some(key) = c.retry.take() {
            self.queue.cancel(key);
        }
    }

    pub(crate) fn syn_arrives(&mut self, now: SimTime, id: ConnId) {
        let Some(c) = self.net.connecting.get(&id) else { return };
        let Some(to) = c.target else { return };
        let (from, local, remote, incarnation) = (c.host, c.local, c.remote, c.incarnation);
        if self.net.is_cut(from, to) || !self.net.nics[to].powered {
            return;
        }
        let accepted = match self.net.listening.get(&remote) {
            _ if self.net.refuses(to) => false,
            None => false,
            Some(listening) if listening.ready.len() >= BACKLOG => return,
            Some(listening) => {
                let server = listening.incarnation;
                self.net.conns.entry(id).or_insert_with(|| Conn {
                    // Neither application holds it yet.
                    ends: [End::new(from, incarnation, local, EndState::Open), End::new(to, server, remote, EndState::Open)],
                });
                true
            }
        };
        let arrives = self.net.link(to, from).transit(now, id.0, 0).0;
        self.queue.push(arrives, TimerEvent::SynAnswer { conn: id, accepted });
    }

    pub(crate) fn syn_answer_arrives(&mut self, now: SimTime, id: ConnId, accepted: bool) {
        let Some(c) = self.net.connecting.get(&id) else { return };
        let (Some(to), from) = (c.target, c.host) else { return };
        if self.net.is_cut(to, from) || !self.net.nics[from].powered || c.attempt != Attempt::Waiting {
            return;
        }
        if accepted {
            self.attempt_ends(id, Attempt::Established);
            self.send(now, id, 0, Body::Hello);
        } else {
            self.attempt_ends(id, Attempt::Failed(io::ErrorKind::ConnectionRefused));
        }
    }

    pub(super) fn backlog_is_full(&self, id: ConnId) -> bool {
        let listening = self.net.conns.get(&id).and_then(|conn| self.net.listening.get(&conn.ends[1].addr));
        listening.is_some_and(|l| l.ready.len() >= BACKLOG)
    }

    /// The handshake is complete at the accepting host.
    pub(super) fn hello_arrives(&mut self, now: SimTime, id: ConnId) {
        let Some(conn) = self.net.conns.get(&id) else { return };
        let (addr, incarnation, open) = (conn.ends[1].addr, conn.ends[1].incarnation, conn.ends[1].state == EndState::Open);
        match self.net.listening.get_mut(&addr) {
            Some(listening) if open && listening.incarnation == incarnation => {
                listening.ready.push_back(id);
                if let Some(waker) = listening.waker.take() {
                    waker.wake();
                }
            }
            _ => self.send_reset(now, id, 1),
        }
    }

    /// A `connect` future was dropped before its end, or its stream was never taken.
    pub(super) fn connect_dropped(&mut self, now: SimTime, id: ConnId) {
        let Some(c) = self.net.connecting.remove(&id) else { return };
        if let Some(key) = c.retry {
            self.queue.cancel(key);
        }
        match c.attempt {
            Attempt::Established => self.close(now, id, 0),
            Attempt::Waiting | Attempt::Failed(_) => _ = self.net.conns.remove(&id),
        }
    }

    pub(super) fn handshakes_die(&mut self, now: SimTime, host: usize, incarnation: u32) {
        let dead: Vec<ConnId> =
            self.net.connecting.iter().filter(|(_, c)| c.host == host && c.incarnation == incarnation).map(|(id, _)| *id).collect();
        for id in dead {
            if let Some(Connecting { retry: Some(key), .. }) = self.net.connecting.remove(&id) {
                self.queue.cancel(key);
            }
        }
        let closed: Vec<SocketAddr> =
            self.net.listening.iter().filter(|(_, l)| l.host == host && l.incarnation == incarnation).map(|(addr, _)| *addr).collect();
        for addr in closed {
            match self.net.nics[host].powered {
                true => self.unlisten(now, addr),
                false => _ = self.net.listening.remove(&addr),
            }
        }
    }
}
