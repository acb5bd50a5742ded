//! When faults happen: as written, and as planned.

use super::names::{Name, Placed};
use crate::{
    Service, Target, Vocabulary,
    effect::Party,
    faults::{self, Fault, PlannedAction},
    language::{Value, arguments, as_written, schema},
    plan::FAULTS_MAX,
    target::Chosen,
    values::{Number, Span, format_duration},
    vocabulary::every,
    yaml::{Decoder, Diagnostic, Fields, Kind, Node, Place},
};
use serde_json::{Map, Value as Json, json};
use serde_yaml::{Mapping, Value as Yaml};
use squall_history::{Event, Subject};
use std::time::Duration;

/// When a fault starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, so long after the start.
    At(Duration),
    /// Once, at a random moment.
    Between(Span),
    /// Again and again, from one start to the next; at most so many times.
    Every {
        /// From one start to the next.
        gap: Span,
        /// How many times at the most.
        repeat: Option<u32>,
        /// Only between these moments.
        within: Option<Span>,
    },
    /// After something happened.
    On(Trigger),
}

/// "So long after this happened for the so-manyth time."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What is waited for.
    pub event: Event,
    /// How many times it must happen, for each firing.
    pub count: u32,
    /// How long after the last of those.
    pub after: Span,
    /// How many firings at the most.
    pub repeat: u32,
    /// What happens outside of these moments does not count.
    pub within: Option<Span>,
}

/// A fault and its time.
#[derive(Clone, Debug)]
pub struct ScheduledFault {
    /// Names it: the label of its random stream.
    pub id: Option<String>,
    /// What later faults call those that it was done to.
    pub bind: Option<String>,
    /// When.
    pub when: When,
    /// What.
    pub fault: Box<dyn Fault>,
}

impl PartialEq for ScheduledFault {
    fn eq(&self, other: &Self) -> bool {
        let ScheduledFault { id, bind, when, fault } = self;
        *id == other.id && *bind == other.bind && *when == other.when && **fault == *other.fault
    }
}

/// When a planned fault fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this time.
    At(Duration),
    /// After something happened.
    On(Wait),
}

/// A trigger of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is waited for.
    pub event: Event,
    /// How many times it must happen, for each firing.
    pub count: u32,
    /// How long after the last of those.
    pub after: Duration,
    /// How many firings at the most.
    pub repeat: u32,
    /// What happens outside of these moments does not count.
    pub within: Option<Span>,
}

/// A fault of a plan: at one time, with a name.
#[derive(Clone, Debug)]
pub struct PlannedFault {
    /// Its name, unique in the plan.
    pub id: String,
    /// What later faults call those that it was done to.
    pub bind: Option<String>,
    /// When it fires.
    pub start: Start,
    /// What it does.
    pub fault: Box<dyn PlannedAction>,
}

impl From<&PlannedFault> for ScheduledFault {
    fn from(planned: &PlannedFault) -> ScheduledFault {
        let when = match planned.start {
            Start::At(at) => When::At(at),
            Start::On(Wait { event, count, after, repeat, within }) => {
                When::On(Trigger { event, count, after: Span::fixed(after), repeat, within })
            }
        };
        ScheduledFault { id: Some(planned.id.clone()), bind: planned.bind.clone(), when, fault: planned.fault.written() }
    }
}

impl ScheduledFault {
    /// When it fires, if nothing of that is left to chance.
    pub(crate) fn start(&self) -> Option<Start> {
        match self.when {
            When::At(at) => Some(Start::At(at)),
            When::On(Trigger { event, count, after, repeat, within }) => {
                Some(Start::On(Wait { event, count, after: after.planned()?, repeat, within }))
            }
            When::Between(_) | When::Every { .. } => None,
        }
    }

    /// The same, in a phase from `start` to `end` of the run.
    pub(crate) fn in_phase(mut self, start: Duration, end: Duration) -> ScheduledFault {
        let shifted = |span: Span| Span { min: start + span.min, max: start + span.max };
        let bounded = |within: Option<Span>| Some(within.map_or(Span { min: start, max: end }, shifted));
        self.when = match self.when {
            When::At(at) => When::At(start + at),
            When::Between(span) => When::Between(shifted(span)),
            When::Every { gap, repeat, within } => When::Every { gap, repeat, within: bounded(within) },
            When::On(trigger) => When::On(Trigger { within: bounded(trigger.within), ..trigger }),
        };
        self
    }
}

/// The events of a system.
fn own(service: &Service) -> Vec<Event> {
    service.events.iter().map(|happening| happening.event).collect()
}

