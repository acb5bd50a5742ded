//! What a partition cuts: a mapping has one of four keys.

use crate::{
    Decoder, Vocabulary,
    effect::Party,
    language::{Argument, Arguments, Check, Draws, Value, Visit, words},
    target::{Chosen, Target},
    yaml::{Diagnostic, Fields, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::{Mapping, Value as Yaml};
use squall_history::NodeId;

/// The keys of which a partition has one.
pub(crate) const CUTS: [&str; 4] = ["isolate", "shape", "groups", "cut"];

/// What is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Isolate(Target),
    Word(Word),
    Groups(Vec<Vec<NodeId>>),
    Cut(Vec<[Target; 2]>),
}

words! {
    /// Shapes that have a name.
    pub(crate) enum Word, "a shape of partitions" {
        /// n1 to the middle against the rest.
        Halves = "halves",
        /// A random half against the rest.
        RandomHalves = "random-halves",
        /// A random majority against the rest.
        Majority = "majority",
        /// A random third against the rest.
        MinorityThird = "minority-third",
        /// Each node sees another majority.
        MajoritiesRing = "majorities-ring",
        /// Two halves that only one node connects.
        Bridge = "bridge",
    }
}

/// What a plan cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlannedShape {
    Isolate(Chosen),
    Halves,
    Groups(Vec<Vec<NodeId>>),
    Cut(Vec<[Chosen; 2]>),
}

/// Whom to isolate: not everybody, and no client.
fn read_isolated(decoder: &mut Decoder, node: &Node) -> Option<Target> {
    match crate::target::OfNodes::read(decoder, node)?.0 {
        Target::All => decoder.wrong(Diagnostic::new(node.place, "everybody on one side is no partition")),
        target => Some(target),
    }
}

/// Why there are no links between these two.
fn no_links([a, b]: &[Target; 2]) -> Option<&'static str> {
    let is_one = matches!(a, Target::Chosen(Chosen::Named(parties)) if parties.len() == 1);
    match (a.is_only_clients() && b.is_only_clients(), is_one && a == b) {
        (true, _) => Some("there are no links between clients to cut"),
        (_, true) => Some("a node has no link to itself to cut"),
        _ => None,
    }
}

fn read_cut(decoder: &mut Decoder, node: &Node) -> Option<Vec<[Target; 2]>> {
    let mut pairs = Vec::new();
    for item in decoder.list(node, "`cut`")? {
        match decoder.list(item, "a pair of `cut`")? {
            [a, b] => {
                let (a, b) = (Target::read(decoder, a), Target::read(decoder, b));
                let pair = [a?, b?];
                if let Some(why) = no_links(&pair) {
                    return decoder.wrong(Diagnostic::new(item.place, why));
                }
                pairs.push(pair);
            }
            _ => return decoder.wrong(Diagnostic::new(item.place, "a pair of `cut` is two targets, such as [leader, n2]")),
        }
    }
    if pairs.is_empty() {
        return decoder.wrong(Diagnostic::new(node.place, "a cut of nothing: give at least one pair"));
    }
    Some(pairs)
}

fn cut_schema(vocabulary: &Vocabulary) -> Json {
    let pair = json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": Target::schema(vocabulary) });
    json!({ "type": "array", "minItems": 1, "items": pair })
}

