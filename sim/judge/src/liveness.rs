//! `liveness`: once the faults are over, the system serves every client again, in time, and every
//! replica that runs catches up.
//!
//! It judges nothing before the heal.

use crate::{Checker, Verdict, disk_errors::DiskErrors};
use squall_history::{ClientId, DiskHealth, EntryKind, NodeId, Observation, OpEnd, SimTime, View, in_words};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub(crate) const CHECKER: Checker = Checker {
    name: "liveness",
    client_side: false,
    prefix: false,
    about: "once the faults are over, every client is served again in time, and every replica catches up",
    // Of a cluster that really runs nobody tells anything: it was not broken, and is not healed.
    applies: &|view| view.observations().next().is_some(),
    check: &check,
};

fn check(view: &View<'_>) -> Verdict {
    let healed = view.entries().find_map(|(_, e)| match &e.what {
        EntryKind::Healed { within, nodes } => Some((e.t, Duration::from_nanos(*within), nodes.clone())),
        _ => None,
    });
    let Some((healed, within, nodes)) = healed else { return Verdict::Unknown("the history has no heal".to_string()) };
    let last = last_disturbance(view, healed);
    let deadline = last + within;
    let ops = view.ops();
    let clients: BTreeSet<ClientId> = ops.iter().map(|op| op.client).collect();
    if clients.is_empty() {
        return Verdict::Unknown("nobody asked for anything".to_string());
    }
    let asked = |client: &ClientId| ops.iter().any(|op| op.client == *client && op.invoked >= healed && op.invoked <= deadline);
    let served = |client: &ClientId| {
        ops.iter().any(|op| op.client == *client && op.invoked >= healed && matches!(op.end, OpEnd::Ok(at, _) if at <= deadline))
    };
    if let Some(client) = clients.iter().find(|c| !asked(c)) {
        return Verdict::Unknown(format!("{client} asked for nothing between the heal and the deadline"));
    }
    if let Some(client) = clients.iter().find(|c| !served(c)) {
        let since = if last > healed { "the last error that a disk fault had left behind" } else { "the heal" };
        let text = format!("{client} was not served within {} of {since} at {last}", in_words(within));
        return Verdict::invalid("not-served", deadline, text);
    }
    let finals: BTreeMap<_, (SimTime, u64)> = view
        .observations()
        .filter_map(|(at, node, saw)| if let Observation::Final { applied, .. } = saw { Some((node, (at, *applied))) } else { None })
        .collect();
    if finals.is_empty() {
        // A service that tells nothing of its log is judged by its clients alone.
        return match view.observations().any(|(_, _, saw)| tells_of_a_log(saw)) {
            true => Verdict::Unknown("no node told its final state".to_string()),
            false => Verdict::Valid,
        };
    }
    let most = finals.values().map(|(_, applied)| *applied).max().unwrap_or(0);
    // Who was let go meanwhile need not catch up.
    let members = view.members();
    let belongs = |node: &NodeId| members.is_none_or(|(voters, learners)| voters.contains(node) || learners.contains(node));
    // Whose disk was damaged may stay out for good; if it does not, it is as good as any other.
    let damaged: BTreeSet<NodeId> = view
        .observations()
        .filter_map(|(_, node, saw)| matches!(saw, Observation::Disk { disk: DiskHealth::Damaged }).then_some(node))
        .collect();
    let stays_out = |node: &NodeId| damaged.contains(node) && !finals.contains_key(node);
    for node in nodes.into_iter().filter(|node| belongs(node) && !stays_out(node)) {
        match finals.get(&node) {
            Some((_, applied)) if *applied == most => {}
            Some((at, applied)) => {
                let text = format!(
                    "{node} had applied {applied} when the run ended, others {most}: it did not catch up within {}",
                    in_words(within)
                );
                return Verdict::invalid("lagging-replica", *at, text);
            }
            None => return Verdict::invalid("dead-replica", deadline, format!("{node} was healed and is not up at the end")),
        }
    }
    Verdict::Valid
}

/// Whether a node that saw this has a log, and so a state in the end that can be told.
fn tells_of_a_log(saw: &Observation) -> bool {
    matches!(saw, Observation::Append { .. } | Observation::Apply { .. } | Observation::Commit { .. } | Observation::Restored { .. })
}

