//! Answers held against a store that is possible, and what is told of one that does not fit.

use super::{
    super::store::agrees,
    Contradiction, clash,
    engine::{Engine, UNSEEN, shown},
    possible::Possible,
    told,
};
use crate::ops::{Changes as _, CompletedOp, Op, Output};
use std::collections::BTreeSet;

/// Why an attempt ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// An answer is not that of the store.
    Wrong { kind: &'static str, culprit: usize, revision: u64, says: Output, until: u64 },
    /// Nobody can have written this revision.
    Unexplained(u64),
}

impl Engine<'_> {
    /// In words.
    pub(super) fn tell(&self, end: End) -> Contradiction {
        match end {
            End::Wrong { kind, culprit, revision, says, until } => self.wrong(kind, culprit, revision, &says, until),
            End::Unexplained(revision) => self.unexplained(revision),
        }
    }

    fn unexplained(&self, revision: u64) -> Contradiction {
        // Who saw it, or a later one?
        let told_of = self.ops.iter().enumerate().filter(|(_, op)| op.position.is_some_and(|r| r >= revision));
        let (seen, op) = told_of.min_by_key(|(_, op)| (op.position, op.ended_at)).expect("no more is replayed than was told");
        let summary = format!("nobody can have written revision {revision}: no write of unknown outcome fits");
        clash(self.ops, seen, "unexplained-revision", summary, (vec![told(op)], vec![op.id]), revision - 1)
    }

    /// What was read at this revision, then or later, is held against the store.
    pub(super) fn hold_reads(&self, revision: u64, store: &Possible) -> Result<(), End> {
        let now = self.readers.get(&revision).into_iter().flatten().map(|i| (*i, false));
        let later = self.past.get(&revision).into_iter().flatten().map(|i| (*i, true));
        for (i, past) in now.chain(later) {
            let op = &self.ops[i];
            let is_past = matches!(op.ask, Op::Range { at: Some(_), .. });
            if is_past != past {
                continue;
            }
            // What changes nothing here would change nothing in a copy; most only look.
            let (says, reached) = match store.state.look(&op.ask) {
                Some(says) => (says, store.state.revision),
                None => {
                    let mut after = store.state.clone();
                    (after.apply(&op.ask), after.revision)
                }
            };
            if !agrees(&says, op.output().expect("a reader was answered")) || (!past && reached != revision) {
                let kind = if past { "wrong-past" } else { "wrong-answer" };
                return Err(End::Wrong { kind, culprit: i, revision, says, until: revision });
            }
        }
        Ok(())
    }

    fn wrong(&self, kind: &'static str, culprit: usize, revision: u64, expected: &Output, until: u64) -> Contradiction {
        let op = &self.ops[culprit];
        // Values that nobody ever saw are one to the search.
        let expected = expected.to_string().replace(UNSEEN, "a value that no answer shows");
        let summary = format!("{}, and the store at revision {revision} answers `{expected}`", told(op));
        let mut details = Vec::new();
        // Who last wrote what it is about, as far as that is known.
        let mut ids = BTreeSet::new();
        let touches = |other: &CompletedOp| match &op.ask {
            Op::Range { prefix, .. } => other.changes().iter().any(|c| c.key.starts_with(prefix.as_str())),
            ask => other.changes().iter().any(|c| ask.keys().contains(&c.key)),
        };
        for (r, i) in self.claims.range(..revision).rev().filter(|(_, i)| touches(&self.ops[**i])).take(3) {
            details.push(format!("revision {r}: {}", told(&self.ops[*i])));
            ids.insert(self.ops[*i].id);
        }
        // And whoever wrote what it saw.
        let mut values = BTreeSet::new();
        if let Some(output) = op.output() {
            shown(output, &mut values);
        }
        let wrote = |other: &&CompletedOp| other.changes().iter().any(|c| c.value.is_some_and(|v| values.contains(v)));
        ids.extend(self.ops.iter().filter(wrote).map(|other| other.id).take(12));
        ids.insert(op.id);
        clash(self.ops, culprit, kind, summary, (details, ids.into_iter().collect()), until)
    }
}
