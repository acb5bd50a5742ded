//! A JSON Schema (draft-07) of the language, from the registries: for completion in editors.
//!
//! It knows the keys and the words. What depends on other values (a node that the cluster has not) only
//! [`crate::parse`] knows.

use crate::{
    FORMAT, TARGET_WORDS, Vocabulary, faults, workloads,
    yaml::{Decoder, Node},
};
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

const DURATION: &str = r"^([0-9]+(us|ms|s|m|h))*[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)$";
const SPAN: &str =
    r"^([0-9]+(us|ms|s|m|h))*[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)(\.\.([0-9]+(us|ms|s|m|h))*[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))?$";

const PROBABILITY: &str = "^[0-9]+(%|/[0-9]+)$";
const SHIFT: &str =
    r"^-?([0-9]+(us|ms|s|m|h))*[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)(\.\.-?([0-9]+(us|ms|s|m|h))*[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))?$";
const RATE_ERROR: &str = r"^-?[0-9]+(\.[0-9]+)?(%|ppm)(\.\.-?[0-9]+(\.[0-9]+)?(%|ppm))?$";

/// What is written there: the form tells.
fn argument(arg: &faults::Arg) -> Value {
    let description = format!("{}: {}", arg.form, arg.about);
    let mut value = match arg.form {
        "a duration or a range" => json!({ "type": "string", "pattern": SPAN }),
        "true or false" => json!({ "type": "boolean" }),
        "a target" => target(),
        "peers, clients or all" => words(["peers", "clients", "all"]),
        "both, to or from" => words(["both", "to", "from"]),
        "a duration" => json!({ "type": "string", "pattern": DURATION }),
        "10% or 1/10" => json!({ "type": "string", "pattern": PROBABILITY }),
        "a number" => json!({ "type": "integer", "minimum": 0 }),
        "200/s" => json!({ "type": "string", "pattern": "^[1-9][0-9]*/s$" }),
        "64KiB/s" => json!({ "type": "string", "pattern": "^[1-9][0-9]*(B|KiB|MiB)/s$" }),
        "a number of bytes such as 64KiB" => json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB)$" }),
        "a prefix" | "the beginning of a path" => json!({ "type": "string", "pattern": "^[A-Za-z0-9_./-]*$" }),
        "the name of a failpoint" => words(squall_env::Failpoint::ALL.iter().map(|p| p.name())),
        "a list of read, write, sync" => {
            json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": words(["read", "write", "sync"]) })
        }
        "-6s, or a range such as -6s..6s" => json!({ "type": "string", "pattern": SHIFT }),
        "10%, -200ppm or a range" => json!({ "type": "string", "pattern": RATE_ERROR }),
        "a list" => list(&script_line()),
        "ascending, random, leader-last or [n2, n1]" => json!({ "anyOf": [words(["ascending", "random", "leader-last"]), hosts()] }),
        form if form.starts_with("[[") => json!({ "type": "array", "minItems": 1, "items": { "type": "array", "minItems": 1 } }),
        form if form.starts_with("{ ") => weights(form),
        form => bounds(form).or_else(|| choice(form)).unwrap_or_else(|| json!({})),
    };
    value["description"] = description.into();
    value
}

/// `1 to 200`.
fn bounds(form: &str) -> Option<Value> {
    let (low, high) = form.split_once(" to ")?;
    let (low, high): (u64, u64) = (low.parse().ok()?, high.parse().ok()?);
    Some(json!({ "type": "integer", "minimum": low, "maximum": high }))
}

/// `EIO, ENOSPC or EROFS`.
fn choice(form: &str) -> Option<Value> {
    let (most, last) = form.rsplit_once(" or ")?;
    let all: Vec<&str> = most.split(", ").chain([last]).collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    all.iter().all(is_word).then(|| words(all))
}

/// `{ get: 5, put: 3 }`: these keys, each with a weight.
fn weights(form: &str) -> Value {
    let keys = form.trim_matches(['{', '}', ' ']).split(", ").filter_map(|pair| Some(pair.split_once(':')?.0));
    let weight = json!({ "type": "integer", "minimum": 0, "maximum": 1000 });
    closed(keys.map(|key| (key.to_string(), weight.clone())).collect(), &[])
}

