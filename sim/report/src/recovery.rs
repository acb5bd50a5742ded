//! How a cluster recovers: how long nobody led, how soon it wrote again once healed, how long each client waited.

use serde::{Deserialize, Serialize};
use squall_history::{ClientId, Entry, NodeId, OpId, Role, Saw, SimTime, What};
use std::{collections::BTreeMap, time::Duration};

/// Virtual seconds, each list in order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// Each time that nobody led, after the first leader: how long. One that lasted to the end is in it.
    pub leaderless: Vec<f64>,
    /// From the heal to the first write that was asked for after it and acknowledged; `None`: there was none.
    pub first_write: Option<f64>,
    /// For each client, the longest time between two answers that said ok, or from its first question to its first one.
    pub longest_gaps: Vec<f64>,
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

impl Recovery {
    /// What a history tells.
    pub fn of(history: &[Entry]) -> Recovery {
        let mut recovery = Recovery::default();
        let (mut leader, mut since): (Option<NodeId>, Option<SimTime>) = (None, None);
        let mut healed: Option<SimTime> = None;
        let mut asked: BTreeMap<OpId, (ClientId, SimTime, bool)> = BTreeMap::new();
        let mut last: BTreeMap<ClientId, (SimTime, Duration)> = BTreeMap::new();
        for entry in history {
            match &entry.what {
                What::Node { node, saw: Saw::Role { role: Role::Leader, .. } } => {
                    leader = Some(*node);
                    recovery.leaderless.extend(since.take().map(|since| seconds(entry.t.since(since))));
                }
                What::Node { node, saw: Saw::Stopped | Saw::Role { .. } } if leader == Some(*node) => {
                    leader = None;
                    since = Some(entry.t);
                }
                What::Healed { .. } => healed = Some(entry.t),
                What::Invoke { client, op, ask } => {
                    last.entry(*client).or_insert((entry.t, Duration::ZERO));
                    asked.insert(*op, (*client, entry.t, ask.may_write()));
                }
                What::Ok { op, .. } => {
                    let Some((client, at, writes)) = asked.remove(op) else { continue };
                    if let Some((before, longest)) = last.get_mut(&client) {
                        *longest = (*longest).max(entry.t.since(*before));
                        *before = entry.t;
                    }
                    if let Some(healed) = healed.filter(|healed| writes && at >= *healed && recovery.first_write.is_none()) {
                        recovery.first_write = Some(seconds(entry.t.since(healed)));
                    }
                }
                _ => {}
            }
        }
        let end = history.last().map_or(SimTime(0), |entry| entry.t);
        recovery.leaderless.extend(since.map(|since| seconds(end.since(since))));
        recovery.longest_gaps = last.into_values().map(|(_, longest)| seconds(longest)).collect();
        recovery
    }
}

/// The distributions over many runs, a line each: how many, the median, the 90th percentile, the longest.
pub(crate) fn distributions<'r>(all: impl Iterator<Item = &'r Recovery> + Clone) -> Vec<(&'static str, [f64; 4])> {
    let lists: [(&str, Vec<f64>); 3] = [
        ("without a leader", all.clone().flat_map(|r| r.leaderless.iter().copied()).collect()),
        ("from the heal to the first write", all.clone().filter_map(|r| r.first_write).collect()),
        ("a client's longest wait", all.flat_map(|r| r.longest_gaps.iter().copied()).collect()),
    ];
    let spread = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        (!times.is_empty()).then(|| [times.len() as f64, at(50), at(90), at(100)])
    };
    lists.into_iter().filter_map(|(name, times)| Some((name, spread(times)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{Op, Output};

    #[test]
    fn gaps_and_elections_are_measured() {
        let leads = |node| What::Node { node: NodeId(node), saw: Saw::Role { term: 1, role: Role::Leader, leader: None } };
        let ask = |op, client| What::Invoke { client: ClientId(client), op: OpId(op), ask: Op::Put { key: "k".into(), value: "v".into() } };
        let ok = |op| What::Ok { op: OpId(op), output: Output::Done, revision: None };
        let lines = [
            (0, leads(1)),
            (1, ask(1, 1)),
            (2, ok(1)),
            (3, What::Node { node: NodeId(1), saw: Saw::Stopped }),
            (4, ask(2, 1)),
            (7, leads(2)),
            (8, ok(2)),
            (9, What::Healed { within: 0, nodes: vec![] }),
            (10, ask(3, 2)),
            (12, ok(3)),
            (13, What::Node { node: NodeId(2), saw: Saw::Stopped }),
            (15, What::End),
        ];
        let history: Vec<Entry> = lines.into_iter().map(|(t, what)| Entry { t: SimTime(t * 1_000_000_000), what }).collect();
        let recovery = Recovery::of(&history);
        assert_eq!(recovery, Recovery { leaderless: vec![4.0, 2.0], first_write: Some(3.0), longest_gaps: vec![6.0, 2.0] });
        let told = distributions([&recovery].into_iter());
        assert_eq!(told[0], ("without a leader", [2.0, 4.0, 4.0, 4.0]));
        assert_eq!(told.len(), 3);
    }
}
