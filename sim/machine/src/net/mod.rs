//! The simulated network: hosts, listeners, and byte streams with TCP's semantics.
//!
//! ```text
//!   connect ─SYN─►  listening? ─SYN-ACK─► established ─Hello─► accept queue
//!   write ─► pipe (ordered segments) ─► link: latency, loss, bandwidth, cut ─► inbox ─► read
//! ```
//!
//! What a database can observe is here: data is ordered and reliable until the connection dies; a
//! lost segment is a retransmission delay (RFC 6298's timer, doubling); a cut link is silence, then
//! late delivery after the heal, or `TimedOut` once data stayed unacknowledged for
//! [`USER_TIMEOUT`]; a dead process resets its connections; a host without power is silent; a
//! segment for a connection that nobody knows is answered with a reset; a full backlog drops.
//!
//! Deliberately not here: IP, packets, congestion control, selective acknowledgement. An
//! acknowledgement takes no time of its own, but it needs the way back: while that is cut the sender
//! keeps what it sent, its window fills, and its timer runs.

mod conn;
mod dying;
mod handshake;
mod link;
mod network;
mod stream;
mod traffic;

pub use link::LinkProfile;
pub(crate) use network::{Network, Nic};
pub use stream::{SimListener, SimNet, SimStream};
pub(crate) use traffic::Traffic;

use std::time::Duration;

/// The most bytes that a sender may have unread or in flight: the socket buffers of both ends.
pub const WINDOW: usize = 512 << 10;

/// The shortest retransmission timeout (Linux: 200 ms; RFC 6298 says 1 s).
pub const RTO_MIN: Duration = Duration::from_millis(200);

/// The longest (Linux: 120 s).
pub const RTO_MAX: Duration = Duration::from_secs(120);

/// How long data may stay unacknowledged before the connection is given up (RFC 5482; gRPC sets 20 s).
pub const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// How many established connections wait for `accept` at the most; more SYNs are dropped.
pub const BACKLOG: usize = 128;
