//! The reference of the scenario language: prose from `reference.md`, tables from the registries. It is kept as
//! `scenarios/README.md`; a test compares the two, and runs every YAML block of it.

use crate::Systems;
use squall_history::{Event, Subject};
use squall_scenario::{Service, TARGET_WORDS, faults, language::Argument};
use std::sync::Arc;

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn arguments(args: &[Argument]) -> String {
    let row = |a: &Argument| {
        let needed = if a.needed { " (needed)" } else { "" };
        format!("| `{}` | {} | {}{needed} |\n", a.name, cell(&a.form), cell(&a.about))
    };
    let rows: String = args.iter().filter(|argument| argument.offered).map(row).collect();
    format!("| argument | is | means |\n| --- | --- | --- |\n{rows}")
}

fn documented(name: &str, about: &str, args: &[Argument], example: &str) -> String {
    format!("#### `{name}`\n\n{about}\n\n{}\n    - {example}\n\n", arguments(args))
}

fn words<'w>(all: impl Iterator<Item = (&'w str, &'w str)>, what: &str) -> String {
    let rows = all.map(|(word, about)| format!("| `{word}` | {} |\n", cell(about)));
    format!("| {what} | is |\n| --- | --- |\n{}", rows.collect::<String>())
}

fn all_faults() -> String {
    let mut out = String::new();
    for family in faults::Family::ALL {
        out.push_str(&format!("### {}\n\n", family.name()));
        for kind in faults::REGISTRY.iter().filter(|kind| kind.family == *family) {
            out.push_str(&documented(kind.name, &kind.about(), &kind.arguments(), kind.example));
        }
    }
    out
}

fn events(services: &[Arc<Service>]) -> String {
    let subject = |event: Event| match event.subject() {
        Some(Subject::Node) => "a node",
        Some(Subject::Client) => "a client",
        None => "nobody",
    };
    let own = services.iter().flat_map(|service| service.events).map(|own| own.event);
    let rows = Event::ALL
        .iter()
        .copied()
        .chain(own)
        .map(|event| format!("| `{}` | {} | {} |\n", event.name(), subject(event), cell(event.about())));
    format!("| event | `subject` | is |\n| --- | --- | --- |\n{}", rows.collect::<String>())
}

/// The parts below the top level.
fn parts() -> String {
    let below = squall_scenario::parts().into_iter().filter(|(path, _)| !path.is_empty());
    below.map(|(path, arguments_of)| format!("#### `{path}`\n\n{}\n", arguments(&arguments_of))).collect()
}

/// The top level.
fn top() -> String {
    squall_scenario::parts().iter().filter(|(path, _)| path.is_empty()).map(|(_, all)| arguments(all)).collect()
}

/// The whole reference, as Markdown.
pub(crate) fn text(systems: &Systems) -> String {
    let services = systems.vocabulary().services;
    let targets = services.iter().filter_map(|service| service.holder).map(|holder| (holder.name, holder.about));
    let of_service = |service: &Arc<Service>| {
        let kinds = service.workloads.iter().map(|kind| documented(kind.name, &kind.about(), &kind.arguments(), kind.example));
        format!("### {}\n\n{}", service.name, kinds.collect::<String>())
    };
    let workloads: String = services.iter().map(of_service).collect();
    let mut text = include_str!("reference.md").to_string();
    for (place, table) in [
        ("{{scenario}}", top()),
        ("{{parts}}", parts()),
        ("{{faults}}", all_faults()),
        ("{{workloads}}", workloads),
        ("{{targets}}", words(TARGET_WORDS.iter().copied().chain(targets), "target")),
        ("{{events}}", events(&services)),
        ("{{checkers}}", words(systems.checkers().into_iter(), "checker")),
        (
            "{{failpoints}}",
            words(services.iter().flat_map(|service| service.failpoints).map(|point| (point.name, point.about)), "failpoint"),
        ),
        ("{{bugs}}", words(services.iter().flat_map(|service| &service.bugs).map(|bug| (bug.name, bug.about)), "planted bug")),
    ] {
        text = text.replace(place, table.trim_end());
    }
    text
}