/// The heal; or, if that is later, when the last node gave up for an error that a fault had made: the error belongs to the fault, however
/// late its process comes to it, and only from then on is nothing wrong any more.
fn last_disturbance(view: &View<'_>, healed: SimTime) -> SimTime {
    let (mut disks, mut last) = (DiskErrors::default(), healed);
    for (at, node, saw) in view.observations() {
        disks.observe(node, saw);
        if matches!(saw, Observation::Refused { .. }) && disks.has_failed(node) {
            last = last.max(at);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{Entry, OpId, Untyped};

    fn verdict(answered_at: u64, invoked_at: u64, applied: [Option<u64>; 2]) -> &'static str {
        let line = |t, what| Entry { t: SimTime(t), what };
        let ask = Untyped("get".into()).into();
        let mut history = vec![
            line(10, EntryKind::Healed { within: 100, nodes: vec![NodeId(1), NodeId(2)] }),
            line(invoked_at, EntryKind::Invoke { client: ClientId(1), op: OpId(1), ask }),
            line(answered_at, EntryKind::Ok { op: OpId(1), output: Untyped("got".into()).into(), position: None }),
        ];
        for (node, applied) in [(1, applied[0]), (2, applied[1])] {
            if let Some(applied) = applied {
                history.push(line(120, EntryKind::Node { node: NodeId(node), saw: Observation::Final { applied, hash: 0 } }));
            }
        }
        check(&View::new(&history)).word()
    }

    #[test]
    fn a_node_whose_disk_was_damaged_may_stay_out_but_not_lag() {
        let line = |t, what| Entry { t: SimTime(t), what };
        let damaged = line(1, EntryKind::Node { node: NodeId(2), saw: Observation::Disk { disk: DiskHealth::Damaged } });
        for (applied, expect) in [(None, "valid"), (Some(5), "valid"), (Some(4), "invalid")] {
            let mut history = vec![
                damaged.clone(),
                line(10, EntryKind::Healed { within: 100, nodes: vec![NodeId(1), NodeId(2)] }),
                line(20, EntryKind::Invoke { client: ClientId(1), op: OpId(1), ask: Untyped("get".into()).into() }),
                line(30, EntryKind::Ok { op: OpId(1), output: Untyped("got".into()).into(), position: None }),
                line(120, EntryKind::Node { node: NodeId(1), saw: Observation::Final { applied: 5, hash: 0 } }),
            ];
            history.extend(
                applied.map(|applied| line(120, EntryKind::Node { node: NodeId(2), saw: Observation::Final { applied, hash: 0 } })),
            );
            assert_eq!(check(&View::new(&history)).word(), expect, "{applied:?}");
        }
    }

    /// Of two clients, what the second one asked after the heal and was told: (asked, answered, whether it happened).
    #[test]
    fn every_client_must_be_served_not_only_one() {
        let line = |t, what| Entry { t: SimTime(t), what };
        for (second, expect) in [
            (Some((20, 60, true)), "valid"),
            (Some((20, 60, false)), "invalid"),
            (Some((20, 111, true)), "invalid"),
            (Some((112, 113, true)), "unknown"),
            (None, "unknown"),
        ] {
            let ask = |client, op| EntryKind::Invoke { client: ClientId(client), op: OpId(op), ask: Untyped("get".into()).into() };
            let got = |op| EntryKind::Ok { op: OpId(op), output: Untyped("got".into()).into(), position: None };
            let mut history = vec![
                line(1, ask(2, 1)),
                line(2, got(1)),
                line(10, EntryKind::Healed { within: 100, nodes: vec![NodeId(1)] }),
                line(20, ask(1, 2)),
                line(30, got(2)),
                line(150, EntryKind::Node { node: NodeId(1), saw: Observation::Final { applied: 5, hash: 0 } }),
            ];
            if let Some((asked, answered, happened)) = second {
                let end = if happened { got(3) } else { EntryKind::Info { op: OpId(3), why: String::new() } };
                history.extend([line(asked, ask(2, 3)), line(answered, end)]);
                history.sort_by_key(|e| e.t);
            }
            assert_eq!(check(&View::new(&history)).word(), expect, "{second:?}");
        }
    }

    #[test]
    fn an_error_of_a_fault_that_is_told_after_the_heal_gives_time_from_then_on_and_another_refusal_does_not() {
        for (failing, expect) in [(true, "valid"), (false, "invalid")] {
            let line = |t, what| Entry { t: SimTime(t), what };
            let node = |saw| EntryKind::Node { node: NodeId(1), saw };
            let mut history = vec![
                line(1, node(Observation::Booted { incarnation: 1, data: squall_history::BootData::Empty })),
                line(10, EntryKind::Healed { within: 100, nodes: vec![NodeId(1)] }),
                line(20, node(Observation::Refused { why: "EIO".into() })),
                line(25, EntryKind::Invoke { client: ClientId(1), op: OpId(1), ask: Untyped("get".into()).into() }),
                line(115, EntryKind::Ok { op: OpId(1), output: Untyped("got".into()).into(), position: None }),
                line(130, node(Observation::Final { applied: 5, hash: 0 })),
            ];
            if failing {
                history.insert(1, line(2, node(Observation::Disk { disk: DiskHealth::Failing })));
            }
            assert_eq!(check(&View::new(&history)).word(), expect);
        }
    }

    #[test]
    fn who_has_a_log_and_tells_no_final_state_is_unknown() {
        let line = |t, what| Entry { t: SimTime(t), what };
        let history = [
            line(1, EntryKind::Node { node: NodeId(1), saw: Observation::Append { entries: vec![] } }),
            line(10, EntryKind::Healed { within: 100, nodes: vec![NodeId(1)] }),
            line(20, EntryKind::Invoke { client: ClientId(1), op: OpId(1), ask: Untyped("get".into()).into() }),
            line(30, EntryKind::Ok { op: OpId(1), output: Untyped("got".into()).into(), position: None }),
        ];
        assert_eq!(check(&View::new(&history)).word(), "unknown");
    }

    #[test]
    fn legal_and_illegal_ends() {
        assert_eq!(verdict(50, 20, [Some(5), Some(5)]), "valid");
        assert_eq!(verdict(111, 20, [Some(5), Some(5)]), "invalid", "too late");
        assert_eq!(verdict(50, 9, [Some(5), Some(5)]), "unknown", "asked before the heal only");
        assert_eq!(verdict(50, 20, [Some(5), Some(4)]), "invalid", "lagging");
        assert_eq!(verdict(50, 20, [Some(5), None]), "invalid", "dead");
        // A service that tells nothing of itself is judged by its clients.
        assert_eq!(verdict(50, 20, [None, None]), "valid");
        assert_eq!(verdict(111, 20, [None, None]), "invalid");
        assert_eq!(check(&View::new(&[])).word(), "unknown");
    }
}
