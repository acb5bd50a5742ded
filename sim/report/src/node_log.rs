//! One node's own story, and the state of everything at one moment.

use squall_history::{BootData, DiskHealth, Entry, EntryKind, NodeId, Observation, OpId, Party, Role, SimTime};
use std::{collections::BTreeMap, fmt::Write as _};

/// What one node was seen to do, and what was done to it, line by line, with virtual time.
pub fn node_log(history: &[Entry], node: NodeId) -> String {
    let mut out = String::new();
    for entry in history {
        let line = match &entry.what {
            EntryKind::Node { node: of, saw } if *of == node => tell(saw),
            EntryKind::Effect(effect) if effect.concerns(Party::Node(node)) => format!("[{}] {effect}", effect.fault.id),
            _ => continue,
        };
        writeln!(out, "{:>14}  {}", entry.t.to_string(), crate::plain::printable(&line).replace('\n', " ")).expect("a String takes it");
    }
    out
}

fn tell(saw: &Observation) -> String {
    match saw {
        Observation::Booted { incarnation, data: BootData::Empty } => format!("starts for the {incarnation}. time, on an empty disk"),
        Observation::Booted { incarnation, data: BootData::Kept } => format!("starts for the {incarnation}. time"),
        Observation::Stopped => "is gone".to_string(),
        Observation::Refused { why } => format!("refuses to go on: {why}"),
        Observation::Panicked { message } => format!("panics: {message}"),
        Observation::Vote { term, voted_for, granted } => {
            let whom = voted_for.map_or("nobody".to_string(), |n| n.to_string());
            format!("{} {whom} in term {term}", if *granted { "follows" } else { "votes for" })
        }
        Observation::Role { term, role, .. } => format!("is {} of term {term}", role_word(*role)),
        Observation::Append { entries } => match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => {
                let terms = if first.1 == last.1 { format!("term {}", first.1) } else { format!("terms {} to {}", first.1, last.1) };
                format!("appends {} ({terms})", span(first.0, last.0))
            }
            _ => "appends nothing".to_string(),
        },
        Observation::Forgot { before } => format!("has forgotten what was before {before}"),
        Observation::Synced { index } => format!("has its log durable up to {index}"),
        Observation::Membership { index, voters, learners } => {
            let set = |ids: &Vec<u64>| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            let sets = voters.iter().map(set).collect::<Vec<_>>().join(" and ");
            let learning = if learners.is_empty() { String::new() } else { format!(", learning: {}", set(learners)) };
            format!("has a membership at {index}: {sets}{learning}")
        }
        Observation::Truncate { after } => {
            format!("truncates its log after {}", after.map_or("the beginning".to_string(), |i| i.to_string()))
        }
        Observation::Purge { upto, term } => format!("purges its log up to {upto} (term {term})"),
        Observation::Commit { index, term } => format!("commits {index} (term {term})"),
        Observation::Apply { first, state } => format!("applies {}", span(*first, first + (state.len() as u64).max(1) - 1)),
        Observation::SnapshotBuilt { index, term } => format!("has built a snapshot up to {index} (term {term})"),
        Observation::SnapshotInstalled { index, term, .. } => format!("has installed a snapshot up to {index} (term {term})"),
        Observation::Restored { index, term, .. } => format!("has restored a snapshot up to {index} (term {term})"),
        Observation::Failpoint { point } => format!("comes to {point}"),
        Observation::Disk { disk: DiskHealth::Damaged } => "has a damaged disk".to_string(),
        Observation::Disk { disk: DiskHealth::Failing } => "has a disk that says no".to_string(),
        Observation::Disk { disk: DiskHealth::Sound } => "has a disk that works again".to_string(),
        Observation::ClockBound { off_ppm, leapt: 0 } => format!("has a clock that is at most {off_ppm} ppm off"),
        Observation::ClockBound { leapt, .. } => format!("has a clock that leapt by {} ms", leapt / 1_000_000),
        Observation::Members { index, voters, learners } => {
            let names = |nodes: &[NodeId]| nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ");
            let learning = if learners.is_empty() { String::new() } else { format!(", learning: {}", names(learners)) };
            format!("knows the members of index {index}: {}{learning}", names(voters))
        }
        Observation::Reached { place } => format!("comes to {place}"),
        Observation::State { state } => format!("is {state}"),
        Observation::Final { applied, hash } => format!("holds {hash:016x} at index {applied}"),
    }
}

/// `5`, or `5 to 9`.
fn span(first: u64, last: u64) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

#[derive(Default)]
struct Node {
    up: bool,
    incarnation: u32,
    term: Option<u64>,
    role: Option<Role>,
    last: Option<u64>,
    committed: Option<u64>,
    applied: Option<u64>,
}

