//! The whole run on a page: who led, who was down, what each client got, which faults were in force.
//!
//! ```text
//!                0s                                                                 15.2s
//!   n1           ··········LLLLLLLLLLxxxxxx··························
//!   c1           ██████████─────?██████
//!   partition-1        ████████
//! ```

use crate::{sweep::one_line, timeline::bands};
use squall_history::{ClientId, Entry, NodeId, OpEnd, Role, Saw, SimTime, View, What};
use std::{collections::BTreeMap, fmt::Write as _};

const WIDTH: usize = 84;
const FAULTS_MAX: usize = 60;
const LEADERS_MAX: usize = 100;

struct Scale {
    end: SimTime,
}

impl Scale {
    fn column(&self, at: SimTime) -> usize {
        (u128::from(at.0) * (WIDTH as u128 - 1) / u128::from(self.end.0.max(1))).min(WIDTH as u128 - 1) as usize
    }
}

/// Lanes of nodes, clients and faults over the whole run, and the leaders with their terms.
pub fn overview(history: &[Entry]) -> String {
    let scale = Scale { end: history.last().map_or(SimTime(1), |e| e.t) };
    let mut out = String::new();
    let infallible = "a String takes whatever is written";
    let (left, right) = ("0s", scale.end.to_string());
    writeln!(out, "  {:24} {left}{right:>1$}", "", WIDTH - left.len()).expect(infallible);
    for (node, lane) in nodes(history, &scale) {
        writeln!(out, "  {:24} {}", node.to_string(), lane.iter().collect::<String>()).expect(infallible);
    }
    for (client, lane) in clients(history, &scale) {
        writeln!(out, "  {:24} {}", client.to_string(), lane.iter().collect::<String>()).expect(infallible);
    }
    let bands = bands(history, SimTime(0), scale.end);
    for (fault, text, from, to) in bands.iter().take(FAULTS_MAX) {
        let (from, to) = (scale.column(*from), scale.column(*to));
        let lane: String = (0..WIDTH).map(|i| if (from..=to).contains(&i) { '█' } else { ' ' }).collect();
        writeln!(out, "  {:24} {lane}  {}", one_line(fault, 24), one_line(text, 60)).expect(infallible);
    }
    if bands.len() > FAULTS_MAX {
        writeln!(out, "  ... and {} more faults", bands.len() - FAULTS_MAX).expect(infallible);
    }
    writeln!(out, "\n  L leads  · runs  x is down     █ answered  ? nobody knows  ! refused  ─ waits").expect(infallible);
    writeln!(out, "\n  leaders:").expect(infallible);
    let leaders = history.iter().filter_map(|e| match &e.what {
        What::Node { node, saw: Saw::Role { term, role: Role::Leader, .. } } => Some((e.t, *node, *term)),
        _ => None,
    });
    let leaders: Vec<_> = leaders.collect();
    for (at, node, term) in leaders.iter().take(LEADERS_MAX) {
        writeln!(out, "  {:>12}  {node} leads term {term}", at.to_string()).expect(infallible);
    }
    if leaders.len() > LEADERS_MAX {
        writeln!(out, "  ... and {} more", leaders.len() - LEADERS_MAX).expect(infallible);
    }
    out
}

fn nodes(history: &[Entry], scale: &Scale) -> BTreeMap<NodeId, Vec<char>> {
    let mut lanes: BTreeMap<NodeId, Vec<char>> = BTreeMap::new();
    let mut now: BTreeMap<NodeId, (usize, char)> = BTreeMap::new();
    for entry in history {
        let What::Node { node, saw } = &entry.what else { continue };
        let state = match saw {
            Saw::Booted { .. } => '·',
            Saw::Stopped => 'x',
            Saw::Role { role: Role::Leader, .. } => 'L',
            Saw::Role { .. } => '·',
            _ => continue,
        };
        let column = scale.column(entry.t);
        let (from, before) = now.insert(*node, (column, state)).unwrap_or((column, ' '));
        let lane = lanes.entry(*node).or_insert_with(|| vec![' '; WIDTH]);
        lane[from..column].fill(before);
        // What lasted less than a column is seen all the same.
        lane[column] = if lane[column] == 'L' { 'L' } else { state };
    }
    for (node, (from, state)) in now {
        lanes.entry(node).or_insert_with(|| vec![' '; WIDTH])[from..].fill(state);
    }
    lanes
}

fn clients(history: &[Entry], scale: &Scale) -> BTreeMap<ClientId, Vec<char>> {
    let mut lanes: BTreeMap<ClientId, Vec<char>> = BTreeMap::new();
    let ended: BTreeMap<_, SimTime> =
        history.iter().filter_map(|e| if let What::Info { op, .. } = &e.what { Some((*op, e.t)) } else { None }).collect();
    for op in View::new(history).ops() {
        let lane = lanes.entry(op.client).or_insert_with(|| vec![' '; WIDTH]);
        let (at, mark) = match op.end {
            OpEnd::Ok(at, _) => (at, '█'),
            OpEnd::Fail(at) => (at, '!'),
            OpEnd::Open => (ended.get(&op.id).copied().unwrap_or(scale.end), '?'),
        };
        let (from, to) = (scale.column(op.invoked), scale.column(at));
        lane[from..to].iter_mut().filter(|c| **c == ' ').for_each(|c| *c = '─');
        // The worst that happened in a column is what it shows.
        let rank = |c: char| " ─█!?".chars().position(|r| r == c);
        if rank(mark) > rank(lane[to]) {
            lane[to] = mark;
        }
    }
    lanes
}
