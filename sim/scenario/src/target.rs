//! Whom a fault is about.

use crate::{
    effect::ClusterView,
    yaml::{Decoder, Diagnostic, Kind, Node},
};
use squall_history::{NodeId, SeededStream};

/// A choice of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One, at random.
    One,
    /// Every node.
    All,
    /// The largest set that leaves a quorum, at random.
    Minority,
    /// The smallest quorum, at random.
    Majority,
    /// This many, at random.
    Some(u32),
    /// Whoever leads when the fault fires.
    Leader,
    /// Everybody but the leader, when the fault fires.
    Followers,
    /// These.
    Nodes(Vec<NodeId>),
}

/// The words, for lists and suggestions.
pub const TARGET_WORDS: &[(&str, &str)] = &[
    ("one", "one node, at random"),
    ("all", "every node"),
    ("minority", "the largest set of nodes that leaves a quorum, at random"),
    ("majority", "the smallest quorum, at random"),
    ("leader", "whoever leads when the fault fires"),
    ("followers", "everybody but the leader, when the fault fires"),
    ("n1", "that node"),
    ("[n1, n3]", "those nodes"),
    ("fixed: 2", "so many nodes, at random"),
];

pub(crate) fn node_id(text: &str) -> Option<NodeId> {
    let digits = text.strip_prefix('n')?;
    let plain = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(NodeId))?
}

impl Target {
    pub(crate) fn decode(decoder: &mut Decoder, node: &Node) -> Option<Target> {
        match &node.kind {
            Kind::Scalar(text) => {
                if let Some(id) = node_id(text) {
                    return Some(Target::Nodes(vec![id]));
                }
                let words = [("one", 0), ("all", 1), ("minority", 2), ("majority", 3), ("leader", 4), ("followers", 5)];
                let at: usize = decoder.word(node, "a target", &words)?;
                Some([Target::One, Target::All, Target::Minority, Target::Majority, Target::Leader, Target::Followers][at].clone())
            }
            Kind::List(_) => Some(Target::Nodes(nodes(decoder, node)?)),
            Kind::Map(_) => {
                let mut fields = decoder.fields(node, "a target")?;
                let count = fields.need(decoder, "fixed").and_then(|n| crate::values::number(decoder, n, 1, 64));
                fields.done(decoder);
                Some(Target::Some(count? as u32))
            }
        }
    }

    pub(crate) fn to_yaml(&self) -> serde_yaml::Value {
        let word = |w: &str| serde_yaml::Value::from(w);
        match self {
            Target::One => word("one"),
            Target::All => word("all"),
            Target::Minority => word("minority"),
            Target::Majority => word("majority"),
            Target::Leader => word("leader"),
            Target::Followers => word("followers"),
            Target::Some(n) => {
                let mut map = serde_yaml::Mapping::new();
                map.insert(word("fixed"), (*n).into());
                map.into()
            }
            Target::Nodes(ids) => match &ids[..] {
                [one] => word(&one.to_string()),
                ids => ids.iter().map(|id| word(&id.to_string())).collect(),
            },
        }
    }

    /// Draws what is random; what depends on the run (the leader) stays.
    pub(crate) fn fix(&self, draws: &mut SeededStream, nodes: u32) -> Target {
        let majority = nodes / 2 + 1;
        let count = match self {
            Target::One => 1,
            Target::Minority => nodes - majority,
            Target::Majority => majority,
            Target::Some(n) => (*n).min(nodes),
            Target::All => nodes,
            Target::Leader | Target::Followers | Target::Nodes(_) => return self.clone(),
        };
        let mut ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        draws.shuffle(&mut ids);
        ids.truncate(count as usize);
        ids.sort_unstable();
        Target::Nodes(ids)
    }

    /// Who that is, now. Empty when nobody is.
    pub(crate) fn resolve(&self, view: &ClusterView) -> Vec<NodeId> {
        match self {
            Target::Nodes(ids) => ids.clone(),
            Target::Leader => view.leader.into_iter().collect(),
            Target::Followers => match view.leader {
                Some(leader) => view.nodes.iter().copied().filter(|n| *n != leader).collect(),
                None => vec![],
            },
            Target::All => view.nodes.clone(),
            Target::One | Target::Minority | Target::Majority | Target::Some(_) => {
                unreachable!("{self:?} was drawn when the plan was made")
            }
        }
    }

    /// The smallest cluster in which it is somebody.
    pub(crate) fn least_nodes(&self) -> u32 {
        match self {
            Target::Minority => 3,
            Target::Some(n) => *n,
            Target::One | Target::All | Target::Majority | Target::Leader | Target::Followers | Target::Nodes(_) => 1,
        }
    }

    /// The nodes that it names, for checking against the cluster.
    pub(crate) fn named(&self) -> &[NodeId] {
        if let Target::Nodes(ids) = self { ids } else { &[] }
    }
}

/// A list of nodes: `[n1, n3]`.
pub(crate) fn nodes(decoder: &mut Decoder, node: &Node) -> Option<Vec<NodeId>> {
    let items = decoder.list(node, "a set of nodes")?;
    let mut ids = Vec::new();
    for item in items {
        let id = decoder.scalar(item, "a node such as n1", node_id)?;
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
