//! A sweep on the disk: what was asked for, and a line for each run that is done.
//!
//! A record is one write of one line. Whatever kills the sweep, at most the last line is torn, and a
//! torn line is a run that was not done.

use super::item::Item;
use crate::{artifacts::SOURCE, failure::Failure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use squall_report::{Meaning, Record};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
};

const FORMAT: u32 = 1;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    format: u32,
    /// The code that runs: records of two codes are not mixed.
    source_sha256: String,
    /// The files, and what was in them.
    pub(super) files: Vec<(PathBuf, String)>,
    pub(super) seeds: (u64, u64),
    pub(super) shard: Option<(u64, u64)>,
    pub(super) bugs: Vec<String>,
}

fn hash_of(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(Failure::io(path))?;
    Ok(Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect())
}

impl Asked {
    pub(super) fn new(files: &[PathBuf], seeds: Range<u64>, shard: Option<(u64, u64)>, bugs: &[String]) -> Result<Asked, Failure> {
        if let Some(strange) = files.iter().find(|path| path.to_str().is_none()) {
            return Err(Failure::Usage(format!("{}: a name that is not UTF-8", strange.display())));
        }
        let files: Result<Vec<_>, Failure> = files.iter().map(|path| Ok((path.clone(), hash_of(path)?))).collect();
        Ok(Asked {
            format: FORMAT,
            source_sha256: SOURCE.to_string(),
            files: files?,
            seeds: (seeds.start, seeds.end),
            shard,
            bugs: bugs.to_vec(),
        })
    }

    pub(super) fn save(&self, dir: &Path) -> Result<(), Failure> {
        let path = dir.join("sweep.json");
        let text = serde_json::to_string_pretty(self).expect("it has a JSON form");
        let fresh = dir.join(".sweep.json");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).map_err(Failure::io(&path))
    }

    /// Reads it back; refuses when the code or a file is another one now.
    pub(super) fn load(dir: &Path) -> Result<Asked, Failure> {
        let path = dir.join("sweep.json");
        let text = fs::read_to_string(&path).map_err(Failure::io(&path))?;
        let bad = |e: serde_json::Error| Failure::Usage(format!("{}: {e}", path.display()));
        let value: serde_json::Value = serde_json::from_str(&text).map_err(bad)?;
        if value["format"].as_u64().is_some_and(|format| format > u64::from(FORMAT)) {
            return Err(Failure::Usage(format!("{} is of a newer squall: use that one", path.display())));
        }
        let asked: Asked = serde_json::from_value(value).map_err(bad)?;
        if asked.source_sha256 != SOURCE {
            let text = format!("{} was begun by other code: its records and new ones cannot be mixed. Begin a new sweep", dir.display());
            return Err(Failure::Usage(text));
        }
        for (file, hash) in &asked.files {
            if hash_of(file)? != *hash {
                let text = format!("{} has changed since the sweep began: begin a new one", file.display());
                return Err(Failure::Usage(text));
            }
        }
        Ok(asked)
    }
}

/// What is done.
pub(super) struct State {
    file: fs::File,
    path: PathBuf,
    pub(super) records: Vec<Record>,
    done: BTreeSet<(String, String)>,
    /// The canaries that have failed, as they must.
    bitten: BTreeSet<String>,
    /// How many records are failures.
    pub(super) failures: usize,
    pub(super) rechecked: u64,
}

impl State {
    pub(super) fn new(dir: &Path) -> Result<State, Failure> {
        let path = dir.join("records.jsonl");
        let file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Failure::io(&path))?;
        let (records, done, bitten) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        Ok(State { file, path, records, done, bitten, failures: 0, rechecked: 0 })
    }

    /// What an earlier process has done; a torn last line is cut off.
    pub(super) fn open(dir: &Path) -> Result<State, Failure> {
        let path = dir.join("records.jsonl");
        let text = fs::read(&path).map_err(Failure::io(&path))?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let mut state = State::new(dir)?;
        state.file.set_len(whole as u64).map_err(Failure::io(&path))?;
        for (i, line) in text[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty()).enumerate() {
            let record: Record = match serde_json::from_slice(line) {
                Ok(record) => record,
                // A write that a full disk cut short: that run was not done.
                Err(e) => {
                    eprintln!("warning: {}: line {} is no record, its run is made again: {e}", path.display(), i + 1);
                    continue;
                }
            };
            if record.format > squall_report::RECORD_FORMAT {
                return Err(Failure::Usage(format!("{} is of a newer squall: use that one", path.display())));
            }
            state.done.insert((record.scenario.clone(), record.seed.clone()));
            state.records.push(record);
        }
        Ok(state)
    }

    pub(super) fn has(&self, item: &Item) -> bool {
        self.done.contains(&(item.scenario.clone(), item.seed_text()))
    }

    pub(super) fn canary_has_failed(&self, scenario: &str) -> bool {
        self.bitten.contains(scenario)
    }

    /// Counts what an earlier process has done.
    pub(super) fn count(&mut self) {
        let records = std::mem::take(&mut self.records);
        records.iter().for_each(|record| self.note(record));
        self.records = records;
    }

    fn note(&mut self, record: &Record) {
        match record.meaning() {
            Meaning::Met => {}
            Meaning::Caught => _ = self.bitten.insert(record.scenario.clone()),
            Meaning::Failed => self.failures += 1,
        }
    }

    pub(super) fn add(&mut self, record: Record) -> Result<(), Failure> {
        let mut line = record.to_line();
        line.push('\n');
        if let Err(e) = self.file.write_all(line.as_bytes()) {
            // Whatever of the line was written must not be joined by the next one.
            let _ = self.file.write_all(b"\n");
            return Err(Failure::io(&self.path)(e));
        }
        self.done.insert((record.scenario.clone(), record.seed.clone()));
        self.note(&record);
        self.records.push(record);
        Ok(())
    }
}