fn hosts() -> Value {
    json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": "string", "pattern": "^[nc][1-9][0-9]*$" } })
}

/// An operation of a script. A YAML reader may take a plain scalar for a number: keys and values are any scalar.
fn script_line() -> Value {
    let scalar = json!({ "type": ["string", "number", "boolean"] });
    let key = json!({ "type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 200 });
    let put = closed(map([("key", key.clone()), ("value", scalar.clone())]), &["key", "value"]);
    let one_of = |keys: &[&str]| json!([{ "oneOf": keys.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>() }]);
    let mut act = closed(map([("get", key.clone()), ("put", put.clone()), ("delete", key.clone())]), &[]);
    act["allOf"] = one_of(&["get", "put", "delete"]);
    let compare = closed(map([("key", key.clone()), ("holds", scalar.clone())]), &["key"]);
    let txn = closed(map([("compare", list(&compare)), ("then", list(&act)), ("else", list(&act))]), &[]);
    let past = closed(map([("prefix", scalar.clone()), ("revision", json!({ "type": "integer", "minimum": 1 }))]), &["prefix", "revision"]);
    let revision = json!({ "type": "integer", "minimum": 1 });
    let range = closed(map([("from", key.clone()), ("to", key.clone())]), &["from", "to"]);
    let read = closed(map([("prefix", scalar.clone()), ("revision", revision.clone())]), &["prefix"]);
    let serializable = json!({ "type": "boolean" });
    let reads = closed(map([("of", list(&read)), ("put", put.clone()), ("serializable", serializable)]), &["of"]);
    let cas = closed(map([("key", key.clone()), ("expect", scalar.clone()), ("value", scalar.clone())]), &["key", "value"]);
    let mut line = closed(
        map([
            ("client", json!({ "type": "integer", "minimum": 1, "maximum": 200 })),
            ("at", json!({ "type": "string", "pattern": DURATION })),
            ("get", key.clone()),
            ("put", put),
            ("cas", cas),
            ("delete", key),
            ("range", scalar),
            ("past", past),
            ("delete-range", range),
            ("reads", reads),
            ("compact", revision),
            ("txn", txn),
        ]),
        &["at"],
    );
    line["allOf"] = one_of(&["get", "put", "cas", "delete", "range", "past", "delete-range", "reads", "compact", "txn"]);
    line
}

/// The keys that a mapping must have, by its decoder's own word.
fn needed<T>(decode: fn(&mut Decoder, &Node) -> Option<T>) -> Vec<String> {
    let (mut decoder, empty) = (Decoder::default(), crate::yaml::parse_tree("{}").expect("an empty mapping"));
    let _ = decode(&mut decoder, &empty);
    decoder.mistakes.iter().filter_map(|m| Some(m.message.split_once("needs the key `")?.1.trim_end_matches('`').to_string())).collect()
}

fn target() -> Value {
    let bare = TARGET_WORDS.iter().map(|(word, _)| *word).filter(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let counted = ["fixed", "follower", "clients"].map(|key| closed(map([(key, json!({ "type": "integer", "minimum": 1 }))]), &[key]));
    let mut any = vec![words(bare), json!({ "type": "string", "pattern": "^[nc][1-9][0-9]*$" })];
    any.push(hosts());
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
        value["required"] = needed(kind.decode).into();
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
        value["required"] = needed(kind.decode).into();
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
    let probability = json!({ "type": "string", "pattern": PROBABILITY });
    let host = json!({ "type": "string", "pattern": "^[nc][1-9][0-9]*$" });
    let zones = closed(map([("groups", list(&list(&host))), ("between", span.clone())]), &["groups", "between"]);
    let cluster = closed(
        map([
            ("nodes", nodes),
            ("pre_vote", json!({ "type": "boolean" })),
            ("heartbeat", duration.clone()),
            ("election_timeout", span.clone()),
            ("snapshot_every", json!({ "type": "integer", "minimum": 1 })),
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
        ("seed", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$" })),
        ("world_seed", count),
        ("system", names(&vocabulary.systems, "the system under test")),
        ("bugs", json!({ "type": "array", "uniqueItems": true, "items": names(&vocabulary.bugs, "a planted bug") })),
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
