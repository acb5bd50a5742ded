//! What one node told of itself.

use super::Broken;
use squall_history::{LogMark, NodeId, SimTime};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// A node's log, as its own observations make it.
#[derive(Default)]
pub(super) struct Log {
    entries: BTreeMap<u64, LogMark>,
    /// The last index that was dropped from the head, and its term.
    purged: Option<(u64, u64)>,
}

impl Log {
    pub(super) fn put(&mut self, mark: LogMark) {
        self.entries.insert(mark.0, mark);
    }

    /// The last index, of an entry or of what was purged.
    pub(super) fn last(&self) -> Option<u64> {
        self.entries.last_key_value().map(|(index, _)| *index).max(self.purged.map(|(upto, _)| upto))
    }

    pub(super) fn at(&self, index: u64) -> Option<LogMark> {
        self.entries.get(&index).copied()
    }

    pub(super) fn term_at(&self, index: u64) -> Option<u64> {
        let purged = self.purged.filter(|(upto, _)| *upto == index).map(|(_, term)| term);
        self.entries.get(&index).map(|mark| mark.1).or(purged)
    }

    /// Whether the committed entry at `index` is in the log, or was compacted into a snapshot.
    pub(super) fn covers(&self, index: u64, term: u64) -> bool {
        self.purged.is_some_and(|(upto, _)| upto >= index) || self.term_at(index) == Some(term)
    }

    pub(super) fn from(&self, index: u64) -> impl Iterator<Item = LogMark> + '_ {
        self.entries.range(index..).map(|(_, mark)| *mark)
    }

    pub(super) fn purge(&mut self, upto: u64, term: u64) {
        self.entries = self.entries.split_off(&(upto + 1));
        self.purged = Some((upto, term));
    }
}

#[derive(Clone, Copy)]
struct TermVote {
    term: u64,
    voted_for: Option<NodeId>,
    leader: Option<NodeId>,
}

/// A committed entry that went from a log: where, of which term, whether it was durable there; and what is to be said if no snapshot
/// follows that covers it.
pub(super) struct Removed {
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) durable: bool,
    pub(super) text: String,
}

/// What a power loss leaves.
#[derive(Default)]
struct Durable {
    log: Log,
    upto: Option<u64>,
    snapshot: Option<u64>,
}

impl Durable {
    fn has(log: &Log, upto: Option<u64>, snapshot: Option<u64>, index: u64, term: u64) -> bool {
        let in_log = upto.is_some_and(|durable| durable >= index) && log.term_at(index) == Some(term);
        in_log || snapshot.is_some_and(|snapshot| snapshot >= index) || log.purged.is_some_and(|(upto, _)| upto >= index)
    }
}

#[derive(Default)]
pub(super) struct NodeState {
    pub(super) log: Log,
    /// What was durable here was damaged, or lost.
    pub(super) damaged: bool,
    /// The last vote that it used, which must survive restarts: the term, whom it voted for in it, and
    /// which leader of it the node knew.
    vote: Option<TermVote>,
    /// Since the process started.
    committed: Option<u64>,
    applied: Option<u64>,
    /// Its log is durable up to here.
    pub(super) durable: Option<u64>,
    /// The last snapshot that it wrote, was sent, or found at its start.
    snapshot: Option<u64>,
    /// The term in which it leads, as far as it knows.
    pub(super) leads: Option<u64>,
    /// A committed entry went from its log.
    pub(super) removed: Option<Removed>,
    /// An entry that its leader has, too, went from its log: what is to be said if no snapshot follows.
    pub(super) needless: Option<String>,
    pub(super) needless_since: Option<SimTime>,
    /// Its process runs, and serves.
    pub(super) is_up: bool,
    /// One that had gone, and was durable, when the process ended: it is to be found again, or a snapshot that covers it.
    pub(super) missing: Option<Removed>,
    /// What was durable when its process started, until it tells what it found.
    earlier: Option<Box<Durable>>,
    /// It has just started: what it finds is not compared yet with what it had told as durable.
    starting: bool,
    /// Its disk is new, and nothing was told as durable on it: what it had before is nowhere.
    began_anew: bool,
    /// The memberships of its log, and the last one before its head.
    memberships: BTreeMap<u64, Vec<Vec<u64>>>,
}

