//! A history that somebody recorded, judged: what every writer of a check shows.

use squall_judge::{Judgement, Verdict, merge};
use squall_linear::{Found, Judged, RawHistory};
use std::time::Duration;

/// A history, judged.
#[derive(Clone, Debug)]
pub struct CheckReport<'h> {
    /// Its file.
    pub file: String,
    /// By what, and what was found.
    pub by: JudgedBy<'h>,
}

/// Who has judged a history.
#[derive(Clone, Debug)]
pub enum JudgedBy<'h> {
    /// One model: is it linearizable as that?
    Model(ByModel<'h>),
    /// Every checker that applies to it.
    Checkers {
        /// Their verdicts.
        verdicts: &'h [(&'static str, Verdict)],
        /// Why the others have none, if they were stopped.
        stopped: Option<&'h str>,
        /// The CPU time that all of it took.
        cpu: Duration,
    },
}

/// What one model has found.
#[derive(Clone, Debug)]
pub struct ByModel<'h> {
    /// The model's name.
    pub model: &'h str,
    /// What the file is written in; empty where that was not found out yet.
    pub format: &'h str,
    /// What was found.
    pub judged: &'h Judged,
    /// What its calls are; without it they are told by number.
    pub history: Option<&'h RawHistory>,
    /// Whether an order is asked for.
    pub witness: bool,
    /// Whether the history comes to its end.
    pub whole: bool,
    /// The CPU time that reading took, and what came after it.
    pub took: (Duration, Duration),
    /// The process' peak memory in MiB.
    pub peak_mb: f64,
}

/// What is said of a history without an end.
pub(crate) const CUT_OFF: &str = "the history does not come to its end";

/// One judge's finding, in a few words.
pub(crate) struct Finding {
    pub(crate) judge: String,
    pub(crate) judgement: Judgement,
    /// What kind of violation.
    pub(crate) kind: Option<String>,
    pub(crate) why: String,
}

impl Finding {
    /// What makes two violations the same: who has found it, and of what kind it is.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{}/{}", self.judge, self.kind.as_deref().unwrap_or(self.judgement.word()))
    }
}

impl ByModel<'_> {
    fn judgement(&self) -> Judgement {
        match &self.judged.verdict {
            Found::Linearizable(_) if self.whole => Judgement::Valid,
            Found::Linearizable(_) | Found::Unknown(_) => Judgement::Unknown,
            Found::Not(_) | Found::Anomalies(_) => Judgement::Invalid,
        }
    }

    fn finding(&self) -> Finding {
        let (kind, why) = match &self.judged.verdict {
            Found::Linearizable(_) => (None, if self.whole { String::new() } else { CUT_OFF.to_string() }),
            Found::Unknown(why) => (None, why.clone()),
            Found::Not(why) => {
                let of = why.key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
                (Some("no-order".to_string()), format!("no order{of} is left when call {} returns", why.call.0))
            }
            Found::Anomalies(all) => {
                let tell = |found: &squall_linear::Anomaly| format!("{}: {}", found.kind, found.steps.join("; "));
                (all.first().map(|first| first.kind.to_string()), all.iter().map(tell).collect::<Vec<_>>().join("\n"))
            }
        };
        Finding { judge: self.model.to_string(), judgement: self.judgement(), kind, why }
    }
}

impl CheckReport<'_> {
    /// The worst verdict.
    pub fn judgement(&self) -> Judgement {
        match &self.by {
            JudgedBy::Model(by) => by.judgement(),
            JudgedBy::Checkers { verdicts, stopped, .. } => {
                let rest = stopped.map(|why| Verdict::Unknown(why.to_string()));
                merge(verdicts.iter().map(|(_, verdict)| verdict).chain(&rest))
            }
        }
    }

    /// What each judge has found.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let (verdicts, stopped) = match &self.by {
            JudgedBy::Model(by) => return vec![by.finding()],
            JudgedBy::Checkers { verdicts, stopped, .. } => (verdicts, stopped),
        };
        let of = |(name, verdict): &(&'static str, Verdict)| {
            let (kind, why) = match verdict {
                Verdict::Valid => (None, String::new()),
                Verdict::Unknown(why) => (None, why.clone()),
                Verdict::Invalid(witness) => (Some(witness.kind.to_string()), witness.summary.clone()),
            };
            Finding { judge: (*name).to_string(), judgement: verdict.judgement(), kind, why }
        };
        let rest =
            stopped.map(|why| Finding { judge: "the others".to_string(), judgement: Judgement::Unknown, kind: None, why: why.to_string() });
        verdicts.iter().map(of).chain(rest).collect()
    }
}
