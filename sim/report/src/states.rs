//! Nodes over time: who led, who ran, who was down.

use squall_history::{Entry, EntryKind, NodeId, Observation, Role, SimTime};
use squall_linear::Lanes;
use std::collections::BTreeMap;

/// A node's lane while it is drawn.
struct States {
    cells: Vec<char>,
    /// From here on, nothing is drawn yet.
    from: usize,
    /// What it is now.
    now: char,
}

/// The lane of each node that told something, from one moment to another: `L` leads, `·` runs, `x` is down; `candidate`: what
/// stands for a candidate.
pub(crate) fn node_lanes(history: &[Entry], (first, last): (SimTime, SimTime), columns: usize, candidate: char) -> Vec<(NodeId, String)> {
    let scale = Lanes::new(0, columns);
    let mut lanes: BTreeMap<NodeId, States> = BTreeMap::new();
    for entry in history.iter().take_while(|entry| entry.t <= last) {
        let EntryKind::Node { node, saw } = &entry.what else { continue };
        let state = match saw {
            Observation::Booted { .. } | Observation::Role { role: Role::Follower | Role::Learner, .. } => '·',
            Observation::Stopped => 'x',
            Observation::Role { role: Role::Leader, .. } => 'L',
            Observation::Role { role: Role::Candidate, .. } => candidate,
            _ => continue,
        };
        let column = scale.column(entry.t.0, first.0, last.0);
        let lane = lanes.entry(*node).or_insert_with(|| States { cells: vec![' '; columns], from: 0, now: ' ' });
        if lane.from < column {
            lane.cells[lane.from..column].fill(lane.now);
        }
        let within = entry.t >= first;
        // What lasted less than a column is seen all the same.
        if !(within && matches!(lane.cells[column], 'L' | 'C')) {
            lane.cells[column] = state;
        }
        (lane.from, lane.now) = (column + usize::from(within), state);
    }
    let whole = |(node, States { mut cells, from, now }): (NodeId, States)| {
        cells[from..].fill(now);
        (node, cells.into_iter().collect())
    };
    lanes.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_led_for_less_than_a_column_is_seen_and_so_is_what_was_before_the_window() {
        let entry = |ms: u64, node, saw| Entry { t: SimTime(ms * 1_000_000), what: EntryKind::Node { node: NodeId(node), saw } };
        let role = |role| Observation::Role { term: 1, role, leader: None };
        let history = [
            entry(10, 1, role(Role::Leader)),
            entry(20, 3, role(Role::Leader)),
            entry(40, 3, role(Role::Follower)),
            entry(50, 2, role(Role::Candidate)),
            entry(501, 2, role(Role::Leader)),
            entry(502, 2, role(Role::Follower)),
            entry(700, 1, Observation::Stopped),
            entry(900, 2, Observation::Stopped),
            entry(1200, 2, role(Role::Leader)),
        ];
        let drawn = |candidate| {
            let lanes = node_lanes(&history, (SimTime(100_000_000), SimTime(1_100_000_000)), 11, candidate);
            lanes.into_iter().map(|(node, lane)| format!("{node} {lane}")).collect::<Vec<_>>()
        };
        assert_eq!(drawn('C'), ["n1 LLLLLLxxxxx", "n2 CCCCL···xxx", "n3 ···········"]);
        assert_eq!(drawn('·'), ["n1 LLLLLLxxxxx", "n2 ····L···xxx", "n3 ···········"]);
    }
}
