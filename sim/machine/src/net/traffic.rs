//! Traffic: what happens to the segments in the pipes of a connection.
//!
//! ```text
//!   pipe of end 0:  [seg seg seg] ──link 0>1──► inbox of end 1
//!        cut at departure or arrival ─► nothing is delivered; retransmitted after rto, 2 rto, 4 rto ...
//!        delivered, but link 1>0 cut ─► the acknowledgement is lost: window stays used, probe runs
//! ```

use super::{
    RTO_MAX, USER_TIMEOUT,
    conn::{Body, Conn, EndState, Segment, Stall},
    network::Network,
};
use crate::{
    ids::ConnId,
    queue::{Queue, TimerEvent},
};
use squall_history::SimTime;
use std::io;

/// The network at work: its state, and the queue in which its events are due.
pub(crate) struct Traffic<'m> {
    pub(crate) net: &'m mut Network,
    pub(crate) queue: &'m mut Queue,
}

impl Traffic<'_> {
    /// A connection, if it is known.
    pub(super) fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.net.conns.get_mut(&id)
    }

    /// The link that `end`'s segments take: (from, to).
    pub(super) fn route(&self, id: ConnId, end: usize) -> Option<(usize, usize)> {
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
        self.queue.push(arrives, TimerEvent::Arrival { conn: id, end });
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
        let key = self.queue.push(retry, TimerEvent::Retransmit { conn: id, end });
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
        let cut = self.net.is_cut(from, to) || !self.net.nics[to].powered;
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
                let key = self.queue.push(now + rto, TimerEvent::AckProbe { conn: id, end });
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
        let open = !self.net.is_cut(from, to) && !self.net.is_cut(to, from) && self.net.nics[to].powered;
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
        stall.retry = Some(self.queue.push(retry, TimerEvent::AckProbe { conn: id, end }));
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

    /// Segments on their way over these links arrive no later than the links as they are now would have
    /// them: the fault that held them up is over.
    pub(crate) fn hurry(&mut self, now: SimTime, over: impl Fn(usize, usize) -> bool) {
        let ids: Vec<ConnId> = self.net.conns.keys().copied().collect();
        for (id, end) in ids.into_iter().flat_map(|id| [(id, 0), (id, 1)]) {
            let Some((from, to)) = self.route(id, end).filter(|(from, to)| over(*from, *to)) else { continue };
            let latest = now + self.net.link(from, to).latency_max();
            let pipe = &mut self.net.conns.get_mut(&id).expect("routed").ends[end].pipe;
            let late = |s: &&mut Segment| s.arrives != SimTime::MAX && s.arrives > latest;
            if pipe.queue.iter_mut().filter(late).map(|s| s.arrives = latest).count() > 0 {
                pipe.last_arrival = latest;
                self.queue.push(latest, TimerEvent::Arrival { conn: id, end });
            }
        }
    }
}
