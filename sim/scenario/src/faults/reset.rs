//! `reset-connections`: established connections die with a reset, as from a middlebox that forgot them.

use super::{
    Acts, Family, Kind,
    reach::{self, Direction, Links, Reach},
};
use crate::{
    Service,
    effect::{ClusterView, Effect},
    language::arguments,
    target::Target,
};
use squall_history::SeededStream;
use std::time::Duration;

arguments! {
    /// Resets every connection of the target at both ends; new ones can be made at once.
    pub(crate) struct ResetConnections => ResettingConnections, "a reset of connections" {
        /// whose links: of nodes or of clients
        target: Target,
        /// between nodes, between the target's nodes and clients, or both
        links: Links = Links::Peers,
    }
}

impl Kind for ResetConnections {
    const NAME: &'static str = "reset-connections";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "reset-connections: { target: leader, links: all }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let (target, Reach { links, .. }) = reach::draw(draws);
        ResetConnections { target, links }
    }
}

impl Acts for ResettingConnections {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let reach = Reach { direction: Direction::Both, links: self.links };
        // A connection has two ends: one of its two directed links names it.
        let links: Vec<_> = reach.pairs(&self.target, view).into_iter().filter(|(a, b)| a < b).collect();
        if links.is_empty() { vec![] } else { vec![(Duration::ZERO, Effect::ResetConnections(links))] }
    }
}
