//! The judgement of a run: every checker's verdict, and the facts beside them.

use crate::{Checker, Judgement, Verdict, check_all, merge};
use squall_history::{Entry, Facts, View};

/// A run, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Each checker's verdict, in the order of reports.
    pub verdicts: Vec<(&'static str, Verdict)>,
    /// What its history says besides.
    pub facts: Facts,
}

/// Judges a history by every checker that applies, or by those that are named here; its service's pack has these of its `own`.
pub fn judge(history: &[Entry], only: &[String], own: &'static [Checker]) -> Judged {
    Judged { verdicts: check_all(&View::new(history), only, own), facts: Facts::of(history) }
}

impl Judged {
    /// The worst verdict.
    pub fn judgement(&self) -> Judgement {
        merge(self.verdicts.iter().map(|(_, verdict)| verdict))
    }

    /// The checkers that found a violation.
    pub fn violated(&self) -> Vec<&'static str> {
        self.verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Invalid(_))).map(|(name, _)| *name).collect()
    }

    /// The history had to be cut off: nobody knows what is missing.
    pub fn is_cut_off(&mut self) {
        self.verdicts.push(("history", Verdict::Unknown("the history had to be cut off: it was too long".into())));
    }

    /// The run was stopped at its first violation: what is undecided is so for that.
    pub fn is_stopped(&mut self) {
        let undecided = self.verdicts.iter_mut().filter(|(_, verdict)| matches!(verdict, Verdict::Unknown(_)));
        undecided.for_each(|(_, verdict)| *verdict = Verdict::Unknown("the run was stopped at its first violation".into()));
    }
}
