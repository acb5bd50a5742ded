//! A connection: two ends, two pipes, and the segments in them.

use super::WINDOW;
use crate::queue::Key;
use squall_history::SimTime;
use std::{collections::VecDeque, io, net::SocketAddr, task::Waker, time::Duration};

/// What a segment carries.
pub(super) enum Body {
    /// The handshake's last part: the accepting side learns that the connection stands.
    Hello,
    Data(Vec<u8>),
    Fin,
}

impl Body {
    /// How many bytes of data.
    pub(super) fn len(&self) -> usize {
        if let Body::Data(bytes) = self { bytes.len() } else { 0 }
    }
}

/// What travels as one.
pub(super) struct Segment {
    pub(super) body: Body,
    pub(super) sent: SimTime,
    /// `SimTime::MAX` while it waits for a retransmission.
    pub(super) arrives: SimTime,
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
    pub(super) queue: VecDeque<Segment>,
    /// Bytes written and not yet both read and acknowledged.
    pub(super) unacked: usize,
    /// Bytes that the peer read while it could not say so.
    pub(super) unreported: usize,
    pub(super) last_arrival: SimTime,
    pub(super) fin_queued: bool,
    pub(super) stall: Option<Stall>,
    pub(super) ack_stall: Option<Stall>,
}

/// Silence on a pipe, since when, and the timer that tries again.
pub(super) struct Stall {
    pub(super) since: SimTime,
    pub(super) rto: Duration,
    /// `None` while a retransmission is in flight.
    pub(super) retry: Option<Key>,
}

/// One end of a connection.
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
    /// One that nothing was sent to yet.
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

    /// How many bytes may be written now.
    pub(super) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.pipe.unacked)
    }

    /// Whether nothing more may be written.
    pub(super) fn fin_queued(&self) -> bool {
        self.pipe.fin_queued
    }

    /// There is something to read.
    pub(super) fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Whoever waits looks again.
    pub(super) fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// A connection: the end that connected, and the one that accepted.
pub(super) struct Conn {
    pub(super) ends: [End; 2],
}
