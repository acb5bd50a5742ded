//! Which links a fault of the network reaches: the target's, to its peers, to clients, or both; in one
//! direction or in both.

use super::Arg;
use crate::{
    effect::{ClusterView, Link, Party, Size},
    target::{Target, Whom},
    yaml::{Decoder, Diagnostic, Fields},
};
use squall_history::SeededStream;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Both,
    To,
    From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    Peers,
    Clients,
    All,
}

pub(super) const DIRECTIONS: [(&str, Direction); 3] = [("both", Direction::Both), ("to", Direction::To), ("from", Direction::From)];
pub(super) const LINKS: [(&str, Links); 3] = [("peers", Links::Peers), ("clients", Links::Clients), ("all", Links::All)];

pub(super) const TARGET_ARG: Arg = Arg { name: "target", form: "a target", about: "whose links: of nodes or of clients" };
pub(super) const DIRECTION_ARG: Arg = Arg {
    name: "direction",
    form: "both, to or from",
    about: "both ways (default), only what goes to the target, or only what comes from it",
};
pub(super) const LINKS_ARG: Arg =
    Arg { name: "links", form: "peers, clients or all", about: "between nodes (default), between the target's nodes and clients, or both" };

impl Direction {
    pub(super) fn decode(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Direction {
        fields.take("direction").and_then(|n| decoder.word(n, "a direction", &DIRECTIONS)).unwrap_or(Direction::Both)
    }

    /// The word, when it is not the default.
    pub(super) fn to_yaml(self) -> Option<serde_yaml::Value> {
        DIRECTIONS.iter().find(|(_, d)| *d == self && *d != Direction::Both).map(|(w, _)| (*w).into())
    }

    /// Keeps what goes this way, seen from those who are inside.
    pub(super) fn keep(self, pairs: &mut BTreeSet<Link>, inside: impl Fn(Party) -> bool) {
        pairs.retain(|(from, to)| match self {
            Direction::Both => true,
            Direction::To => inside(*to),
            Direction::From => inside(*from),
        });
    }
}

impl Links {
    pub(super) fn decode(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Links {
        fields.take("links").and_then(|n| decoder.word(n, "a set of links", &LINKS)).unwrap_or(Links::Peers)
    }

    /// The word, when it is not the default.
    pub(super) fn to_yaml(self) -> Option<serde_yaml::Value> {
        LINKS.iter().find(|(_, l)| *l == self && *l != Links::Peers).map(|(w, _)| (*w).into())
    }
}

/// The links of a target.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) target: Target,
    pub(super) direction: Direction,
    pub(super) links: Links,
}

impl Reach {
    pub(super) fn decode(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Option<Reach> {
        let target = fields.need(decoder, "target").and_then(|n| Target::decode(decoder, n, Whom::Anyone));
        let said = fields.peek("links");
        let (direction, links) = (Direction::decode(decoder, fields), Links::decode(decoder, fields));
        let target = target?;
        if let (Some(node), true) = (said, target.is_only_clients()) {
            decoder.mistakes.push(Diagnostic::new(node.place, "`links` says nothing here: clients have links to nodes only"));
        }
        Some(Reach { target, direction, links })
    }

    pub(super) fn draw(draws: &mut SeededStream) -> Reach {
        let targets = [Target::All, Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::SomeClients(1)];
        let target = draws.pick(&targets).clone();
        let direction = *draws.pick(&[Direction::Both, Direction::Both, Direction::To, Direction::From]);
        let links = *draws.pick(&[Links::Peers, Links::Peers, Links::All, Links::Clients]);
        Reach { links: if target.is_only_clients() { Links::Peers } else { links }, target, direction }
    }

    pub(super) fn fix(&self, draws: &mut SeededStream, size: Size) -> Reach {
        Reach { target: self.target.fix(draws, size), ..self.clone() }
    }

    /// The same as [`Reach::draw`], between peers alone.
    pub(super) fn draw_of_peers(draws: &mut SeededStream) -> Reach {
        let target = draws.pick(&[Target::All, Target::One, Target::LEADER, Target::Minority]).clone();
        Reach { target, links: Links::Peers, ..Reach::draw(draws) }
    }

    /// Every directed link that it reaches, now.
    pub(super) fn pairs(&self, view: &ClusterView) -> Vec<Link> {
        let inside: BTreeSet<Party> = self.target.resolve(view).into_iter().collect();
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
