//! The damage budget: how much may be destroyed so that what is committed is not, and the cluster can go on.
//!
//! ```text
//!   a change of members:   [[1..6]]  ──►  [[1..6], [1..7]]  ──►  [[1..7]]
//!                          4 of 6         4 of 6 AND 4 of 7       4 of 7
//! ```
//!
//! While a configuration is a joint one, a decision needs a quorum of *each* of its sets (Ongaro's thesis, 4.3). So
//! whatever is counted is counted in every set of every configuration that is in force, or may come to be: the one that was
//! applied last, and those that stand behind it in somebody's log. What was asked for and is in nobody's log yet counts against
//! the cluster: who is to leave and is sound is taken to be gone, who is to leave and is damaged to stay.
//!
//! **Architecture Invariant:** pure. It sees what nodes tell and what was done to them, and draws nothing.

use squall_history::{BootData, NodeId, Observation};
use std::collections::{BTreeMap, BTreeSet};

/// A set of voters. Ids are those of the system: a member that is no node of the run counts, too.
pub type Voters = BTreeSet<u64>;

/// One configuration: every one of its sets must have a quorum.
pub type Configuration = Vec<Voters>;

/// The configurations that nodes tell of.
#[derive(Default)]
pub struct Configurations {
    /// The index of the membership that was applied last, and who votes in any of its sets.
    applied: Option<(u64, Voters)>,
    /// What stands in each node's log, by index.
    logs: BTreeMap<NodeId, BTreeMap<u64, Configuration>>,
}

impl Configurations {
    /// A node tells something.
    pub fn observe(&mut self, node: NodeId, saw: &Observation) {
        match saw {
            Observation::Membership { index, voters, .. } => {
                let sets = voters.iter().map(|set| set.iter().copied().collect()).collect();
                self.logs.entry(node).or_default().insert(*index, sets);
            }
            Observation::Truncate { after } => {
                let gone = |index: &u64| after.is_none_or(|after| *index > after);
                self.logs.entry(node).or_default().retain(|index, _| !gone(index));
            }
            // What it recovers it tells anew; what was applied it cannot have lost.
            Observation::Booted { data: BootData::Empty, .. } => _ = self.logs.remove(&node),
            Observation::Booted { data: BootData::Kept, .. } => {
                let applied = self.applied.as_ref().map_or(0, |(index, _)| *index);
                self.logs.entry(node).or_default().retain(|index, _| *index <= applied);
            }
            Observation::Members { index, voters, .. } if self.applied.as_ref().is_none_or(|(known, _)| index > known) => {
                self.applied = Some((*index, voters.iter().map(|id| u64::from(id.0)).collect()));
                for log in self.logs.values_mut() {
                    log.retain(|i, _| i >= index);
                }
            }
            _ => {}
        }
    }

    /// Those that are in force, or may come to be. Without any: the founders alone.
    pub fn now(&self, founders: &Voters) -> BTreeSet<Configuration> {
        let mut all: BTreeSet<Configuration> = BTreeSet::new();
        let from = match &self.applied {
            None => {
                all.insert(vec![founders.clone()]);
                0
            }
            Some((index, voters)) => {
                let known = self.logs.values().filter_map(|log| log.get(index)).cloned().collect::<BTreeSet<_>>();
                // A log that begins behind it tells no more than who votes in any of its sets.
                all.extend(if known.is_empty() { BTreeSet::from([vec![voters.clone()]]) } else { known });
                index + 1
            }
        };
        all.extend(self.logs.values().flat_map(|log| log.range(from..).map(|(_, sets)| sets.clone())));
        all
    }
}

/// What is damaged, and who is to leave.
pub struct Budget<'b> {
    /// The configurations that are in force, or may come to be.
    pub configurations: BTreeSet<Configuration>,
    /// Whose disk lost something for good, and who has not left.
    pub damaged: &'b Voters,
    /// Who was asked to leave.
    pub leaving: &'b Voters,
}

