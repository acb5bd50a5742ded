//! What a sweep runs, in which order: regressions first, then seed by seed, every scenario.

use super::{item::Item, state::Asked};
use crate::{Systems, failure::Failure, session::load};
use sha2::{Digest, Sha256};
use squall_report::Selected;
use squall_scenario::{Expect, Plan, Scenario};
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// The scenarios of a sweep.
pub(super) struct Selection {
    scenarios: Vec<(PathBuf, Scenario)>,
}

/// Where `squall keep` puts what must not happen again, if it is there.
pub(super) fn regressions() -> Vec<PathBuf> {
    let dir = PathBuf::from("scenarios/regressions");
    if dir.is_dir() { vec![dir] } else { vec![] }
}

/// Every file that these paths name: directories are searched for `.yaml`. Sorted, each once.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        search(path, &mut found)?;
        found.sort();
        files.extend(found);
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    Ok(files)
}

fn search(dir: &Path, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(dir).map_err(Failure::io(dir))? {
        let path = entry.map_err(Failure::io(dir))?.path();
        if path.is_dir() {
            search(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            into.push(path);
        }
    }
    Ok(())
}

/// The first seed of a text: the same text, the same seeds, wherever.
pub(super) fn first_seed(text: &str) -> u64 {
    let hash = Sha256::digest(text.as_bytes());
    // Room for a sweep behind it, and readable.
    u64::from_be_bytes(hash[..8].try_into().expect("eight bytes")) >> 24
}

/// Whether nothing of it is left to a seed.
fn is_plan(scenario: &Scenario) -> bool {
    Plan::try_from(scenario.clone()).is_ok()
}

impl Selection {
    pub(super) fn new(asked: &Asked, systems: &Systems) -> Result<Selection, Failure> {
        let mut scenarios: Vec<(PathBuf, Scenario)> = Vec::new();
        for (path, _) in &asked.files {
            let scenario = load(path, &asked.bugs, systems)?.scenario;
            // Several plans of one scenario may stand side by side, if the same is expected of them.
            let alike = |other: &Scenario| {
                is_plan(other)
                    && is_plan(&scenario)
                    && other.seed != scenario.seed
                    && other.expect == Expect::Valid
                    && scenario.expect == Expect::Valid
                    && other.sometimes == scenario.sometimes
            };
            let twin = scenarios.iter().find(|(_, other)| other.name == scenario.name && !alike(other));
            if let Some((other, _)) = twin {
                let text = format!(
                    "{} and {} are both named `{}`: their runs could not be told apart",
                    other.display(),
                    path.display(),
                    scenario.name
                );
                return Err(Failure::Usage(text));
            }
            scenarios.push((path.clone(), scenario));
        }
        Ok(Selection { scenarios })
    }

    /// Every run of this part: plans once, then all scenarios seed by seed.
    pub(super) fn items(&self, seeds: Range<u64>, shard: Option<(u64, u64)>) -> Vec<Item> {
        let mut items = Vec::new();
        let item = |(path, scenario): &(PathBuf, Scenario), seed: Option<u64>| Item {
            index: 0,
            path: path.clone(),
            scenario: scenario.name.clone(),
            seed,
            plan_seed: scenario.seed.clone().unwrap_or_default(),
            canary: scenario.expect.checker().map(str::to_string),
        };
        let (plans, scenarios): (Vec<_>, Vec<_>) = self.scenarios.iter().partition(|(_, s)| is_plan(s));
        items.extend(plans.into_iter().map(|plan| item(plan, None)));
        for seed in seeds.clone() {
            items.extend(scenarios.iter().filter(|(_, s)| s.expect == Expect::Valid).map(|one| item(one, Some(seed))));
        }
        if let Some((i, n)) = shard {
            let mut at = 0;
            items.retain(|_| {
                at += 1;
                (at - 1) % n == i - 1
            });
        }
        // A canary has as many seeds as it says, however many others have, and it belongs to one part
        // whole: it ends with its first failure.
        let canaries = scenarios.iter().filter_map(|one| match one.1.expect {
            Expect::Violation { within_seeds, .. } => Some((one, within_seeds)),
            Expect::Valid => None,
        });
        for (ordinal, (one, within)) in canaries.enumerate() {
            if shard.is_none_or(|(i, n)| ordinal as u64 % n == i - 1) {
                items.extend((0..within).map(|k| item(one, Some(seeds.start.saturating_add(k)))));
            }
        }
        items.iter_mut().enumerate().for_each(|(i, item)| item.index = i);
        items
    }

    pub(super) fn selected(&self, items: &[Item]) -> Vec<Selected> {
        let mut all: Vec<Selected> = Vec::new();
        for (_, s) in &self.scenarios {
            let seeds = items.iter().filter(|i| i.scenario == s.name).count() as u64;
            if seeds == 0 || all.iter().any(|other| other.scenario == s.name) {
                continue;
            }
            all.push(selected(s, seeds));
        }
        all
    }
}

/// What is expected of a scenario that is given this many seeds.
pub(crate) fn selected(s: &Scenario, seeds: u64) -> Selected {
    let canary = s.expect.checker().map(str::to_string);
    let sometimes = s.sometimes.iter().map(|e| e.name().to_string()).collect();
    let named = s.faults.iter().map(|f| f.id.clone().unwrap_or_else(|| f.fault.kind().to_string()));
    let drawn = s.swarm.iter().flat_map(|swarm| swarm.candidates()).map(|kind| kind.name.to_string());
    let mut faults: Vec<String> = named.chain(drawn).collect();
    faults.sort_unstable();
    faults.dedup();
    Selected { scenario: s.name.clone(), canary, sometimes, faults, seeds }
}
