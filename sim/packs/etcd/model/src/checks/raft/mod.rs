//! `raft`: the invariants of the Raft paper (figure 3), from what each node told at every change.
//!
//! * **election safety**: at most one leader a term.
//! * **log matching**: entries with the same index and term are the same, and so are those before them.
//!   A log has no gap.
//! * **leader completeness**: a new leader's log has every entry that was committed.
//! * **state-machine safety**: what is committed at an index is the same everywhere, for ever.
//! * **truncated in a conflict**: a node that follows a leader removes no entry that this leader has, too, but to install a snapshot;
//!   a leader removes none of its own.
//! * **committed by a quorum**: what is committed for the first time is durable, in the log or in a snapshot, on a majority of
//!   every set of voters of the membership that counts: the last one in the log of who says so, or of a leader.
//! * **committed in its own term**: what a leader is the first to say is committed ends with an entry of its own term (Raft 5.4.2).
//! * **durable is durable**: what a node told as synced is there when it starts again, or in a snapshot, unless its disk was damaged.
//! * **joint consensus**: a membership shares a whole set of voters with the one before it in the same log.
//! * **order**: a log is purged up to a snapshot, a snapshot has what is applied, what is applied is committed, what is
//!   committed is in the log: purged <= snapshot <= applied <= committed <= last.
//! * **monotonic**: a node's term never goes back, not even over a restart; within a term it votes for
//!   one; its commit and applied indices never go back while it runs; applied is at most committed.
//!
//! What it cannot see: what a node holds and does not tell, and members that are no nodes of the run: these never count as
//! having anything. Each line of the history is looked at once, as it comes.

mod node;

use crate::checks::{Checker, Verdict};
use node::{Log, NodeState, Removed};
use squall_history::{BootData, DiskHealth, EntryKind, LogMark, NodeId, Observation, Role, SimTime, View};
use std::{collections::BTreeMap, time::Duration};

pub(crate) const CHECKER: Checker = Checker {
    name: "raft",
    client_side: false,
    prefix: true,
    about: "election safety, log matching, leader completeness, state-machine safety, quorums, joint consensus",
    applies: &|view| {
        view.observations()
            .any(|(_, _, saw)| matches!(saw, Observation::Vote { .. } | Observation::Append { .. } | Observation::Role { .. }))
    },
    check: &check,
};

fn check(view: &View<'_>) -> Verdict {
    let mut raft = Raft::default();
    for (at, node, saw) in view.observations() {
        raft.now = at;
        if let Err((kind, summary)) = raft.observe(node, saw) {
            return Verdict::invalid(kind, at, summary);
        }
    }
    never_made_good(view, &raft).unwrap_or(Verdict::Valid)
}

/// How long after the faults a snapshot that was to come has come.
const SETTLED: Duration = Duration::from_secs(5);

/// A node that is up, and has removed what its leader has, to the end of the run: no snapshot took its place.
fn never_made_good(view: &View<'_>, raft: &Raft) -> Option<Verdict> {
    let healed = view.entries().find(|(_, e)| matches!(e.what, EntryKind::Healed { .. })).map(|(_, e)| e.t)?;
    let end = view.entries().last().filter(|_| view.ended()).map(|(_, e)| e.t)?;
    let pending = |state: &NodeState| {
        let since = state.needless_since.filter(|since| state.is_up && (*since).max(healed) + SETTLED <= end)?;
        Some((since, state.needless.clone()?))
    };
    let (since, text) = raft.nodes.values().find_map(pending)?;
    Some(Verdict::invalid("truncated-without-conflict", since, text))
}