impl Value for Event {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let all = Event::ALL.iter().copied().chain(every(decoder.services(), own));
        let words: Vec<(&str, Event)> = all.map(|event| (event.name(), event)).collect();
        decoder.word_of_service(node, "an event", &words, |service| own(service).into_iter().map(Event::name).collect())
    }

    fn write(&self) -> Yaml {
        self.name().into()
    }

    fn form() -> String {
        "an event".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::words(Event::ALL.iter().copied().chain(vocabulary.all(own)).map(Event::name))
    }
}

arguments! {
    /// What a fault waits for.
    pub(crate) struct Happening, "`when`" {
        /// what is waited for
        event: Event,
        /// for how many of these
        count: Number<1, 1_000_000> = Number(1),
        /// how long after the last of them
        after: Waiting = Waiting(Span::fixed(Duration::ZERO)),
    }
}

/// How long after an event: a plan draws it with the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting(Span);

impl Value for Waiting {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        Span::read(decoder, node).map(Waiting)
    }

    fn write(&self) -> Yaml {
        self.0.write()
    }

    fn form() -> String {
        Span::form()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        Span::schema(vocabulary)
    }
}

const TIMES: [&str; 4] = ["at", "every", "between", "when"];

type Repeat = Number<1, 10_000>;

fn read_when(d: &mut Decoder, fields: &mut Fields<'_>) -> Option<When> {
    let repeat_node = fields.take("repeat");
    let repeat = repeat_node.map_or(Some(None), |node| Repeat::read(d, node).map(|n| Some(n.small())));
    let within_node = fields.take("within");
    let within = within_node.map_or(Some(None), |node| Span::read(d, node).map(Some));
    let when = fields.one_of(d, &TIMES).and_then(|(key, node)| match key {
        "at" => {
            let text = if let Kind::Scalar(text) = &node.kind { text.as_str() } else { "" };
            if text.contains("..") {
                return d.wrong(Diagnostic::new(node.place, "`at` is one moment").help(format!("a random moment is `between: {text}`")));
            }
            Duration::read(d, node).map(When::At)
        }
        "between" => Span::read(d, node).map(When::Between),
        "every" => match Span::read(d, node)? {
            span if span.min.is_zero() => d.wrong(Diagnostic::new(node.place, "`every` needs a time above zero")),
            gap => Some(When::Every { gap, repeat: repeat?, within: within? }),
        },
        _ => {
            let Happening { event, count, after } = Value::read(d, node)?;
            let repeat = repeat.flatten().unwrap_or(1);
            Some(When::On(Trigger { event, count: count.small(), after: after.0, repeat, within: within.flatten() }))
        }
    });
    if let Some(When::At(_) | When::Between(_)) = when {
        if let Some(node) = within_node {
            d.mistakes.push(Diagnostic::new(node.place, "`within` needs `every` or `when`"));
        }
        if let Some(node) = repeat_node {
            d.mistakes.push(Diagnostic::new(node.place, "`repeat` needs `every` or `when`: this happens once"));
        }
    }
    when
}

fn read_kind(d: &mut Decoder, fields: &mut Fields<'_>) -> Option<Box<dyn Fault>> {
    let mut names: Vec<&'static str> = faults::REGISTRY.iter().map(|k| k.keys().0).collect();
    names.dedup();
    let (name, node) = match fields.one_of(d, &names) {
        Some(found) => found,
        None => {
            // A kind that stands below another key.
            let below = |name: &str| match faults::REGISTRY.iter().map(|kind| kind.keys()).find(|keys| keys.1 == Some(name)) {
                Some((group, _)) => Some(group),
                None => faults::CUTS.contains(&name).then_some("partition"),
            };
            if let Some((name, place, group)) = fields.first_left().and_then(|(name, place)| Some((name, place, below(name)?)))
                && let Some(mistake) = d.mistakes.last_mut()
            {
                (mistake.place, mistake.help) = (place, Some(format!("write `{group}: {{ {name}: ... }}`")));
            }
            // The stranger is named already; not once more as an unknown key.
            while let Some((name, _)) = fields.first_left() {
                fields.forget(name);
            }
            return None;
        }
    };
    let of_group: Vec<&'static str> = faults::REGISTRY.iter().filter(|k| k.keys().0 == name).filter_map(|k| k.keys().1).collect();
    if of_group.is_empty() {
        let kind = faults::REGISTRY.iter().find(|k| k.name == name).expect("found by its name");
        return (kind.read)(d, node);
    }
    let mut group = d.fields(node, "a group of faults")?;
    let found = group.one_of(d, &of_group);
    let fault = found.and_then(|(kind, node)| {
        let kind = faults::REGISTRY.iter().find(|k| k.keys() == (name, Some(kind))).expect("found by its name");
        (kind.read)(d, node)
    });
    if found.is_some() {
        group.done(d);
    }
    fault
}

