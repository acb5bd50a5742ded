//! `partition`: some links carry nothing, in one direction or both.

use super::{
    Arg, Family, Fault, FaultKind, mapping,
    reach::{Direction, Links},
};
use crate::{
    effect::{ClusterView, Effect, Link, Party, Size},
    target::{self, Chosen, Target, Whom},
    values::{self, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_history::{NodeId, SeededStream};
use std::{collections::BTreeSet, time::Duration};

/// The keys of which a partition has one: what it cuts.
pub(crate) const CUTS: [&str; 4] = ["isolate", "shape", "groups", "cut"];

pub(super) const KIND: FaultKind = FaultKind {
    name: "partition",
    family: Family::Network,
    about: "Cuts the links between sets of nodes: silence, retransmission, late delivery after the heal.",
    args: &[
        Arg { name: "isolate", form: "a target", about: "this shape: the target on one side, everybody else on the other" },
        Arg {
            name: "shape",
            form: "halves, random-halves, majority, minority-third, majorities-ring or bridge",
            about: "this shape: n1 to the middle against the rest; a random half; a random majority; a random third; each node sees \
                    another majority; two halves that only one node connects",
        },
        Arg {
            name: "groups",
            form: "[[n1, n2], [n2, n3]]",
            about: "this shape: nodes that share no group are cut; a node in no group is alone",
        },
        Arg {
            name: "cut",
            form: "[[leader, one-follower], [c1, n2]]",
            about: "this shape: the links between the two targets of each pair; `links` has no say",
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
    draw,
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Isolate(Target),
    Halves,
    /// A side of so many nodes, at random.
    Random(Side),
    MajoritiesRing,
    Bridge,
    Groups(Vec<Vec<NodeId>>),
    Cut(Vec<[Target; 2]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Half,
    Majority,
    Third,
}

const SHAPES: [(&str, Shape); 6] = [
    ("halves", Shape::Halves),
    ("random-halves", Shape::Random(Side::Half)),
    ("majority", Shape::Random(Side::Majority)),
    ("minority-third", Shape::Random(Side::Third)),
    ("majorities-ring", Shape::MajoritiesRing),
    ("bridge", Shape::Bridge),
];

#[derive(Clone, Debug)]
struct Partition {
    shape: Shape,
    direction: Direction,
    links: Links,
    lasts: Span,
}

fn decode(decoder: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = decoder.fields(node, "a partition")?;
    let shape = fields.one_of(decoder, &CUTS).and_then(|(key, node)| match key {
        "isolate" => match Target::decode(decoder, node, Whom::Nodes)? {
            Target::All => decoder.wrong(Diagnostic::new(node.place, "everybody on one side is no partition")),
            target => Some(Shape::Isolate(target)),
        },
        "shape" => {
            let words: Vec<(&str, usize)> = SHAPES.iter().enumerate().map(|(i, (word, _))| (*word, i)).collect();
            Some(SHAPES[decoder.word(node, "a shape of partitions", &words)?].1.clone())
        }
        "groups" => {
            let items = decoder.list(node, "`groups`")?;
            let groups: Option<Vec<_>> = items.iter().map(|item| target::nodes(decoder, item)).collect();
            Some(Shape::Groups(groups?))
        }
        _ => decode_cut(decoder, node),
    });
    let one_sided = fields.peek("direction");
    let direction = Direction::decode(decoder, &mut fields);
    let two_sides = match &shape {
        Some(Shape::Groups(groups)) => groups.len() <= 2,
        Some(Shape::MajoritiesRing | Shape::Bridge) => false,
        Some(Shape::Isolate(_) | Shape::Halves | Shape::Random(_) | Shape::Cut(_)) | None => true,
    };
    if let (Some(node), false) = (one_sided, two_sides)
        && direction != Direction::Both
    {
        decoder.mistakes.push(Diagnostic::new(node.place, "a direction needs two sides; this shape has more, or none"));
    }
    let said = fields.peek("links");
    let links = Links::decode(decoder, &mut fields);
    if let (Some(node), Some(Shape::Cut(_) | Shape::MajoritiesRing)) = (said, &shape) {
        decoder.mistakes.push(Diagnostic::new(node.place, "`links` says nothing here: this shape names its links itself"));
    }
    let lasts = fields.need(decoder, "for").and_then(|n| values::span(decoder, n));
    fields.done(decoder);
    Some(Box::new(Partition { shape: shape?, direction, links, lasts: lasts? }))
}

fn decode_cut(decoder: &mut Decoder, node: &Node) -> Option<Shape> {
    let mut pairs = Vec::new();
    for item in decoder.list(node, "`cut`")? {
        match decoder.list(item, "a pair of `cut`")? {
            [a, b] => {
                let (a, b) = (Target::decode(decoder, a, Whom::Anyone), Target::decode(decoder, b, Whom::Anyone));
                let (a, b) = (a?, b?);
                if a.is_only_clients() && b.is_only_clients() {
                    return decoder.wrong(Diagnostic::new(item.place, "there are no links between clients to cut"));
                }
                if matches!(&a, Target::Chosen(Chosen::Named(parties)) if parties.len() == 1) && a == b {
                    return decoder.wrong(Diagnostic::new(item.place, "a node has no link to itself to cut"));
                }
                pairs.push([a, b]);
            }
            _ => return decoder.wrong(Diagnostic::new(item.place, "a pair of `cut` is two targets, such as [leader, n2]")),
        }
    }
    if pairs.is_empty() {
        return decoder.wrong(Diagnostic::new(node.place, "a cut of nothing: give at least one pair"));
    }
    Some(Shape::Cut(pairs))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let shape = match draws.below(10) {
        0..4 => Shape::Isolate(draws.pick(&[Target::LEADER, Target::LEADER, Target::One, Target::Minority, Target::OneFollower]).clone()),
        4 => Shape::Random(Side::Half),
        5 => Shape::Random(Side::Majority),
        6 => Shape::Random(Side::Third),
        7 => Shape::MajoritiesRing,
        8 => Shape::Bridge,
        _ => Shape::Cut(vec![[Target::LEADER, Target::OneFollower]]),
    };
    let two_sides = !matches!(shape, Shape::MajoritiesRing | Shape::Bridge);
    let direction = *draws.pick(&[Direction::Both, Direction::Both, Direction::Both, Direction::To, Direction::From]);
    let links = *draws.pick(&[Links::Peers, Links::Peers, Links::Peers, Links::All]);
    Box::new(Partition {
        links: if matches!(shape, Shape::Cut(_) | Shape::MajoritiesRing) { Links::Peers } else { links },
        shape,
        direction: if two_sides { direction } else { Direction::Both },
        lasts: *draws.pick(&[Span::millis(100, 1_000), Span::millis(800, 5_000)]),
    })
}

impl Partition {
    /// The sides; whoever is on none is on the second.
    fn sides(&self, view: &ClusterView) -> Vec<BTreeSet<NodeId>> {
        let groups: Vec<BTreeSet<NodeId>> = match &self.shape {
            Shape::Isolate(target) => vec![target.resolve_nodes(view).into_iter().collect()],
            Shape::Halves => vec![view.nodes.iter().copied().take(view.nodes.len() / 2).collect()],
            Shape::Groups(groups) => groups.iter().map(|g| g.iter().copied().collect()).collect(),
            Shape::Random(_) | Shape::MajoritiesRing | Shape::Bridge | Shape::Cut(_) => unreachable!("drawn, or has no sides"),
        };
        match groups.first() {
            Some(first) if !first.is_empty() => groups,
            _ => vec![],
        }
    }

    fn cuts(&self, view: &ClusterView) -> Vec<Link> {
        if let Shape::Cut(pairs) = &self.shape {
            return self.cut_pairs(pairs, view);
        }
        let sides = self.sides(view);
        let Some(first) = sides.first() else { return vec![] };
        let together = |a: NodeId, b: NodeId| match sides.len() {
            1 => first.contains(&a) == first.contains(&b),
            _ => sides.iter().any(|g| g.contains(&a) && g.contains(&b)),
        };
        let mut pairs: BTreeSet<Link> = BTreeSet::new();
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
        self.direction.keep(&mut pairs, |party| matches!(party, Party::Node(id) if first.contains(&id)));
        pairs.into_iter().collect()
    }

    fn cut_pairs(&self, pairs: &[[Target; 2]], view: &ClusterView) -> Vec<Link> {
        let mut cuts = BTreeSet::new();
        for [first, second] in pairs {
            for a in first.resolve(view) {
                for b in second.resolve(view).into_iter().filter(|b| *b != a) {
                    cuts.extend((self.direction != Direction::To).then_some((a, b)));
                    cuts.extend((self.direction != Direction::From).then_some((b, a)));
                }
            }
        }
        cuts.into_iter().collect()
    }
}

/// Each node sees a majority, and no two see the same: a ring in which one hears from its neighbours.
fn ring(ids: &[NodeId]) -> Vec<[Target; 2]> {
    let n = ids.len();
    let near = (n / 2).div_ceil(2);
    let mut pairs = Vec::new();
    for i in 0..n {
        for j in i + 1..n {
            let apart = (j - i).min(n - (j - i));
            if apart > near {
                pairs.push([ids[i], ids[j]].map(|id| Target::named_ones(vec![Party::Node(id)])));
            }
        }
    }
    pairs
}

impl Fault for Partition {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let lasts = Span::fixed(self.lasts.draw(draws));
        let nodes = size.nodes;
        let mut shuffled = || {
            let mut ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
            draws.shuffle(&mut ids);
            ids
        };
        let sorted = |mut ids: Vec<NodeId>| {
            ids.sort_unstable();
            ids
        };
        let shape = match &self.shape {
            Shape::Isolate(target) => Shape::Isolate(target.fix(draws, size)),
            Shape::Random(side) => {
                let mut ids = shuffled();
                let count = match side {
                    Side::Half => nodes / 2,
                    Side::Majority => nodes / 2 + 1,
                    Side::Third => (nodes / 3).max(1),
                };
                let rest = ids.split_off(count as usize);
                Shape::Groups(vec![sorted(ids), sorted(rest)])
            }
            Shape::MajoritiesRing => Shape::Cut(ring(&shuffled())),
            Shape::Bridge => {
                let mut left = shuffled();
                let bridge = left.pop().expect("a cluster has nodes");
                let mut right = left.split_off(left.len() / 2);
                left.push(bridge);
                right.push(bridge);
                Shape::Groups(vec![sorted(left), sorted(right)])
            }
            Shape::Cut(pairs) => Shape::Cut(pairs.iter().map(|[a, b]| [a.fix(draws, size), b.fix(draws, size)]).collect()),
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

    fn takes_clients(&self) -> bool {
        true
    }

    fn targets(&self) -> Vec<&Target> {
        match &self.shape {
            Shape::Isolate(target) => vec![target],
            Shape::Cut(pairs) => pairs.iter().flatten().collect(),
            Shape::Halves | Shape::Random(_) | Shape::MajoritiesRing | Shape::Bridge | Shape::Groups(_) => vec![],
        }
    }

    fn named(&self) -> Vec<Party> {
        match &self.shape {
            Shape::Groups(groups) => groups.iter().flatten().map(|id| Party::Node(*id)).collect(),
            _ => self.targets().iter().flat_map(|t| t.named()).copied().collect(),
        }
    }

    fn least_nodes(&self) -> u32 {
        match &self.shape {
            Shape::Isolate(target) => target.least_nodes(),
            Shape::Halves | Shape::Random(Side::Half | Side::Third) => 2,
            Shape::Bridge | Shape::Random(Side::Majority) => 3,
            // In a ring of three everybody is everybody's neighbour.
            Shape::MajoritiesRing => 4,
            Shape::Groups(_) => 1,
            Shape::Cut(pairs) => pairs.iter().flatten().map(Target::least_nodes).max().unwrap_or(1),
        }
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let (key, shape): (_, serde_yaml::Value) = match &self.shape {
            Shape::Isolate(target) => ("isolate", target.to_yaml()),
            Shape::Groups(groups) => {
                let list = |g: &Vec<NodeId>| g.iter().map(|id| serde_yaml::Value::from(id.to_string())).collect::<serde_yaml::Value>();
                ("groups", groups.iter().map(list).collect())
            }
            Shape::Cut(pairs) => {
                let pair = |[a, b]: &[Target; 2]| [a, b].map(Target::to_yaml).into_iter().collect::<serde_yaml::Value>();
                ("cut", pairs.iter().map(pair).collect())
            }
            word => ("shape", SHAPES.iter().find(|(_, s)| s == word).expect("every other shape is a word").0.into()),
        };
        mapping([
            (key, Some(shape)),
            ("direction", self.direction.to_yaml()),
            ("links", self.links.to_yaml()),
            ("for", Some(self.lasts.to_text().into())),
        ])
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
        let view = ClusterView {
            nodes: (1..=3).map(NodeId).collect(),
            clients: vec![ClientId(1)],
            leader: leader.map(NodeId),
            subject: None,
            lease_holder: None,
            bound: Default::default(),
        };
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
            ("{ cut: [[leader, n1]], for: 1s }", "n1>n2 n2>n1"),
            ("{ cut: [[leader, n1], [c1, n3]], direction: from, for: 1s }", "n2>n1 c1>n3"),
            ("{ cut: [[leader, { follower: 2 }]], direction: to, for: 1s }", "n3>n2"),
        ] {
            assert_eq!(cuts(yaml, Some(2)), expect, "{yaml}");
        }
        assert_eq!(cuts("{ isolate: leader, for: 1s }", None), "", "nobody leads, nothing is cut");
    }

    #[test]
    fn drawn_shapes_leave_who_they_say_connected() {
        let view = |n| ClusterView {
            nodes: (1..=n).map(NodeId).collect(),
            clients: vec![],
            leader: None,
            subject: None,
            lease_holder: None,
            bound: Default::default(),
        };
        for nodes in 4..=9 {
            for seed in 0..20 {
                let fixed = |shape: Shape| {
                    let whole = Partition { shape, direction: Direction::Both, links: Links::Peers, lasts: Span::millis(1, 1) };
                    let fixed = whole.fix(&mut squall_history::stream(seed, "shape"), Size { nodes, clients: 0 });
                    let Some((_, Effect::Cut(cuts))) = fixed.effects(&view(nodes)).into_iter().next() else { panic!("nothing is cut") };
                    cuts
                };
                let sees = |cuts: &[Link], a: u32| {
                    let reaches = |b: &u32| *b == a || !cuts.contains(&(Party::Node(NodeId(a)), Party::Node(NodeId(*b))));
                    (1..=nodes).filter(reaches).collect::<Vec<_>>()
                };
                let ring = fixed(Shape::MajoritiesRing);
                let seen: BTreeSet<Vec<u32>> = (1..=nodes).map(|a| sees(&ring, a)).collect();
                assert!(seen.iter().all(|s| s.len() as u32 > nodes / 2), "{nodes}: {seen:?}");
                assert!(nodes == 4 || seen.len() as u32 == nodes, "{nodes}: two nodes see the same majority: {seen:?}");
                let bridge = fixed(Shape::Bridge);
                let all = (1..=nodes).filter(|a| sees(&bridge, *a).len() as u32 == nodes).count();
                assert_eq!(all, 1, "one node sees everybody");
                let majority = fixed(Shape::Random(Side::Majority));
                let large = (1..=nodes).filter(|a| sees(&majority, *a).len() as u32 > nodes / 2).count() as u32;
                assert_eq!(large, nodes / 2 + 1);
            }
        }
    }
}
