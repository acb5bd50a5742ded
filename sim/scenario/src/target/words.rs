//! How a target is written: a word, a name, a list of names, or a mapping.

use super::{
    parties::{HOST, parties, party},
    whom::{Chosen, Target},
};
use crate::{
    Decoder, Holder, Service, Vocabulary,
    effect::Party,
    language::{Draws, Part, Value, Visit, schema},
    values::Number,
    vocabulary::every,
    yaml::{Diagnostic, Kind, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;

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
    ("as: victim", "whom the fault with `as: victim` was done to last"),
    ("n1", "that node"),
    ("[n1, n3]", "those nodes"),
    ("fixed: 2", "this many nodes, at random"),
    ("follower: 2", "the second follower in order of name; a plan has this for one-follower"),
    ("clients", "every client (for pause and the link faults)"),
    ("c1", "that client; lists may mix clients and nodes"),
    ("clients: 2", "this many clients, at random"),
];

const WORDS: &[(&str, Target)] = &[
    ("one", Target::One),
    ("all", Target::All),
    ("minority", Target::Minority),
    ("majority", Target::Majority),
    ("minority-third", Target::MinorityThird),
    ("leader", Target::LEADER),
    ("followers", Target::FOLLOWERS),
    ("one-follower", Target::OneFollower),
    ("subject", Target::SUBJECT),
    ("clients", Target::Clients),
];

/// The holder of a system.
fn holder(service: &Service) -> Vec<Holder> {
    service.holder.copied().into_iter().collect()
}

impl Value for Target {
    type Planned = Chosen;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Target> {
        match &node.kind {
            Kind::Scalar(text) => match party(text) {
                Some(party) => Some(Target::named_ones(vec![party])),
                None => {
                    let holders = every(decoder.services(), holder);
                    let holders = holders.iter().map(|holder| (holder.name, Target::Chosen(Chosen::Holder(holder.name))));
                    let all: Vec<(&str, Target)> = WORDS.iter().cloned().chain(holders).collect();
                    let words: Vec<(&str, usize)> = all.iter().enumerate().map(|(i, (word, _))| (*word, i)).collect();
                    let names = |service: &Service| service.holder.iter().map(|holder| holder.name).collect();
                    Some(all[decoder.word_of_service(node, "a target", &words, names)?].1.clone())
                }
            },
            Kind::List(_) => Some(Target::named_ones(parties(decoder, node)?)),
            Kind::Map(_) => {
                let mut fields = decoder.fields(node, "a target")?;
                let (key, value) = fields.one_of(decoder, &["fixed", "follower", "clients", "as"])?;
                if key == "as" {
                    let name = decoder.text(value, "the name that another fault gives with `as`").map(str::to_string);
                    fields.done(decoder);
                    return name.map(|name| Target::Chosen(Chosen::Bound(name)));
                }
                let count = Number::<1, 64>::read(decoder, value);
                fields.done(decoder);
                let count = count?.0 as u32;
                Some(match key {
                    "fixed" => Target::Some(count),
                    "follower" => Target::Chosen(Chosen::Follower(count)),
                    _ => Target::SomeClients(count),
                })
            }
        }
    }

    fn write(&self) -> Yaml {
        let word = |w: &str| Yaml::from(w);
        let one = |key: &str, value: Yaml| Yaml::from([(word(key), value)].into_iter().collect::<serde_yaml::Mapping>());
        match self {
            Target::Some(n) => one("fixed", (*n).into()),
            Target::Chosen(Chosen::Follower(n)) => one("follower", (*n).into()),
            Target::SomeClients(n) => one("clients", (*n).into()),
            Target::Chosen(Chosen::Bound(name)) => one("as", name.as_str().into()),
            Target::Chosen(Chosen::Named(parties)) => match &parties[..] {
                [one] => word(&one.to_string()),
                several => several.iter().map(|p| word(&p.to_string())).collect(),
            },
            Target::Chosen(Chosen::Holder(name)) => word(name),
            other => word(WORDS.iter().find(|(_, t)| t == other).expect("every other target is a word").0),
        }
    }

    fn form() -> String {
        "a target".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let counted = ["fixed", "follower", "clients"].map(|key| {
            let count = [(key.to_string(), schema::integer(1, 64))];
            schema::closed(count.into_iter().collect(), &[key])
        });
        let bound = [("as".to_string(), schema::pattern("^[A-Za-z0-9_-]{1,80}$"))];
        let mut any = vec![
            schema::words(WORDS.iter().map(|(word, _)| *word).chain(vocabulary.all(holder).iter().map(|holder| holder.name))),
            schema::pattern(HOST),
        ];
        any.push(Vec::<Party>::schema(vocabulary));
        any.extend(counted);
        any.push(schema::closed(bound.into_iter().collect(), &["as"]));
        json!({ "anyOf": any })
    }

    fn plan(&self, draws: &Draws) -> Chosen {
        self.choose(&mut draws.stream(), draws.size)
    }

    fn planned(&self) -> Option<Chosen> {
        if let Target::Chosen(chosen) = self { Some(chosen.clone()) } else { None }
    }

    fn unplanned(planned: &Chosen) -> Self {
        Target::Chosen(planned.clone())
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Target(self));
    }
}

/// A target of what is done to nodes, and to no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfNodes(pub(crate) Target);

impl Value for OfNodes {
    type Planned = Chosen;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<OfNodes> {
        let target = Target::read(decoder, node)?;
        if target.is_about_clients() {
            return decoder.wrong(Diagnostic::new(node.place, "this is done to nodes, not to clients"));
        }
        Some(OfNodes(target))
    }

    fn write(&self) -> Yaml {
        self.0.write()
    }

    fn form() -> String {
        Target::form()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        Target::schema(vocabulary)
    }

    fn plan(&self, draws: &Draws) -> Chosen {
        self.0.plan(draws)
    }

    fn planned(&self) -> Option<Chosen> {
        self.0.planned()
    }

    fn unplanned(planned: &Chosen) -> Self {
        OfNodes(Target::unplanned(planned))
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        self.0.parts(key, visit);
    }
}
