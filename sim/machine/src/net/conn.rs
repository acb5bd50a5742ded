//! One connection: two ends, two pipes, and what happens to the segments in them.
//!
//! ```text
//!   pipe of end 0:  [seg seg seg] ──link 0>1──► inbox of end 1
//!        cut at departure or arrival ─► nothing is delivered; retransmitted after rto, 2 rto, 4 rto ...
//!        delivered, but link 1>0 cut ─► the acknowledgement is lost: window stays used, probe runs
//! ```

use super::{RTO_MAX, USER_TIMEOUT};
use crate::{
    machine::State,
    queue::{Due, Key},
};
use squall_history::SimTime;
use std::{collections::VecDeque, io, net::SocketAddr, task::Waker, time::Duration};

/// Names a connection, or an attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) u64);

/// What a segment carries.
pub(super) enum Body {
    /// The handshake's last part: the accepting side learns that the connection stands.
    Hello,
    Data(Vec<u8>),
    Fin,
}

impl Body {
    fn len(&self) -> usize {
        if let Body::Data(bytes) = self { bytes.len() } else { 0 }
    }
}

pub(super) struct Segment {
    body: Body,
    sent: SimTime,
    /// `SimTime::MAX` while it waits for a retransmission.
    arrives: SimTime,
}

/// What the kernel at one end knows of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndState {
    /// A handle is open.
    Open,
    /// The handle was dropped; what was written before is still delivered.
    Closed,
    /// Nothing is known of it: its process died, or its host lost power.
    Gone,
}

/// What one end sent and the other has not acknowledged.
#[derive(Default)]
pub(super) struct Pipe {
    queue: VecDeque<Segment>,
    /// Bytes written and not yet both read and acknowledged.
    unacked: usize,
    /// Bytes that the peer read while it could not say so.
    unreported: usize,
    last_arrival: SimTime,
    fin_queued: bool,
    stall: Option<Stall>,
    ack_stall: Option<Stall>,
}

/// Silence on a pipe, since when, and the timer that tries again.
struct Stall {
    since: SimTime,
    rto: Duration,
    /// `None` while a retransmission is in flight.
    retry: Option<Key>,
}

pub(super) struct End {
    pub(super) host: usize,
    pub(super) incarnation: u32,
    pub(super) addr: SocketAddr,
    pub(super) state: EndState,
    pub(super) inbox: VecDeque<Vec<u8>>,
    /// How much of the inbox' first chunk was read.
    pub(super) consumed: usize,
    pub(super) fin_received: bool,
    pub(super) error: Option<io::ErrorKind>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    pub(super) pipe: Pipe,
}

impl End {
    pub(super) fn new(host: usize, incarnation: u32, addr: SocketAddr, state: EndState) -> End {
        End {
            host,
            incarnation,
            addr,
            state,
            inbox: VecDeque::new(),
            consumed: 0,
            fin_received: false,
            error: None,
            reader: None,
            writer: None,
            pipe: Pipe::default(),
        }
    }

    pub(super) fn room(&self) -> usize {
        super::WINDOW.saturating_sub(self.pipe.unacked)
    }