/// A plan may put a number behind an id.
const ID_MAX: usize = 60;

impl Value for ScheduledFault {
    as_written!();

    fn read(d: &mut Decoder, node: &Node) -> Option<Self> {
        let mut fields = d.fields(node, "a fault")?;
        let id = match fields.take("id") {
            None => Some(None),
            Some(node) => Name::read(d, node).and_then(|Name(id)| match id.len() > ID_MAX && fields.peek("every").is_some() {
                true => {
                    let text = format!("an id of more than {ID_MAX} characters, for what happens again and again");
                    d.wrong(Diagnostic::new(node.place, text))
                }
                false => Some(Some(id)),
            }),
        };
        let bind = fields.take("as").map_or(Some(None), |node| Name::read(d, node).map(|name| Some(name.0)));
        let when = read_when(d, &mut fields);
        let fault = read_kind(d, &mut fields);
        fields.done(d);
        Some(ScheduledFault { id: id?, bind: bind?, when: when?, fault: fault? })
    }

    fn write(&self) -> Yaml {
        let (key, when, repeat, within): (_, Yaml, _, _) = match self.when {
            When::At(at) => ("at", at.write(), None, None),
            When::Between(span) => ("between", span.write(), None, None),
            When::Every { gap, repeat, within } => ("every", gap.write(), repeat, within),
            When::On(Trigger { event, count, after, repeat, within }) => {
                let happening = Happening { event, count: Number(count.into()), after: Waiting(after) };
                ("when", happening.write(), Some(repeat).filter(|n| *n > 1), within)
            }
        };
        let (kind, value) = match faults::keys(self.fault.kind()) {
            (group, Some(kind)) => (group, [(Yaml::from(kind), self.fault.to_yaml())].into_iter().collect::<Mapping>().into()),
            (kind, None) => (kind, self.fault.to_yaml()),
        };
        let entries = [
            ("id", self.id.as_deref().map(Into::into)),
            ("as", self.bind.as_deref().map(Into::into)),
            (key, Some(when)),
            ("within", within.map(|span| span.write())),
            ("repeat", repeat.map(Into::into)),
            (kind, Some(value)),
        ];
        entries.into_iter().filter_map(|(key, value)| Some((Yaml::from(key), value?))).collect::<Mapping>().into()
    }

    fn form() -> String {
        "a fault".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let mut fault: Map<String, Json> = [
            ("id", Name::schema(vocabulary)),
            ("as", Name::schema(vocabulary)),
            ("at", Duration::schema(vocabulary)),
            ("between", Span::schema(vocabulary)),
            ("every", Span::schema(vocabulary)),
            ("repeat", Repeat::schema(vocabulary)),
            ("within", Span::schema(vocabulary)),
            ("when", Happening::schema(vocabulary)),
        ]
        .into_iter()
        .map(|(key, schema)| (key.to_string(), schema))
        .collect();
        for kind in faults::REGISTRY {
            let mut value = (kind.schema)(vocabulary);
            value["description"] = kind.about().into();
            match kind.keys() {
                (key, None) => _ = fault.insert(key.to_string(), value),
                (group, Some(key)) => {
                    let group = fault.entry(group.to_string()).or_insert_with(|| schema::closed(Map::new(), &[]));
                    group["properties"][key] = value;
                    let keys: Vec<&str> = group["properties"].as_object().expect("a map").keys().map(String::as_str).collect();
                    group["allOf"] = json!([schema::one_of(keys)]);
                }
            }
        }
        let mut kinds: Vec<&str> = faults::REGISTRY.iter().map(|kind| kind.keys().0).collect();
        kinds.dedup();
        let mut fault = schema::closed(fault, &[]);
        fault["allOf"] = json!([schema::one_of(TIMES), schema::one_of(kinds)]);
        fault
    }
}

/// What a fault is held against.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// How few nodes there may be; `None` where that is not known.
    pub(crate) nodes: Option<u32>,
    /// How many clients there are.
    pub(crate) clients: Option<u32>,
    /// When faults end.
    pub(crate) end: Option<Duration>,
}

impl ScheduledFault {
    /// Why it cannot be in such a run.
    pub(crate) fn misfit(&self, bounds: Bounds) -> Option<String> {
        self.bad_time(bounds.end).or_else(|| self.bad_size(bounds)).or_else(|| self.bad_subject())
    }

