//! A sweep, for people: a table, what failed, and what happened.

use crate::{
    Ending, Meaning, Record, Sweep,
    plain::{one_line, printable},
    recovery::distributions,
    sweep::SEEDS_FOR_SOMETIMES,
};
use squall_history::{Event, Recovery};
use std::collections::BTreeMap;
use tabled::{builder::Builder, settings::Style};

/// No table is wider.
const COLUMNS: usize = 100;

/// For people.
pub(in super::super) fn sweep(sweep: &Sweep, wide: bool) -> String {
    let mut out = table(sweep, wide);
    out.push('\n');
    out.push_str(&recovery(&sweep.records.iter().map(|r| &r.recovery).collect::<Vec<_>>()));
    for group in sweep.groups() {
        let r = group.cheapest;
        let runs = if group.count == 1 { "1 run".to_string() } else { format!("{} runs", group.count) };
        let why = r.main_reason();
        out.push_str(&format!("\n{}: {runs}, the cheapest is {} seed {} ({:.2} CPU-s)\n", group.fingerprint, r.scenario, r.seed, r.cpu_s));
        out.push_str(&format!("  {}\n", one_line(why, COLUMNS - 2)));
        if let Some(kept) = &r.kept {
            out.push_str(&format!("  {} replay {kept}\n", crate::program()));
        }
    }
    for s in sweep.selected.iter().filter(|s| s.canary.is_some()) {
        let Some((n, r)) = sweep.of(&s.scenario).enumerate().find(|(_, r)| r.meaning() == Meaning::Caught) else { continue };
        let checker = s.canary.as_deref().unwrap_or_default();
        out.push_str(&format!("\n{}: failed by `{checker}`, as it must, at seed {} (run {})\n", s.scenario, r.seed, n + 1));
        if let Some(kept) = &r.kept {
            out.push_str(&format!("  {} replay {kept}\n", crate::program()));
        }
    }
    for s in sweep.mute_canaries() {
        let checker = s.canary.as_deref().unwrap_or_default();
        out.push_str(&format!("\n{}: a canary that did not fail by `{checker}` in {} seeds\n", s.scenario, sweep.of(&s.scenario).count()));
    }
    for s in sweep.undecided_canaries() {
        let runs = sweep.of(&s.scenario).count();
        out.push_str(&format!("\n{}: a canary that was given {runs} of its {} seeds: undecided\n", s.scenario, s.seeds));
    }
    for (scenario, fault) in sweep.idle_faults() {
        out.push_str(&format!(
            "\n{scenario}: the fault {fault} never did anything: it matched no target, or what it waits for never happened\n"
        ));
    }
    for (scenario, fault) in sweep.unfired_faults() {
        out.push_str(&format!("\n{scenario}: the fault {fault} never fired\n"));
    }
    for (scenario, event) in sweep.vacuous() {
        out.push_str(&format!("\n{scenario}: `{event}` never happened, although the scenario says sometimes\n"));
    }
    for (scenario, event) in sweep.not_yet() {
        let runs = sweep.of(scenario).count();
        out.push_str(&format!("\n{scenario}: `{event}` did not happen in {runs} runs (judged over {SEEDS_FOR_SOMETIMES} or more)\n"));
    }
    for (what, all) in sweep.coverage() {
        if !all.is_empty() {
            let all: Vec<String> = all.iter().map(|(name, runs)| format!("{name} {runs}")).collect();
            out.push_str(&format!("\n{what}, and in how many runs:\n"));
            out.push_str(&wrapped(&all, COLUMNS - 2));
        }
    }
    let canaries = sweep.selected.iter().filter(|s| s.canary.is_some()).count();
    if canaries > 0 {
        out.push_str(&format!("\n{} of {canaries} canaries caught\n", canaries - sweep.silent_canaries().count()));
    }
    out.push_str(&format!("\n{}\n", sweep.summary()));
    printable(&out)
}

