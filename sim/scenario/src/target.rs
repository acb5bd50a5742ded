//! Whom a fault is about.

use crate::{
    Holder, Service, Vocabulary,
    effect::{ClusterView, Party, Size},
    language::{Draws, Part, Value, Visit, as_written, schema},
    values::Number,
    vocabulary::every,
    yaml::{Decoder, Diagnostic, Kind, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;
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
    /// The so-manyth of those, in order of name, counted around.
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
    ("leader", Target::LEADER),
    ("followers", Target::FOLLOWERS),
    ("one-follower", Target::OneFollower),
    ("subject", Target::SUBJECT),
    ("clients", Target::Clients),
];

fn numbered(text: &str, letter: char) -> Option<u32> {
    let digits = text.strip_prefix(letter)?;
    let plain = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

fn node_id(text: &str) -> Option<NodeId> {
    numbered(text, 'n').map(NodeId)
}

fn party(text: &str) -> Option<Party> {
    node_id(text).map(Party::Node).or_else(|| numbered(text, 'c').map(|id| Party::Client(ClientId(id))))
}

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

/// The name of a node or a client, as a regular expression.
const HOST: &str = "^[nc][1-9][0-9]*$";

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

/// Nodes by name: `[n1, n3]`.
impl Value for Vec<NodeId> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        list(decoder, node, "a node such as n1", node_id)
    }

    fn write(&self) -> Yaml {
        self.iter().map(|id| Yaml::from(id.to_string())).collect()
    }

    fn form() -> String {
        "[n1, n2]".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": schema::pattern("^n[1-9][0-9]*$") })
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Nodes(self));
    }
}

/// Sets of nodes by name: `[[n1, n2], [n2, n3]]`.
impl Value for Vec<Vec<NodeId>> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        match decoder.list(node, "`groups`")? {
            [] => decoder.wrong(Diagnostic::new(node.place, "an empty set of nodes")),
            items => items.iter().map(|item| Value::read(decoder, item)).collect(),
        }
    }

    fn write(&self) -> Yaml {
        self.iter().map(Value::write).collect()
    }

    fn form() -> String {
        "[[n1, n2], [n2, n3]]".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "items": Vec::<NodeId>::schema(vocabulary) })
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        visit(key, Part::Groups(self));
    }
}

/// Nodes and clients by name: `[n1, c3]`.
impl Value for Vec<Party> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        parties(decoder, node)
    }

    fn write(&self) -> Yaml {
        self.iter().map(|party| Yaml::from(party.to_string())).collect()
    }

    fn form() -> String {
        "[n1, c3]".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": schema::pattern(HOST) })
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

    fn is_about_clients(&self) -> bool {
        match self {
            Target::Clients | Target::SomeClients(_) | Target::Chosen(Chosen::Holder(_)) => true,
            Target::Chosen(Chosen::Named(parties)) => parties.iter().any(|p| matches!(p, Party::Client(_))),
            Target::One | Target::All | Target::Minority | Target::Majority | Target::MinorityThird | Target::Some(_) => false,
            Target::OneFollower => false,
            Target::Chosen(Chosen::Leader | Chosen::Followers | Chosen::Follower(_) | Chosen::Bound(_) | Chosen::Subject) => false,
        }
    }

    /// Draws what is random; what depends on the run (the leader) stays.
    fn choose(&self, draws: &mut SeededStream, size: Size) -> Chosen {
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

/// A list of nodes and clients: `[n1, c3]`.
fn parties(decoder: &mut Decoder, node: &Node) -> Option<Vec<Party>> {
    list(decoder, node, "a node such as n1, or a client such as c1", party)
}
