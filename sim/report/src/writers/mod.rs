//! The report formats: a file each, and a line of [`REGISTRY`]. `--format NAME` chooses from it, and what is kept of a run is written by it.

mod github;
mod json;
mod junit;
mod markdown;
mod nodes;
mod text;
mod timeline;
mod verdicts;
mod wide;

#[cfg(test)]
mod tests;

use crate::{CheckReport, Record, RunReport, Sweep};
use squall_history::{Entry, NodeId};
use std::{collections::BTreeSet, fmt};

/// Every format. The first one is what is written when nobody asks for another.
pub const REGISTRY: &[Format] = &[
    text::FORMAT,
    wide::FORMAT,
    json::FORMAT,
    junit::FORMAT,
    github::FORMAT,
    markdown::FORMAT,
    verdicts::FORMAT,
    timeline::FORMAT,
    nodes::FORMAT,
];

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One run.
    Run,
    /// Many runs of one scenario, in one process.
    Runs,
    /// A sweep.
    Sweep,
    /// The check of a history that somebody recorded.
    Check,
}

impl Kind {
    /// All of them.
    pub const ALL: &[Kind] = &[Kind::Run, Kind::Runs, Kind::Sweep, Kind::Check];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Run => "a run",
            Kind::Runs => "many runs",
            Kind::Sweep => "a sweep",
            Kind::Check => "a check",
        })
    }
}

/// A report format: what it is called, and how it writes what it can write. All that it writes ends with the end of a line.
#[derive(Clone, Copy)]
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Whether it is for people: sentences that stand beside it on standard output spoil nothing.
    pub for_people: bool,
    run: Option<fn(&RunReport, &[Entry]) -> String>,
    runs: Option<Runs>,
    sweep: Option<fn(&Sweep) -> String>,
    check: Option<WritesCheck>,
    kept: Kept,
}

/// How many runs are written.
#[derive(Clone, Copy)]
pub enum Runs {
    /// Each by itself, when it has ended.
    Each(fn(&Record) -> String),
    /// All of them, when the last one has ended.
    Together(fn(&Sweep) -> String),
}

/// How a check is written.
#[derive(Clone, Copy)]
struct WritesCheck {
    /// What can be told as soon as there is a verdict, before it is explained.
    head: Option<fn(&CheckReport<'_>) -> String>,
    /// What comes after that.
    rest: fn(&CheckReport<'_>) -> String,
    /// Whether it says what the calls of an order are; else their numbers are enough.
    shows_calls: bool,
}

/// Where a report stands in the directory of a run that is kept.
#[derive(Clone, Copy)]
enum Kept {
    /// Nowhere: it is written when it is asked for.
    No,
    /// In a file of this name; what is in it.
    As(&'static str, &'static str),
    /// In a file for each node; what is in it.
    EachNode(fn(&[Entry], NodeId) -> String, &'static str),
}

/// A format that cannot write what it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotWrite {
    name: &'static str,
    kind: Kind,
}

impl fmt::Display for CannotWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let able: Vec<&str> = Format::all_for(self.kind).map(|format| format.name).collect();
        write!(f, "the format `{}` does not write {}; these do: {}", self.name, self.kind, able.join(", "))
    }
}

/// Those that have an option of their own.
impl Format {
    /// For people.
    pub const TEXT: &'static Format = &text::FORMAT;
    /// The same, with more columns.
    pub const WIDE: &'static Format = &wide::FORMAT;
    /// For programs.
    pub const JSON: &'static Format = &json::FORMAT;
    /// For CI servers.
    pub const JUNIT: &'static Format = &junit::FORMAT;
    /// Annotations.
    pub const GITHUB: &'static Format = &github::FORMAT;
    /// For a job's summary.
    pub const MARKDOWN: &'static Format = &markdown::FORMAT;
}

impl Format {
    /// One that can write nothing yet.
    const fn new(name: &'static str, about: &'static str) -> Format {
        Format { name, about, for_people: false, run: None, runs: None, sweep: None, check: None, kept: Kept::No }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<&'static Format> {
        REGISTRY.iter().find(|format| format.name == name)
    }

    /// Those that can write this.
    pub fn all_for(kind: Kind) -> impl Iterator<Item = &'static Format> {
        REGISTRY.iter().filter(move |format| format.can_write(kind).is_ok())
    }

    /// Whether it can write this; else, which formats can.
    pub fn can_write(&self, kind: Kind) -> Result<(), CannotWrite> {
        let can = match kind {
            Kind::Run => self.run.is_some(),
            Kind::Runs => self.runs.is_some(),
            Kind::Sweep => self.sweep.is_some(),
            Kind::Check => self.check.is_some(),
        };
        if can { Ok(()) } else { Err(self.cannot_write(kind)) }
    }

    fn cannot_write(&self, kind: Kind) -> CannotWrite {
        CannotWrite { name: self.name, kind }
    }

    /// One run, and the history that was judged.
    pub fn run(&self, report: &RunReport, history: &[Entry]) -> Result<String, CannotWrite> {
        self.run.map(|write| write(report, history)).ok_or(self.cannot_write(Kind::Run))
    }

    /// How it writes many runs.
    pub fn runs(&self) -> Result<Runs, CannotWrite> {
        self.runs.ok_or(self.cannot_write(Kind::Runs))
    }

    /// A sweep.
    pub fn sweep(&self, sweep: &Sweep) -> Result<String, CannotWrite> {
        self.sweep.map(|write| write(sweep)).ok_or(self.cannot_write(Kind::Sweep))
    }

    /// Of a check, what can be told before it is explained: it may be empty.
    pub fn check_head(&self, check: &CheckReport<'_>) -> Result<String, CannotWrite> {
        let writes = self.check.ok_or(self.cannot_write(Kind::Check))?;
        Ok(writes.head.map_or(String::new(), |head| head(check)))
    }

    /// Of a check, what comes after the head.
    pub fn check_rest(&self, check: &CheckReport<'_>) -> Result<String, CannotWrite> {
        self.check.map(|writes| (writes.rest)(check)).ok_or(self.cannot_write(Kind::Check))
    }

    /// Whether it says, of a check, what the calls of an order are.
    pub fn shows_calls(&self) -> bool {
        self.check.is_some_and(|writes| writes.shows_calls)
    }

    /// Its file in the directory of a run that is kept, if it stands there, and what is in that.
    pub fn kept_as(&self) -> Option<(&'static str, &'static str)> {
        match self.kept {
            Kept::No => None,
            Kept::As(file, what) => Some((file, what)),
            Kept::EachNode(_, what) => Some(("nodes/n1.log", what)),
        }
    }
}

/// The reports that stand in the directory of a run that is kept: the name of each file, and what is in it.
pub fn kept_files(report: &RunReport, history: &[Entry]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for format in REGISTRY {
        match (format.kept, format.run) {
            (Kept::As(file, _), Some(write)) => files.push((file.to_string(), write(report, history))),
            (Kept::EachNode(write, _), _) => {
                files.extend(nodes_of(report, history).into_iter().map(|id| (format!("nodes/{id}.log"), write(history, id))));
            }
            (Kept::As(..), None) | (Kept::No, _) => {}
        }
    }
    files
}

/// The nodes of a run: those that joined are nodes like any other.
fn nodes_of(report: &RunReport, history: &[Entry]) -> BTreeSet<NodeId> {
    let told = history.iter().filter_map(|e| if let squall_history::EntryKind::Node { node, .. } = e.what { Some(node.0) } else { None });
    (1..=told.max().unwrap_or(0).max(report.nodes)).map(NodeId).collect()
}
