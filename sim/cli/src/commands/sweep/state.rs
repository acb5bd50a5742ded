//! A sweep on the disk: what was asked for, and a line for each run that is done.
//!
//! A record is one write of one line. Whatever kills the sweep, at most the last line is torn, and a
//! torn line is a run that was not done.

use super::select::{Item, Selection};
use crate::{failure::Failure, keep::SOURCE};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use squall_report::{Ending, Record};
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
        let asked: Asked = serde_json::from_str(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
        if asked.format > FORMAT {
            return Err(Failure::Usage(format!("{} is of a newer squall: use that one", path.display())));
        }
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
    pub(super) rechecked: u64,
}

impl State {
    pub(super) fn new(dir: &Path) -> Result<State, Failure> {
        let path = dir.join("records.jsonl");
        let file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Failure::io(&path))?;
        Ok(State { file, path, records: Vec::new(), done: BTreeSet::new(), rechecked: 0 })
    }

    /// What an earlier process has done; a torn last line is cut off.
    pub(super) fn open(dir: &Path) -> Result<State, Failure> {
        let path = dir.join("records.jsonl");
        let text = fs::read(&path).map_err(Failure::io(&path))?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let mut state = State::new(dir)?;
        state.file.set_len(whole as u64).map_err(Failure::io(&path))?;
        for (i, line) in text[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty()).enumerate() {
            let record: Record = serde_json::from_slice(line)
                .map_err(|e| Failure::Usage(format!("{}: line {} is no record: {e}", path.display(), i + 1)))?;
            state.done.insert((record.scenario.clone(), record.seed.clone()));
            state.records.push(record);
        }
        Ok(state)
    }

    pub(super) fn has(&self, item: &Item) -> bool {
        self.done.contains(&(item.scenario.clone(), item.seed_text()))
    }

    pub(super) fn canary_has_failed(&self, scenario: &str) -> bool {
        self.records.iter().any(|r| r.scenario == scenario && r.met)
    }

    pub(super) fn failures(&self, selection: &Selection) -> usize {
        self.records.iter().filter(|r| r.verdict != Ending::Valid && !selection.is_canary(&r.scenario)).count()
    }

    pub(super) fn add(&mut self, record: Record) -> Result<(), Failure> {
        let mut line = record.to_line();
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(Failure::io(&self.path))?;
        self.done.insert((record.scenario.clone(), record.seed.clone()));
        self.records.push(record);
        Ok(())
    }
}
