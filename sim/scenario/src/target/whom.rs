//! Whom a fault means: as written, as planned, and who that is when it fires.

use crate::effect::{ClusterView, Party, Size};
use squall_history::{ClientId, NodeId, SeededStream};

/// Whom a scenario means: somebody at random, or whom a plan means, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One node, at random.
    One,
    /// Every node.
    All,
    /// The largest set that leaves a quorum, at random.
    Minority,
    /// The smallest quorum, at random.
    Majority,
    /// A third of the nodes, rounded down, at least one, at random.
    MinorityThird,
    /// This many nodes, at random.
    Some(u32),
    /// One of the followers, at random.
    OneFollower,
    /// Every client.
    Clients,
    /// This many clients, at random.
    SomeClients(u32),
    /// Nothing of it is left to a seed.
    Chosen(Chosen),
}

/// Whom a plan means: somebody by name, or by what he is when the fault fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Whoever leads then.
    Leader,
    /// Everybody but whoever leads then.
    Followers,
    /// The one with this number, in order of name, counted around.
    Follower(u32),
    /// Whom the event of `when` is about.
    Subject,
    /// The client that has what only one of them can have, as the system calls it.
    Holder(&'static str),
    /// Whom the fault with this `as` was done to last.
    Bound(String),
    /// These.
    Named(Vec<Party>),
}

impl Target {
    /// Whoever leads when the fault fires.
    pub const LEADER: Target = Target::Chosen(Chosen::Leader);
    /// Everybody but whoever leads then.
    pub const FOLLOWERS: Target = Target::Chosen(Chosen::Followers);
    /// Whom the event of `when` is about.
    pub const SUBJECT: Target = Target::Chosen(Chosen::Subject);

    /// These.
    pub fn named_ones(parties: Vec<Party>) -> Target {
        Target::Chosen(Chosen::Named(parties))
    }
}

impl Target {
    /// Whether it can mean no node.
    pub(crate) fn is_only_clients(&self) -> bool {
        match self {
            Target::Chosen(Chosen::Named(parties)) => parties.iter().all(|p| matches!(p, Party::Client(_))),
            other => other.is_about_clients(),
        }
    }

    /// Whether it can mean a client.
    pub(super) fn is_about_clients(&self) -> bool {
        match self {
            Target::Clients | Target::SomeClients(_) | Target::Chosen(Chosen::Holder(_)) => true,
            Target::Chosen(Chosen::Named(parties)) => parties.iter().any(|p| matches!(p, Party::Client(_))),
            Target::One | Target::All | Target::Minority | Target::Majority | Target::MinorityThird | Target::Some(_) => false,
            Target::OneFollower => false,
            Target::Chosen(Chosen::Leader | Chosen::Followers | Chosen::Follower(_) | Chosen::Bound(_) | Chosen::Subject) => false,
        }
    }

    /// Draws what is random; what depends on the run (the leader) stays.
    pub(super) fn choose(&self, draws: &mut SeededStream, size: Size) -> Chosen {
        let nodes = size.nodes;
        let majority = nodes / 2 + 1;
        let count = match self {
            Target::Chosen(chosen) => return chosen.clone(),
            Target::One => 1,
            Target::Minority => nodes - majority,
            Target::Majority => majority,
            Target::MinorityThird => (nodes / 3).max(1),
            Target::Some(n) => (*n).min(nodes),
            Target::All => nodes,
            Target::OneFollower => return Chosen::Follower(draws.in_range(1..=u64::from((nodes - 1).max(1))) as u32),
            Target::Clients | Target::SomeClients(_) => {
                let mut clients: Vec<Party> = (1..=size.clients).map(|id| Party::Client(ClientId(id))).collect();
                if let Target::SomeClients(n) = self {
                    draws.shuffle(&mut clients);
                    clients.truncate(*n as usize);
                    clients.sort_unstable();
                }
                return Chosen::Named(clients);
            }
        };
        let mut ids: Vec<Party> = (1..=nodes).map(|id| Party::Node(NodeId(id))).collect();
        draws.shuffle(&mut ids);
        ids.truncate(count as usize);
        ids.sort_unstable();
        Chosen::Named(ids)
    }

    /// The smallest cluster in which it is somebody.
    pub(crate) fn least_nodes(&self) -> u32 {
        match self {
            Target::Minority => 3,
            Target::OneFollower | Target::Chosen(Chosen::Followers | Chosen::Follower(_)) => 2,
            Target::Some(n) => *n,
            Target::One | Target::All | Target::Majority | Target::MinorityThird | Target::Clients | Target::SomeClients(_) => 1,
            Target::Chosen(Chosen::Leader | Chosen::Subject | Chosen::Holder(_) | Chosen::Bound(_) | Chosen::Named(_)) => 1,
        }
    }

    /// Who is named, for checking against the cluster.
    pub(crate) fn named(&self) -> &[Party] {
        if let Target::Chosen(Chosen::Named(parties)) = self { parties } else { &[] }
    }
}

impl Chosen {
    /// The nodes among who that is, now.
    pub(crate) fn nodes(&self, view: &ClusterView) -> Vec<NodeId> {
        self.resolve(view).into_iter().filter_map(|p| if let Party::Node(id) = p { Some(id) } else { None }).collect()
    }

    /// Who that is, now. Empty when nobody is.
    pub fn resolve(&self, view: &ClusterView) -> Vec<Party> {
        let followers = || -> Vec<Party> {
            let others = |leader: NodeId| view.nodes.iter().copied().filter(move |n| *n != leader).map(Party::Node);
            view.leader.into_iter().flat_map(others).collect()
        };
        match self {
            Chosen::Named(parties) => parties.clone(),
            Chosen::Leader => view.leader.map(Party::Node).into_iter().collect(),
            Chosen::Subject => view.subject.into_iter().collect(),
            Chosen::Holder(_) => view.holder.map(Party::Client).into_iter().collect(),
            Chosen::Bound(name) => view.bound.get(name).cloned().unwrap_or_default(),
            Chosen::Followers => followers(),
            Chosen::Follower(n) => {
                let all = followers();
                if all.is_empty() { vec![] } else { vec![all[(*n as usize - 1) % all.len()]] }
            }
        }
    }
}
