//! Whom a fault is about.

use crate::{
    effect::{ClusterView, Party, Size},
    yaml::{Decoder, Diagnostic, Kind, Node},
};
use squall_history::{ClientId, NodeId, SeededStream};

/// A choice of nodes or clients.
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
    /// Whoever leads when the fault fires.
    Leader,
    /// Everybody but the leader, when the fault fires.
    Followers,
    /// One of the followers, at random.
    OneFollower,
    /// The so-manyth follower in order of name, counted from 1 and around: what a plan makes of
    /// `one-follower`.
    Follower(u32),
    /// Whom the event of `when` is about.
    Subject,
    /// The client that last came to hold a lock, or to lead an election.
    LeaseHolder,
    /// Whom the fault with this `as` was done to last.
    Bound(String),
    /// Every client.
    Clients,
    /// This many clients, at random.
    SomeClients(u32),
    /// These.
    Named(Vec<Party>),
}

/// The words, for lists and suggestions.
pub const TARGET_WORDS: &[(&str, &str)] = &[
    ("one", "one node, at random"),
    ("all", "every node"),
    ("minority", "the largest set of nodes that leaves a quorum, at random"),
    ("majority", "the smallest quorum, at random"),
    ("minority-third", "a third of the nodes (at least one), at random"),
    ("leader", "whoever leads when the fault fires"),
    ("followers", "everybody but the leader, when the fault fires"),
    ("one-follower", "one of the followers, at random"),
    ("subject", "whom the event of `when` is about, a node or a client"),
    ("lease-holder", "the client that holds a lock, or leads an election"),
    ("as: victim", "whom the fault with `as: victim` was done to last"),
    ("n1", "that node"),
    ("[n1, n3]", "those nodes"),
    ("fixed: 2", "so many nodes, at random"),
    ("follower: 2", "the second follower in order of name; a plan has this for one-follower"),
    ("clients", "every client (for pause and the link faults)"),
    ("c1", "that client; lists may mix clients and nodes"),
    ("clients: 2", "so many clients, at random"),
];

const WORDS: &[(&str, Target)] = &[
    ("one", Target::One),
    ("all", Target::All),
    ("minority", Target::Minority),
    ("majority", Target::Majority),
    ("minority-third", Target::MinorityThird),
    ("leader", Target::Leader),
    ("followers", Target::Followers),
    ("one-follower", Target::OneFollower),
    ("subject", Target::Subject),
    ("lease-holder", Target::LeaseHolder),
    ("clients", Target::Clients),
];

/// Who may be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Nodes,
    Anyone,
}

