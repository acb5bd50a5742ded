//! Many runs: counted, grouped by what is probably one bug, and said in a table.

use crate::{Ending, Meaning, Record, recovery::distributions};
use serde_json::{Value, json};
use squall_history::Recovery;
use std::collections::{BTreeMap, BTreeSet};
use tabled::{builder::Builder, settings::Style};

/// What a sweep expects of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The scenario's name.
    pub scenario: String,
    /// The checker that must find a violation, of a canary.
    pub canary: Option<String>,
    /// What must happen sometimes.
    pub sometimes: Vec<String>,
    /// Its faults: their ids, or their kinds where they have none.
    pub faults: Vec<String>,
    /// How many seeds it was given.
    pub seeds: u64,
}

/// A sweep, as far as it came.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Its scenarios, in order.
    pub selected: Vec<Selected>,
    /// Its runs.
    pub records: Vec<Record>,
    /// Why it ended before its end, if it did.
    pub cut_short: Option<String>,
    /// How many runs were made twice.
    pub rechecked: u64,
}

/// Failures that are probably one bug.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<'s> {
    /// `raft/leader-completeness`.
    pub fingerprint: String,
    /// In which scenarios.
    pub scenarios: BTreeSet<&'s str>,
    /// How many runs.
    pub count: u64,
    /// The one that cost the least CPU time.
    pub cheapest: &'s Record,
}

/// No table is wider.
const COLUMNS: usize = 100;

/// A sweep of fewer seeds says nothing about `sometimes`.
pub(crate) const SEEDS_FOR_SOMETIMES: usize = 20;

