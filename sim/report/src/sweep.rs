//! Many runs: counted, and grouped by what is probably one bug.

use crate::{Ending, Meaning, Record, RunReport};
use std::collections::{BTreeMap, BTreeSet};

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
    /// `liveness/not-served`.
    pub fingerprint: String,
    /// In which scenarios.
    pub scenarios: BTreeSet<&'s str>,
    /// How many runs.
    pub count: u64,
    /// The one that cost the least CPU time.
    pub cheapest: &'s Record,
}

/// A sweep of fewer seeds says nothing about `sometimes`.
pub(crate) const SEEDS_FOR_SOMETIMES: usize = 20;

impl Sweep {
    /// One run, as a sweep of one seed.
    pub(crate) fn of_one(report: &RunReport) -> Sweep {
        let sometimes = report.sometimes.iter().map(|event| event.name().to_string()).collect();
        let selected = Selected { scenario: report.scenario.clone(), canary: report.canary.clone(), sometimes, faults: vec![], seeds: 1 };
        let record = Record::of(report, report.canary.as_deref());
        Sweep { selected: vec![selected], records: vec![record], ..Sweep::default() }
    }

    /// The runs of a scenario.
    pub(crate) fn of<'s>(&'s self, scenario: &'s str) -> impl Iterator<Item = &'s Record> + 's {
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

    pub(crate) fn silent_canaries(&self) -> impl Iterator<Item = &Selected> {
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
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
