//! `partition`: some links carry nothing, in one direction or both.

use super::{Arg, Fault, FaultKind, mapping};
use crate::{
    effect::{ClusterView, Effect, Party},
    target::{self, Target},
    values::{self, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_history::{NodeId, SeededStream};
use std::{collections::BTreeSet, time::Duration};

pub(super) const KIND: FaultKind = FaultKind {
    name: "partition",
    about: "Cuts the links between sets of nodes: silence, retransmission, late delivery after the heal.",
    args: &[
        Arg { name: "isolate", form: "a target", about: "this shape: the target on one side, everybody else on the other" },
        Arg { name: "shape", form: "halves or random-halves", about: "this shape: n1 to the middle against the rest, or a random half" },
        Arg {
            name: "groups",
            form: "[[n1, n2], [n3, n4]]",
            about: "this shape: nodes that share no group are cut; a node in no group is alone",
        },
        Arg {
            name: "direction",
            form: "both, to or from",
            about: "cut both ways (default), only what goes to the first side, or only what comes from it",
        },
        Arg {
            name: "links",
            form: "peers, clients or all",
            about: "between nodes (default), between nodes of the first side and clients, or both",
        },
        Arg { name: "for", form: "a duration or a range", about: "how long" },
    ],
    example: "partition: { isolate: leader, direction: from, for: 2s..4s }",
    decode,
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Isolate(Target),
    Halves,
    RandomHalves,
    Groups(Vec<Vec<NodeId>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Both,
    To,
    From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    Peers,
    Clients,
    All,
}

const DIRECTIONS: [(&str, Direction); 3] = [("both", Direction::Both), ("to", Direction::To), ("from", Direction::From)];
const LINKS: [(&str, Links); 3] = [("peers", Links::Peers), ("clients", Links::Clients), ("all", Links::All)];

#[derive(Clone, Debug)]
struct Partition {
    shape: Shape,
    direction: Direction,
    links: Links,
    lasts: Span,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a partition")?;
    let shape = fields.one_of(decoder, &["isolate", "shape", "groups"]).and_then(|(key, node)| match key {
        "isolate" => Target::decode(decoder, node).map(Shape::Isolate),
        "shape" => match decoder.word(node, "a shape of partitions", &[("halves", true), ("random-halves", false)])? {
            true => Some(Shape::Halves),
            false => Some(Shape::RandomHalves),
        },
        _ => {
            let items = decoder.list(node, "`groups`")?;
            let groups: Option<Vec<_>> = items.iter().map(|item| target::nodes(decoder, item)).collect();
            Some(Shape::Groups(groups?))
        }
    });
    let direction_node = fields.take("direction");
    let direction = direction_node.and_then(|n| decoder.word(n, "a direction", &DIRECTIONS)).unwrap_or(Direction::Both);
    if let (Some(node), Some(Shape::Groups(groups))) = (direction_node, &shape)
        && groups.len() > 2
        && direction != Direction::Both
    {
        decoder.mistakes.push(Diagnostic::new(node.place, "a direction needs two sides; there are more groups than two"));
    }
    let links = fields.take("links").and_then(|n| decoder.word(n, "a set of links", &LINKS)).unwrap_or(Links::Peers);
    let lasts = fields.need(decoder, "for").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(Partition { shape: shape?, direction, links, lasts: lasts? }))
}

impl Partition {
    /// The sides; whoever is on none is on the second.
    fn sides(&self, view: &ClusterView) -> Vec<BTreeSet<NodeId>> {
        let groups: Vec<BTreeSet<NodeId>> = match &self.shape {
            Shape::Isolate(target) => vec![target.resolve(view).into_iter().collect()],
            Shape::Halves => vec![view.nodes.iter().copied().take(view.nodes.len() / 2).collect()],
            Shape::Groups(groups) => groups.iter().map(|g| g.iter().copied().collect()).collect(),
            Shape::RandomHalves => unreachable!("drawn when the plan was made"),
        };
        match groups.first() {
            Some(first) if !first.is_empty() => groups,
            _ => vec![],
        }
    }

    fn cuts(&self, view: &ClusterView) -> Vec<(Party, Party)> {
        let sides = self.sides(view);
        let Some(first) = sides.first() else { return vec![] };
        let together = |a: NodeId, b: NodeId| match sides.len() {
            1 => first.contains(&a) == first.contains(&b),
            _ => sides.iter().any(|g| g.contains(&a) && g.contains(&b)),
        };
        let mut pairs: BTreeSet<(Party, Party)> = BTreeSet::new();
        if self.links != Links::Clients {
            for &a in &view.nodes {
                pairs.extend(view.nodes.iter().filter(|b| a != **b && !together(a, **b)).map(|b| (Party::Node(a), Party::Node(*b))));
            }
        }
        if self.links != Links::Peers {
            for client in view.clients.iter().map(|c| Party::Client(*c)) {
                for node in first.iter().map(|n| Party::Node(*n)) {
                    pairs.extend([(client, node), (node, client)]);
                }
            }
        }
        let on_first = |party: &Party| matches!(party, Party::Node(id) if first.contains(id));
        pairs.retain(|(from, to)| match self.direction {
            Direction::Both => true,
            Direction::To => on_first(to),
            Direction::From => on_first(from),
        });
        pairs.into_iter().collect()
    }
}

impl Fault for Partition {
    fn fix(&self, draws: &mut SeededStream, nodes: u32) -> Box<dyn Fault> {
        let lasts = Span::fixed(self.lasts.draw(draws));
        let shape = match &self.shape {
            Shape::Isolate(target) => Shape::Isolate(target.fix(draws, nodes)),
            Shape::RandomHalves => {
                let mut ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
                draws.shuffle(&mut ids);
                let mut rest = ids.split_off(ids.len() / 2);
                ids.sort_unstable();
                rest.sort_unstable();
                Shape::Groups(vec![ids, rest])
            }
            Shape::Halves | Shape::Groups(_) => self.shape.clone(),
        };
        Box::new(Partition { shape, lasts, ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let cuts = self.cuts(view);
        if cuts.is_empty() {
            return vec![];
        }
        vec![(Duration::ZERO, Effect::Cut(cuts.clone())), (self.lasts.max, Effect::Heal(cuts))]
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn named(&self) -> Vec<NodeId> {
        match &self.shape {
            Shape::Isolate(target) => target.named().to_vec(),
            Shape::Groups(groups) => groups.iter().flatten().copied().collect(),
            Shape::Halves | Shape::RandomHalves => vec![],
        }
    }

    fn least_nodes(&self) -> u32 {
        match &self.shape {
            Shape::Isolate(target) => target.least_nodes(),
            Shape::Halves | Shape::RandomHalves => 2,
            Shape::Groups(_) => 1,
        }
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (key, shape): (_, serde_yaml::Value) = match &self.shape {
            Shape::Isolate(target) => ("isolate", target.to_yaml()),
            Shape::Halves => ("shape", "halves".into()),
            Shape::RandomHalves => ("shape", "random-halves".into()),
            Shape::Groups(groups) => {
                let list = |g: &Vec<NodeId>| g.iter().map(|id| serde_yaml::Value::from(id.to_string())).collect::<serde_yaml::Value>();
                ("groups", groups.iter().map(list).collect())
            }
        };
        let direction = DIRECTIONS.iter().find(|(_, d)| *d == self.direction && *d != Direction::Both).map(|(w, _)| (*w).into());
        let links = LINKS.iter().find(|(_, l)| *l == self.links && *l != Links::Peers).map(|(w, _)| (*w).into());
        mapping([(key, Some(shape)), ("direction", direction), ("links", links), ("for", Some(self.lasts.to_text().into()))])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::ClientId;

    fn cuts(yaml: &str, leader: Option<u32>) -> String {
        let tree = crate::yaml::parse_tree(yaml).unwrap();
        let mut decoder = Decoder::default();
        let fault = decode(&mut decoder, &tree).unwrap_or_else(|| panic!("{:?}", decoder.mistakes));
        assert_eq!(decoder.mistakes, []);
        let view = ClusterView { nodes: (1..=3).map(NodeId).collect(), clients: vec![ClientId(1)], leader: leader.map(NodeId) };
        match fault.effects(&view).first() {
            Some((_, Effect::Cut(pairs))) => pairs.iter().map(|(a, b)| format!("{a}>{b}")).collect::<Vec<_>>().join(" "),
            _ => String::new(),
        }
    }

    #[test]
    fn each_shape_cuts_the_links_it_says() {
        for (yaml, expect) in [
            ("{ isolate: leader, for: 1s }", "n1>n2 n2>n1 n2>n3 n3>n2"),
            ("{ isolate: leader, direction: to, for: 1s }", "n1>n2 n3>n2"),
            ("{ isolate: n1, direction: from, for: 1s }", "n1>n2 n1>n3"),
            ("{ isolate: n3, links: clients, for: 1s }", "n3>c1 c1>n3"),
            ("{ isolate: n3, links: all, direction: from, for: 1s }", "n3>n1 n3>n2 n3>c1"),
            ("{ shape: halves, for: 1s }", "n1>n2 n1>n3 n2>n1 n3>n1"),
            ("{ groups: [[n1, n2], [n2, n3]], for: 1s }", "n1>n3 n3>n1"),
            ("{ groups: [[n1, n2]], for: 1s }", "n1>n3 n2>n3 n3>n1 n3>n2"),
        ] {
            assert_eq!(cuts(yaml, Some(2)), expect, "{yaml}");
        }
        assert_eq!(cuts("{ isolate: leader, for: 1s }", None), "", "nobody leads, nothing is cut");
    }
}
