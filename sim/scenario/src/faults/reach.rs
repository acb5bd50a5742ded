//! Which links a fault of the network reaches: the target's, to its peers, to clients, or both; in one
//! direction or in both.

use crate::{
    effect::{ClusterView, Link, Party},
    language::{Check, arguments, words},
    target::{Chosen, Target},
};
use squall_history::SeededStream;
use std::collections::BTreeSet;

words! {
    /// Which way.
    pub(crate) enum Direction, "a direction" {
        /// Both ways.
        Both = "both",
        /// Only what goes to the target.
        To = "to",
        /// Only what comes from it.
        From = "from",
    }
}

words! {
    /// Between whom.
    pub(crate) enum Links, "a set of links" {
        /// Between nodes.
        Peers = "peers",
        /// Between nodes and clients.
        Clients = "clients",
        /// Both.
        All = "all",
    }
}

impl Direction {
    /// Keeps what goes this way, seen from those who are inside.
    pub(super) fn keep(self, pairs: &mut BTreeSet<Link>, inside: impl Fn(Party) -> bool) {
        pairs.retain(|(from, to)| match self {
            Direction::Both => true,
            Direction::To => inside(*to),
            Direction::From => inside(*from),
        });
    }
}

arguments! {
    /// Which of a target's links, and which way.
    pub(crate) struct Reach, "the links of a target" {
        /// both ways, only what goes to the target, or only what comes from it
        direction: Direction = Direction::Both,
        /// between nodes, between the target's nodes and clients, or both
        links: Links = Links::Peers,
    }
}

/// The links of those whom a target means.
pub(super) fn check(target: &Target, check: &mut Check<'_>) {
    if check.is_given("links") && target.is_only_clients() {
        check.wrong("links", "`links` says nothing here: clients have links to nodes only");
    }
}

/// A target, and which of its links, at random.
pub(super) fn draw(draws: &mut SeededStream) -> (Target, Reach) {
    let targets = [Target::All, Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::SomeClients(1)];
    let target = draws.pick(&targets).clone();
    let direction = *draws.pick(&[Direction::Both, Direction::Both, Direction::To, Direction::From]);
    let links = *draws.pick(&[Links::Peers, Links::Peers, Links::All, Links::Clients]);
    let links = if target.is_only_clients() { Links::Peers } else { links };
    (target, Reach { direction, links })
}

/// The same, between peers alone.
pub(super) fn draw_of_peers(draws: &mut SeededStream) -> (Target, Reach) {
    let target = draws.pick(&[Target::All, Target::One, Target::LEADER, Target::Minority]).clone();
    (target, Reach { links: Links::Peers, ..draw(draws).1 })
}

impl Reach {
    /// Every directed link that it reaches, now.
    pub(super) fn pairs(&self, target: &Chosen, view: &ClusterView) -> Vec<Link> {
        let inside: BTreeSet<Party> = target.resolve(view).into_iter().collect();
        let mut pairs = BTreeSet::new();
        for &one in &inside {
            let is_client = matches!(one, Party::Client(_));
            // Clients talk to nodes, whatever `links` says.
            let peers = view.nodes.iter().map(|n| Party::Node(*n)).filter(|_| is_client || self.links != Links::Clients);
            let clients = view.clients.iter().map(|c| Party::Client(*c)).filter(|_| !is_client && self.links != Links::Peers);
            pairs.extend(peers.chain(clients).filter(|other| *other != one).flat_map(|other| [(one, other), (other, one)]));
        }
        self.direction.keep(&mut pairs, |party| inside.contains(&party));
        pairs.into_iter().collect()
    }
}
