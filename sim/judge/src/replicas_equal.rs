//! `replicas-equal`: after the same log index, every replica holds the same state.
//!
//! Each node tells a running hash of its state after every entry that it applies, after a snapshot
//! that it installs, and after a restart; at the end, a hash over its whole store. What it cannot see:
//! an index that only one node ever applied, and a collision of hashes.

use crate::{Checker, Verdict};
use squall_history::{NodeId, Observation, SimTime, View};
use std::collections::BTreeMap;

pub(crate) const CHECKER: Checker = Checker {
    name: "replicas-equal",
    client_side: false,
    prefix: true,
    about: "after the same log index every replica holds the same state",
    applies: &|view| view.observations().any(|(_, _, saw)| matches!(saw, Observation::Apply { .. } | Observation::Final { .. })),
    check: &check,
};

#[derive(Default)]
struct Seen {
    states: BTreeMap<u64, (u32, NodeId)>,
}

impl Seen {
    fn state(&mut self, at: SimTime, node: NodeId, index: u64, state: u32) -> Option<Verdict> {
        let (first, by) = *self.states.entry(index).or_insert((state, node));
        (first != state).then(|| {
            let now = if by == node { "now".to_string() } else { node.to_string() };
            let text = format!("after index {index}, {by} held state {first:08x} and {now} holds {state:08x}");
            Verdict::invalid("divergence", at, text)
        })
    }
}

fn check(view: &View<'_>) -> Verdict {
    let mut seen = Seen::default();
    let mut finals: BTreeMap<u64, (u64, NodeId)> = BTreeMap::new();
    for (at, node, saw) in view.observations() {
        let found = match saw {
            Observation::Apply { first, state } => {
                (0..).zip(state).find_map(|(i, state)| seen.state(at, node, first.saturating_add(i), *state))
            }
            Observation::SnapshotInstalled { index, state, .. } | Observation::Restored { index, state, .. } => {
                seen.state(at, node, *index, *state)
            }
            Observation::Final { applied, hash } => {
                let (first, by) = *finals.entry(*applied).or_insert((*hash, node));
                (first != *hash).then(|| {
                    let text = match by == node {
                        true => format!("at the end, having applied {applied}, {node} told of two stores that differ"),
                        false => format!("at the end, having applied {applied}, the stores of {by} and {node} differ"),
                    };
                    Verdict::invalid("divergence-at-the-end", at, text)
                })
            }
            _ => None,
        };
        if let Some(verdict) = found {
            return verdict;
        }
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{Entry, EntryKind};

    fn verdict(saws: &[(u32, Observation)]) -> &'static str {
        let entry =
            |(node, saw): &(u32, Observation)| Entry { t: SimTime(1), what: EntryKind::Node { node: NodeId(*node), saw: saw.clone() } };
        let history: Vec<Entry> = saws.iter().map(entry).collect();
        check(&View::new(&history)).word()
    }

    #[test]
    fn legal_and_illegal_states() {
        let apply = |first, state: &[u32]| Observation::Apply { first, state: state.to_vec() };
        let installed = |index, state| Observation::SnapshotInstalled { index, term: 1, state };
        let last = |applied, hash| Observation::Final { applied, hash };
        assert_eq!(verdict(&[(1, apply(0, &[7, 8, 9])), (2, apply(0, &[7, 8])), (2, apply(2, &[9]))]), "valid");
        assert_eq!(verdict(&[(1, apply(0, &[7, 8, 9])), (2, apply(1, &[5]))]), "invalid");
        assert_eq!(verdict(&[(1, apply(0, &[7, 8, 9])), (2, installed(2, 9))]), "valid");
        assert_eq!(verdict(&[(1, apply(0, &[7, 8, 9])), (2, installed(2, 8))]), "invalid");
        assert_eq!(verdict(&[(1, apply(0, &[7])), (1, apply(0, &[6]))]), "invalid", "an applied entry is applied again, otherwise");
        assert_eq!(verdict(&[(1, last(5, 1)), (2, last(6, 2))]), "valid");
        assert_eq!(verdict(&[(1, last(5, 1)), (2, last(5, 2))]), "invalid");
    }
}
