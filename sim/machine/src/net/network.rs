//! The state of the network: interfaces, links, listeners, connections.

use super::{
    conn::Conn,
    link::{Link, LinkProfile},
};
use crate::{ids::ConnId, queue::Key};
use squall_history::SimTime;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    task::Waker,
    time::Duration,
};

/// A listener, and the connections that wait for `accept`.
pub(super) struct Listening {
    pub(super) host: usize,
    pub(super) incarnation: u32,
    pub(super) ready: VecDeque<ConnId>,
    pub(super) waker: Option<Waker>,
}

/// What became of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Waiting,
    Established,
    Failed(io::ErrorKind),
}

/// An attempt to connect.
pub(super) struct Connecting {
    pub(super) host: usize,
    pub(super) incarnation: u32,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) target: Option<usize>,
    pub(super) started: SimTime,
    pub(super) rto: Duration,
    pub(super) retry: Option<Key>,
    pub(super) waker: Option<Waker>,
    pub(super) attempt: Attempt,
}

/// What the network knows of a host: its interface.
pub(crate) struct Nic {
    /// The host's name.
    pub(crate) label: String,
    /// Its address.
    pub(crate) ip: IpAddr,
    /// Whether its host has power: otherwise nothing is heard, and nothing is answered.
    pub(crate) powered: bool,
    /// Where the next connection from here comes from.
    next_port: u16,
}

impl Nic {
    /// That of a host with power.
    pub(crate) fn new(label: String, ip: IpAddr) -> Nic {
        Nic { label, ip, powered: true, next_port: 32_768 }
    }

    /// A port for a connection from here.
    pub(super) fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == 60_999 { 32_768 } else { port + 1 };
        port
    }
}

/// The state of the network.
pub(crate) struct Network {
    links: Vec<Link>,
    /// The hosts' interfaces, in the order of the hosts.
    pub(crate) nics: Vec<Nic>,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) connecting: BTreeMap<ConnId, Connecting>,
    pub(super) listening: BTreeMap<SocketAddr, Listening>,
    pub(super) next_conn: u64,
    /// How many links are cut.
    cuts: usize,
    /// Hosts that refuse new connections, and how many faults make them.
    refusing: BTreeMap<usize, u32>,
    /// Which requests are sent twice.
    twice: squall_history::SeededStream,
}

impl Network {
    pub(crate) fn new(world_seed: u64, nics: Vec<Nic>, profile: LinkProfile) -> Network {
        let mut links = Vec::with_capacity(nics.len() * nics.len());
        for from in nics.iter().map(|nic| &nic.label) {
            for to in nics.iter().map(|nic| &nic.label) {
                let draws = squall_history::stream(world_seed, &format!("link {from}>{to}"));
                links.push(if from == to { Link::loopback(draws) } else { Link::new(profile.clone(), draws) });
            }
        }
        Network {
            links,
            nics,
            conns: BTreeMap::new(),
            connecting: BTreeMap::new(),
            listening: BTreeMap::new(),
            next_conn: 1,
            cuts: 0,
            refusing: BTreeMap::new(),
            twice: squall_history::stream(world_seed, "requests that are sent twice"),
        }
    }

    /// The link from one host to another.
    pub(crate) fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.nics.len() + to]
    }

    /// Whether a request from a host to this address is to be sent twice.
    pub(crate) fn sends_twice(&mut self, from: usize, to: SocketAddr) -> bool {
        let Some(to) = self.host_of(to.ip()) else { return false };
        self.links[from * self.nics.len() + to].sends_twice(&mut self.twice)
    }

    /// The host that has this address.
    pub(super) fn host_of(&self, ip: IpAddr) -> Option<usize> {
        self.nics.iter().position(|nic| nic.ip == ip)
    }

    /// Whether any link is cut.
    pub(crate) fn any_cut(&self) -> bool {
        self.cuts > 0
    }

    /// Whether new connections to a host are answered with a reset.
    pub(super) fn refuses(&self, host: usize) -> bool {
        self.refusing.get(&host).is_some_and(|times| *times > 0)
    }

    /// Whether nothing gets through from one host to another.
    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.links[from * self.nics.len() + to].is_cut()
    }

    /// Cuts one directed link, once more: as many heals are needed.
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        let newly = !self.is_cut(from, to);
        self.cuts += usize::from(newly);
        self.link(from, to).cut();
    }

    /// Takes one cut back.
    pub(crate) fn heal(&mut self, from: usize, to: usize) {
        self.link(from, to).heal();
        let open = !self.is_cut(from, to);
        self.cuts -= usize::from(open);
    }

    /// Takes every cut, every change of a link and every refusal back.
    pub(crate) fn heal_entirely(&mut self) {
        self.cuts = 0;
        self.links.iter_mut().for_each(Link::heal_entirely);
        self.refusing.clear();
    }

    /// A host answers new connections with a reset, once more (or once less).
    pub(crate) fn refuse(&mut self, host: usize, more: bool) {
        let times = self.refusing.entry(host).or_default();
        *times = if more { *times + 1 } else { times.checked_sub(1).expect("accepted as often as refused, not oftener") };
    }

    /// The connections between two hosts.
    pub(crate) fn between(&self, a: usize, b: usize) -> Vec<ConnId> {
        let ends = [[a, b], [b, a]];
        // One that is dead already may wait for its handles to be dropped.
        let between = |conn: &Conn| ends.contains(&[conn.ends[0].host, conn.ends[1].host]) && conn.ends.iter().any(|e| e.error.is_none());
        self.conns.iter().filter(|(_, conn)| between(conn)).map(|(id, _)| *id).collect()
    }
}
