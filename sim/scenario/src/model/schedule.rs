//! A fault and its time: as written, and as planned.

use super::{
    names::Name,
    when::{EventTrigger, Repeat, TIMES, Trigger, Waiting, When, read_when},
};
use crate::{
    Decoder, Vocabulary,
    faults::{self, Fault, PlannedAction},
    language::{Value, as_written, schema},
    values::{Number, Span},
    yaml::{Diagnostic, Fields, Node},
};
use serde_json::{Map, Value as Json, json};
use serde_yaml::{Mapping, Value as Yaml};
use squall_history::Event;
use std::time::Duration;

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
                let happening = EventTrigger { event, count: Number(count.into()), after: Waiting(after) };
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
            ("when", EventTrigger::schema(vocabulary)),
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