impl Sweep {
    fn of<'s>(&'s self, scenario: &'s str) -> impl Iterator<Item = &'s Record> + 's {
        self.records.iter().filter(move |r| r.scenario == scenario)
    }

    /// The runs that failed.
    pub fn failures(&self) -> Vec<&Record> {
        self.records.iter().filter(|r| r.meaning() == Meaning::Failed).collect()
    }

    /// The canaries that did not fail by their checker.
    pub fn mute_canaries(&self) -> Vec<&Selected> {
        self.silent_canaries().filter(|s| self.of(&s.scenario).count() as u64 >= s.seeds).collect()
    }

    /// The canaries that did not fail yet, and were not given all of their seeds.
    pub fn undecided_canaries(&self) -> Vec<&Selected> {
        self.silent_canaries().filter(|s| (self.of(&s.scenario).count() as u64) < s.seeds).collect()
    }

    fn silent_canaries(&self) -> impl Iterator<Item = &Selected> {
        self.selected.iter().filter(|s| s.canary.is_some() && !self.of(&s.scenario).any(|r| r.meaning() == Meaning::Caught))
    }

    /// The events that never happened, although a scenario says that they do sometimes: (scenario, event).
    pub fn vacuous(&self) -> Vec<(&str, &str)> {
        self.never_happened(|runs| runs >= SEEDS_FOR_SOMETIMES)
    }

    /// Those of scenarios whose runs are too few to judge by that.
    pub fn not_yet(&self) -> Vec<(&str, &str)> {
        self.never_happened(|runs| runs > 0 && runs < SEEDS_FOR_SOMETIMES)
    }

    fn never_happened(&self, counts: impl Fn(usize) -> bool) -> Vec<(&str, &str)> {
        let mut never = Vec::new();
        for s in &self.selected {
            let runs: Vec<&Record> = self.of(&s.scenario).filter(|r| matches!(r.verdict, Ending::Valid | Ending::Invalid)).collect();
            if !counts(runs.len()) {
                continue;
            }
            let happened = |event: &str| runs.iter().any(|r| r.events.get(event).copied().unwrap_or(0) > 0);
            never.extend(s.sometimes.iter().filter(|e| !happened(e)).map(|e| (s.scenario.as_str(), e.as_str())));
        }
        never
    }

    /// The faults that fired in some run and did nothing in any: (scenario, fault).
    pub fn idle_faults(&self) -> BTreeSet<(&str, &str)> {
        let missed = self.records.iter().flat_map(|r| r.missed.iter().map(move |id| (r.scenario.as_str(), id.as_str())));
        let did = |scenario: &str, name: &str| self.of(scenario).any(|r| r.did(name));
        missed.filter(|(scenario, id)| !did(scenario, id)).collect()
    }

    /// The faults that fired in no run, of scenarios that had enough: (scenario, fault).
    pub fn unfired_faults(&self) -> Vec<(&str, &str)> {
        let enough = |s: &&Selected| s.canary.is_none() && self.of(&s.scenario).count() >= SEEDS_FOR_SOMETIMES;
        let fired = |s: &Selected, fault: &str| self.of(&s.scenario).any(|r| r.did(fault) || r.missed.iter().any(|name| name == fault));
        let of = |s| -> Vec<(&str, &str)> {
            let s: &Selected = s;
            s.faults.iter().filter(|fault| !fired(s, fault)).map(|fault| (s.scenario.as_str(), fault.as_str())).collect()
        };
        self.selected.iter().filter(enough).flat_map(of).collect()
    }

    /// What happened over all runs, and in how many of them: faults that did something, and events.
    pub fn coverage(&self) -> [(&'static str, BTreeMap<&str, usize>); 2] {
        let (mut faults, mut events) = (BTreeMap::new(), BTreeMap::new());
        for record in &self.records {
            record.faults.keys().for_each(|fault| *faults.entry(fault.as_str()).or_default() += 1);
            record.events.iter().filter(|(_, n)| **n > 0).for_each(|(event, _)| *events.entry(event.as_str()).or_default() += 1);
        }
        [("faults", faults), ("events", events)]
    }

    /// The failures, grouped; the most frequent first.
    pub fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
        for record in self.failures() {
            let fingerprint = record.fingerprint.clone().unwrap_or_else(|| record.verdict.word().to_string());
            groups.entry(fingerprint).or_default().push(record);
        }
        let mut groups: Vec<Group<'_>> = groups
            .into_iter()
            .map(|(fingerprint, records)| Group {
                fingerprint,
                scenarios: records.iter().map(|r| r.scenario.as_str()).collect(),
                count: records.len() as u64,
                cheapest: records.into_iter().min_by(|a, b| a.cpu_s.total_cmp(&b.cpu_s)).expect("a group has a record"),
            })
            .collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
        groups
    }

    /// The worst that happened.
    pub fn worst(&self) -> Option<Ending> {
        let mute = (!self.mute_canaries().is_empty()).then_some(Ending::Invalid);
        let undecided = (!self.undecided_canaries().is_empty()).then_some(Ending::Unknown);
        self.failures().iter().map(|r| r.verdict).max().max(mute).max(undecided)
    }

    /// For people.
    pub fn text(&self, wide: bool) -> String {
        let mut out = self.table(wide);
        out.push('\n');
        out.push_str(&recovery(&self.records.iter().map(|r| &r.recovery).collect::<Vec<_>>()));
        for group in self.groups() {
            let r = group.cheapest;
            let runs = if group.count == 1 { "1 run".to_string() } else { format!("{} runs", group.count) };
            let why = r.main_reason();
            out.push_str(&format!(
                "\n{}: {runs}, the cheapest is {} seed {} ({:.2} CPU-s)\n",
                group.fingerprint, r.scenario, r.seed, r.cpu_s
            ));
            out.push_str(&format!("  {}\n", one_line(why, COLUMNS - 2)));
            if let Some(kept) = &r.kept {
                out.push_str(&format!("  squall replay {kept}\n"));
            }
        }
        for s in self.selected.iter().filter(|s| s.canary.is_some()) {
            let Some((n, r)) = self.of(&s.scenario).enumerate().find(|(_, r)| r.meaning() == Meaning::Caught) else { continue };
            let checker = s.canary.as_deref().unwrap_or_default();
            out.push_str(&format!("\n{}: failed by `{checker}`, as it must, at seed {} (run {})\n", s.scenario, r.seed, n + 1));
            if let Some(kept) = &r.kept {
                out.push_str(&format!("  squall replay {kept}\n"));
            }
        }
        for s in self.mute_canaries() {
            let checker = s.canary.as_deref().unwrap_or_default();
            out.push_str(&format!(
                "\n{}: a canary that did not fail by `{checker}` in {} seeds\n",
                s.scenario,
                self.of(&s.scenario).count()
            ));
        }
        for s in self.undecided_canaries() {
            let runs = self.of(&s.scenario).count();
            out.push_str(&format!("\n{}: a canary that was given {runs} of its {} seeds: undecided\n", s.scenario, s.seeds));
        }
        for (scenario, fault) in self.idle_faults() {
            out.push_str(&format!(
                "\n{scenario}: the fault {fault} never did anything: nobody was there, or nobody came where it waited\n"
            ));
        }
        for (scenario, fault) in self.unfired_faults() {
            out.push_str(&format!("\n{scenario}: the fault {fault} never fired\n"));
        }
        for (scenario, event) in self.vacuous() {
            out.push_str(&format!("\n{scenario}: `{event}` never happened, although the scenario says sometimes\n"));
        }
        for (scenario, event) in self.not_yet() {
            let runs = self.of(scenario).count();
            out.push_str(&format!("\n{scenario}: `{event}` did not happen in {runs} runs (judged over {SEEDS_FOR_SOMETIMES} or more)\n"));
        }
        for (what, all) in self.coverage() {
            if !all.is_empty() {
                let all: Vec<String> = all.iter().map(|(name, runs)| format!("{name} {runs}")).collect();
                out.push_str(&format!("\n{what}, and in how many runs:\n"));
                out.push_str(&wrapped(&all, COLUMNS - 2));
            }
        }
        let canaries = self.selected.iter().filter(|s| s.canary.is_some()).count();
        if canaries > 0 {
            out.push_str(&format!("\n{} of {canaries} canaries caught\n", canaries - self.silent_canaries().count()));
        }
        out.push_str(&format!("\n{}\n", self.summary()));
        printable(&out)
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let (n, failed) = (self.records.len(), self.failures().len());
        // A canary is to fail: its runs say nothing of how seldom others do.
        let sound = self.records.iter().filter(|r| r.canary.is_none()).count();
        let cpu = self.records.iter().map(|r| r.cpu_s).sum::<f64>() + 0.0;
        let mut text = format!("{n} runs in {cpu:.1} CPU-seconds, {} made twice; ", self.rechecked);
        // The rule of three (Hanley and Lippman-Hand 1983).
        match (failed, sound) {
            (0, 0) if n == 0 => text.push_str("nothing was run"),
            (0, 0) => text.push_str("none failed"),
            (0, sound) => {
                let of = if sound == n { "none failed".to_string() } else { format!("none of {sound} failed") };
                text.push_str(&format!("{of}: under {:.2} % of seeds do (95 % bound)", (300.0 / sound as f64).min(100.0)));
            }
            (failed, _) => text.push_str(&format!("{failed} failed")),
        }
        if let Some(why) = &self.cut_short {
            text.push_str(&format!("; cut short: {why}"));
        }
        text
    }

    fn table(&self, wide: bool) -> String {
        let mut table = Builder::default();
        let narrow = ["scenario", "seeds", "valid", "invalid", "unknown", "no verdict", "ops", "CPU-s"];
        let more = ["sim s", "faults", "p50 ms", "p99 ms", "no leader s"];
        table.push_record(narrow.iter().chain(if wide { &more[..] } else { &[] }).copied());
        for s in &self.selected {
            let runs: Vec<&Record> = self.of(&s.scenario).collect();
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

    /// For programs.
    pub fn json(&self) -> Value {
        let scenarios: Vec<Value> = self
            .selected
            .iter()
            .map(|s| {
                let runs: Vec<&Record> = self.of(&s.scenario).collect();
                let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
                let (mut events, mut faults): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = Default::default();
                for r in &runs {
                    *verdicts.entry(r.verdict.word()).or_default() += 1;
                    r.events.iter().for_each(|(e, n)| *events.entry(e).or_default() += n);
                    r.faults.iter().for_each(|(f, n)| *faults.entry(f).or_default() += n);
                }
                json!({
                    "scenario": s.scenario, "canary": s.canary, "seeds": s.seeds, "runs": runs.len(), "verdicts": verdicts,
                    "events": events, "faults": faults,
                    "ops": runs.iter().map(|r| r.ops.ok).sum::<u64>(),
                    "recovery": distributions(runs.iter().map(|r| &r.recovery)).into_iter().map(|(name, [n, p50, p90, max])| {
                        (name.to_string(), json!({ "n": n, "p50_s": p50, "p90_s": p90, "max_s": max }))
                    }).collect::<serde_json::Map<String, Value>>(),
                    "sim_s": runs.iter().map(|r| r.sim_s).sum::<f64>() + 0.0,
                    "cpu_s": runs.iter().map(|r| r.cpu_s).sum::<f64>() + 0.0,
                })
            })
            .collect();
        let groups: Vec<Value> = self
            .groups()
            .iter()
            .map(|g| json!({ "fingerprint": g.fingerprint, "count": g.count, "scenario": g.cheapest.scenario, "seed": g.cheapest.seed }))
            .collect();
        let vacuous: Vec<Value> = self.vacuous().into_iter().map(|(s, e)| json!({ "scenario": s, "event": e })).collect();
        json!({
            "format": 1,
            "runs": self.records.len(),
            "rechecked": self.rechecked,
            "cut_short": self.cut_short,
            "scenarios": scenarios,
            "fingerprints": groups,
            "mute_canaries": self.mute_canaries().iter().map(|s| &s.scenario).collect::<Vec<_>>(),
            "vacuous": vacuous,
            "unfired": self.unfired_faults().into_iter().map(|(s, f)| json!({ "scenario": s, "fault": f })).collect::<Vec<_>>(),
            "coverage": self.coverage().into_iter().collect::<BTreeMap<_, _>>(),
            "failures": self.failures(),
        })
    }
}

/// Words with commas, in indented lines of at most so many characters.
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

/// Control characters would let a history write on the reader's terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A text on one line, cut to so many characters.
pub(crate) fn one_line(text: &str, columns: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= columns { flat } else { flat.chars().take(columns - 1).chain(['…']).collect() }
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

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
