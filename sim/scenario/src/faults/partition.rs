//! `partition`: some links carry nothing, in one direction or both.

mod shape;

pub(crate) use shape::CUTS;

use super::{
    Acts, Family, Kind,
    reach::{Direction, Links},
};
use crate::{
    Service,
    effect::{ClusterView, Effect, Link, Party},
    language::{Check, arguments},
    target::{Chosen, Target},
    values::Span,
};
use shape::{PlannedShape, Shape, Word};
use squall_history::{NodeId, SeededStream};
use std::{collections::BTreeSet, time::Duration};

arguments! {
    /// Cuts the links between sets of nodes: silence, retransmission, late delivery after the heal.
    pub(crate) struct Partition => Cutting, "a partition" {
        /// what is cut
        @flat shape: Shape,
        /// cut both ways, only what goes to the first side, or only what comes from it
        direction: Direction = Direction::Both,
        /// between nodes, between nodes of the first side and clients, or both
        links: Links = Links::Peers,
        /// how long
        lasts ["for"]: Span,
    }
    check check
}

fn check(it: &Partition, check: &mut Check<'_>) {
    let two_sides = match &it.shape {
        Shape::Groups(groups) => groups.len() <= 2,
        Shape::Word(Word::MajoritiesRing | Word::Bridge) => false,
        Shape::Isolate(_) | Shape::Word(_) | Shape::Cut(_) => true,
    };
    if !two_sides && it.direction != Direction::Both {
        check.wrong("direction", "a direction needs two sides; this shape has more, or none");
    }
    let names_links = matches!(it.shape, Shape::Cut(_) | Shape::Word(Word::MajoritiesRing));
    if names_links && (check.is_given("links") || it.links != Links::Peers) {
        check.wrong("links", "`links` says nothing here: this shape names its links itself");
    }
}

impl Kind for Partition {
    const NAME: &'static str = "partition";
    const FAMILY: Family = Family::Network;
    const EXAMPLE: &'static str = "partition: { isolate: leader, direction: from, for: 2s..4s }";
    const TAKES_CLIENTS: bool = true;

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let isolated = [Target::LEADER, Target::LEADER, Target::One, Target::Minority, Target::OneFollower];
        let shape = match draws.below(10) {
            0..4 => Shape::Isolate(draws.pick(&isolated).clone()),
            4 => Shape::Word(Word::RandomHalves),
            5 => Shape::Word(Word::Majority),
            6 => Shape::Word(Word::MinorityThird),
            7 => Shape::Word(Word::MajoritiesRing),
            8 => Shape::Word(Word::Bridge),
            _ => Shape::Cut(vec![[Target::LEADER, Target::OneFollower]]),
        };
        let two_sides = !matches!(shape, Shape::Word(Word::MajoritiesRing | Word::Bridge));
        let direction = *draws.pick(&[Direction::Both, Direction::Both, Direction::Both, Direction::To, Direction::From]);
        let links = *draws.pick(&[Links::Peers, Links::Peers, Links::Peers, Links::All]);
        Partition {
            links: if matches!(shape, Shape::Cut(_) | Shape::Word(Word::MajoritiesRing)) { Links::Peers } else { links },
            shape,
            direction: if two_sides { direction } else { Direction::Both },
            lasts: *draws.pick(&[Span::millis(100, 1_000), Span::millis(800, 5_000)]),
        }
    }

    fn least_nodes(&self) -> u32 {
        match &self.shape {
            Shape::Word(Word::Halves | Word::RandomHalves | Word::MinorityThird) => 2,
            Shape::Word(Word::Bridge | Word::Majority) => 3,
            // In a ring of three everybody is everybody's neighbour.
            Shape::Word(Word::MajoritiesRing) => 4,
            Shape::Isolate(_) | Shape::Groups(_) | Shape::Cut(_) => 1,
        }
    }

    /// Somebody is cut off by role, instead of by name.
    fn alternatives(&self) -> Vec<Self> {
        let roles = [Target::LEADER, Target::Chosen(Chosen::Follower(1)), Target::LEADER, Target::LEADER];
        let directions = [Direction::Both, Direction::Both, Direction::From, Direction::To];
        let isolate = |(target, direction)| Partition { shape: Shape::Isolate(target), direction, links: Links::Peers, lasts: self.lasts };
        roles.into_iter().zip(directions).map(isolate).collect()
    }
}

