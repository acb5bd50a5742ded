//! How connections end: in good order, by a reset, by silence, and with the process or the host that had them.

use super::{
    conn::{Body, EndState},
    traffic::Traffic,
};
use crate::{ids::ConnId, queue::TimerEvent};
use squall_history::SimTime;
use std::io;

impl Traffic<'_> {
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
    pub(super) fn abort(&mut self, id: ConnId, end: usize, error: io::ErrorKind) {
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
        self.queue.push(arrives, TimerEvent::Reset { conn: id, end: 1 - end });
    }

    pub(crate) fn reset_arrives(&mut self, _now: SimTime, id: ConnId, end: usize) {
        let Some((from, to)) = self.route(id, 1 - end) else { return };
        if self.net.is_cut(from, to) || !self.net.nics[to].powered {
            return;
        }
        self.abort(id, end, io::ErrorKind::ConnectionReset);
    }

    /// Somebody in between resets the connection at both ends.
    pub(crate) fn reset(&mut self, id: ConnId) {
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
