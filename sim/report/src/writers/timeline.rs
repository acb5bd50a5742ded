//! `timeline`: the whole run on a page: who led, who was down, what each client got, which faults were in force.
//!
//! ```text
//!                0s                                                                 15.2s
//!   n1           ··········LLLLLLLLLLxxxxxx··························
//!   c1           ██████████─────?██████
//!   partition-1        ████████
//! ```

use super::{Format, Kept};
use crate::{RunReport, bands::draw_bands, states::node_lanes};
use squall_history::{ClientId, Entry, EntryKind, Observation, OpEnd, Role, SimTime, View};
use squall_linear::Lanes;
use std::{collections::BTreeMap, fmt::Write as _};

pub(super) const FORMAT: Format =
    Format { for_people: true, run: Some(write), kept: Kept::As("timeline.txt", ABOUT), ..Format::new("timeline", ABOUT) };

const ABOUT: &str = "the whole run on a page: nodes, leaders and terms, clients, faults";

const NAMES: usize = 23;
const COLUMNS: usize = 84;
const FAULTS_MAX: usize = 60;
const LEADERS_MAX: usize = 100;

/// Lanes of nodes, clients and faults over the whole run, and the leaders with their terms.
fn write(_: &RunReport, history: &[Entry]) -> String {
    let (first, last) = (SimTime(0), history.last().map_or(SimTime(1), |e| e.t));
    let mut lanes = Lanes::new(NAMES, COLUMNS);
    lanes.axis("0s", &last.to_string());
    for (node, lane) in node_lanes(history, (first, last), COLUMNS, '·') {
        lanes.lane(&node.to_string(), &lane, "");
    }
    for (client, lane) in clients(history, last, &lanes) {
        lanes.lane(&client.to_string(), &lane.iter().collect::<String>(), "");
    }
    draw_bands(&mut lanes, history, (first, last), FAULTS_MAX, 60);
    let mut out = lanes.text();
    let infallible = "a String takes whatever is written";
    writeln!(out, "\n  L leads  · runs  x is down     █ answered  ? unknown outcome  ! refused  ─ waits").expect(infallible);
    writeln!(out, "\n  leaders:").expect(infallible);
    let leaders = history.iter().filter_map(|e| match &e.what {
        EntryKind::Node { node, saw: Observation::Role { term, role: Role::Leader, .. } } => Some((e.t, *node, *term)),
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

fn clients(history: &[Entry], last: SimTime, drawn: &Lanes) -> BTreeMap<ClientId, Vec<char>> {
    let mut lanes: BTreeMap<ClientId, Vec<char>> = BTreeMap::new();
    let ended: BTreeMap<_, SimTime> =
        history.iter().filter_map(|e| if let EntryKind::Info { op, .. } = &e.what { Some((*op, e.t)) } else { None }).collect();
    for op in View::new(history).ops() {
        let lane = lanes.entry(op.client).or_insert_with(|| vec![' '; drawn.columns()]);
        let (at, mark) = match op.end {
            OpEnd::Ok(at, _) => (at, '█'),
            OpEnd::Fail(at) => (at, '!'),
            OpEnd::Open => (ended.get(&op.id).copied().unwrap_or(last), '?'),
        };
        let [from, to] = [op.invoked, at].map(|at| drawn.column(at.0, 0, last.0));
        lane[from..to].iter_mut().filter(|c| **c == ' ').for_each(|c| *c = '─');
        // The worst that happened in a column is what it shows.
        let rank = |c: char| " ─█!?".chars().position(|r| r == c);
        if rank(mark) > rank(lane[to]) {
            lane[to] = mark;
        }
    }
    lanes
}