    pub(super) fn fin_queued(&self) -> bool {
        self.pipe.fin_queued
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

pub(super) struct Conn {
    pub(super) ends: [End; 2],
}

impl State {
    fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.net.conns.get_mut(&id)
    }

    /// The link that `end`'s segments take: (from, to).
    fn route(&self, id: ConnId, end: usize) -> Option<(usize, usize)> {
        self.net.conns.get(&id).map(|c| (c.ends[end].host, c.ends[1 - end].host))
    }

    /// Puts something into `end`'s pipe.
    pub(super) fn send(&mut self, now: SimTime, id: ConnId, end: usize, body: Body) {
        let Some((from, to)) = self.route(id, end) else { return };
        let size = body.len();
        let cut = self.net.is_cut(from, to);
        let pipe = &mut self.net.conns.get_mut(&id).expect("routed").ends[end].pipe;
        pipe.unacked += size;
        pipe.fin_queued |= matches!(body, Body::Fin);
        if pipe.stall.is_some() {
            pipe.queue.push_back(Segment { body, sent: now, arrives: SimTime::MAX });
            return;
        }
        // Writes of one instant travel together.
        if let (Body::Data(more), Some(Segment { body: Body::Data(last), sent, arrives })) = (&body, pipe.queue.back_mut())
            && *sent == now
            && *arrives != SimTime::MAX
        {
            last.extend_from_slice(more);
            return;
        }
        pipe.queue.push_back(Segment { body, sent: now, arrives: SimTime::MAX });
        match cut {
            true => self.stall(now, id, end),
            false => self.transmit(now, id, end, size),
        }
    }

    /// Sends the segments that wait, all at once.
    fn transmit(&mut self, now: SimTime, id: ConnId, end: usize, size: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let (arrives, flips) = self.net.link(from, to).transit(now, id.0, size);
        let pipe = &mut self.net.conns.get_mut(&id).expect("routed").ends[end].pipe;
        let arrives = arrives.max(pipe.last_arrival);
        pipe.last_arrival = arrives;
        for segment in pipe.queue.iter_mut().filter(|s| s.arrives == SimTime::MAX) {
            segment.arrives = arrives;
            if let (Some(bit), Body::Data(bytes)) = (flips, &mut segment.body) {
                bytes[0] ^= 1 << bit;
            }
        }
        self.queue.push(arrives, Due::Arrival { conn: id, end });
    }

    /// Nothing gets through: everything in the pipe waits for a retransmission.
    fn stall(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let first_rto = self.net.link(from, to).rto();
        let sender = &mut self.net.conns.get_mut(&id).expect("routed").ends[end];
        let pipe = &mut sender.pipe;
        // A dead process, or a host without power, retransmits nothing.
        if sender.state == EndState::Gone {
            return pipe.queue.clear();
        }
        for segment in &mut pipe.queue {
            segment.arrives = SimTime::MAX;
        }
        let (since, rto) = match &pipe.stall {
            Some(Stall { retry: Some(_), .. }) => return,
            Some(Stall { since, rto, retry: None }) => (*since, (*rto * 2).min(RTO_MAX)),
            None => (now, first_rto),
        };
        let retry = (now + rto).min(since + USER_TIMEOUT);
        let key = self.queue.push(retry, Due::Retransmit { conn: id, end });
        self.net.conns.get_mut(&id).expect("routed").ends[end].pipe.stall = Some(Stall { since, rto, retry: Some(key) });
    }

    pub(crate) fn retransmit(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let cut = self.net.is_cut(from, to);
        let pipe = &mut self.net.conns.get_mut(&id).expect("routed").ends[end].pipe;
        let Some(stall) = &mut pipe.stall else { return };
        stall.retry = None;
        if now >= stall.since + USER_TIMEOUT {
            return self.abort(id, end, io::ErrorKind::TimedOut);
        }
        let size = pipe.queue.iter().map(|s| s.body.len()).sum();
        match cut {
            true => self.stall(now, id, end),
            false => self.transmit(now, id, end, size),
        }
    }

    /// Segments that `end` sent reach the other host.
    pub(crate) fn segments_arrive(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let cut = self.net.is_cut(from, to) || !self.hosts[to].powered;
        let due = |s: &Segment| s.arrives <= now;
        let pipe = &mut self.net.conns.get_mut(&id).expect("routed").ends[end].pipe;
        if !pipe.queue.front().is_some_and(due) {
            return;
        }
        let hello = matches!(pipe.queue.front(), Some(Segment { body: Body::Hello, .. }));
        // As Linux does: with a full accept queue, the handshake's last part is dropped, and sent again.
        if cut || (hello && self.backlog_is_full(id)) {
            return self.stall(now, id, end);
        }
        let mut acked = 0;
        while let Some(conn) = self.net.conns.get_mut(&id) {
            let [first, second] = &mut conn.ends;
            let (sender, peer) = if end == 0 { (first, second) } else { (second, first) };
            let Some(segment) = sender.pipe.queue.front().filter(|s| due(s)) else { break };
            let wanted = match (&segment.body, peer.state) {
                (Body::Hello, _) => true,
                (Body::Data(_), EndState::Open) | (Body::Fin, EndState::Open | EndState::Closed) => peer.error.is_none(),
                (Body::Data(_), EndState::Closed | EndState::Gone) | (Body::Fin, EndState::Gone) => false,
            };
            if !wanted {
                // Nobody there knows this connection, or wants the data: a reset comes back. Should it
                // be lost, the sender retransmits, as for any silence.
                self.send_reset(now, id, 1 - end);
                self.stall(now, id, end);
                break;
            }
            sender.pipe.stall = None;
            match sender.pipe.queue.pop_front().map(|s| s.body) {
                Some(Body::Hello) => self.hello_arrives(now, id),
                Some(Body::Data(bytes)) => {
                    peer.inbox.push_back(bytes);
                    acked += 1;
                    peer.wake_reader();
                }
                Some(Body::Fin) => {
                    peer.fin_received = true;
                    peer.wake_reader();
                }
                None => unreachable!("it was at the front"),
            }
        }
        if acked > 0 {
            self.acknowledge(now, id, end);
        }
        self.send_what_waits(now, id, end);
    }

    /// What was written while a retransmission was in flight goes out now that it arrived.
    fn send_what_waits(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let cut = self.net.is_cut(from, to);
        let pipe = &self.net.conns[&id].ends[end].pipe;
        let waiting = pipe.queue.iter().filter(|s| s.arrives == SimTime::MAX);
        let (count, size) = waiting.fold((0, 0), |(n, size), s| (n + 1, size + s.body.len()));
        if count == 0 || pipe.stall.is_some() {
            return;
        }
        match cut {
            true => self.stall(now, id, end),
            false => self.transmit(now, id, end, size),
        }
    }

    /// The receiver's acknowledgement goes back to `end`, if the way back is open.
    fn acknowledge(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let cut = self.net.is_cut(to, from);
        let rto = self.net.link(from, to).rto();
        let pipe = &mut self.net.conns.get_mut(&id).expect("routed").ends[end].pipe;
        match (cut, &mut pipe.ack_stall) {
            (false, None) => {}
            (false, Some(_)) => self.ack_restored(id, end),
            (true, Some(_)) => {}
            (true, stall @ None) => {
                let key = self.queue.push(now + rto, Due::AckProbe { conn: id, end });
                *stall = Some(Stall { since: now, rto, retry: Some(key) });
            }
        }
    }

    fn ack_restored(&mut self, id: ConnId, end: usize) {
        let Some(conn) = self.net.conns.get_mut(&id) else { return };
        let sender = &mut conn.ends[end];
        if let Some(Stall { retry: Some(key), .. }) = sender.pipe.ack_stall.take() {
            self.queue.cancel(key);
        }
        let released = std::mem::take(&mut sender.pipe.unreported);
        sender.pipe.unacked -= released;
        if released > 0
            && let Some(writer) = sender.writer.take()
        {
            writer.wake();
        }
    }

    pub(crate) fn ack_probe(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let open = !self.net.is_cut(from, to) && !self.net.is_cut(to, from) && self.hosts[to].powered;
        let conn = self.net.conns.get_mut(&id).expect("routed");
        let peer_gone = conn.ends[1 - end].state == EndState::Gone;
        let Some(stall) = &mut conn.ends[end].pipe.ack_stall else { return };
        if open && !peer_gone {
            return self.ack_restored(id, end);
        }
        if now >= stall.since + USER_TIMEOUT {
            return self.abort(id, end, io::ErrorKind::TimedOut);
        }
        stall.rto = (stall.rto * 2).min(RTO_MAX);
        let retry = (now + stall.rto).min(stall.since + USER_TIMEOUT);
        stall.retry = Some(self.queue.push(retry, Due::AckProbe { conn: id, end }));
        if open {
            // The probe reached a host that knows nothing of the connection.
            self.send_reset(now, id, 1 - end);
        }
    }

    /// The application at the receiving end of `end`'s pipe read this many bytes: the window opens,
    /// as soon as the receiver can say so.
    pub(super) fn window_opens(&mut self, now: SimTime, id: ConnId, end: usize, read: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let cut = self.net.is_cut(to, from);
        let Some(conn) = self.conn(id) else { return };
        let sender = &mut conn.ends[end];
        if cut || sender.pipe.ack_stall.is_some() {
            sender.pipe.unreported += read;
            return self.acknowledge(now, id, end);
        }
        sender.pipe.unacked -= read;
        if let Some(writer) = sender.writer.take() {
            writer.wake();
        }
    }

    fn clear_pipe(&mut self, id: ConnId, end: usize) {
        let Some(conn) = self.net.conns.get_mut(&id) else { return };
        let pipe = &mut conn.ends[end].pipe;
        pipe.queue.clear();
        for stall in [pipe.stall.take(), pipe.ack_stall.take()].into_iter().flatten() {
            if let Some(key) = stall.retry {
                self.queue.cancel(key);
            }
        }
    }

    /// `end`'s kernel gives the connection up. The peer is not told.
    fn abort(&mut self, id: ConnId, end: usize, error: io::ErrorKind) {
        self.clear_pipe(id, end);
        if let Some(conn) = self.conn(id) {
            let this = &mut conn.ends[end];
            this.error.get_or_insert(error);
            this.wake();
            if this.state == EndState::Closed {
                this.state = EndState::Gone;
            }
        }
        self.reap(id);
    }

    /// `end`'s host sends a reset to the other end. It is not retransmitted: a cut link eats it.
    pub(super) fn send_reset(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, end) else { return };
        let arrives = self.net.link(from, to).transit(now, id.0, 0).0;
        let Some(conn) = self.conn(id) else { return };
        let arrives = arrives.max(conn.ends[end].pipe.last_arrival);
        self.queue.push(arrives, Due::Reset { conn: id, end: 1 - end });
    }