fn numbered(text: &str, letter: char) -> Option<u32> {
    let digits = text.strip_prefix(letter)?;
    let plain = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

pub(crate) fn node_id(text: &str) -> Option<NodeId> {
    numbered(text, 'n').map(NodeId)
}

fn party(text: &str) -> Option<Party> {
    node_id(text).map(Party::Node).or_else(|| numbered(text, 'c').map(|id| Party::Client(ClientId(id))))
}

impl Target {
    pub(crate) fn decode(decoder: &mut Decoder, node: &Node, whom: Whom) -> Option<Target> {
        let target = match &node.kind {
            Kind::Scalar(text) => match party(text) {
                Some(party) => Target::Named(vec![party]),
                None => {
                    let words: Vec<(&str, usize)> = WORDS.iter().enumerate().map(|(i, (word, _))| (*word, i)).collect();
                    WORDS[decoder.word(node, "a target", &words)?].1.clone()
                }
            },
            Kind::List(_) => Target::Named(parties(decoder, node)?),
            Kind::Map(_) => {
                let mut fields = decoder.fields(node, "a target")?;
                let (key, value) = fields.one_of(decoder, &["fixed", "follower", "clients", "as"])?;
                if key == "as" {
                    let name = decoder.text(value, "the name that another fault gives with `as`").map(str::to_string);
                    fields.done(decoder);
                    return name.map(Target::Bound);
                }
                let count = crate::values::number(decoder, value, 1, 64);
                fields.done(decoder);
                match (key, count? as u32) {
                    ("fixed", n) => Target::Some(n),
                    ("follower", n) => Target::Follower(n),
                    (_, n) => Target::SomeClients(n),
                }
            }
        };
        if whom == Whom::Nodes && target.is_about_clients() {
            return decoder.wrong(Diagnostic::new(node.place, "this is done to nodes, not to clients"));
        }
        Some(target)
    }

    /// Whether it can mean no node.
    pub(crate) fn is_only_clients(&self) -> bool {
        match self {
            Target::Named(parties) => parties.iter().all(|p| matches!(p, Party::Client(_))),
            other => other.is_about_clients(),
        }
    }

    fn is_about_clients(&self) -> bool {
        match self {
            Target::Clients | Target::SomeClients(_) | Target::LeaseHolder => true,
            Target::Named(parties) => parties.iter().any(|p| matches!(p, Party::Client(_))),
            Target::One
            | Target::All
            | Target::Minority
            | Target::Majority
            | Target::MinorityThird
            | Target::Some(_)
            | Target::Leader
            | Target::Followers
            | Target::OneFollower
            | Target::Follower(_)
            | Target::Bound(_)
            | Target::Subject => false,
        }
    }

    pub(crate) fn to_yaml(&self) -> serde_yaml::Value {
        let word = |w: &str| serde_yaml::Value::from(w);
        let counted = |key: &str, n: u32| {
            let mut map = serde_yaml::Mapping::new();
            map.insert(word(key), n.into());
            serde_yaml::Value::from(map)
        };
        match self {
            Target::Some(n) => counted("fixed", *n),
            Target::Follower(n) => counted("follower", *n),
            Target::SomeClients(n) => counted("clients", *n),
            Target::Bound(name) => {
                let mut map = serde_yaml::Mapping::new();
                map.insert(word("as"), name.as_str().into());
                map.into()
            }
            Target::Named(parties) => match &parties[..] {
                [one] => word(&one.to_string()),
                several => several.iter().map(|p| word(&p.to_string())).collect(),
            },
            other => word(WORDS.iter().find(|(_, t)| t == other).expect("every other target is a word").0),
        }
    }

    /// Draws what is random; what depends on the run (the leader) stays.
    pub(crate) fn fix(&self, draws: &mut SeededStream, size: Size) -> Target {
        let nodes = size.nodes;
        let majority = nodes / 2 + 1;
        let count = match self {
            Target::One => 1,
            Target::Minority => nodes - majority,
            Target::Majority => majority,
            Target::MinorityThird => (nodes / 3).max(1),
            Target::Some(n) => (*n).min(nodes),
            Target::All => nodes,
            Target::OneFollower => return Target::Follower(draws.in_range(1..=u64::from((nodes - 1).max(1))) as u32),
            Target::Clients | Target::SomeClients(_) => {
                let mut clients: Vec<Party> = (1..=size.clients).map(|id| Party::Client(ClientId(id))).collect();
                if let Target::SomeClients(n) = self {
                    draws.shuffle(&mut clients);
                    clients.truncate(*n as usize);
                    clients.sort_unstable();
                }
                return Target::Named(clients);
            }
            Target::Leader
            | Target::Followers
            | Target::Follower(_)
            | Target::Subject
            | Target::LeaseHolder
            | Target::Bound(_)
            | Target::Named(_) => return self.clone(),
        };
        let mut ids: Vec<Party> = (1..=nodes).map(|id| Party::Node(NodeId(id))).collect();
        draws.shuffle(&mut ids);
        ids.truncate(count as usize);
        ids.sort_unstable();
        Target::Named(ids)
    }

    /// Who that is, now. Empty when nobody is.
    pub fn resolve(&self, view: &ClusterView) -> Vec<Party> {
        let followers = || match view.leader {
            Some(leader) => view.nodes.iter().copied().filter(|n| *n != leader).map(Party::Node).collect(),
            None => vec![],
        };
        match self {
            Target::Named(parties) => parties.clone(),
            Target::Leader => view.leader.map(Party::Node).into_iter().collect(),
            Target::Subject => view.subject.into_iter().collect(),
            Target::LeaseHolder => view.lease_holder.map(Party::Client).into_iter().collect(),
            Target::Bound(name) => view.bound.get(name).cloned().unwrap_or_default(),
            Target::Followers => followers(),
            Target::Follower(n) => {
                let all: Vec<Party> = followers();
                if all.is_empty() { vec![] } else { vec![all[(*n as usize - 1) % all.len()]] }
            }
            Target::All => view.nodes.iter().copied().map(Party::Node).collect(),
            Target::One
            | Target::Minority
            | Target::Majority
            | Target::MinorityThird
            | Target::Some(_)
            | Target::OneFollower
            | Target::Clients
            | Target::SomeClients(_) => unreachable!("{self:?} was drawn when the plan was made"),
        }
    }

    /// The nodes among those.
    pub(crate) fn resolve_nodes(&self, view: &ClusterView) -> Vec<NodeId> {
        self.resolve(view).into_iter().filter_map(|p| if let Party::Node(id) = p { Some(id) } else { None }).collect()
    }

    /// The smallest cluster in which it is somebody.
    pub(crate) fn least_nodes(&self) -> u32 {
        match self {
            Target::Minority => 3,
            Target::Followers | Target::OneFollower | Target::Follower(_) => 2,
            Target::Some(n) => *n,
            Target::One
            | Target::All
            | Target::Majority
            | Target::MinorityThird
            | Target::Leader
            | Target::Subject
            | Target::LeaseHolder
            | Target::Bound(_)
            | Target::Clients
            | Target::SomeClients(_)
            | Target::Named(_) => 1,
        }
    }

    /// Who is named, for checking against the cluster.
    pub(crate) fn named(&self) -> &[Party] {
        if let Target::Named(parties) = self { parties } else { &[] }
    }
}

fn list<T: PartialEq + std::fmt::Display>(
    decoder: &mut Decoder,
    node: &Node,
    what: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<Vec<T>> {
    let items = decoder.list(node, "a set of nodes")?;
    let mut ids = Vec::new();
    for item in items {
        let id = decoder.scalar(item, what, &read)?;
        if ids.contains(&id) {
            return decoder.wrong(Diagnostic::new(item.place, format!("{id} is named twice")));
        }
        ids.push(id);
    }
    if ids.is_empty() {
        return decoder.wrong(Diagnostic::new(node.place, "an empty set of nodes"));
    }
    Some(ids)
}

/// A list of nodes: `[n1, n3]`.
pub(crate) fn nodes(decoder: &mut Decoder, node: &Node) -> Option<Vec<NodeId>> {
    list(decoder, node, "a node such as n1", node_id)
}

/// A list of nodes and clients: `[n1, c3]`.
pub(crate) fn parties(decoder: &mut Decoder, node: &Node) -> Option<Vec<Party>> {
    list(decoder, node, "a node such as n1, or a client such as c1", party)
}
