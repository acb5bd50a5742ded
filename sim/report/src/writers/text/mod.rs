//! `text`: what a stranger understands.

mod check;
mod sweep;

pub(super) use sweep::sweep;

use super::{Format, Kept, Runs, WritesCheck};
use crate::{
    RunReport,
    plain::{flat, printable},
    sweep::SEEDS_FOR_SOMETIMES,
};
use squall_history::Entry;
use squall_judge::Verdict;
use std::fmt::Write as _;
use tabled::{Table, builder::Builder, settings::Style};

pub(super) const FORMAT: Format = Format {
    for_people: true,
    run: Some(run),
    runs: Some(Runs::Together(sweep::runs)),
    sweep: Some(|of| sweep(of, false)),
    check: Some(WritesCheck { head: Some(check::head), rest: check::rest, shows_calls: true }),
    kept: Kept::As("report.txt", "the verdict for people: the operations of each witness over time, with the faults"),
    ..Format::new("text", "for people, on a terminal")
};

fn run(r: &RunReport, _: &[Entry]) -> String {
    let mut out = String::new();
    let infallible = "a String takes whatever is written";
    let word = r.verdict().word().to_uppercase();
    writeln!(out, "{word}  {} (seed {}, {} nodes, {:.1} simulated seconds)", r.scenario, r.seed, r.nodes, r.facts.sim_s).expect(infallible);
    writeln!(out).expect(infallible);

    let mut table = Builder::default();
    table.push_record(["checker", "verdict", "why"]);
    for (name, verdict) in &r.verdicts {
        let why = match verdict {
            Verdict::Valid => "",
            Verdict::Unknown(why) => &flat(why),
            Verdict::Invalid(witness) => witness.kind,
        };
        table.push_record([*name, verdict.word(), why]);
    }
    let mut table: Table = table.build();
    writeln!(out, "{}", table.with(Style::blank())).expect(infallible);
    writeln!(out).expect(infallible);

    for (name, verdict) in &r.verdicts {
        if let Verdict::Invalid(witness) = verdict {
            writeln!(out, "{name}: at {}: {}", witness.at, flat(&witness.summary)).expect(infallible);
            for line in &witness.details {
                writeln!(out, "  {}", flat(line)).expect(infallible);
            }
        }
    }
    for picture in &r.pictures {
        writeln!(out, "\n{picture}").expect(infallible);
    }
    let total = r.facts.ops.ok + r.facts.ops.fail + r.facts.ops.info;
    writeln!(
        out,
        "operations  {total}: {} ok, {} failed for certain, {} of unknown outcome",
        r.facts.ops.ok, r.facts.ops.fail, r.facts.ops.info
    )
    .expect(infallible);
    let missed: Vec<&str> = r.facts.missed.iter().map(|fault| fault.id.as_str()).collect();
    let idle = if missed.is_empty() { String::new() } else { format!("; these did nothing: {}", missed.join(", ")) };
    writeln!(out, "faults      {} fired{idle}", r.facts.faults.len()).expect(infallible);
    let events: Vec<String> = r.facts.events.iter().map(|(event, n)| format!("{} {n}", event.name())).collect();
    writeln!(out, "events      {}", if events.is_empty() { "none".to_string() } else { events.join(", ") }).expect(infallible);
    let silent: Vec<&str> = r.sometimes.iter().filter(|event| !r.facts.events.contains_key(event)).map(|event| event.name()).collect();
    if !silent.is_empty() {
        writeln!(out, "sometimes   not in this run (judged over {SEEDS_FOR_SOMETIMES} seeds or more): {}", silent.join(", "))
            .expect(infallible);
    }
    writeln!(
        out,
        "cost        {:.2} CPU-seconds ({:.0} simulated seconds each), {:.0} MB",
        r.cpu_s,
        r.facts.sim_s / r.cpu_s.max(1e-9),
        r.rss_mb
    )
    .expect(infallible);
    writeln!(out, "digest      {}", r.digest).expect(infallible);
    if let Some(replay) = &r.replay {
        writeln!(out, "replay      {replay}").expect(infallible);
    }
    printable(&out)
}