type Broken = (&'static str, String);

/// An entry as first seen anywhere: its payload, and the term of the one before it (if known).
struct Known {
    hash: u32,
    before: Option<u64>,
    by: NodeId,
}

#[derive(Default)]
struct Raft {
    leaders: BTreeMap<u64, NodeId>,
    nodes: BTreeMap<NodeId, NodeState>,
    /// By (index, term).
    entries: BTreeMap<(u64, u64), Known>,
    /// The sets of voters, by (index, term).
    memberships: BTreeMap<(u64, u64), Vec<Vec<u64>>>,
    /// By index: the term and who said so first.
    committed: BTreeMap<u64, (u64, NodeId)>,
    /// When what is looked at was told.
    now: SimTime,
}

impl Raft {
    fn observe(&mut self, id: NodeId, saw: &Observation) -> Result<(), Broken> {
        let node = self.nodes.entry(id).or_default();
        match saw {
            Observation::Booted { data, .. } => {
                // It begins anew, with nothing: it is no voter any more, or it must not start.
                if node.damaged && *data == BootData::Empty {
                    node.replaced();
                }
                node.boot();
                Ok(())
            }
            Observation::Synced { index } => {
                node.found(id)?;
                node.synced(*index);
                Ok(())
            }
            Observation::Membership { index, voters, .. } => {
                if let Some(term) = node.log.term_at(*index) {
                    self.memberships.insert((*index, term), voters.clone());
                }
                node.membership(id, *index, voters)
            }
            Observation::Disk { disk } => {
                if *disk == DiskHealth::Damaged {
                    node.damaged = true;
                    node.missing = None;
                }
                Ok(())
            }
            Observation::Vote { term, voted_for, granted } => node.vote(id, *term, *voted_for, *granted),
            Observation::Role { term, role: Role::Leader, .. } => {
                node.leads = Some(*term);
                self.leads(id, *term)
            }
            Observation::Append { entries } => self.append(id, entries),
            Observation::Truncate { after } => {
                let from = after.map_or(0, |i| i + 1);
                let (needless, now) = (self.needless(id, from), self.now);
                let node = self.nodes.entry(id).or_default();
                (node.needless_since, node.needless) = (needless.as_ref().map(|_| now), needless);
                let gone = node.log.from(from).find(|mark| self.committed.get(&mark.0).is_some_and(|(term, _)| *term == mark.1));
                if let Some(LogMark(index, term, _)) = gone {
                    let by = self.committed[&index].1;
                    // A leader's snapshot may follow, which has it: openraft makes room for that first.
                    let text = format!("{id} removed its entry of term {term} at index {index}, which {by} had committed");
                    node.removed = Some(Removed { index, term, durable: node.durable >= Some(index), text });
                }
                node.truncate(id, *after)
            }
            Observation::Purge { upto, term } => {
                node.purge(*upto, *term);
                Ok(())
            }
            Observation::SnapshotBuilt { index, .. } => node.snapshot_built(id, *index),
            Observation::Commit { index, term } => self.commit(id, *index, *term),
            Observation::Apply { first, state } => {
                node.found(id)?;
                node.apply(id, *first, state.len() as u64)
            }
            Observation::SnapshotInstalled { index, term, .. } | Observation::Restored { index, term, .. } => {
                if matches!(saw, Observation::SnapshotInstalled { .. })
                    && let Some(missing) = node.missing.take()
                {
                    return Err(("committed-lost", format!("{}; it started anew without it", missing.text)));
                }
                node.jump(id, *index)?;
                let committed = |at: &(u64, u64)| self.committed.get(&at.0).is_some_and(|(term, _)| *term == at.1);
                let known = self.memberships.range(..=(*index, u64::MAX)).rev().find(|(at, _)| committed(at));
                node.jump_membership(*index, known.map(|((at, _), voters)| (*at, voters.clone())));
                self.agree(id, *index, *term)
            }
            Observation::Role { role: Role::Follower | Role::Candidate | Role::Learner, .. } => {
                node.leads = None;
                Ok(())
            }
            // The first thing that a state machine tells, after its log.
            Observation::Forgot { .. } => node.found(id),
            Observation::Stopped => {
                (node.leads, node.is_up) = (None, false);
                Ok(())
            }
            Observation::Refused { .. } => {
                node.is_up = false;
                Ok(())
            }
            Observation::Panicked { .. }
            | Observation::Members { .. }
            | Observation::ClockBound { .. }
            | Observation::Failpoint { .. }
            | Observation::Reached { .. }
            | Observation::State { .. }
            | Observation::Final { .. } => Ok(()),
        }
    }

    /// What is wrong with removing the log from here on, unless a snapshot follows: the leader that this node follows has the same
    /// entry there, and keeps it as long as it leads.
    fn needless(&self, id: NodeId, from: u64) -> Option<String> {
        let node = &self.nodes[&id];
        let (term, leader) = node.follows()?;
        let theirs = self.nodes.get(&leader).filter(|theirs| theirs.leads == Some(term))?;
        let of = node.log.at(from)?.1;
        (theirs.log.at(from)?.1 == of).then(|| match leader == id {
            true => format!("{id} leads term {term} and removed its own log from index {from} on"),
            false => {
                format!("{id} removed its log from index {from} on, where it had the same entry of term {of} as {leader}, which leads term {term}")
            }
        })
    }

    fn leads(&mut self, id: NodeId, term: u64) -> Result<(), Broken> {
        let first = *self.leaders.entry(term).or_insert(id);
        if first != id {
            return Err(("election-safety", format!("{first} and {id} both became leader of term {term}")));
        }
        let log: &Log = &self.nodes[&id].log;
        if let Some((&index, &(committed, by))) = self.committed.last_key_value()
            && committed < term
            && !log.covers(index, committed)
        {
            let has = log.term_at(index).map_or("nothing".to_string(), |t| format!("an entry of term {t}"));
            return Err((
                "leader-completeness",
                format!("{id} became leader of term {term} with {has} at index {index}, where {by} committed an entry of term {committed}"),
            ));
        }
        Ok(())
    }

    fn append(&mut self, id: NodeId, entries: &[LogMark]) -> Result<(), Broken> {
        let node = self.nodes.entry(id).or_default();
        if let Some(removed) = node.removed.take() {
            return Err(("committed-truncated", removed.text));
        }
        if let Some(text) = node.needless.take() {
            return Err(("truncated-without-conflict", text));
        }
        if let Some(missing) = node.missing.take_if(|missing| entries.iter().any(|mark| (mark.0, mark.1) == (missing.index, missing.term)))
        {
            // What it finds at its start is told first, from the beginning.
            if node.log.last().is_some_and(|last| last + 1 == entries[0].0) && node.log.at(entries[0].0 - 1).is_some() {
                return Err(("committed-lost", format!("{}; it started anew without it, and was sent it again", missing.text)));
            }
        }
        let log = &mut self.nodes.entry(id).or_default().log;
        for mark in entries {
            if let Some(&(term, by)) = self.committed.get(&mark.0).filter(|(term, by)| *by == id && *term != mark.1) {
                let text = format!("{by} committed an entry of term {term} at index {}, and puts one of term {} there", mark.0, mark.1);
                return Err(("committed-overwritten", text));
            }
            if let Some(last) = log.last().filter(|last| mark.0 > last.saturating_add(1)) {
                return Err(("log-gap", format!("{id} put index {} into its log, which ends at index {last}", mark.0)));
            }
            log.put(*mark);
        }
        // The one behind the last, too: it has a new predecessor if nothing was truncated.
        let behind = entries.last().and_then(|last| log.at(last.0.saturating_add(1)));
        for LogMark(index, term, hash) in entries.iter().copied().chain(behind) {
            let before = index.checked_sub(1).and_then(|i| log.term_at(i));
            let known = self.entries.entry((index, term)).or_insert(Known { hash, before, by: id });
            if known.hash != hash {
                let who = both(known.by, id);
                let text = format!("{who} different entries of term {term} at index {index}");
                return Err(("log-matching", text));
            }
            match (known.before, before) {
                (Some(theirs), Some(ours)) if theirs != ours => {
                    let by = known.by;
                    let (who, first) = (both(by, id), if by == id { format!("{by} had") } else { format!("{by} has") });
                    let text = format!(
                        "{who} the same entry of term {term} at index {index}, but before it {first} term {theirs} and {id} has term {ours}"
                    );
                    return Err(("log-matching", text));
                }
                (None, Some(_)) => known.before = before,
                _ => {}
            }
        }
        Ok(())
    }

    fn commit(&mut self, id: NodeId, index: u64, term: u64) -> Result<(), Broken> {
        let newly = self.nodes.entry(id).or_default().commit(id, index)?;
        // With a later one, it was committed long ago.
        if self.committed.range(index..).next().is_none() {
            if let Some(leads) = self.nodes[&id].leads.filter(|leads| *leads != term) {
                let text = format!(
                    "{id} leads term {leads} and committed index {index}, whose entry is of term {term}: a leader's commit moves by entries of \
                     its own term only"
                );
                return Err(("commit-of-another-term", text));
            }
            self.quorum(id, index, term)?;
        }
        self.agree(id, index, term)?;
        // What lies between is committed with it.
        let marks: Vec<(u64, u64)> = newly.filter_map(|i| Some((i, self.nodes[&id].log.term_at(i)?))).collect();
        marks.into_iter().try_for_each(|(i, t)| self.agree(id, i, t))
    }

    /// Somebody says first that an entry is committed: a majority has it, in every set of voters that counts.
    fn quorum(&self, id: NodeId, index: u64, term: u64) -> Result<(), Broken> {
        let has = |member: &u64| {
            let node = u32::try_from(*member).ok().and_then(|member| self.nodes.get(&NodeId(member)));
            node.is_some_and(|node| node.has_durable(index, term))
        };
        let counting = self.nodes.iter().filter(|(other, node)| **other == id || node.leads.is_some());
        let mut lacking = None;
        for voters in counting.filter_map(|(_, node)| node.voters()) {
            let short = voters.iter().find(|set| 2 * set.iter().filter(|member| has(member)).count() <= set.len());
            let Some(set) = short else { return Ok(()) };
            lacking = Some(set);
        }
        let Some(set) = lacking else { return Ok(()) };
        let with: Vec<String> = set.iter().filter(|member| has(member)).map(|member| format!("n{member}")).collect();
        let with = if with.is_empty() { "on none".to_string() } else { format!("only on {}", with.join(" ")) };
        let text = format!("{id} committed index {index} of term {term}, which is durable {with} of {} voters", set.len());
        Err(("no-quorum", text))
    }

    fn agree(&mut self, id: NodeId, index: u64, term: u64) -> Result<(), Broken> {
        let (first, by) = *self.committed.entry(index).or_insert((term, id));
        if first != term {
            let (then, whose) = if by == id { (" before", "now".to_string()) } else { ("", id.to_string()) };
            let text = format!("at index {index}, {by} committed an entry of term {first}{then} and {whose} one of term {term}");
            return Err(("state-machine-safety", text));
        }
        Ok(())
    }
}

/// Who holds something: two nodes, or one at two times.
fn both(first: NodeId, second: NodeId) -> String {
    if first == second { format!("{second} held before, and holds now,") } else { format!("{first} and {second} hold") }
}

#[cfg(test)]
mod tests;