impl Cutting {
    /// The sides; whoever is on none is on the second.
    fn sides(&self, view: &ClusterView) -> Vec<BTreeSet<NodeId>> {
        let groups: Vec<BTreeSet<NodeId>> = match &self.shape {
            PlannedShape::Isolate(target) => vec![target.nodes(view).into_iter().collect()],
            PlannedShape::Halves => vec![view.nodes.iter().copied().take(view.nodes.len() / 2).collect()],
            PlannedShape::Groups(groups) => groups.iter().map(|g| g.iter().copied().collect()).collect(),
            PlannedShape::Cut(_) => vec![],
        };
        match groups.first() {
            Some(first) if !first.is_empty() => groups,
            _ => vec![],
        }
    }

    fn cuts(&self, view: &ClusterView) -> Vec<Link> {
        if let PlannedShape::Cut(pairs) = &self.shape {
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

    fn cut_pairs(&self, pairs: &[[Chosen; 2]], view: &ClusterView) -> Vec<Link> {
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

impl Acts for Cutting {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let cuts = self.cuts(view);
        if cuts.is_empty() {
            return vec![];
        }
        vec![(Duration::ZERO, Effect::Cut(cuts.clone())), (self.lasts, Effect::Heal(cuts))]
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::Size,
        language::{Arguments, Draws, Value},
        yaml::Decoder,
    };
    use squall_history::ClientId;

    fn cuts(yaml: &str, leader: Option<u32>) -> String {
        let tree = crate::yaml::parse_tree(yaml).unwrap();
        let mut decoder = Decoder::default();
        let fault = Partition::read(&mut decoder, &tree).unwrap_or_else(|| panic!("{:?}", decoder.mistakes));
        assert_eq!(decoder.mistakes, []);
        let fault = fault.fixed().expect("nothing is left to a seed");
        let view = ClusterView {
            nodes: (1..=3).map(NodeId).collect(),
            clients: vec![ClientId(1)],
            leader: leader.map(NodeId),
            subject: None,
            holder: None,
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
            holder: None,
            bound: Default::default(),
        };
        for nodes in 4..=9 {
            for seed in 0..20 {
                let fixed = |shape: Shape| {
                    let whole = Partition { shape, direction: Direction::Both, links: Links::Peers, lasts: Span::millis(1, 1) };
                    let fixed = whole.resolve(&Draws::new(seed, "shape".to_string(), Size { nodes, clients: 0 }));
                    let Some((_, Effect::Cut(cuts))) = fixed.effects(&view(nodes)).into_iter().next() else { panic!("nothing is cut") };
                    cuts
                };
                let sees = |cuts: &[Link], a: u32| {
                    let reaches = |b: &u32| *b == a || !cuts.contains(&(Party::Node(NodeId(a)), Party::Node(NodeId(*b))));
                    (1..=nodes).filter(reaches).collect::<Vec<_>>()
                };
                let ring = fixed(Shape::Word(Word::MajoritiesRing));
                let seen: BTreeSet<Vec<u32>> = (1..=nodes).map(|a| sees(&ring, a)).collect();
                assert!(seen.iter().all(|s| s.len() as u32 > nodes / 2), "{nodes}: {seen:?}");
                assert!(nodes == 4 || seen.len() as u32 == nodes, "{nodes}: two nodes see the same majority: {seen:?}");
                let bridge = fixed(Shape::Word(Word::Bridge));
                let all = (1..=nodes).filter(|a| sees(&bridge, *a).len() as u32 == nodes).count();
                assert_eq!(all, 1, "one node sees everybody");
                let majority = fixed(Shape::Word(Word::Majority));
                let large = (1..=nodes).filter(|a| sees(&majority, *a).len() as u32 > nodes / 2).count() as u32;
                assert_eq!(large, nodes / 2 + 1);
            }
        }
    }
}