/// Many runs of one scenario, in a sentence; what of them failed is told before.
pub(super) fn runs(sweep: &Sweep) -> String {
    let sum = |of: &dyn Fn(&Record) -> f64| sweep.records.iter().map(of).sum::<f64>() + 0.0;
    let mut happened: BTreeMap<&str, u64> = BTreeMap::new();
    for (event, n) in sweep.records.iter().flat_map(|r| &r.events) {
        *happened.entry(event).or_default() += n;
    }
    // Those that any system may have come first, in their order.
    let general = |event: &&str| Event::ALL.iter().position(|known| known.name() == *event).unwrap_or(usize::MAX);
    let mut coverage: Vec<(&str, u64)> = happened.into_iter().filter(|(_, n)| *n > 0).collect();
    coverage.sort_by_key(|(event, _)| general(event));
    let coverage: Vec<String> = coverage.into_iter().map(|(event, n)| format!("{event} {n}")).collect();
    let names: Vec<&str> = sweep.selected.iter().map(|s| s.scenario.as_str()).collect();
    format!(
        "{}: {} runs, {:.0} operations, {:.0} simulated seconds in {:.1} CPU-seconds; {}\n",
        names.join(", "),
        sweep.records.len(),
        sum(&|r| r.ops.ok as f64),
        sum(&|r| r.sim_s),
        sum(&|r| r.cpu_s),
        coverage.join(", ")
    )
}

fn table(sweep: &Sweep, wide: bool) -> String {
    let mut table = Builder::default();
    let narrow = ["scenario", "seeds", "valid", "invalid", "unknown", "no verdict", "ops", "CPU-s"];
    let more = ["sim s", "faults", "p50 ms", "p99 ms", "no leader s"];
    table.push_record(narrow.iter().chain(if wide { &more[..] } else { &[] }).copied());
    for s in &sweep.selected {
        let runs: Vec<&Record> = sweep.of(&s.scenario).collect();
        let count = |ending: Ending| runs.iter().filter(|r| r.verdict == ending).count();
        // An empty sum of floats is -0.
        let sum = |of: &dyn Fn(&Record) -> f64| runs.iter().map(|r| of(r)).sum::<f64>() + 0.0;
        let mean = |of: &dyn Fn(&Record) -> f64| if runs.is_empty() { 0.0 } else { sum(of) / runs.len() as f64 };
        let judged = [Ending::Valid, Ending::Invalid, Ending::Unknown].map(count);
        let name = if s.canary.is_some() { format!("{} (canary)", s.scenario) } else { s.scenario.clone() };
        let mut row = vec![
            one_line(&name, 34),
            format!("{}/{}", runs.len(), s.seeds),
            judged[0].to_string(),
            judged[1].to_string(),
            judged[2].to_string(),
            (runs.len() - judged.iter().sum::<usize>()).to_string(),
            format!("{:.0}", sum(&|r| r.ops.ok as f64)),
            format!("{:.1}", sum(&|r| r.cpu_s)),
        ];
        if wide {
            row.push(format!("{:.0}", sum(&|r| r.sim_s)));
            row.push(format!("{:.0}", sum(&|r| r.faults.values().sum::<u64>() as f64)));
            row.push(format!("{:.1}", mean(&|r| r.latency_ms.p50)));
            row.push(format!("{:.1}", mean(&|r| r.latency_ms.p99)));
            row.push(format!("{:.2}", mean(&|r| r.leaderless_s)));
        }
        table.push_record(row);
    }
    table.build().with(Style::blank()).to_string()
}

/// Words with commas, in indented lines of at most `width` characters.
fn wrapped(words: &[String], columns: usize) -> String {
    let (mut out, mut line) = (String::new(), String::new());
    for (i, word) in words.iter().enumerate() {
        let word = if i + 1 == words.len() { word.clone() } else { format!("{word}, ") };
        if line.len() + word.trim_end().len() > columns {
            out.push_str(&format!("  {}\n", line.trim_end()));
            line.clear();
        }
        line.push_str(&word);
    }
    out + &format!("  {line}\n")
}

/// How long recovery took, over all runs; empty where there was nothing to recover from.
fn recovery(all: &[&Recovery]) -> String {
    let told = distributions(all.iter().copied());
    if told.is_empty() {
        return String::new();
    }
    let lines = told
        .into_iter()
        .map(|(name, [n, p50, p90, max])| format!("  {name:<34} p50 {p50:.2} s, p90 {p90:.2} s, longest {max:.2} s ({n:.0} times)\n"));
    format!("\nrecovery:\n{}", lines.collect::<String>())
}