impl NodeState {
    pub(super) fn boot(&mut self) {
        let log = std::mem::take(&mut self.log);
        let (upto, snapshot) = (self.durable.take(), self.snapshot.take());
        // One that starts twice in a row without a word found the same both times.
        if self.earlier.is_none() || upto.is_some() {
            self.earlier = Some(Box::new(Durable { log, upto, snapshot }));
        }
        // What of them is still there is told again.
        self.memberships.clear();
        let removed = self.removed.take().filter(|removed| removed.durable && !self.damaged);
        self.missing = removed.or(self.missing.take());
        self.needless = None;
        self.is_up = true;
        self.committed = None;
        self.applied = None;
        self.leads = None;
        self.starting = true;
    }

    /// It has told what it found at its start: everything is there that it had told as durable, or a snapshot in its place.
    pub(super) fn found(&mut self, id: NodeId) -> Result<(), Broken> {
        if !std::mem::take(&mut self.starting) || self.damaged || self.began_anew {
            return Ok(());
        }
        let Some(Durable { log, upto: Some(upto), .. }) = self.earlier.as_deref() else { return Ok(()) };
        // A log in which a snapshot's last entry is another one is replaced by the snapshot, whole.
        if self.log.purged.is_some_and(|(index, term)| log.term_at(index).is_some_and(|had| had != term)) {
            return Ok(());
        }
        let kept = |index: u64, mark: &LogMark| {
            self.log.purged.is_some_and(|(purged, _)| index <= purged) || self.log.term_at(index) == Some(mark.1)
        };
        let lost = log.entries.range(..=upto).find(|(index, mark)| !kept(**index, mark));
        let Some((index, mark)) = lost else { return Ok(()) };
        let now = self.log.term_at(*index).map_or("nothing".to_string(), |term| format!("an entry of term {term}"));
        let text = format!(
            "{id} told that its log was durable up to index {upto}, and found {now} at index {index} when it started again, where an entry of term {} was",
            mark.1
        );
        Err(("durable-lost", text))
    }

    /// The sets of voters of the last membership that it knows; `None`: it told of none.
    pub(super) fn voters(&self) -> Option<&[Vec<u64>]> {
        self.memberships.last_key_value().map(|(_, voters)| &voters[..])
    }

    /// An entry of its log is a membership.
    pub(super) fn membership(&mut self, id: NodeId, index: u64, voters: &[Vec<u64>]) -> Result<(), Broken> {
        drop(self.memberships.split_off(&index));
        if let Some((before, old)) = self.memberships.last_key_value()
            && !voters.iter().any(|set| old.contains(set))
        {
            let text =
                format!("{id} goes from {} at index {before} to {} at index {index}, which share no whole set", sets(old), sets(voters));
            return Err(("not-joint", text));
        }
        self.memberships.insert(index, voters.to_vec());
        Ok(())
    }

    /// Whether a power loss would leave this entry here, in the log or in a snapshot.
    pub(super) fn has_durable(&self, index: u64, term: u64) -> bool {
        let earlier = self.earlier.as_ref();
        Durable::has(&self.log, self.durable, self.snapshot, index, term)
            || earlier.is_some_and(|found| Durable::has(&found.log, found.upto, found.snapshot, index, term))
    }

    /// Its disk is new. What it had acknowledged may have been counted already.
    pub(super) fn replaced(&mut self) {
        let (log, upto, snapshot) = (std::mem::take(&mut self.log), self.durable, self.snapshot);
        let had = if upto.is_some() { Some(Box::new(Durable { log, upto, snapshot })) } else { self.earlier.take() };
        *self = NodeState { earlier: had, began_anew: true, ..NodeState::default() };
    }

    /// Its log is durable up to here: it told what it found at its start, too.
    pub(super) fn synced(&mut self, index: u64) {
        self.earlier = None;
        self.began_anew = false;
        self.durable = self.durable.max(Some(index));
    }

    /// A snapshot brought another membership with it: the last committed one that is known.
    pub(super) fn jump_membership(&mut self, upto: u64, last: Option<(u64, Vec<Vec<u64>>)>) {
        self.memberships = self.memberships.split_off(&(upto + 1));
        self.memberships.extend(last);
    }

    pub(super) fn purge(&mut self, upto: u64, term: u64) {
        self.covered(upto);
        self.log.purge(upto, term);
    }

    /// The term of its vote, and who leads it, where it knows that.
    pub(super) fn follows(&self) -> Option<(u64, NodeId)> {
        let vote = self.vote?;
        Some((vote.term, vote.leader?))
    }

    /// A snapshot has everything up to here.
    fn covered(&mut self, upto: u64) {
        self.needless = None;
        self.removed = self.removed.take().filter(|removed| removed.index > upto);
        self.missing = self.missing.take().filter(|missing| missing.index > upto);
    }

