//! A violation, drawn: the operations of its witness over time, with the faults; or what the nodes were at then.
//!
//! ```text
//!                           12.301s                                    14.377s
//!   c1  put k3 = c1-88      ├──┤                                              ok
//!   c2  get k3                      ├─────┤                                   c1-80
//!   partition-2                ████████████████████
//! ```

use crate::{bands::draw_bands, plain::flat, states::node_lanes};
use squall_history::{CompletedOp, Entry, OpEnd, SimTime, View};
use squall_judge::Witness;
use squall_linear::Lanes;
use std::time::Duration;

const NAMES: usize = 26;
const COLUMNS: usize = 56;
const OPS_MAX: usize = 30;
const BANDS_MAX: usize = 12;

/// A picture of what a witness is about: its operations; or, where it names none, what the nodes were at then.
pub(crate) fn picture(history: &[Entry], witness: &Witness) -> Option<String> {
    if witness.ops.is_empty() { Some(nodes(history, witness.at)) } else { operations(history, witness) }
}

/// How much of the time before a violation is shown.
const BEFORE: Duration = Duration::from_secs(2);

/// No lane yet: only the moments at both ends.
fn lanes(first: SimTime, last: SimTime) -> Lanes {
    let mut lanes = Lanes::new(NAMES, COLUMNS);
    lanes.axis(&first.to_string(), &last.to_string());
    lanes
}

/// Who led, stood for election, ran or was down before a moment, the faults of that time, and every node's state then.
fn nodes(history: &[Entry], at: SimTime) -> String {
    let first = SimTime(at.0.saturating_sub(BEFORE.as_nanos() as u64));
    let last = at.max(first + Duration::from_millis(1));
    let mut lanes = lanes(first, last);
    for (node, lane) in node_lanes(history, (first, last), COLUMNS, 'C') {
        lanes.lane(&node.to_string(), &lane, "");
    }
    draw_bands(&mut lanes, history, (first, last), BANDS_MAX, NAMES);
    let drawn = lanes.text();
    format!("{drawn}\n  L leads   C stands for election   · runs   x is down\n\n{}\n", crate::node_log::node_table(history, at))
}

fn operations(history: &[Entry], witness: &Witness) -> Option<String> {
    let ops: Vec<CompletedOp> = View::new(history).ops().iter().filter(|op| witness.ops.contains(&op.id)).cloned().collect();
    let first = ops.iter().map(|op| op.invoked).min()?;
    let ended = |op: &CompletedOp| if let OpEnd::Ok(at, _) | OpEnd::Fail(at) = op.end { at } else { SimTime(0) };
    let last = ops.iter().map(ended).max()?.max(witness.at).max(first + Duration::from_millis(1));

    let mut lanes = lanes(first, last);
    for op in ops.iter().take(OPS_MAX) {
        let (to, answer) = match &op.end {
            OpEnd::Ok(at, output) => (*at, output.to_string()),
            OpEnd::Fail(at) => (*at, "failed".to_string()),
            OpEnd::Open => (last, "unknown outcome".to_string()),
        };
        let [from, to] = [op.invoked, to].map(|at| lanes.column(at.0, first.0, last.0));
        let bar = lanes.bar(from, to, op.end == OpEnd::Open);
        lanes.lane(&flat(&format!("{} {}", op.client, op.ask)), &bar, &flat(&answer));
    }
    lanes.more(ops.len().saturating_sub(OPS_MAX), "operations");
    draw_bands(&mut lanes, history, (first, last), BANDS_MAX, NAMES);
    Some(lanes.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{EntryKind, NodeId, Observation, Role};

    #[test]
    fn the_nodes_before_a_violation_are_drawn_however_close_their_changes_are() {
        let role = |ms: u64, node, role| Entry {
            t: SimTime(ms * 1_000_000),
            what: EntryKind::Node { node: NodeId(node), saw: Observation::Role { term: 2, role, leader: None } },
        };
        let history = [
            role(100, 1, Role::Follower),
            role(3_000, 2, Role::Candidate),
            role(3_001, 2, Role::Leader),
            role(3_990, 1, Role::Candidate),
            role(3_999, 1, Role::Leader),
            role(4_000, 2, Role::Follower),
        ];
        let shown = nodes(&history, SimTime(4_000_000_000));
        let lanes: Vec<&str> = shown.lines().skip(1).take(2).collect();
        assert!(lanes[0].starts_with("  n1") && lanes[0].contains("·····") && lanes[0].ends_with('L'), "{shown}");
        assert!(lanes[1].starts_with("  n2") && lanes[1].contains("LLLLL"), "{shown}");
        assert!(shown.contains("n1     ") && shown.contains("leader"), "{shown}");
    }
}
