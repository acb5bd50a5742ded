//! The workloads of a scenario, as they are written: each under the name of its kind.

use crate::{
    Decoder, Service, Vocabulary,
    language::{Value, as_written, schema},
    workloads::{Workload, WorkloadKind},
    yaml::{Diagnostic, Node},
};
use serde_json::{Map, Value as Json, json};
use serde_yaml::{Mapping, Value as Yaml};

impl Value for Box<dyn Workload> {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut fields = decoder.fields(node, "a workload")?;
        let kinds: Vec<&'static WorkloadKind> = decoder.services().iter().flat_map(|service| service.workloads).collect();
        let mut names: Vec<&'static str> = kinds.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        names.sort_by_key(|name| kinds.iter().position(|kind| kind.name == *name));
        let known = decoder.mistakes.len();
        let found = fields.one_of(decoder, &names);
        if let (None, Some((name, _)), Some(mistake)) = (&found, fields.first_left(), decoder.mistakes.get(known).cloned()) {
            let of = |service: &Service| service.workloads.iter().map(|kind| kind.name).collect();
            decoder.mistakes[known] = decoder.elsewhere(name, false, of).map_or(mistake.clone(), |help| mistake.help(help));
        }
        let (name, node) = found?;
        let kind = kinds.into_iter().find(|kind| kind.name == name).expect("found by its name");
        let workload = (kind.read)(decoder, node);
        fields.done(decoder);
        workload
    }

    fn write(&self) -> Yaml {
        [(Yaml::from(self.kind()), self.to_yaml())].into_iter().collect::<Mapping>().into()
    }

    fn form() -> String {
        "a workload".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        let mut workload = Map::new();
        for kind in vocabulary.services.iter().flat_map(|service| service.workloads) {
            let mut value = (kind.schema)(vocabulary);
            value["description"] = kind.about().into();
            match workload.get_mut(kind.name) {
                // Two systems have one of this name.
                Some(other) => *other = json!({ "anyOf": [other.take(), value] }),
                None => _ = workload.insert(kind.name.to_string(), value),
            }
        }
        let names: Vec<String> = workload.keys().cloned().collect();
        let mut workload = schema::closed(workload, &[]);
        workload["allOf"] = json!([schema::one_of(names.iter().map(String::as_str))]);
        workload
    }
}

/// Workloads, at least one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workloads(pub(super) Vec<Box<dyn Workload>>);

impl Value for Workloads {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let items = decoder.list(node, "`workloads`")?;
        let all: Vec<Option<Box<dyn Workload>>> = items.iter().map(|item| Value::read(decoder, item)).collect();
        if items.is_empty() {
            return decoder.wrong(Diagnostic::new(node.place, "without a workload there is nothing to check"));
        }
        all.into_iter().collect::<Option<Vec<_>>>().map(Workloads)
    }

    fn write(&self) -> Yaml {
        self.0.iter().map(Value::write).collect()
    }

    fn form() -> String {
        "a list of workloads".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "type": "array", "minItems": 1, "items": Box::<dyn Workload>::schema(vocabulary) })
    }
}