impl Budget<'_> {
    fn sets(&self) -> impl Iterator<Item = &Voters> {
        self.configurations.iter().flatten()
    }

    /// Whether this node's disk may be damaged, too: in every set, those who vote and are not damaged stay a quorum, for then every
    /// committed entry is on one of them. Who only learns may vote soon, and counts.
    pub fn may_destroy(&self, node: u64) -> bool {
        let damaged = self.damaged.len() + usize::from(!self.damaged.contains(&node));
        self.sets().all(|set| {
            let staying = set.difference(self.leaving).count();
            damaged <= (staying.max(1) - 1) / 2
        })
    }

    /// Whether this member may be asked to leave: every set has a quorum of sound ones without it.
    pub fn may_shrink(&self, node: u64) -> bool {
        self.damaged.contains(&node)
            || self.sets().all(|set| {
                let damaged = set.intersection(self.damaged).count();
                let well = set.iter().filter(|id| **id != node && !self.leaving.contains(id) && !self.damaged.contains(id)).count();
                damaged == 0 || damaged < well
            })
    }

    /// How many voters may stay dead in the end: fewer than would cost any set its quorum, beside the damaged ones.
    pub fn may_stay_dead(&self) -> usize {
        let of = |set: &Voters| ((set.len().max(1) - 1) / 2).saturating_sub(set.intersection(self.damaged).count());
        self.sets().map(of).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: impl IntoIterator<Item = u64>) -> Voters {
        ids.into_iter().collect()
    }

    fn told(all: &[(u32, Observation)]) -> BTreeSet<Configuration> {
        let mut configurations = Configurations::default();
        all.iter().for_each(|(node, saw)| configurations.observe(NodeId(*node), saw));
        configurations.now(&set(1..=3))
    }

    fn entry(index: u64, sets: &[&[u64]]) -> Observation {
        Observation::Membership { index, voters: sets.iter().map(|s| s.to_vec()).collect(), learners: vec![] }
    }

    fn applied(index: u64, voters: &[u32]) -> Observation {
        Observation::Members { index, voters: voters.iter().map(|id| NodeId(*id)).collect(), learners: vec![] }
    }

    #[test]
    fn the_configurations_that_count_are_the_applied_one_and_those_behind_it_in_any_log() {
        let joint: &[&[u64]] = &[&[1, 2, 3], &[1, 2, 3, 4]];
        let (old, both, new) = (vec![set(1..=3)], vec![set(1..=3), set(1..=4)], vec![set(1..=4)]);
        assert_eq!(told(&[]), BTreeSet::from([old.clone()]), "the founders");
        let begun = vec![(1, entry(0, &[&[1, 2, 3]])), (1, applied(0, &[1, 2, 3]))];
        assert_eq!(told(&begun), BTreeSet::from([old.clone()]));
        let with = |more: &[(u32, Observation)]| told(&[&begun[..], more].concat());
        let appended = (2, entry(5, joint));
        assert_eq!(with(std::slice::from_ref(&appended)), BTreeSet::from([old.clone(), both.clone()]), "it may come");
        assert_eq!(with(&[appended.clone(), (2, Observation::Truncate { after: Some(4) })]), BTreeSet::from([old.clone()]), "it will not");
        let boot = |data| (2, Observation::Booted { incarnation: 2, data });
        assert_eq!(with(&[appended.clone(), boot(BootData::Kept)]), BTreeSet::from([old]), "a power loss took it, or it is told anew");
        assert_eq!(with(&[appended.clone(), (3, applied(5, &[1, 2, 3, 4]))]), BTreeSet::from([both]), "it is in force, both sets of it");
        let done = [appended, (3, applied(5, &[1, 2, 3, 4])), (3, entry(6, &[&[1, 2, 3, 4]])), (3, applied(6, &[1, 2, 3, 4]))];
        assert_eq!(with(&done), BTreeSet::from([new]), "it is over");
    }

    /// Configurations, damaged, leaving; who is asked about, whether it may be destroyed, whether it may leave.
    #[test]
    fn what_may_be_destroyed_and_who_may_leave() {
        let (six, joint) = (vec![set(1..=6)], vec![set(1..=6), set(1..=7)]);
        type Row<'r> = (&'r [Configuration], &'r [u64], &'r [u64], u64, bool, bool);
        #[rustfmt::skip]
        let rows: &[Row<'_>] = &[
            (std::slice::from_ref(&six), &[1, 2], &[], 3, false, true),
            (&[vec![set(1..=7)]], &[1, 2], &[], 3, true, true),
            // 7 of them in all, and yet a third one would leave the first set without a quorum.
            (std::slice::from_ref(&joint), &[1, 2], &[], 3, false, true),
            (&[six.clone(), joint.clone()], &[1], &[], 3, true, true),
            // It may come to be, though it is in force nowhere.
            (&[vec![set(1..=7)], vec![set(1..=7), set(2..=7)]], &[3, 4], &[], 5, false, true),
            // Damaged already: nothing new.
            (&[vec![set(1..=3)]], &[1], &[], 1, true, true),
            (&[vec![set(1..=3)]], &[1], &[], 2, false, false),
            // Who is to leave may be gone before long.
            (&[vec![set(1..=5)]], &[1], &[5], 2, false, true),
            (&[vec![set(1..=5)]], &[1, 2], &[5], 4, false, false),
            (&[vec![set(1..=5)]], &[], &[4, 5], 3, true, true),
        ];
        for (configurations, damaged, leaving, node, destroyed, leaves) in rows {
            let (damaged, leaving) = (set(damaged.iter().copied()), set(leaving.iter().copied()));
            let budget = Budget { configurations: configurations.iter().cloned().collect(), damaged: &damaged, leaving: &leaving };
            let got = (budget.may_destroy(*node), budget.may_shrink(*node));
            assert_eq!(got, (*destroyed, *leaves), "{configurations:?}, damaged {damaged:?}, leaving {leaving:?}: {node}");
        }
    }

    #[test]
    fn who_may_stay_dead_is_counted_in_the_smallest_set() {
        let dead = |configurations: &[Configuration], damaged: &[u64]| {
            let damaged = set(damaged.iter().copied());
            Budget { configurations: configurations.iter().cloned().collect(), damaged: &damaged, leaving: &set([]) }.may_stay_dead()
        };
        assert_eq!(dead(&[vec![set(1..=7)]], &[]), 3);
        assert_eq!(dead(&[vec![set(1..=6), set(1..=7)]], &[]), 2);
        assert_eq!(dead(&[vec![set(1..=6), set(1..=7)]], &[7]), 2, "it is in the larger one only");
        assert_eq!(dead(&[vec![set(1..=3)]], &[2]), 0);
    }
}