/// A table with the state of every node of the run at a moment: of one that is down, the last that it told.
pub(crate) fn node_table(history: &[Entry], at: SimTime) -> String {
    let mut nodes: BTreeMap<NodeId, Node> = BTreeMap::new();
    for entry in history {
        if let EntryKind::Node { node, saw } = &entry.what {
            let state = nodes.entry(*node).or_default();
            if entry.t <= at {
                follow(state, saw);
            }
        }
    }
    let mut table = tabled::builder::Builder::default();
    table.push_record(["node", "", "role", "term", "log ends", "committed", "applied"]);
    let number = |n: Option<u64>| n.map_or("-".to_string(), |n| n.to_string());
    for (id, node) in &nodes {
        let up = match (node.up, node.incarnation) {
            (true, n) => format!("up, start {n}"),
            (false, 0) => "not started yet".to_string(),
            (false, _) => "down".to_string(),
        };
        let role = node.role.map_or("-", role_word);
        let [term, last, committed, applied] = [node.term, node.last, node.committed, node.applied].map(number);
        table.push_record([id.to_string(), up, role.to_string(), term, last, committed, applied]);
    }
    table.build().with(tabled::settings::Style::blank()).to_string()
}

/// Each node's state, the faults in force and the operations that are open at a moment of the run.
pub fn state_at(history: &[Entry], at: SimTime) -> String {
    let mut open: BTreeMap<OpId, String> = BTreeMap::new();
    let mut states = BTreeMap::new();
    for entry in history.iter().take_while(|e| e.t <= at) {
        match &entry.what {
            EntryKind::Node { node, saw: Observation::State { state } } => _ = states.insert(*node, state),
            EntryKind::Invoke { client, op, ask } => _ = open.insert(*op, format!("{op} {client} {ask}, since {}", entry.t)),
            EntryKind::Ok { op, .. } | EntryKind::Fail { op, .. } | EntryKind::Info { op, .. } => _ = open.remove(op),
            EntryKind::Node { .. }
            | EntryKind::Heard { .. }
            | EntryKind::Available { .. }
            | EntryKind::Effect(_)
            | EntryKind::Event { .. }
            | EntryKind::Healed { .. }
            | EntryKind::FinalReads
            | EntryKind::End => {}
        }
    }
    let mut out = format!("at {at}\n\n{}\n\n", node_table(history, at));
    let bands = crate::bands::bands(history, at, at);
    let infallible = "a String takes whatever is written";
    states.iter().for_each(|(node, state)| writeln!(out, "{node} last said that it is {state}").expect(infallible));
    writeln!(out, "faults in force: {}", if bands.is_empty() { "none" } else { "" }).expect(infallible);
    bands.iter().for_each(|(fault, text, from, to)| writeln!(out, "  {fault}: {text} ({from} to {to})").expect(infallible));
    writeln!(out, "open operations: {}", if open.is_empty() { "none" } else { "" }).expect(infallible);
    open.values().for_each(|text| writeln!(out, "  {text}").expect(infallible));
    crate::plain::printable(&out)
}

fn follow(node: &mut Node, saw: &Observation) {
    match saw {
        Observation::Booted { incarnation, .. } => *node = Node { up: true, incarnation: *incarnation, ..Default::default() },
        Observation::Stopped => (node.up, node.role) = (false, None),
        Observation::Role { term, role, .. } => (node.term, node.role) = (Some(*term), Some(*role)),
        Observation::Vote { term, .. } => node.term = node.term.max(Some(*term)),
        Observation::Append { entries } => node.last = entries.last().map(|mark| mark.0).or(node.last),
        Observation::Truncate { after } => node.last = *after,
        Observation::Purge { upto, .. } => node.last = node.last.max(Some(*upto)),
        Observation::Commit { index, .. } => node.committed = Some(*index),
        Observation::Apply { first, state } => node.applied = Some(first + (state.len() as u64).max(1) - 1),
        Observation::SnapshotInstalled { index, .. } | Observation::Restored { index, .. } => {
            node.applied = Some(*index);
            (node.last, node.committed) = (node.last.max(Some(*index)), node.committed.max(Some(*index)));
        }
        Observation::Refused { .. }
        | Observation::Panicked { .. }
        | Observation::SnapshotBuilt { .. }
        | Observation::Members { .. }
        | Observation::Synced { .. }
        | Observation::Forgot { .. }
        | Observation::Membership { .. }
        | Observation::ClockBound { .. }
        | Observation::Failpoint { .. }
        | Observation::Disk { .. }
        | Observation::Reached { .. }
        | Observation::State { .. }
        | Observation::Final { .. } => {}
    }
}
