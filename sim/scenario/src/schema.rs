//! A JSON Schema (draft-07) of the language, from the registries: for completion in editors.
//!
//! It knows the keys and the words. What depends on other values (a node that the cluster has not) only
//! [`crate::parse`] knows.

use crate::{FORMAT, TARGET_WORDS, Vocabulary, faults, workloads};
use serde_json::{Map, Value, json};
use squall_history::Event;

fn closed(properties: Map<String, Value>, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Value {
    json!({ "enum": words.into_iter().collect::<Vec<_>>() })
}

/// Names, if they are known; any text otherwise.
fn names(known: &[String], about: &str) -> Value {
    match known {
        [] => json!({ "type": "string", "description": about }),
        known => json!({ "enum": known, "description": about }),
    }
}

fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

const DURATION: &str = r"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)$";
const SPAN: &str = r"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)(\.\.[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))?$";

/// What is written there: the form tells.
fn argument(arg: &faults::Arg) -> Value {
    let description = format!("{}: {}", arg.form, arg.about);
    let mut value = match arg.form {
        "a duration or a range" => json!({ "type": "string", "pattern": SPAN }),
        "true or false" => json!({ "type": "boolean" }),
        "a target" => target(),
        "peers, clients or all" => words(["peers", "clients", "all"]),
        "both, to or from" => words(["both", "to", "from"]),
        _ => json!({}),
    };
    value["description"] = description.into();
    value
}

fn target() -> Value {
    let bare = TARGET_WORDS.iter().map(|(word, _)| *word).filter(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let counted = ["fixed", "follower", "clients"].map(|key| closed(map([(key, json!({ "type": "integer", "minimum": 1 }))]), &[key]));
    let mut any = vec![words(bare), json!({ "type": "string", "pattern": "^[nc][1-9][0-9]*$" })];
    any.push(json!({ "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^[nc][1-9][0-9]*$" } }));
    any.extend(counted);
    any.push(closed(map([("as", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$" }))]), &["as"]));
    json!({ "anyOf": any })
}

/// The schema. Names of systems, bugs and checkers are those of the vocabulary.
pub fn schema(vocabulary: &Vocabulary) -> Value {
    let duration = json!({ "type": "string", "pattern": DURATION });
    let span = json!({ "type": "string", "pattern": SPAN });
    let count = json!({ "type": "integer", "minimum": 0 });
    let event = words(Event::ALL.iter().map(|e| e.name()));
    let args = |args: &[faults::Arg]| args.iter().map(|a| (a.name.to_string(), argument(a))).collect::<Map<_, _>>();

    let mut fault = map([
        ("id", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$" })),
        ("as", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$" })),
        ("at", duration.clone()),
        ("between", span.clone()),
        ("every", span.clone()),
        ("repeat", json!({ "type": "integer", "minimum": 1 })),
        ("within", span.clone()),
        (
            "when",
            closed(
                map([("event", event.clone()), ("count", json!({ "type": "integer", "minimum": 1 })), ("after", span.clone())]),
                &["event"],
            ),
        ),
    ]);
    let one_of = |keys: Vec<&str>| json!({ "oneOf": keys.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>() });
    for kind in faults::REGISTRY {
        let mut value = closed(args(kind.args), &[]);
        value["description"] = kind.about.into();
        match kind.keys() {
            (key, None) => _ = fault.insert(key.to_string(), value),
            (group, Some(key)) => {
                let group = fault.entry(group.to_string()).or_insert_with(|| closed(Map::new(), &[]));
                group["properties"][key] = value;
                let required = group["properties"].as_object().expect("a map").keys().map(String::as_str).collect();
                group["allOf"] = json!([one_of(required)]);
            }
        }
    }
    let mut fault_keys: Vec<&str> = faults::REGISTRY.iter().map(|k| k.keys().0).collect();
    fault_keys.dedup();
    let mut fault = closed(fault, &[]);
    fault["allOf"] = json!([one_of(vec!["at", "between", "every", "when"]), one_of(fault_keys)]);

    let mut workload = Map::new();
    for kind in workloads::REGISTRY {
        let mut value = closed(args(kind.args), &[]);
        value["description"] = kind.about.into();
        workload.insert(kind.name.to_string(), value);
    }
    let mut workload = closed(workload, &[]);
    workload["allOf"] = json!([one_of(workloads::REGISTRY.iter().map(|k| k.name).collect())]);

    let nodes = json!({ "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 9 },
        { "type": "string", "pattern": r"^[1-9]\.\.[1-9]$" },
        { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 1, "maximum": 9 } },
    ] });
    let probability = json!({ "type": "string", "pattern": "^[0-9]+(%|/[0-9]+)$" });
    let host = json!({ "type": "string", "pattern": "^[nc][1-9][0-9]*$" });
    let zones = closed(map([("groups", list(&list(&host))), ("between", span.clone())]), &["groups", "between"]);
    let cluster = closed(
        map([
            ("nodes", nodes),
            ("pre_vote", json!({ "type": "boolean" })),
            ("heartbeat", duration.clone()),
            ("election_timeout", span.clone()),
            ("snapshot_every", count.clone()),
            ("network", closed(map([("latency", span.clone()), ("loss", probability), ("zones", zones)]), &[])),
            ("disk", closed(map([("sync", span.clone())]), &[])),
        ]),
        &[],
    );
    let swarm = closed(
        map([
            ("pick", json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": r"^[0-9]+\.\.[0-9]+$" }] })),
            ("families", list(&words(faults::Family::ALL.iter().map(|f| f.name())))),
            ("kinds", list(&words(faults::REGISTRY.iter().map(|k| k.name)))),
            ("vary", list(&words(crate::Vary::WORDS.iter().map(|(word, _)| *word)))),
        ]),
        &[],
    );
    let load = json!({ "anyOf": [words(["idle", "normal"]), closed(map([("times", json!({ "type": "integer", "minimum": 2, "maximum": 100 }))]), &["times"])] });
    let phase = closed(
        map([("name", json!({ "type": "string" })), ("duration", duration.clone()), ("load", load), ("faults", list(&fault))]),
        &["duration"],
    );
    let checker = names(&vocabulary.checkers, "a checker");
    let expect = json!({ "anyOf": [
        { "const": "valid" },
        closed(map([("violation", checker.clone()), ("within_seeds", json!({ "type": "integer", "minimum": 1 }))]), &["violation"]),
    ] });
    let properties = map([
        ("format", json!({ "const": FORMAT })),
        ("name", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$" })),
        ("about", json!({ "type": "string" })),
        ("seed", json!({ "type": "string" })),
        ("world_seed", count),
        ("system", names(&vocabulary.systems, "the system under test")),
        ("bugs", list(&names(&vocabulary.bugs, "a planted bug"))),
        ("cluster", cluster),
        ("workloads", json!({ "type": "array", "minItems": 1, "items": workload })),
        ("duration", duration.clone()),
        ("faults", list(&fault)),
        ("phases", json!({ "type": "array", "minItems": 1, "items": phase })),
        ("swarm", swarm),
        ("dropped", json!({ "type": "array", "items": { "type": "string" } })),
        ("allow_data_loss", json!({ "type": "boolean" })),
        ("liveness", closed(map([("heal", words(["all", "quorum"])), ("within", duration.clone())]), &["within"])),
        ("available", closed(map([("max_gap", duration), ("during", words(["faults", "run"]))]), &["max_gap"])),
        ("checkers", json!({ "type": "array", "minItems": 1, "items": checker.clone() })),
        ("sometimes", list(&event)),
        ("expect", expect),
        (
            "bites",
            closed(
                map([
                    ("with", json!({ "type": "object" })),
                    ("violation", checker.clone()),
                    ("within_seeds", json!({ "type": "integer", "minimum": 1 })),
                ]),
                &["with", "violation"],
            ),
        ),
    ]);
    let mut schema = closed(properties, &["format", "name", "workloads"]);
    schema["oneOf"] = json!([{ "required": ["duration"] }, { "required": ["phases"] }]);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "a squall scenario".into();
    schema
}
