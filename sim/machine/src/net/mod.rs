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
mod handshake;
mod link;
mod stream;

pub use link::{LinkProfile, Ratio};
pub use stream::{SimListener, SimNet, SimStream};

pub(crate) use conn::ConnId;

use conn::Conn;
use handshake::{Connecting, Listening};
use link::Link;
use squall_effect::LinkChange;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

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

pub(crate) struct Network {
    links: Vec<Link>,
    hosts: usize,
    conns: BTreeMap<ConnId, Conn>,
    connecting: BTreeMap<ConnId, Connecting>,
    listening: BTreeMap<SocketAddr, Listening>,
    next_conn: u64,
    /// How many links are cut.
    cuts: usize,
    /// Hosts that refuse new connections, and how many faults make them.
    refusing: BTreeMap<usize, u32>,
    next_port: Vec<u16>,
    /// Which requests are sent twice.
    twice: squall_history::SeededStream,
}

impl Network {
    pub(crate) fn new(world_seed: u64, labels: &[&str], profile: LinkProfile) -> Network {
        let mut links = Vec::with_capacity(labels.len() * labels.len());
        for from in labels {
            for to in labels {
                let draws = squall_history::stream(world_seed, &format!("link {from}>{to}"));
                links.push(if from == to { Link::loopback(draws) } else { Link::new(profile.clone(), draws) });
            }
        }
        Network {
            links,
            hosts: labels.len(),
            conns: BTreeMap::new(),
            connecting: BTreeMap::new(),
            listening: BTreeMap::new(),
            next_conn: 1,
            cuts: 0,
            refusing: BTreeMap::new(),
            next_port: vec![32_768; labels.len()],
            twice: squall_history::stream(world_seed, "requests that are sent twice"),
        }
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.hosts + to]
    }

    /// Whether a request from one host to another is to be sent twice.
    pub(crate) fn sends_twice(&mut self, from: usize, to: usize) -> bool {
        self.links[from * self.hosts + to].sends_twice(&mut self.twice)
    }

    /// Whether any link is cut.
    pub(crate) fn any_cut(&self) -> bool {
        self.cuts > 0
    }

    fn refuses(&self, host: usize) -> bool {
        self.refusing.get(&host).is_some_and(|times| *times > 0)
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.links[from * self.hosts + to].is_cut()
    }
}

impl crate::Machine {
    /// Cuts one directed link, once more: as many heals are needed.
    pub fn cut(&self, from: crate::HostId, to: crate::HostId) {
        if from != to {
            let (_, mut state) = self.lock();
            let newly = !state.net.is_cut(from.0, to.0);
            state.net.cuts += usize::from(newly);
            state.net.link(from.0, to.0).cut();
        }
    }

    /// Takes one cut back.
    pub fn heal(&self, from: crate::HostId, to: crate::HostId) {
        if from != to {
            let (_, mut state) = self.lock();
            state.net.link(from.0, to.0).heal();
            let open = !state.net.is_cut(from.0, to.0);
            state.net.cuts -= usize::from(open);
        }
    }

    /// Takes every cut, every change of a link and every refusal back.
    pub fn heal_all_links(&self) {
        let (now, mut state) = self.lock();
        state.net.cuts = 0;
        state.net.links.iter_mut().for_each(Link::heal_entirely);
        state.net.refusing.clear();
        state.hurry(now, |_, _| true);
    }

    /// Makes one directed link worse, on top of what other faults do to it.
    pub fn shape(&self, from: crate::HostId, to: crate::HostId, change: LinkChange) {
        self.lock().1.net.link(from.0, to.0).shape(change);
    }

    /// Takes such a change back.
    pub fn unshape(&self, from: crate::HostId, to: crate::HostId, change: LinkChange) {
        let (now, mut state) = self.lock();
        state.net.link(from.0, to.0).unshape(change);
        // What is under way stays so; what queued up at a narrow place flows now.
        if matches!(change, LinkChange::Bandwidth(_)) {
            state.hurry(now, |a, b| (a, b) == (from.0, to.0));
        }
    }

    /// The host answers new connections with a reset, once more (or once less).
    pub fn refuse(&self, host: crate::HostId, more: bool) {
        let (_, mut state) = self.lock();
        let times = state.net.refusing.entry(host.0).or_default();
        *times = if more { *times + 1 } else { times.checked_sub(1).expect("accepted as often as refused, not oftener") };
    }

    /// Every connection between two hosts dies with a reset at both ends. Answers how many there were.
    pub fn reset_connections(&self, a: crate::HostId, b: crate::HostId) -> usize {
        let (_, mut state) = self.lock();
        let ends = [[a.0, b.0], [b.0, a.0]];
        // One that is dead already may wait for its handles to be dropped.
        let between = |conn: &Conn| ends.contains(&[conn.ends[0].host, conn.ends[1].host]) && conn.ends.iter().any(|e| e.error.is_none());
        let ids: Vec<ConnId> = state.net.conns.iter().filter(|(_, conn)| between(conn)).map(|(id, _)| *id).collect();
        for id in &ids {
            state.reset(*id);
        }
        ids.len()
    }

    /// Replaces one directed link's behaviour.
    pub fn set_link(&self, from: crate::HostId, to: crate::HostId, profile: LinkProfile) {
        self.lock().1.net.link(from.0, to.0).set_profile(profile);
    }
}