    fn bad_time(&self, end: Option<Duration>) -> Option<String> {
        let (end, text) = (end?, format_duration);
        let earliest = match self.when {
            When::At(at) => at,
            When::Between(span) => span.min,
            When::Every { gap, within, .. } => gap.min + within.map_or(Duration::ZERO, |w| w.min),
            When::On(trigger) => trigger.after.min + trigger.within.map_or(Duration::ZERO, |w| w.min),
        };
        if earliest >= end {
            return Some(format!("this never happens: it is due at {} at the earliest, and faults end at {}", text(earliest), text(end)));
        }
        match self.when {
            When::Between(span) | When::On(Trigger { after: span, .. }) if span.max > end => {
                Some(format!("this may never happen: it is due at {} at the latest, and faults end at {}", text(span.max), text(end)))
            }
            When::Every { gap, repeat, .. } => {
                let most = (end.as_nanos() / gap.min.as_nanos().max(1)).min(u128::from(repeat.unwrap_or(u32::MAX)));
                (most > FAULTS_MAX as u128).then(|| format!("up to {most} of this fault; a plan has at most {FAULTS_MAX}"))
            }
            _ => None,
        }
    }

    fn bad_size(&self, Bounds { nodes, clients, .. }: Bounds) -> Option<String> {
        let fault = &*self.fault;
        for target in faults::targets(fault) {
            if let (Target::SomeClients(n), Some(clients)) = (target, clients)
                && n > clients
            {
                return Some(format!("this fault needs {n} clients, but the workloads have only {clients}"));
            }
        }
        let smallest = nodes.unwrap_or(u32::MAX);
        for party in faults::named(fault) {
            let (there, of) = match party {
                Party::Node(id) => (id.0 <= smallest, smallest),
                Party::Client(id) => (clients.is_none_or(|n| id.0 <= n), clients.unwrap_or(0)),
            };
            if !there {
                let what = if matches!(party, Party::Node(_)) { "the cluster may have only" } else { "the workloads have only" };
                return Some(format!("this fault names {party}, but {what} {of}"));
            }
        }
        let least = fault.least_nodes();
        (least > smallest).then(|| format!("this fault needs {least} nodes, but the cluster may have only {smallest}"))
    }

    fn bad_subject(&self) -> Option<String> {
        if !faults::targets(&*self.fault).contains(&Target::SUBJECT) {
            return None;
        }
        let When::On(Trigger { event, .. }) = self.when else {
            return Some("`subject` is whom an event is about: it needs `when`".to_string());
        };
        match (event.subject(), self.fault.takes_clients()) {
            (Some(Subject::Node), _) | (Some(Subject::Client), true) => None,
            (Some(Subject::Client), false) => Some(format!("`{}` is about a client, and this is done to nodes", event.name())),
            (None, _) => Some(format!("`{}` is about nobody, so it has no `subject`", event.name())),
        }
    }

    /// Whether `within` lies in the run.
    fn bad_within(&self, end: Option<Duration>) -> bool {
        let (When::Every { within, .. } | When::On(Trigger { within, .. })) = self.when else { return false };
        within.zip(end).is_some_and(|(within, end)| within.min == within.max || within.max > end)
    }
}

/// Notes what is wrong with faults in such a run, one by one.
pub(crate) fn check(d: &mut Decoder, faults: &[Placed<ScheduledFault>], bounds: Bounds) {
    for Placed { place, it } in faults {
        if it.bad_within(bounds.end) {
            let mistake = Diagnostic::new(*place, "`within` is a range such as 5s..10s, before the end of the faults");
            d.mistakes.push(mistake.help("both ends are told from the start"));
        }
        if let Some(text) = it.misfit(bounds) {
            d.mistakes.push(Diagnostic::new(*place, text));
        }
    }
}

/// Notes what is wrong with all faults of a run together: ids that are given twice, names that nobody has.
pub(crate) fn check_names(d: &mut Decoder, all: &[(Place, ScheduledFault)]) {
    let mut seen = std::collections::BTreeSet::new();
    for (place, fault) in all {
        if let Some(id) = &fault.id
            && !seen.insert(id)
        {
            d.mistakes.push(Diagnostic::new(*place, format!("two faults have the id `{id}`")));
        }
    }
    let bound: Vec<&str> = all.iter().filter_map(|(_, fault)| fault.bind.as_deref()).collect();
    for (place, fault) in all {
        for target in faults::targets(&*fault.fault) {
            if let Target::Chosen(Chosen::Bound(name)) = target
                && !bound.contains(&name.as_str())
            {
                d.mistakes.push(
                    Diagnostic::new(*place, format!("no fault has `as: {name}`")).help("put it beside `id` and `at` of the other fault"),
                );
            }
        }
    }
}