impl Arguments for Shape {
    type Planned = PlannedShape;
    const WHAT: &'static str = "a partition";
    const ABOUT: &'static [&'static str] = &[];

    fn take(decoder: &mut Decoder, fields: &mut Fields<'_>) -> Option<Self> {
        fields.one_of(decoder, &CUTS).and_then(|(key, node)| match key {
            "isolate" => read_isolated(decoder, node).map(Shape::Isolate),
            "shape" => Word::read(decoder, node).map(Shape::Word),
            "groups" => Value::read(decoder, node).map(Shape::Groups),
            _ => read_cut(decoder, node).map(Shape::Cut),
        })
    }

    fn put(&self, into: &mut Mapping) {
        let (key, value): (_, Yaml) = match self {
            Shape::Isolate(target) => ("isolate", target.write()),
            Shape::Word(word) => ("shape", word.write()),
            Shape::Groups(groups) => ("groups", groups.write()),
            Shape::Cut(pairs) => ("cut", pairs.iter().map(|pair| pair.iter().map(Value::write).collect::<Yaml>()).collect()),
        };
        into.insert(key.into(), value);
    }

    fn describe(into: &mut Vec<Argument>) {
        let argument = |name, form: String, about: &str, schema| Argument {
            name,
            form,
            about: about.to_string(),
            needed: false,
            offered: true,
            schema,
        };
        into.extend([
            argument(
                "isolate",
                Target::form(),
                "this shape: the target on one side, everybody else on the other",
                Target::schema as fn(&Vocabulary) -> Json,
            ),
            argument(
                "shape",
                Word::form(),
                "this shape: n1 to the middle against the rest; a random half; a random majority; a random third; each node sees \
                 another majority; two halves that only one node connects",
                Word::schema,
            ),
            argument(
                "groups",
                Vec::<Vec<NodeId>>::form(),
                "this shape: nodes that share no group are cut; a node in no group is alone",
                Vec::<Vec<NodeId>>::schema,
            ),
            argument(
                "cut",
                "[[leader, one-follower], [c1, n2]]".to_string(),
                "this shape: the links between the two targets of each pair; `links` has no say",
                cut_schema,
            ),
        ]);
    }

    fn resolve(&self, draws: &Draws) -> PlannedShape {
        let nodes = draws.size.nodes;
        let shuffled = || {
            let mut ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
            draws.at("shape").stream().shuffle(&mut ids);
            ids
        };
        let sorted = |mut ids: Vec<NodeId>| {
            ids.sort_unstable();
            ids
        };
        let split = |count: u32| {
            let mut ids = shuffled();
            let rest = ids.split_off(count as usize);
            PlannedShape::Groups(vec![sorted(ids), sorted(rest)])
        };
        match self {
            Shape::Isolate(target) => PlannedShape::Isolate(target.plan(&draws.at("isolate"))),
            Shape::Groups(groups) => PlannedShape::Groups(groups.clone()),
            Shape::Cut(pairs) => {
                let side = |target: &Target, i: usize, side: &str| target.plan(&draws.at(&format!("cut {i} {side}")));
                let pairs = pairs.iter().enumerate();
                PlannedShape::Cut(pairs.map(|(i, [a, b])| [side(a, i, "first"), side(b, i, "second")]).collect())
            }
            Shape::Word(Word::Halves) => PlannedShape::Halves,
            Shape::Word(Word::RandomHalves) => split(nodes / 2),
            Shape::Word(Word::Majority) => split(nodes / 2 + 1),
            Shape::Word(Word::MinorityThird) => split((nodes / 3).max(1)),
            Shape::Word(Word::MajoritiesRing) => PlannedShape::Cut(ring(&shuffled())),
            Shape::Word(Word::Bridge) => {
                let mut left = shuffled();
                let bridge = left.pop().expect("a cluster has nodes");
                let mut right = left.split_off(left.len() / 2);
                left.push(bridge);
                right.push(bridge);
                PlannedShape::Groups(vec![sorted(left), sorted(right)])
            }
        }
    }

    fn fixed(&self) -> Option<PlannedShape> {
        match self {
            Shape::Isolate(target) => target.planned().map(PlannedShape::Isolate),
            Shape::Groups(groups) => Some(PlannedShape::Groups(groups.clone())),
            Shape::Cut(pairs) => {
                let pair = |[a, b]: &[Target; 2]| Some([a.planned()?, b.planned()?]);
                pairs.iter().map(pair).collect::<Option<Vec<_>>>().map(PlannedShape::Cut)
            }
            Shape::Word(Word::Halves) => Some(PlannedShape::Halves),
            Shape::Word(_) => None,
        }
    }

    fn unfix(planned: &PlannedShape) -> Self {
        match planned {
            PlannedShape::Isolate(target) => Shape::Isolate(Target::unplanned(target)),
            PlannedShape::Halves => Shape::Word(Word::Halves),
            PlannedShape::Groups(groups) => Shape::Groups(groups.clone()),
            PlannedShape::Cut(pairs) => Shape::Cut(pairs.iter().map(|[a, b]| [a, b].map(Target::unplanned)).collect()),
        }
    }

    fn each(&mut self, visit: &mut Visit<'_>) {
        match self {
            Shape::Isolate(target) => target.parts("isolate", visit),
            Shape::Groups(groups) => groups.parts("groups", visit),
            Shape::Cut(pairs) => pairs.iter_mut().flatten().for_each(|target| target.parts("cut", visit)),
            Shape::Word(_) => {}
        }
    }

    fn leaner(&self) -> Vec<Self> {
        vec![]
    }

    fn check(&self, check: &mut Check<'_>) {
        match self {
            Shape::Groups(groups) if groups.is_empty() => _ = check.wrong("groups", "an empty set of nodes"),
            Shape::Cut(pairs) if pairs.is_empty() => _ = check.wrong("cut", "a cut of nothing: give at least one pair"),
            Shape::Cut(pairs) => pairs.iter().filter_map(no_links).for_each(|why| _ = check.wrong("cut", why)),
            _ => {}
        }
    }
}

/// Each node sees a majority, and no two see the same: a ring in which one hears from its neighbours.
fn ring(ids: &[NodeId]) -> Vec<[Chosen; 2]> {
    let n = ids.len();
    let near = (n / 2).div_ceil(2);
    let mut pairs = Vec::new();
    for i in 0..n {
        for j in i + 1..n {
            let apart = (j - i).min(n - (j - i));
            if apart > near {
                pairs.push([ids[i], ids[j]].map(|id| Chosen::Named(vec![Party::Node(id)])));
            }
        }
    }
    pairs
}