    pub(crate) fn reset_arrives(&mut self, _now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, 1 - end) else { return };
        if self.net.is_cut(from, to) || !self.hosts[to].powered {
            return;
        }
        self.abort(id, end, io::ErrorKind::ConnectionReset);
    }

    /// Segments on their way over these links arrive no later than the links as they are now would have
    /// them: the fault that held them up is over.
    pub(super) fn hurry(&mut self, now: SimTime, over: impl Fn(usize, usize) -> bool) {
        let ids: Vec<ConnId> = self.net.conns.keys().copied().collect();
        for (id, end) in ids.into_iter().flat_map(|id| [(id, 0), (id, 1)]) {
            let Some((from, to)) = self.route(id, end).filter(|(from, to)| over(*from, *to)) else { continue };
            let latest = now + self.net.link(from, to).latency_max();
            let pipe = &mut self.net.conns.get_mut(&id).expect("routed").ends[end].pipe;
            let late = |s: &&mut Segment| s.arrives != SimTime::MAX && s.arrives > latest;
            if pipe.queue.iter_mut().filter(late).map(|s| s.arrives = latest).count() > 0 {
                pipe.last_arrival = latest;
                self.queue.push(latest, Due::Arrival { conn: id, end });
            }
        }
    }

    /// Somebody in between resets the connection at both ends.
    pub(super) fn reset(&mut self, id: ConnId) {
        self.abort(id, 0, io::ErrorKind::ConnectionReset);
        self.abort(id, 1, io::ErrorKind::ConnectionReset);
    }

    /// The application dropped `end`'s handle.
    pub(super) fn close(&mut self, now: SimTime, id: ConnId, end: usize) {
        let Some(conn) = self.conn(id) else { return };
        let this = &mut conn.ends[end];
        this.reader = None;
        this.writer = None;
        let unread = !this.inbox.is_empty();
        this.inbox.clear();
        if this.error.is_some() {
            this.state = EndState::Gone;
        } else if unread {
            this.state = EndState::Gone;
            self.clear_pipe(id, end);
            self.send_reset(now, id, end);
        } else {
            this.state = EndState::Closed;
            if !this.pipe.fin_queued {
                self.send(now, id, end, Body::Fin);
            }
        }
        self.reap(id);
    }

    /// Forgets a connection that no application holds any more.
    pub(super) fn reap(&mut self, id: ConnId) {
        let Some(conn) = self.conn(id) else { return };
        if conn.ends.iter().all(|end| end.state != EndState::Open) {
            for end in [0, 1] {
                self.clear_pipe(id, end);
            }
            self.net.conns.remove(&id);
        }
    }

    /// A process is dead. With `power_loss` its host is too: silence; else its kernel resets.
    pub(crate) fn process_sockets_die(&mut self, now: SimTime, host: usize, incarnation: u32, power_loss: bool) {
        let mut dying = Vec::new();
        for (id, conn) in &mut self.net.conns {
            for end in [0, 1] {
                let this = &mut conn.ends[end];
                let ours = this.host == host && (power_loss || this.incarnation == incarnation);
                // A kernel goes on delivering for a handle that was closed in good order before.
                if ours && (this.state == EndState::Open || (power_loss && this.state == EndState::Closed)) {
                    this.state = EndState::Gone;
                    (this.reader, this.writer) = (None, None);
                    this.inbox.clear();
                    dying.push((*id, end));
                }
            }
        }
        for (id, end) in dying {
            self.clear_stalled(id, end);
            if !power_loss {
                self.send_reset(now, id, end);
            }
            self.reap(id);
        }
        self.handshakes_die(now, host, incarnation);
    }

    /// A dead sender retransmits nothing; what is on the wire already still arrives.
    fn clear_stalled(&mut self, id: ConnId, end: usize) {
        let Some(conn) = self.net.conns.get_mut(&id) else { return };
        let pipe = &mut conn.ends[end].pipe;
        pipe.queue.retain(|s| s.arrives != SimTime::MAX);
        for stall in [pipe.stall.take(), pipe.ack_stall.take()].into_iter().flatten() {
            if let Some(key) = stall.retry {
                self.queue.cancel(key);
            }
        }
    }
}