    pub(super) fn snapshot_built(&mut self, id: NodeId, index: u64) -> Result<(), Broken> {
        if self.applied.is_none_or(|applied| index > applied) {
            let applied = self.applied.map_or("nothing".to_string(), |i| format!("index {i}"));
            return Err(("snapshot-ahead", format!("{id} wrote a snapshot up to index {index}, having applied {applied}")));
        }
        self.snapshot = self.snapshot.max(Some(index));
        Ok(())
    }

    /// `granted`: a quorum voted for it, so it leads. A node that voted for another in that term, or
    /// stood for election itself, then follows: that is no second vote.
    pub(super) fn vote(&mut self, id: NodeId, term: u64, whom: Option<NodeId>, granted: bool) -> Result<(), Broken> {
        let fresh = TermVote { term, voted_for: None, leader: None };
        let mut vote = match self.vote {
            Some(before) if term < before.term => {
                return Err(("monotonic-term", format!("{id} goes back from term {} to term {term}", before.term)));
            }
            Some(before) if term == before.term => before,
            _ => fresh,
        };
        let earlier = if granted { vote.leader } else { vote.voted_for.or(vote.leader) };
        if earlier.is_some() && earlier != whom {
            let name = |n: Option<NodeId>| n.map_or("nobody".to_string(), |n| n.to_string());
            let how = if granted { "followed" } else { "voted for" };
            return Err(("one-vote-a-term", format!("{id} {how} {} and then {}, both in term {term}", name(earlier), name(whom))));
        }
        match granted {
            true => vote.leader = whom,
            false => vote.voted_for = whom,
        }
        self.vote = Some(vote);
        Ok(())
    }

    pub(super) fn truncate(&mut self, id: NodeId, after: Option<u64>) -> Result<(), Broken> {
        let from = after.map_or(0, |i| i + 1);
        if let Some(committed) = self.committed.filter(|c| from <= *c) {
            return Err(("committed-truncated", format!("{id} removed its log from index {from} on, but had committed up to {committed}")));
        }
        drop(self.log.entries.split_off(&from));
        drop(self.memberships.split_off(&from));
        self.durable = self.durable.min(from.checked_sub(1));
        Ok(())
    }

    /// The indices that are committed newly.
    pub(super) fn commit(&mut self, id: NodeId, index: u64) -> Result<RangeInclusive<u64>, Broken> {
        if let Some(last) = self.log.last().max(self.snapshot)
            && index > last
        {
            return Err(("committed-beyond-log", format!("{id} committed index {index}, and its log ends at index {last}")));
        }
        let from = match self.committed {
            Some(before) if index < before => {
                return Err(("monotonic-commit", format!("{id} goes back from commit {before} to {index}")));
            }
            Some(before) => before + 1,
            None => index,
        };
        self.committed = Some(index);
        Ok(from..=index)
    }

    pub(super) fn apply(&mut self, id: NodeId, first: u64, count: u64) -> Result<(), Broken> {
        let last = first + count.max(1) - 1;
        if let Some(applied) = self.applied
            && first != applied + 1
        {
            return Err(("monotonic-applied", format!("{id} applied index {first} right after index {applied}")));
        }
        if self.committed.is_none_or(|committed| last > committed) {
            let committed = self.committed.map_or("nothing".to_string(), |c| c.to_string());
            return Err(("applied-uncommitted", format!("{id} applied index {last}, having committed {committed}")));
        }
        // A log whose head is gone is covered by a snapshot, before it is used.
        if let Some((upto, _)) = self.log.purged.filter(|(upto, _)| self.snapshot.is_none_or(|snapshot| *upto > snapshot)) {
            let snapshot = self.snapshot.map_or("nothing".to_string(), |i| format!("index {i}"));
            return Err(("purged-ahead", format!("{id} purged its log up to index {upto}, and its snapshot ends at {snapshot}")));
        }
        self.applied = Some(last);
        Ok(())
    }

    /// A snapshot replaced the state.
    pub(super) fn jump(&mut self, id: NodeId, index: u64) -> Result<(), Broken> {
        if let Some(applied) = self.applied.filter(|applied| *applied > index) {
            return Err(("monotonic-applied", format!("{id} went back from index {applied} to a snapshot that ends at index {index}")));
        }
        self.covered(index);
        self.applied = Some(index);
        self.committed = self.committed.max(Some(index));
        self.snapshot = self.snapshot.max(Some(index));
        Ok(())
    }
}

/// Sets of voters in words.
fn sets(voters: &[Vec<u64>]) -> String {
    let set = |set: &Vec<u64>| format!("the voters {}", set.iter().map(|n| format!("n{n}")).collect::<Vec<_>>().join(" "));
    voters.iter().map(set).collect::<Vec<_>>().join(" and ")
}
